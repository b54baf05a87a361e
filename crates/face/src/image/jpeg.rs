//! JPEG to RGB. In: bytes that begin as a JPEG. Out: stored pixels and EXIF.
//! Knows nothing of orientation.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::exif::{self, Exif};
use super::{DecodeLimits, Format, Image, ImageError};

/// A decoded JPEG as it is stored.
pub(super) struct Stored {
    pub(super) image: Image,
    pub(super) exif: Exif,
    /// Width and height as the header states them.
    pub(super) size: (u32, u32),
}

/// Decodes every component layout (grey, YCbCr, RGB, CMYK, YCCK) to RGB.
///
/// With `enough_px`, a half, quarter or eighth of the size if its longest side still has so many pixels: frequencies that
/// the small copy cannot hold are left out of the transform, which costs less than all pixels and does not alias.
///
/// The decoder runs in its strict mode: the lenient one paints what is missing grey and says nothing.
pub(super) fn decode(
    bytes: &[u8],
    limits: &DecodeLimits,
    enough_px: Option<u32>,
) -> Result<Stored, ImageError> {
    // The decoder's own limits would hide the size from the message; ours are checked before it allocates.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let complete = is_complete(bytes);
    // With the end missing, whatever the decoder stumbles over is the consequence and not the cause.
    let explain = |e: DecodeErrors| if complete { damaged(e) } else { truncated() };
    decoder.decode_headers().map_err(explain)?;
    let (width, height) = decoder.dimensions().ok_or_else(truncated)?;
    let (width, height) = (width as u32, height as u32);
    limits.check_size(width, height, 3)?;
    if !complete {
        return Err(truncated());
    }
    let exif = decoder
        .exif()
        .map(|block| exif::read(block))
        .unwrap_or_default();
    let size = (width, height);
    let longest = width.max(height);
    let divisor = [8, 4, 2]
        .into_iter()
        .find(|d| enough_px.is_some_and(|px| longest / d >= px));
    let small = divisor.and_then(|divisor| reduced(bytes, size, divisor));
    let image = match small {
        Some(image) => image,
        None => {
            let mut rgb = vec![0; width as usize * height as usize * 3];
            decoder.decode_into(&mut rgb).map_err(explain)?;
            Image::new(width, height, rgb)?
        }
    };
    Ok(Stored { image, exif, size })
}

/// A part of the size in each direction; `None` for what this decoder refuses or gives in other colours, so that the
/// one for whole pictures decides and says why.
fn reduced(bytes: &[u8], (width, height): (u32, u32), divisor: u32) -> Option<Image> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let side = |px: u32| u16::try_from(px.div_ceil(divisor)).ok();
    let (width, height) = decoder.scale(side(width)?, side(height)?).ok()?;
    let samples = decoder.decode().ok()?;
    let rgb = match decoder.info()?.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => samples,
        jpeg_decoder::PixelFormat::L8 => samples.into_iter().flat_map(|v| [v; 3]).collect(),
        _ => return None,
    };
    Image::new(width.into(), height.into(), rgb).ok()
}

fn truncated() -> ImageError {
    ImageError::Truncated {
        format: Format::Jpeg,
    }
}

fn damaged(error: DecodeErrors) -> ImageError {
    let format = Format::Jpeg;
    match error {
        DecodeErrors::ExhaustedData => truncated(),
        DecodeErrors::Unsupported(_) => {
            let what = "a coding other than baseline or progressive with Huffman codes".into();
            ImageError::Unsupported { format, what }
        }
        DecodeErrors::Format(what) => ImageError::Damaged { format, what },
        DecodeErrors::FormatStatic(what) => ImageError::Damaged {
            format,
            what: what.into(),
        },
        other => ImageError::Damaged {
            format,
            what: format!("{other:?}"),
        },
    }
}

/// Whether the first image in the file reaches its own EOI; previews inside segments do not count, nor does what follows.
///
/// # Source
/// Marker structure of ITU-T T.81, annex B.
fn is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        // Entropy-coded data and fill are passed over: inside them 0xFF is followed by 0, 0xFF or a restart.
        let Some(at) = rest.iter().position(|&b| b == 0xFF) else {
            return false;
        };
        let skip = match rest[at + 1..] {
            [0xD9, ..] => return true,
            [0xFF, ..] => 1,
            [0x00 | 0x01 | 0xD0..=0xD8, ..] => 2,
            [_, high, low, ..] => 2 + usize::from(u16::from_be_bytes([high, low])).max(2),
            _ => return false,
        };
        let Some(next) = rest.get(at + skip..) else {
            return false;
        };
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_inside_a_preview_is_not_the_end() {
        let preview = b"\xFF\xD8\xFF\xD9";
        let mut file = Vec::from(b"\xFF\xD8\xFF\xE1\x00\x06");
        file.extend(preview);
        file.extend(b"\xFF\xDA\x00\x02\x12\xFF\x00\xFF\xD0\x34");
        assert!(!is_complete(&file));
        file.extend(b"\xFF\xD9");
        assert!(is_complete(&file));
        file.extend(b"a second picture or a film may follow");
        assert!(is_complete(&file));
    }
}
