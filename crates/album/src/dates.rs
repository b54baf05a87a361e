//! Dates as people write them when they search: `2021`, `2021-07`, `2021-07-04`. In: text. Out: the
//! first and the last of a range, as SQL compares them. Knows nothing of photos.

use std::fmt;
use std::str::FromStr;

use fusiform_face::image::days_in_month;

use crate::error::Error;

/// By what photos are ordered and compared: their date, undated ones last. `h` is the photo. An
/// index has the same words.
pub(crate) const KEY: &str = "coalesce(h.taken_at, '~')";

/// A year, a month or a day.
///
/// # Example
/// ```
/// use fusiform_album::PartialDate;
/// let july: PartialDate = "2021-7".parse()?;
/// assert_eq!(july.to_string(), "2021-07");
/// assert!("2021-13".parse::<PartialDate>().is_err());
/// # Ok::<(), fusiform_album::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartialDate(String);

impl PartialDate {
    /// The year, `2021`.
    pub fn year(&self) -> &str {
        &self.0[..4]
    }

    /// Whether it is a year and no more.
    pub fn is_year(&self) -> bool {
        self.0.len() == 4
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PartialDate {
    type Err = Error;

    fn from_str(text: &str) -> Result<PartialDate, Error> {
        let bad = || {
            let what = format!("{text:?} is no date; write 2021, 2021-07 or 2021-07-04");
            Error::InvalidRequest(what)
        };
        let mut parts = text.trim().split('-');
        let mut number = |digits: usize, largest: u32| match parts.next() {
            None => Ok(None),
            Some(part) => {
                let is_number = part.len() <= digits && part.bytes().all(|b| b.is_ascii_digit());
                let value = part.parse::<u32>().ok().filter(|_| is_number);
                let value = value.filter(|value| (1..=largest).contains(value));
                value.map(Some).ok_or_else(bad)
            }
        };
        let (year, month, day) = (number(4, 9999)?, number(2, 12)?, number(2, 31)?);
        // `21` may mean any century.
        if parts.next().is_some() || year.is_some_and(|year| year < 100) {
            return Err(bad());
        }
        if let (Some(year), Some(month), Some(day)) = (year, month, day)
            && day > days_in_month(year, month)
        {
            return Err(bad());
        }
        let mut date = format!("{:04}", year.ok_or_else(bad)?);
        for part in [month, day].into_iter().flatten() {
            date.push_str(&format!("-{part:02}"));
        }
        Ok(PartialDate(date))
    }
}

/// Dates from one to another, both whole and both included. Without either, undated photos belong
/// to it too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DateRange {
    /// The first.
    pub from: Option<PartialDate>,
    /// The last: `2021` ends with that year.
    pub to: Option<PartialDate>,
}

impl DateRange {
    /// One year, month or day.
    pub fn of(date: &PartialDate) -> DateRange {
        DateRange {
            from: Some(date.clone()),
            to: Some(date.clone()),
        }
    }

    /// Whether it leaves nothing out.
    pub fn is_all(&self) -> bool {
        *self == DateRange::default()
    }

    /// The least [`KEY`], and the first that is beyond.
    pub(crate) fn keys(&self) -> (String, String) {
        let from = self.from.as_ref().map_or("", |from| &from.0);
        // After every time of that date, and before `~`, which stands for no date.
        let to = match &self.to {
            Some(to) => format!("{to}~"),
            None if from.is_empty() => "~~".into(),
            None => "~".into(),
        };
        (from.into(), to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_first_and_its_last_day_and_undated_photos_only_if_it_has_no_end() {
        let date = |text: &str| match text {
            "" => None,
            text => Some(text.parse().unwrap()),
        };
        let holds = |from: &str, to: &str, key: &str| {
            let range = DateRange {
                from: date(from),
                to: date(to),
            };
            let (from, to) = range.keys();
            key >= &*from && key < &*to
        };
        assert!(holds("2021", "2021", "2021-01-01T00:00:00"));
        assert!(holds("2021", "2021", "2021-12-31T23:59:59"));
        assert!(!holds("2021", "2021", "2022-01-01T00:00:00"));
        assert!(!holds("2021-02", "", "2021-01-31T23:59:59"));
        assert!(holds("2021-07-04", "2021-07", "2021-07-31T10:00:00"));
        assert!(holds("", "2021", "1999-01-01T00:00:00"));
        let undated = "~";
        assert!(holds("", "", undated));
        assert!(!holds("2021", "", undated) && !holds("", "2021", undated));
    }

    #[test]
    fn only_dates_are_dates() {
        for good in [
            "2021",
            " 2021-07 ",
            "2021-7-4",
            "0999-12-31",
            "2024-02-29",
            "2000-02-29",
        ] {
            good.parse::<PartialDate>().unwrap();
        }
        for bad in [
            "",
            "21",
            "21st",
            "2021-",
            "2021-13",
            "2021-07-32",
            "2021-02-30",
            "2021-04-31",
            "2100-02-29",
            "2021-07-04-1",
            "20211",
            "-2021",
            "2021-+7",
        ] {
            assert!(bad.parse::<PartialDate>().is_err(), "{bad}");
        }
        let july: PartialDate = "2021-7".parse().unwrap();
        assert_eq!((july.year(), july.is_year()), ("2021", false));
    }
}
