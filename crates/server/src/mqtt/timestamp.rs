//! Times in messages. In: milliseconds or seconds since 1970. Out: text such as
//! `2021-06-17T05:01:36.030Z`, always with milliseconds.

use std::num::NonZeroU8;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

const FORMAT: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZeroU8::new(3),
    })
    .encode();

/// The present, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}

/// A time as text; empty for one beyond the year 9999.
pub(crate) fn iso_ms(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    let text = time.ok().and_then(|t| t.format(&Iso8601::<FORMAT>).ok());
    text.unwrap_or_default()
}

/// As [`iso_ms`], for seconds.
pub(crate) fn iso_s(seconds: f64) -> String {
    iso_ms((seconds * 1e3).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_of_milliseconds() {
        assert_eq!(iso_ms(1_623_906_096_030), "2021-06-17T05:01:36.030Z");
        assert_eq!(iso_s(0.0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_ms(i64::MAX), "");
    }
}
