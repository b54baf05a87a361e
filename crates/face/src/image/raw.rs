//! Raw files of cameras: the largest JPEG that is embedded as a preview. In: checked bytes. Out:
//! stored pixels of that preview, turned as the raw file states. Knows nothing of raw samples.
//!
//! All makers embed an ordinary JPEG, most of them at full size, in TIFF-style (NEF, CR2, ARW, DNG,
//! PEF, ORF, RW2), RAF-style and ISO files (CR3); where it lies differs by maker and year. So the
//! file is searched for JPEGs, and the one with the most pixels is taken.

use super::error::ImageError;
use super::exif;
use super::format::Format;
use super::jpeg;
use super::stored::{Note, Source, Stored};
use super::tiff_directory::Tiff;
use crate::geometry::Size;

const FORMAT: Format = Format::Raw;
/// JPEGs that are looked at; a file has at most about ten.
const MAX_FOUND: usize = 1024;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let Some((start, _)) = largest_jpeg(source.bytes) else {
        return Err(ImageError::Unsupported {
            format: FORMAT,
            what: "no preview that is a JPEG is embedded in it".into(),
        });
    };
    let preview = Source {
        bytes: &source.bytes[start..],
        limits: source.limits,
        deadline: source.deadline,
        enough_px: source.enough_px,
    };
    let mut stored = jpeg::decode(&preview)?;
    let own = container_exif(source.bytes);
    stored.exif.orientation = stored.exif.orientation.or(own.orientation);
    stored.exif.taken = stored.exif.taken.or(own.taken);
    stored.notes.push(Note::PreviewRead { size: stored.size });
    Ok(stored)
}

/// Offset and size of the JPEG with the most pixels.
fn largest_jpeg(bytes: &[u8]) -> Option<(usize, Size)> {
    let mut largest: Option<(usize, Size)> = None;
    let mut from = 0;
    let mut n_found = 0;
    while n_found < MAX_FOUND {
        let rest = bytes.get(from..)?;
        let Some(found) = find(rest, b"\xFF\xD8\xFF") else {
            break;
        };
        let start = from + found;
        if let Some(size) = jpeg::size_of(&bytes[start..])
            && largest.is_none_or(|(_, most)| size.pixels() > most.pixels())
        {
            largest = Some((start, size));
        }
        n_found += 1;
        from = start + 3;
    }
    largest
}

fn find(bytes: &[u8], wanted: &[u8; 3]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&b| b == wanted[0])?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// What the raw file itself states: its first directory, or in a CR3 those of two boxes.
fn container_exif(bytes: &[u8]) -> exif::Exif {
    const BOXES_WITHIN: usize = 64 << 10;
    if bytes.get(4..8) != Some(b"ftyp") {
        return exif::read(bytes);
    }
    let head = &bytes[..bytes.len().min(BOXES_WITHIN)];
    let directory = |name: &[u8; 4]| {
        let at = head.windows(4).position(|w| w == name)?;
        head.get(at + 4..)
    };
    let main = directory(b"CMT1").map(exif::read).unwrap_or_default();
    let taken = directory(b"CMT2").and_then(exif::date_in_first_directory);
    exif::Exif {
        orientation: main.orientation,
        taken: taken.or(main.taken),
    }
}

/// Whether content is a raw file: by its signature, or by what its directories hold.
pub(super) fn sniff(bytes: &[u8]) -> bool {
    let signatures: [&[u8]; 5] = [b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"];
    if signatures.iter().any(|s| bytes.starts_with(s)) {
        return true;
    }
    if bytes.get(4..12) == Some(b"ftypcrx ") {
        return true;
    }
    if bytes.starts_with(b"II*\0") && bytes.get(8..10) == Some(b"CR") {
        return true;
    }
    Tiff::open(bytes).is_some_and(|tiff| holds_raw(&tiff))
}

/// Whether a TIFF has samples behind a colour filter in its first directories.
fn holds_raw(tiff: &Tiff) -> bool {
    const DNG_VERSION: u16 = 50_706;
    const SUB_DIRECTORIES: u16 = 330;
    const PHOTOMETRIC: u16 = 262;
    const COMPRESSION: u16 = 259;
    const MAKE: u16 = 271;
    const COLOUR_FILTER: u32 = 32_803;
    const LINEAR_RAW: u32 = 34_892;
    /// Of Nikon, Sony, Samsung, Pentax.
    const CODINGS: [u32; 4] = [34_713, 32_767, 32_770, 65_535];
    let Some(first) = tiff.first_directory() else {
        return false;
    };
    let number = |directory, tag| tiff.number(&tiff.find(directory, tag)?);
    let is_raw = |directory: u32| {
        matches!(
            number(directory, PHOTOMETRIC),
            Some(COLOUR_FILTER | LINEAR_RAW)
        ) || number(directory, COMPRESSION).is_some_and(|c| CODINGS.contains(&c))
    };
    if tiff.find(first, DNG_VERSION).is_some() || is_raw(first) {
        return true;
    }
    let subs = tiff.find(first, SUB_DIRECTORIES);
    let subs = subs
        .map(|entry| tiff.numbers(&entry, 8))
        .unwrap_or_default();
    tiff.find(first, MAKE).is_some() && subs.into_iter().any(is_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Image, encode_jpeg};

    #[test]
    fn the_largest_jpeg_is_found() {
        let jpeg = |side: u32| {
            let image = Image::new(side, side, vec![90; (side * side * 3) as usize]).unwrap();
            encode_jpeg(&image, 90).unwrap()
        };
        let file = [b"noise\xFF\xD8\xFF".to_vec(), jpeg(16), jpeg(64), jpeg(32)].concat();
        let (start, size) = largest_jpeg(&file).unwrap();
        assert_eq!((start, size.width_px), (8 + jpeg(16).len(), 64));
        assert_eq!(largest_jpeg(b"\xFF\xD8\xFF\xD8\xFF"), None);
    }
}
