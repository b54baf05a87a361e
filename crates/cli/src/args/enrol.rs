//! The command line of `fusiform enrol`. In: words. Out: whom to enrol, on what ground, until when.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use time::{Date, Month, OffsetDateTime};

/// Whom to enrol, on what ground, until when.
#[derive(Debug, ClapArgs)]
pub(crate) struct EnrolArgs {
    /// Folder that has one folder of photos per person
    #[arg(
        value_name = "DIR",
        required_unless_present = "album",
        conflicts_with = "album"
    )]
    pub(crate) dir: Option<PathBuf>,
    /// Take named people of the album instead, each one's best faces
    #[arg(long)]
    pub(crate) album: bool,
    /// Only these people: names of folders, or names or numbers of the album
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub(crate) person: Vec<String>,
    /// Everybody in the album who has a name and is not hidden, without asking about each
    #[arg(long, requires = "album", conflicts_with = "person")]
    pub(crate) all: bool,
    /// Faces of each person of the album
    #[arg(
        long,
        default_value_t = 5,
        value_name = "N",
        requires = "album",
        value_parser = value_parser!(u8).range(1..=50)
    )]
    pub(crate) faces: u8,
    /// Whose folder it is, where that cannot be told from its content
    #[arg(long, value_name = "PROGRAM", conflicts_with = "album")]
    pub(crate) from: Option<FolderOf>,
    /// Legal ground of enrolling these people: consent, contract, household …
    #[arg(long, value_name = "WORD", required_unless_present = "dry_run")]
    pub(crate) basis: Option<String>,
    /// What they are enrolled for
    #[arg(long, default_value = "recognition", value_name = "TEXT")]
    pub(crate) purpose: String,
    /// Last day on which they are recognised, such as 2027-12-31, or a number of days, such as 365d
    #[arg(
        long,
        value_name = "WHEN",
        required_unless_present_any = ["no_expiry", "dry_run"],
        conflicts_with = "no_expiry"
    )]
    pub(crate) expires: Option<LastDay>,
    /// Keep them until they are erased
    #[arg(long)]
    pub(crate) no_expiry: bool,
    /// Give people who are enrolled already this ground and this end, in place of those they have
    #[arg(long)]
    pub(crate) renew: bool,
    /// File with the API key of the collection that takes them; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Number of that collection, as `fusiform keys list` shows it (service)
    #[arg(long, value_name = "NUMBER", conflicts_with = "key_file")]
    pub(crate) collection: Option<i64>,
    /// Show whom it would enrol from which pictures, and enrol nobody
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Programs whose folders hold more than people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FolderOf {
    /// Every folder is a person
    Folders,
    /// `faces` of Frigate's clips: its folder `train` holds crops of unknown people
    Frigate,
    /// Double Take's `.storage`: its folder `train` has the people
    DoubleTake,
    /// A folder of CompreFace's tools: every folder is a person
    #[value(name = "compreface")]
    CompreFace,
}

/// The last day of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastDay {
    /// Days since 1970.
    On(i64),
    /// So many days from today.
    After(i64),
}

const DAY_MS: i64 = 86_400_000;
/// A century.
const MAX_DAYS: i64 = 36_500;

impl LastDay {
    /// The end of that day in UTC, in milliseconds since 1970. Ends of days, so that a command that
    /// is repeated states the same consent.
    pub(crate) fn end_ms(self, now_ms: i64) -> i64 {
        let day = match self {
            LastDay::On(day) => day,
            LastDay::After(days) => now_ms.div_euclid(DAY_MS) + days,
        };
        (day + 1) * DAY_MS
    }
}

impl FromStr for LastDay {
    type Err = String;

    fn from_str(text: &str) -> Result<LastDay, String> {
        let wanted = || "a day such as 2027-12-31 or a number of days such as 365d is wanted";
        if let Some(days) = text.strip_suffix('d') {
            let days = days
                .parse()
                .ok()
                .filter(|days| (1..=MAX_DAYS).contains(days));
            return days.map(LastDay::After).ok_or_else(|| wanted().into());
        }
        let parts: Vec<&str> = text.split('-').collect();
        let number = |text: &str, digits: usize| {
            let all_digits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
            all_digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let date = match parts[..] {
            [year, month, day] => number(year, 4)
                .zip(number(month, 2))
                .zip(number(day, 2))
                .and_then(|((year, month), day)| date(year, month, day)),
            _ => None,
        };
        let days = date.map(|date| (date - OffsetDateTime::UNIX_EPOCH.date()).whole_days());
        let days = days.filter(|days| *days >= 0);
        days.map(LastDay::On).ok_or_else(|| wanted().into())
    }
}

fn date(year: u16, month: u16, day: u16) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()
}

/// The day, in UTC, of milliseconds since 1970; none beyond the year 9999.
pub(crate) fn date_of(at_ms: i64) -> Option<Date> {
    let time = OffsetDateTime::from_unix_timestamp(at_ms.div_euclid(1000));
    time.ok().map(OffsetDateTime::date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_a_date_or_a_number_of_days() {
        let end = |text: &str, now_ms| text.parse::<LastDay>().map(|day| day.end_ms(now_ms));
        for (text, days) in [
            ("1970-01-01", 1),
            ("2000-02-29", 11_017),
            ("2027-12-31", 21_184),
            ("2400-03-01", 157_115),
        ] {
            assert_eq!(end(text, 0), Ok(days * DAY_MS), "{text}");
            let date = date_of(days * DAY_MS - 1).unwrap();
            assert_eq!(date.to_string(), text);
        }
        assert_eq!(end("1d", 0), Ok(2 * DAY_MS));
        assert_eq!(
            end("1d", DAY_MS - 1),
            end("1d", 0),
            "the whole day states one end"
        );
        for text in [
            "",
            "d",
            "0d",
            "-1d",
            "36501d",
            "2027",
            "2027-13-01",
            "2027-02-29",
            "2100-02-29",
            "2027-1-1",
            "27-01-01",
            "2027-00-10",
            "2027-01-00",
            "+027-01-01",
            "1969-12-31",
            "tomorrow",
            "2027-12-31T00:00",
        ] {
            assert!(end(text, 0).is_err(), "{text}");
        }
    }
}
