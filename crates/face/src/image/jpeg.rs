//! JPEG to RGB. In: bytes that begin as a JPEG. Out: stored pixels and EXIF.
//! Knows nothing of orientation.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::exif::{self, Exif};
use super::{DecodeLimits, Format, Image, ImageError};

/// Decodes every component layout (grey, YCbCr, RGB, CMYK, YCCK) to RGB.
///
/// The decoder runs in its strict mode: the lenient one paints what is missing grey and says nothing.
pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<(Image, Exif), ImageError> {
    let max_side = limits.max_side as usize;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(max_side)
        .set_max_height(max_side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let complete = is_complete(bytes);
    // With the end missing, whatever the decoder stumbles over is the consequence and not the cause.
    let explain = |e: DecodeErrors| if complete { damaged(e) } else { truncated() };
    decoder.decode_headers().map_err(|e| match e {
        DecodeErrors::LargeDimensions(_) => {
            let (width, height) = claimed_size(bytes).unwrap_or((u32::MAX, u32::MAX));
            let (max_pixels, max_side) = (limits.max_pixels, limits.max_side);
            ImageError::TooManyPixels { width, height, max_pixels, max_side }
        }
        other => explain(other),
    })?;
    let (width, height) = decoder.dimensions().ok_or_else(truncated)?;
    let (width, height) = (width as u32, height as u32);
    limits.check_size(width, height, 3)?;
    if !complete {
        return Err(truncated());
    }
    let exif = decoder.exif().map(|block| exif::read(block)).unwrap_or_default();
    let mut rgb = vec![0; width as usize * height as usize * 3];
    decoder.decode_into(&mut rgb).map_err(explain)?;
    Ok((Image::new(width, height, rgb)?, exif))
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: Format::Jpeg }
}

fn damaged(error: DecodeErrors) -> ImageError {
    let format = Format::Jpeg;
    match error {
        DecodeErrors::ExhaustedData => truncated(),
        DecodeErrors::Unsupported(what) => {
            ImageError::Unsupported { format, what: format!("{what:?}") }
        }
        other => ImageError::Damaged { format, what: format!("{other:?}") },
    }
}

/// One step through the marker structure of ITU-T T.81, annex B.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Segments<'a> {
    /// The marker and the payload of its segment; the end of the bytes ends the walk, with or without an EOI.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Entropy-coded data and fill are passed over: inside them 0xFF is followed by 0, 0xFF or a restart.
            self.at += self.bytes.get(self.at..)?.iter().position(|&b| b == 0xFF)?;
            let marker = *self.bytes.get(self.at + 1)?;
            match marker {
                0xFF => self.at += 1,
                0x00 | 0x01 | 0xD0..=0xD8 => self.at += 2,
                0xD9 => {
                    self.at = self.bytes.len();
                    return Some((marker, &[]));
                }
                _ => {
                    let field = self.bytes.get(self.at + 2..self.at + 4)?;
                    let length = usize::from(u16::from_be_bytes([field[0], field[1]]));
                    let start = self.at + 4;
                    self.at = start + length.max(2) - 2;
                    return Some((marker, self.bytes.get(start..self.at)?));
                }
            }
        }
    }
}

/// Whether the first image in the file reaches its own EOI; previews inside segments do not count.
fn is_complete(bytes: &[u8]) -> bool {
    Segments { bytes, at: 0 }.any(|(marker, _)| marker == 0xD9)
}

/// Width and height of the frame header.
fn claimed_size(bytes: &[u8]) -> Option<(u32, u32)> {
    // SOF0 to SOF15 without DHT, JPG and DAC, which share the range.
    let is_frame = |m: u8| matches!(m, 0xC0..=0xCF) && !matches!(m, 0xC4 | 0xC8 | 0xCC);
    let (_, frame) = Segments { bytes, at: 0 }.find(|&(marker, _)| is_frame(marker))?;
    let side = |at: usize| Some(u32::from(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?)));
    Some((side(3)?, side(1)?))
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

    #[test]
    fn the_frame_header_gives_the_claimed_size() {
        let file = b"\xFF\xD8\xFF\xC4\x00\x03\x00\xFF\xC2\x00\x08\x08\x01\x02\x03\x04\x01";
        assert_eq!(claimed_size(file), Some((0x0304, 0x0102)));
        assert_eq!(claimed_size(&file[..12]), None);
    }
}
