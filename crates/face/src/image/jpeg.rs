//! JPEG to RGB. In: checked bytes. Out: stored pixels, the EXIF block, the ICC profile.
//! Knows nothing of orientation.

use std::borrow::Cow;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::error::ImageError;
use super::format::Format;
use super::pixels::Image;
use super::stored::{Profile, Samples, Source, Stored};
use crate::geometry::Size;

const FORMAT: Format = Format::Jpeg;

/// Decodes every component layout (grey, YCbCr, RGB, CMYK, YCCK) to RGB.
///
/// With `enough_px`, a half, quarter or eighth of the size if its longest side still has so many
/// pixels: frequencies that the small copy cannot hold are left out of the transform, which costs
/// less than all pixels and does not alias.
///
/// The decoder runs in its strict mode: the lenient one paints what is missing grey and reports
/// nothing.
pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    // The decoder's own limits would hide the size from the message; ours are checked before it
    // allocates.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let bytes = source.bytes;
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let segments = Segments::read(bytes);
    // With the end missing, whatever the decoder stumbles over is the consequence and not the
    // cause.
    let explain = |e: DecodeErrors| match segments.is_complete {
        true => damaged(e),
        false => truncated(),
    };
    decoder.decode_headers().map_err(explain)?;
    let (width, height) = decoder.dimensions().ok_or_else(truncated)?;
    let size = Size {
        width_px: width as u32,
        height_px: height as u32,
    };
    source.limits.check_size(size, 3, FORMAT, bytes.len())?;
    if !segments.is_complete {
        return Err(truncated());
    }
    source.limits.check_scans(size, segments.n_scans)?;
    let samples = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => Samples::Grey,
        Some(ColorSpace::CMYK | ColorSpace::YCCK) => Samples::Cmyk,
        _ => Samples::Rgb,
    };
    let longest_px = size.longest_px();
    let divisor = [8, 4, 2]
        .into_iter()
        .find(|d| source.enough_px.is_some_and(|px| longest_px / d >= px));
    let reduced = divisor.and_then(|divisor| decode_reduced(bytes, size, divisor));
    source.deadline.check()?;
    let image = match reduced {
        Some(image) => image,
        None => {
            let mut rgb = vec![0; width * height * 3];
            decoder.decode_into(&mut rgb).map_err(explain)?;
            Image::new(size.width_px, size.height_px, rgb)?
        }
    };
    let profile = segments.profile();
    Ok(Stored::new(
        source,
        image,
        size,
        samples,
        segments.exif,
        profile,
    ))
}

/// A part of the size in each direction; `None` for what this decoder refuses or gives in other
/// colours, so that the one for whole pictures decides and says why.
fn decode_reduced(bytes: &[u8], size: Size, divisor: u32) -> Option<Image> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let side = |px: u32| u16::try_from(px.div_ceil(divisor)).ok();
    let (width, height) = decoder
        .scale(side(size.width_px)?, side(size.height_px)?)
        .ok()?;
    let samples = decoder.decode().ok()?;
    let rgb = match decoder.info()?.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => samples,
        jpeg_decoder::PixelFormat::L8 => samples.into_iter().flat_map(|v| [v; 3]).collect(),
        _ => return None,
    };
    Image::new(width.into(), height.into(), rgb).ok()
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

fn damaged(error: DecodeErrors) -> ImageError {
    let format = FORMAT;
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

/// What the markers of the first image in a file state; previews inside segments do not count, nor
/// does what follows the image.
#[derive(Debug, Default)]
struct Segments<'a> {
    /// Whether the image reaches its own EOI.
    is_complete: bool,
    n_scans: u32,
    /// The first EXIF block.
    exif: Option<&'a [u8]>,
    /// Parts of the ICC profile in the order of the file: number from 1, number of parts, bytes.
    icc_parts: Vec<(u8, u8, &'a [u8])>,
}

const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;

impl<'a> Segments<'a> {
    /// Walks all markers up to EOI.
    ///
    /// # Source
    /// Marker structure of ITU-T T.81, annex B; ICC.1:2010, annex B.4 (profiles in JPEG).
    fn read(bytes: &'a [u8]) -> Segments<'a> {
        let mut segments = Segments::default();
        let mut rest = bytes;
        loop {
            // Entropy-coded data and fill are passed over: in them 0xFF is followed by 0, 0xFF or a
            // restart.
            let Some(marker_start) = rest.iter().position(|&b| b == 0xFF) else {
                return segments;
            };
            let skip = match rest[marker_start + 1..] {
                [EOI, ..] => {
                    segments.is_complete = true;
                    return segments;
                }
                [0xFF, ..] => 1,
                [0x00 | 0x01 | 0xD0..=0xD8, ..] => 2,
                [marker, high, low, ..] => {
                    let length = usize::from(u16::from_be_bytes([high, low])).max(2);
                    let content = rest.get(marker_start + 4..marker_start + 2 + length);
                    segments.add(marker, content.unwrap_or_default());
                    2 + length
                }
                _ => return segments,
            };
            let Some(next) = rest.get(marker_start + skip..) else {
                return segments;
            };
            rest = next;
        }
    }

    fn add(&mut self, marker: u8, content: &'a [u8]) {
        match marker {
            SOS => self.n_scans = self.n_scans.saturating_add(1),
            APP1 if self.exif.is_none() => {
                self.exif = content.starts_with(b"Exif\0\0").then_some(content);
            }
            APP2 => {
                if let Some([number, count, part @ ..]) = content.strip_prefix(b"ICC_PROFILE\0") {
                    self.icc_parts.push((*number, *count, part));
                }
            }
            _ => {}
        }
    }

    /// The profile from its parts, which may stand in any order.
    fn profile(&self) -> Profile<'a> {
        let mut parts = self.icc_parts.clone();
        parts.sort_by_key(|(number, ..)| *number);
        let numbers_fit = parts
            .iter()
            .zip(1u8..)
            .all(|((number, count, _), expected)| {
                *number == expected && usize::from(*count) == parts.len()
            });
        match parts[..] {
            [] => Profile::None,
            _ if !numbers_fit => Profile::Unreadable("some of its parts are missing".into()),
            [(_, _, whole)] => Profile::Bytes(Cow::Borrowed(whole)),
            _ => Profile::Bytes(parts.iter().flat_map(|(.., part)| *part).copied().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_complete(file: &[u8]) -> bool {
        Segments::read(file).is_complete
    }

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
    fn a_profile_is_joined_by_the_numbers_of_its_parts() {
        let part = |number: u8, count: u8, text: &[u8]| {
            let length = (2 + 12 + 2 + text.len() as u16).to_be_bytes();
            [
                b"\xFF\xE2",
                &length[..],
                b"ICC_PROFILE\0",
                &[number, count],
                text,
            ]
            .concat()
        };
        let read = |parts: &[Vec<u8>]| {
            let file = [b"\xFF\xD8", &parts.concat()[..], b"\xFF\xD9"].concat();
            match Segments::read(&file).profile() {
                Profile::None => "none".into(),
                Profile::Unreadable(why) => why,
                Profile::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            }
        };
        assert_eq!(read(&[]), "none");
        assert_eq!(read(&[part(1, 1, b"whole")]), "whole");
        assert_eq!(
            read(&[part(2, 2, b"half"), part(1, 2, b"other ")]),
            "other half"
        );
        for broken in [
            vec![part(2, 2, b"half")],
            vec![part(1, 2, b"a"), part(1, 2, b"b")],
            vec![part(0, 0, b"none")],
        ] {
            assert!(read(&broken).contains("missing"), "{broken:?}");
        }
    }

    #[test]
    fn scans_are_counted() {
        let scan = b"\xFF\xDA\x00\x02\x12\xFF\x00\x34";
        let file = [b"\xFF\xD8", &scan.repeat(7)[..], b"\xFF\xD9"].concat();
        assert_eq!(Segments::read(&file).n_scans, 7);
    }
}
