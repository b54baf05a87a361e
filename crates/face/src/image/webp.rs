//! WebP to RGB. In: checked bytes. Out: stored pixels (an animation's first frame), the EXIF block,
//! the ICC profile. Knows nothing of orientation.

use std::borrow::Cow;

use image::codecs::webp::WebPDecoder;

use super::error::ImageError;
use super::format::Format;
use super::raster::{self, TimedReader};
use super::stored::{Profile, Source, Stored};

const FORMAT: Format = Format::WebP;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    if is_cut(source.bytes) {
        return Err(ImageError::Truncated { format: FORMAT });
    }
    let decoder = WebPDecoder::new(TimedReader::new(source))
        .map_err(|cause| raster::explain(cause, FORMAT, source.deadline))?;
    let raster = raster::read(decoder, source, FORMAT)?;
    let profile = match chunk(source.bytes, b"ICCP") {
        Some(bytes) => Profile::Bytes(Cow::Borrowed(bytes)),
        None => Profile::None,
    };
    let exif = chunk(source.bytes, b"EXIF");
    let (image, size) = (raster.image, raster.size);
    Ok(Stored::new(
        source,
        image,
        size,
        raster.samples,
        exif,
        profile,
    ))
}

/// A RIFF header states how long the file should be.
fn is_cut(bytes: &[u8]) -> bool {
    let stated = bytes
        .get(4..8)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_le_bytes);
    stated.is_none_or(|n| u64::from(n) + 8 > bytes.len() as u64)
}

/// The content of the first chunk of a kind at the top level; contents are padded to an even
/// length.
fn chunk<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    const RIFF_HEADER: usize = 12;
    let mut chunks = bytes.get(RIFF_HEADER..)?;
    loop {
        let length = u32::from_le_bytes(chunks.get(4..8)?.try_into().ok()?) as usize;
        let content = chunks.get(8..8usize.checked_add(length)?)?;
        if chunks.get(..4) == Some(kind) {
            return Some(content);
        }
        chunks = chunks.get(8 + length.next_multiple_of(2)..)?;
    }
}
