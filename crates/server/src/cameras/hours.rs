//! When a camera is looked at. In: text such as `07:00-22:00`. Out: whether a time of day is in it.

use std::str::FromStr;

const DAY_MIN: u16 = 24 * 60;

/// Spans of the day, in minutes from midnight; none is the whole day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    spans: Vec<(u16, u16)>,
}

/// Text that names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} are no hours; write 07:00-22:00, or 22:00-06:00, 12:00-13:00")]
pub struct MalformedHours(String);

impl FromStr for Hours {
    type Err = MalformedHours;

    fn from_str(text: &str) -> Result<Hours, MalformedHours> {
        let malformed = || MalformedHours(text.to_owned());
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let number = |digits: &str| {
                let plain = digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit());
                digits.parse::<u16>().ok().filter(|_| plain)
            };
            let (hour, minute) = (number(hour)?, number(minute)?);
            let total = hour * 60 + minute;
            (minute < 60 && total <= DAY_MIN).then_some(total)
        };
        let span = |text: &str| {
            let (from, to) = text.split_once('-')?;
            let (from, to) = (minute(from)?, minute(to)?);
            (from != to && from < DAY_MIN).then_some((from, to))
        };
        let spans = text.split(',').map(|part| span(part).ok_or_else(malformed));
        Ok(Hours {
            spans: spans.collect::<Result<_, _>>()?,
        })
    }
}

impl Hours {
    /// Whether a minute of the day is in them; a span may go over midnight.
    pub(super) fn contain(&self, minute: u16) -> bool {
        let is_in = |&(from, to): &(u16, u16)| match from < to {
            true => (from..to).contains(&minute),
            false => minute >= from || minute < to,
        };
        self.spans.is_empty() || self.spans.iter().any(is_in)
    }

    /// Whether it is one of them now, by the clock of this machine and its time zone.
    pub(super) fn are_now(&self) -> bool {
        let now = jiff::Zoned::now();
        self.contain(now.hour() as u16 * 60 + now.minute() as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_may_be_several_and_go_over_midnight() {
        let hours: Hours = "22:00-06:30, 12:00-13:00".parse().unwrap();
        let at = |hour: u16, minute: u16| hours.contain(hour * 60 + minute);
        assert!(at(23, 0) && at(0, 0) && at(6, 29) && at(12, 30));
        assert!(!at(6, 30) && !at(11, 59) && !at(13, 0) && !at(21, 59));
        assert!("00:00-24:00".parse::<Hours>().unwrap().contain(1439));
        assert!(Hours::default().contain(0));
        for text in [
            "",
            "7-22",
            "07:00",
            "07:60-08:00",
            "25:00-26:00",
            "07:00-07:00",
            "+7:00-8:00",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text:?}");
        }
    }
}
