//! The two EXIF facts a face pipeline needs. In: an EXIF block (TIFF structure) of unknown honesty.
//! Out: orientation and time. Knows nothing of the file around the block.
//!
//! Not `kamadak-exif` (read in version 0.6.2): it wants a `Vec` of the block, which for a TIFF is
//! the whole file (up to 256 MiB copied to read two entries), builds a record of every entry of up
//! to eight directories, and after the first loop or cut pointer gives nothing unless errors are
//! collected one by one. This reader compares tags where they stand, allocates one date and follows
//! one pointer.

use super::orientation::Orientation;
use super::tiff_directory::Tiff;

/// What was found; anything missing, malformed or out of range is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exif {
    /// How the stored pixels lie.
    pub orientation: Option<Orientation>,
    /// `DateTimeOriginal` as ISO 8601 local time without zone.
    pub taken_at: Option<String>,
}

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const DATE_TIME_ORIGINAL: u16 = 0x9003;

/// Reads a block as JPEG APP1, PNG `eXIf`, WebP `EXIF` or a whole TIFF file hold it.
///
/// A photo is worth more than its metadata: a broken block reads as far as it makes sense and is
/// never an error.
///
/// # Source
/// TIFF 6.0, section 2 (structure); EXIF 2.32 (CIPA DC-008), 4.6 (tags).
pub fn read(block: &[u8]) -> Exif {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    Tiff::open(block)
        .and_then(|tiff| facts(&tiff))
        .unwrap_or_default()
}

fn facts(tiff: &Tiff) -> Option<Exif> {
    let main = tiff.first_directory()?;
    let orientation = tiff
        .find(main, ORIENTATION)
        .and_then(|entry| tiff.number(&entry))
        .and_then(Orientation::from_exif);
    let taken_at = tiff
        .find(main, EXIF_DIRECTORY)
        .and_then(|entry| tiff.number(&entry))
        .and_then(|details| tiff.find(details, DATE_TIME_ORIGINAL))
        .and_then(|entry| tiff.text(&entry))
        .and_then(iso_8601);
    Some(Exif {
        orientation,
        taken_at,
    })
}

/// `2021:07:04 18:30:05` to `2021-07-04T18:30:05`; cameras without a set clock write zeros or
/// spaces.
fn iso_8601(exif: &[u8]) -> Option<String> {
    let text = str::from_utf8(exif.get(..19)?).ok()?;
    let separators = [(4, ':'), (7, ':'), (10, ' '), (13, ':'), (16, ':')];
    if separators.iter().any(|&(at, c)| !text[at..].starts_with(c)) {
        return None;
    }
    let field = |from: usize, to: usize, range: std::ops::RangeInclusive<u32>| {
        let digits = &text[from..to];
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        (plain && range.contains(&digits.parse().ok()?)).then_some(digits)
    };
    let (year, month, day) = (
        field(0, 4, 1..=9999)?,
        field(5, 7, 1..=12)?,
        field(8, 10, 1..=31)?,
    );
    let (hour, minute, second) = (
        field(11, 13, 0..=23)?,
        field(14, 16, 0..=59)?,
        field(17, 19, 0..=60)?,
    );
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with orientation in the first directory and a date in the second, in either byte
    /// order.
    fn block(big_endian: bool, orientation: u16, date: &[u8; 20]) -> Vec<u8> {
        let short = |v: u16| {
            if big_endian {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let long = |v: u32| {
            if big_endian {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let mut b = Vec::from(if big_endian { b"MM" } else { b"II" });
        b.extend(short(42));
        b.extend(long(8));
        b.extend(short(2));
        b.extend(
            [
                &short(ORIENTATION)[..],
                &short(3),
                &long(1),
                &short(orientation),
                &[0; 2],
            ]
            .concat(),
        );
        b.extend([&short(EXIF_DIRECTORY)[..], &short(4), &long(1), &long(38)].concat());
        b.extend(long(0));
        assert_eq!(b.len(), 38);
        b.extend(short(1));
        b.extend(
            [
                &short(DATE_TIME_ORIGINAL)[..],
                &short(2),
                &long(20),
                &long(56),
            ]
            .concat(),
        );
        b.extend(long(0));
        assert_eq!(b.len(), 56);
        b.extend(date);
        b
    }

    #[test]
    fn both_byte_orders_are_read() {
        for big_endian in [false, true] {
            let found = read(&block(big_endian, 6, b"2021:07:04 18:30:05\0"));
            assert_eq!(found.orientation, Some(Orientation::RotatedLeft));
            assert_eq!(found.taken_at.as_deref(), Some("2021-07-04T18:30:05"));
        }
    }

    #[test]
    fn the_jpeg_prefix_is_skipped() {
        let bare = block(true, 8, b"2021:07:04 18:30:05\0");
        assert_eq!(read(&[b"Exif\0\0", &bare[..]].concat()), read(&bare));
    }

    #[test]
    fn clocks_that_were_never_set_are_no_date() {
        for date in [
            b"0000:00:00 00:00:00\0",
            b"    :  :     :  :  \0",
            b"2021:13:04 18:30:05\0",
            b"2021-07-04 18:30:05\0",
            b"+021:07:04 18:30:05\0",
        ] {
            assert_eq!(read(&block(false, 1, date)).taken_at, None, "{date:?}");
        }
        assert_eq!(iso_8601("2021:07:04\u{e9}8:30:05\0".as_bytes()), None);
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_survived() {
        let whole = block(false, 3, b"2021:07:04 18:30:05\0");
        for end in 0..whole.len() {
            let found = read(&whole[..end]);
            assert!(found.taken_at.is_none() || end + 1 >= whole.len());
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut broken = whole.clone();
                broken[at] = value;
                read(&broken);
            }
        }
    }
}
