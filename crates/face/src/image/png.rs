//! PNG to RGB. In: checked bytes. Out: stored pixels, the EXIF block, the inflated ICC profile.
//! Knows nothing of orientation.
//!
//! The `png` crate is called directly, not through `image`: only so are rows read one by one (a
//! deadline between them), and compressed text and profiles left alone (`image` inflates a profile
//! without bound: 1.1 GB for a picture of 64×64). `gAMA`, `cHRM` and `cICP` are not applied.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

use ::png::{BitDepth, ColorType, Decoder, DecodingError, InterlaceInfo, Limits, Transformations};

use super::error::ImageError;
use super::format::Format;
use super::limits::DecodeLimits;
use super::samples::{Depth, Layout, to_rgb8};
use super::stored::{Profile, Samples, Source, Stored};
use crate::geometry::Size;

const FORMAT: Format = Format::Png;
/// Rows between two checks of the deadline.
const ROWS_PER_CHECK: u32 = 16;
/// Deflate turns a byte into at most so many: 258 bytes for two bits.
const MAX_INFLATION: u64 = 1032;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    // What the decoder may keep beside the rows: chunks as they stand in the file.
    let max_chunk_bytes = usize::try_from(source.limits.max_bytes).unwrap_or(usize::MAX);
    let limits = Limits {
        bytes: max_chunk_bytes,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(source.bytes), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(explain)?;
    let size = Size {
        width_px: header.width,
        height_px: header.height,
    };
    let filtered_bytes = (header.raw_row_length() as u64).saturating_mul(size.height_px.into());
    // Before the transparency chunk is read, alpha must be assumed.
    let bytes_per_sample = if header.bit_depth == BitDepth::Sixteen {
        2
    } else {
        1
    };
    let channels = match header.color_type {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba | ColorType::Indexed => 4,
    };
    let (limits, n_bytes) = (source.limits, source.bytes.len());
    limits.check_size(size, channels * bytes_per_sample, FORMAT, n_bytes)?;
    // The fixed part leaves damage in very small files to the decoder, which names it.
    if filtered_bytes > (n_bytes as u64).saturating_mul(MAX_INFLATION) + (1 << 16) {
        return Err(truncated());
    }
    let mut reader = decoder.read_info().map_err(explain)?;
    let (color, depth) = reader.output_color_type();
    let layout = match color {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb | ColorType::Indexed => Layout::Rgb,
        ColorType::Rgba => Layout::RgbAlpha,
    };
    let depth = match depth {
        BitDepth::Sixteen => Depth::Sixteen,
        _ => Depth::Eight,
    };
    let row_bytes = reader
        .output_line_size(size.width_px)
        .ok_or_else(truncated)?;
    let bits_per_pixel = (layout.channels() * depth.bytes() * 8) as u8;
    // Zeroed pages are not touched before a row is written: a file that ends early costs its rows
    // only.
    let mut samples = vec![0; row_bytes * size.height_px as usize];
    let mut n_rows = 0;
    let mut next_row_start = 0;
    loop {
        if n_rows % ROWS_PER_CHECK == 0 {
            source.deadline.check()?;
        }
        n_rows += 1;
        if reader.info().interlaced {
            let Some(row) = reader.next_interlaced_row().map_err(explain)? else {
                break;
            };
            if let InterlaceInfo::Adam7(pass) = row.interlace() {
                let (row, pass) = (row.data(), *pass);
                ::png::expand_interlaced_row(&mut samples, row_bytes, row, &pass, bits_per_pixel);
            }
        } else {
            // After the last row the decoder still wants a buffer, and returns `None`.
            let row = samples.get_mut(next_row_start..next_row_start + row_bytes);
            let more = match row {
                Some(row) => reader.read_row(row),
                None => reader.read_row(&mut vec![0; row_bytes]),
            };
            if more.map_err(explain)?.is_none() {
                break;
            }
            next_row_start += row_bytes;
        }
    }
    if depth == Depth::Sixteen {
        // PNG has the high byte first.
        for sample in samples.as_chunks_mut::<2>().0 {
            *sample = u16::from_be_bytes(*sample).to_ne_bytes();
        }
    }
    let is_grey = matches!(layout, Layout::Grey | Layout::GreyAlpha);
    Ok(Stored::new(
        source,
        to_rgb8(size, layout, depth, samples)?,
        size,
        if is_grey { Samples::Grey } else { Samples::Rgb },
        chunk(source.bytes, b"eXIf"),
        profile(source.bytes, source.limits),
    ))
}

/// The content of the first chunk of a kind. `eXIf` may stand behind the pixels, where a decoder
/// that reads up to them does not see it.
fn chunk<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    const SIGNATURE: usize = 8;
    let mut chunks = bytes.get(SIGNATURE..)?;
    loop {
        let length = u32::from_be_bytes(chunks.get(..4)?.try_into().ok()?) as usize;
        let content = chunks.get(8..8usize.checked_add(length)?)?;
        if chunks.get(4..8) == Some(kind) {
            return Some(content);
        }
        chunks = chunks.get(12 + length..)?;
    }
}

/// `iCCP`: a name of up to 79 bytes and a zero, the method (0), deflated bytes.
fn profile<'a>(bytes: &[u8], limits: &DecodeLimits) -> Profile<'a> {
    let Some(content) = chunk(bytes, b"iCCP") else {
        return Profile::None;
    };
    let name_end = content.iter().take(80).position(|&b| b == 0);
    let deflated = name_end.and_then(|end| content.get(end + 1..)?.strip_prefix(b"\0"));
    let Some(deflated) = deflated else {
        return Profile::Unreadable("its iCCP chunk has no name or an unknown method".into());
    };
    let limit = limits.max_icc_bytes as usize;
    match fdeflate::decompress_to_vec_bounded(deflated, limit) {
        Ok(profile) => Profile::Bytes(Cow::Owned(profile)),
        Err(fdeflate::BoundedDecompressionError::OutputTooLarge { .. }) => Profile::Unreadable(
            format!("it inflates to more than the limit of {limit} bytes"),
        ),
        Err(_) => Profile::Unreadable("its iCCP chunk does not inflate".into()),
    }
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

fn explain(cause: DecodingError) -> ImageError {
    match cause {
        DecodingError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => truncated(),
        DecodingError::LimitsExceeded => ImageError::Unsupported {
            format: FORMAT,
            what: "it needs more memory than the limit".into(),
        },
        other => ImageError::Damaged {
            format: FORMAT,
            what: other.to_string(),
        },
    }
}
