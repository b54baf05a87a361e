//! BMP to RGB. In: checked bytes. Out: stored pixels.
//! Knows nothing of orientation, dates or colour profiles: none of them is read from a bitmap.

use image::codecs::bmp::BmpDecoder;

use super::error::ImageError;
use super::format::Format;
use super::raster::{self, TimedReader};
use super::stored::{Profile, Source, Stored};

const FORMAT: Format = Format::Bmp;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    if rows_are_missing(source.bytes).unwrap_or(false) {
        return Err(ImageError::Truncated { format: FORMAT });
    }
    let decoder = BmpDecoder::new(TimedReader::new(source))
        .map_err(|cause| raster::explain(cause, FORMAT, source.deadline))?;
    let raster = raster::read(decoder, source, FORMAT)?;
    Ok(Stored::new(
        source,
        raster.image,
        raster.size,
        raster.samples,
        None,
        Profile::None,
    ))
}

/// Whether a bitmap without compression is shorter than its rows, which its header states.
///
/// # Source
/// BITMAPCOREHEADER, BITMAPINFOHEADER: sides, bits of a pixel, compression; rows are padded to 4
/// bytes.
fn rows_are_missing(bytes: &[u8]) -> Option<bool> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    const CORE_HEADER: u32 = 12;
    const RUN_LENGTHS: std::ops::RangeInclusive<u32> = 1..=2;
    let (width, height, bits) = match u32_at(14)? {
        CORE_HEADER => (u16_at(18)?.into(), u16_at(20)?.into(), u16_at(24)?),
        _ if RUN_LENGTHS.contains(&u32_at(30)?) => return None,
        // A negative height means rows from the top.
        _ => (
            u32_at(18)?,
            (u32_at(22)? as i32).unsigned_abs(),
            u16_at(28)?,
        ),
    };
    let row_bytes = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
    Some(row_bytes.saturating_mul(height.into()) > bytes.len() as u64)
}
