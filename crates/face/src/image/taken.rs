//! When a photo was taken, and who says so. In: dates as files write them. Out: [`Taken`].
//! Knows nothing of where in a file they stand, but for XMP and IPTC, which are searched for.
//!
//! # Source
//! EXIF 2.32 (CIPA DC-008), 4.6 (dates, offsets); XMP part 1, 8.2.1.1 (ISO 8601); IPTC IIM 4.2,
//! data sets 2:55 and 2:60.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a date was found, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateSource {
    /// EXIF `DateTimeOriginal`: the shutter.
    DateTimeOriginal,
    /// EXIF `DateTimeDigitized`, which most programs call `CreateDate`.
    CreateDate,
    /// EXIF `DateTime`, which most programs call `ModifyDate`: the last program that wrote.
    ModifyDate,
    /// An XMP packet.
    Xmp,
    /// IPTC `DateCreated`.
    Iptc,
    /// The name of the file.
    FileName,
    /// When the file was last written.
    FileTime,
}

impl DateSource {
    /// Every source, most trusted first.
    pub const ALL: [DateSource; 7] = [
        DateSource::DateTimeOriginal,
        DateSource::CreateDate,
        DateSource::ModifyDate,
        DateSource::Xmp,
        DateSource::Iptc,
        DateSource::FileName,
        DateSource::FileTime,
    ];

    /// A word for records and answers.
    pub fn word(self) -> &'static str {
        match self {
            DateSource::DateTimeOriginal => "exif_original",
            DateSource::CreateDate => "exif_create",
            DateSource::ModifyDate => "exif_modify",
            DateSource::Xmp => "xmp",
            DateSource::Iptc => "iptc",
            DateSource::FileName => "file_name",
            DateSource::FileTime => "file_time",
        }
    }
}

impl fmt::Display for DateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// When a photo was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// ISO 8601 time where the photo was taken, without zone: `2021-07-04T18:30:05`.
    pub local: String,
    /// Minutes by which that time is ahead of UTC, if the file says so.
    pub offset_min: Option<i16>,
    /// Who says so.
    pub source: DateSource,
}

impl Taken {
    /// From an EXIF date, `2021:07:04 18:30:05`, and offset, `+02:00`; cameras without a set clock
    /// write zeros or spaces.
    pub(super) fn from_exif(
        date: &[u8],
        offset: Option<&[u8]>,
        source: DateSource,
    ) -> Option<Taken> {
        let text = str::from_utf8(date.get(..19)?).ok()?;
        let separators = [(4, ':'), (7, ':'), (10, ' '), (13, ':'), (16, ':')];
        if separators
            .iter()
            .any(|&(at, c)| !text.get(at..).is_some_and(|t| t.starts_with(c)))
        {
            return None;
        }
        let digits: String = text
            .bytes()
            .filter(u8::is_ascii_digit)
            .map(char::from)
            .collect();
        let offset = offset.and_then(|o| str::from_utf8(o.get(..6)?).ok());
        Some(Taken {
            local: local(&digits)?,
            offset_min: offset.and_then(offset_min),
            source,
        })
    }

    /// From the name of a file, without its folder: eight digits of a day, as phones and scanners
    /// write them (`IMG_20210704_183005.jpg`, `2021-07-04 18.30.05.jpg`,
    /// `IMG-20210704-WA0001.jpg`), and six of a time.
    ///
    /// # Example
    /// ```
    /// use fusiform_face::image::Taken;
    /// let taken = Taken::from_file_name("PXL_20210704_183005123.jpg").unwrap();
    /// assert_eq!(taken.local, "2021-07-04T18:30:05");
    /// assert_eq!(Taken::from_file_name("DSC01234567.jpg"), None);
    /// ```
    pub fn from_file_name(name: &str) -> Option<Taken> {
        let (stem, _) = name.rsplit_once('.').unwrap_or((name, ""));
        let bytes = stem.as_bytes();
        let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        for start in (0..bytes.len()).filter(|&at| is_digit(at) && (at == 0 || !is_digit(at - 1))) {
            let Some((day, after)) = grouped(&bytes[start..], &[4, 2, 2]) else {
                continue;
            };
            let year: u32 = day.get(..4)?.parse().ok()?;
            // Longer numbers, and years before cameras or far away, are no dates.
            if is_digit(start + after) && !is_digit(start + after + 5) {
                continue;
            }
            if !(1826..=2099).contains(&year) || local(&format!("{day}000000")).is_none() {
                continue;
            }
            let rest = &bytes[start + after..];
            let gap = rest
                .iter()
                .position(u8::is_ascii_digit)
                .unwrap_or(rest.len());
            let is_near = rest[..gap].iter().all(|b| b"_- T.".contains(b)) && gap <= 3;
            let time = grouped(rest.get(gap..).unwrap_or_default(), &[2, 2, 2]);
            let time = time
                .filter(|_| is_near)
                .map_or("000000".into(), |(time, _)| time);
            let local = local(&format!("{day}{time}")).or_else(|| local(&format!("{day}000000")));
            return Some(Taken {
                local: local?,
                offset_min: None,
                source: DateSource::FileName,
            });
        }
        None
    }

    /// From the time a file was last written; its zone is UTC.
    pub fn from_file_time(time: SystemTime) -> Option<Taken> {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(i64::try_from(days).ok()?);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
        Some(Taken {
            local: local(&digits)?,
            offset_min: Some(0),
            source: DateSource::FileTime,
        })
    }

    /// From the first XMP packet in some bytes of a file.
    pub(super) fn from_xmp(bytes: &[u8]) -> Option<Taken> {
        const NAMES: [&str; 5] = [
            "exif:DateTimeOriginal",
            "photoshop:DateCreated",
            "exif:DateTimeDigitized",
            "xmp:CreateDate",
            "xmp:ModifyDate",
        ];
        let start = find(bytes, b"<x:xmpmeta").or_else(|| find(bytes, b"<rdf:RDF"))?;
        let packet = &bytes[start..];
        let end = find(packet, b"</rdf:RDF").unwrap_or(packet.len());
        let packet = &packet[..end];
        NAMES.iter().find_map(|name| {
            let at = find(packet, name.as_bytes())? + name.len();
            let value = packet.get(at..)?;
            let value = value.strip_prefix(b">").or_else(|| {
                let value = value.trim_ascii_start().strip_prefix(b"=")?;
                let value = value.trim_ascii_start();
                value
                    .strip_prefix(b"\"")
                    .or_else(|| value.strip_prefix(b"'"))
            })?;
            iso_8601(&value[..value.len().min(40)], DateSource::Xmp)
        })
    }

    /// From the first IPTC record in some bytes of a file.
    pub(super) fn from_iptc(bytes: &[u8]) -> Option<Taken> {
        let start = find(bytes, b"8BIM\x04\x04")?;
        let record = &bytes[start..bytes.len().min(start + (64 << 10))];
        let value = |set: u8, length: usize| {
            let at = find(record, &[0x1C, 2, set, 0, length as u8])? + 5;
            record
                .get(at..at + length)
                .and_then(|v| str::from_utf8(v).ok())
        };
        let day = value(55, 8)?;
        let time = value(60, 11).unwrap_or("000000");
        let offset = time
            .get(6..)
            .and_then(|o| offset_min(&format!("{}:{}", o.get(..3)?, o.get(3..)?)));
        Some(Taken {
            local: local(&format!("{day}{}", time.get(..6)?))?,
            offset_min: offset,
            source: DateSource::Iptc,
        })
    }
}

/// `2021-07-04T18:30:05.12+02:00` and its shorter forms with a day at least.
fn iso_8601(text: &[u8], source: DateSource) -> Option<Taken> {
    let (day, after) = grouped(text, &[4, 2, 2])?;
    let rest = text.get(after..).unwrap_or_default();
    let clock = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b" "));
    let (time, rest) = match clock.and_then(|t| grouped(t, &[2, 2, 2]).map(|g| (g, t))) {
        Some(((time, after), text)) => (time, text.get(after..).unwrap_or_default()),
        None => match clock.and_then(|t| grouped(t, &[2, 2]).map(|g| (g, t))) {
            Some(((time, after), text)) => (time + "00", text.get(after..).unwrap_or_default()),
            None => ("000000".into(), rest),
        },
    };
    let fraction = rest
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'.')
        .count();
    let zone = rest.get(fraction..).unwrap_or_default();
    let offset = match zone {
        [b'Z', ..] => Some(0),
        _ => zone
            .get(..6)
            .and_then(|z| offset_min(str::from_utf8(z).ok()?)),
    };
    Some(Taken {
        local: local(&format!("{day}{time}"))?,
        offset_min: offset,
        source,
    })
}

/// Groups of digits with at most one separator between two; the digits and where they end.
fn grouped(text: &[u8], lengths: &[usize]) -> Option<(String, usize)> {
    let mut digits = String::new();
    let mut at = 0;
    for (i, &length) in lengths.iter().enumerate() {
        if i > 0 && text.get(at).is_some_and(|b| b":-._h".contains(b)) {
            at += 1;
        }
        let group = text.get(at..at + length)?;
        if !group.iter().all(u8::is_ascii_digit) {
            return None;
        }
        digits.push_str(str::from_utf8(group).ok()?);
        at += length;
    }
    Some((digits, at))
}

/// 14 digits to ISO 8601, if they are a date.
fn local(digits: &str) -> Option<String> {
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let field = |from: usize, to: usize, range: std::ops::RangeInclusive<u32>| {
        let text = &digits[from..to];
        range.contains(&text.parse().ok()?).then_some(text)
    };
    let (year, month, day) = (
        field(0, 4, 1..=9999)?,
        field(4, 6, 1..=12)?,
        field(6, 8, 1..=31)?,
    );
    let (hour, minute, second) = (
        field(8, 10, 0..=23)?,
        field(10, 12, 0..=59)?,
        field(12, 14, 0..=60)?,
    );
    let number = |text: &str| text.parse::<u32>().ok();
    if number(day)? > days_in_month(number(year)?, number(month)?) {
        return None;
    }
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
}

/// How many days a month has in the Gregorian calendar; months count from 1.
pub fn days_in_month(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `+02:00` in minutes.
fn offset_min(text: &str) -> Option<i16> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let is_pair = |t: &str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
    if !is_pair(hours) || !is_pair(minutes) {
        return None;
    }
    let (hours, minutes): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March, so that the leap day is the last one; an era has 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&b| b == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_of_phones_and_scanners_give_their_dates() {
        for (name, expected) in [
            ("IMG_20210704_183005.jpg", Some("2021-07-04T18:30:05")),
            ("PXL_20210704_183005123.MP.jpg", Some("2021-07-04T18:30:05")),
            ("2021-07-04 18.30.05.jpg", Some("2021-07-04T18:30:05")),
            (
                "Screenshot_2021-07-04-18-30-05.png",
                Some("2021-07-04T18:30:05"),
            ),
            ("signal-2021-07-04-183005.jpeg", Some("2021-07-04T18:30:05")),
            ("20210704183005.jpg", Some("2021-07-04T18:30:05")),
            ("IMG-20210704-WA0001.jpg", Some("2021-07-04T00:00:00")),
            ("scan 1974.05.12.tif", Some("1974-05-12T00:00:00")),
            ("IMG_1234.jpg", None),
            ("DSC12345678.jpg", None),
            ("20219904_1.jpg", None),
            ("IMG_20210230_183005.jpg", None),
            ("IMG_20240229_183005.jpg", Some("2024-02-29T18:30:05")),
            ("123456789012.jpg", None),
            ("", None),
        ] {
            let found = Taken::from_file_name(name).map(|t| t.local);
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn xmp_and_iptc_give_their_dates_with_zones() {
        let packet = |inner: &str| format!("junk<x:xmpmeta><rdf:RDF>{inner}</rdf:RDF>");
        let read = |inner: &str| Taken::from_xmp(packet(inner).as_bytes());
        let found = read("<d exif:DateTimeOriginal=\"2021-07-04T18:30:05.12+02:00\"/>").unwrap();
        assert_eq!(found.local, "2021-07-04T18:30:05");
        assert_eq!(
            (found.offset_min, found.source),
            (Some(120), DateSource::Xmp)
        );
        let found = read("<xmp:CreateDate>2021-07-04T18:30Z</xmp:CreateDate>").unwrap();
        assert_eq!(
            (&*found.local, found.offset_min),
            ("2021-07-04T18:30:00", Some(0))
        );
        let found = read("<photoshop:DateCreated>2021-07-04</photoshop:DateCreated>").unwrap();
        assert_eq!(
            (&*found.local, found.offset_min),
            ("2021-07-04T00:00:00", None)
        );
        assert_eq!(read("<dc:title>2021-07-04</dc:title>"), None);
        for no_date in ["2021-02-30", "2021-04-31", "1900-02-29"] {
            let inner = format!("<d exif:DateTimeOriginal=\"{no_date}T18:30:05\"/>");
            assert_eq!(read(&inner), None, "{no_date}");
        }
        let iptc =
            b"8BIM\x04\x04\0\0\0\0\0\x20\x1C\x02\x37\0\x0820210704\x1C\x02\x3C\0\x0B183005-0330";
        let found = Taken::from_iptc(iptc).unwrap();
        assert_eq!(
            (&*found.local, found.offset_min),
            ("2021-07-04T18:30:05", Some(-210))
        );
    }

    #[test]
    fn file_times_are_in_utc() {
        let at = |seconds| Taken::from_file_time(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0).unwrap().local, "1970-01-01T00:00:00");
        let leap = at(951_827_696).unwrap();
        assert_eq!(
            (&*leap.local, leap.offset_min),
            ("2000-02-29T12:34:56", Some(0))
        );
    }
}
