//! The EXIF facts a photo library needs. In: an EXIF block (TIFF structure) of unknown honesty.
//! Out: orientation and time. Knows nothing of the file around the block.
//!
//! Not `kamadak-exif` (read in version 0.6.2): it wants a `Vec` of the block, which for a TIFF is
//! the whole file (up to 256 MiB copied to read two entries), builds a record of every entry of up
//! to eight directories, and after the first loop or cut pointer gives nothing unless errors are
//! collected one by one. This reader compares tags where they stand, allocates one date and follows
//! one pointer.

use super::orientation::Orientation;
use super::taken::{DateSource, Taken};
use super::tiff_directory::Tiff;

/// What was found; anything missing, malformed or out of range is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exif {
    /// How the stored pixels lie.
    pub orientation: Option<Orientation>,
    /// The most trusted of its dates.
    pub taken: Option<Taken>,
}

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const DATE_TIME: u16 = 0x0132;
const DATE_TIME_ORIGINAL: u16 = 0x9003;
const DATE_TIME_DIGITIZED: u16 = 0x9004;
const OFFSET_TIME: u16 = 0x9010;
const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
const OFFSET_TIME_DIGITIZED: u16 = 0x9012;

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

/// The date of a block whose first directory is the one that EXIF points to.
#[cfg(feature = "raw")]
pub(super) fn date_in_first_directory(block: &[u8]) -> Option<Taken> {
    let tiff = Tiff::open(block)?;
    date(&tiff, None, tiff.first_directory())
}

fn facts(tiff: &Tiff) -> Option<Exif> {
    let main = tiff.first_directory()?;
    let orientation = tiff
        .find(main, ORIENTATION)
        .and_then(|entry| tiff.number(&entry))
        .and_then(Orientation::from_exif);
    let details = tiff
        .find(main, EXIF_DIRECTORY)
        .and_then(|entry| tiff.number(&entry));
    Some(Exif {
        orientation,
        taken: date(tiff, Some(main), details),
    })
}

fn date(tiff: &Tiff, main: Option<u32>, details: Option<u32>) -> Option<Taken> {
    let sources = [
        (
            details,
            DATE_TIME_ORIGINAL,
            OFFSET_TIME_ORIGINAL,
            DateSource::DateTimeOriginal,
        ),
        (
            details,
            DATE_TIME_DIGITIZED,
            OFFSET_TIME_DIGITIZED,
            DateSource::CreateDate,
        ),
        (main, DATE_TIME, OFFSET_TIME, DateSource::ModifyDate),
    ];
    let text = |directory: u32, tag: u16| tiff.text(&tiff.find(directory, tag)?);
    sources
        .into_iter()
        .find_map(|(directory, date, offset, source)| {
            let offset = details.and_then(|details| text(details, offset));
            Taken::from_exif(text(directory?, date)?, offset, source)
        })
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
            let taken = found.taken.unwrap();
            assert_eq!(taken.local, "2021-07-04T18:30:05");
            assert_eq!(
                (taken.offset_min, taken.source),
                (None, DateSource::DateTimeOriginal)
            );
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
            assert_eq!(read(&block(false, 1, date)).taken, None, "{date:?}");
        }
        let odd = "2021:07:04\u{e9}8:30:05\0".as_bytes();
        assert_eq!(Taken::from_exif(odd, None, DateSource::ModifyDate), None);
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_survived() {
        let whole = block(false, 3, b"2021:07:04 18:30:05\0");
        for end in 0..whole.len() {
            let found = read(&whole[..end]);
            assert!(found.taken.is_none() || end + 1 >= whole.len());
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
