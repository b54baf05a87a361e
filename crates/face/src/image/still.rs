//! PNG, WebP, TIFF, BMP and GIF to RGB. In: bytes whose format is known. Out: stored pixels and EXIF.
//! Knows nothing of orientation; JPEG has its own file because it must notice missing pixels.

use std::error::Error;
use std::io::{self, Cursor};

use image::codecs::{bmp, gif, png, tiff, webp};
use image::error::{ImageError as Cause, LimitErrorKind, UnsupportedErrorKind};
use image::{ImageDecoder, Limits};

use super::exif::{self, Exif};
use super::flatten::flatten;
use super::{DecodeLimits, Format, Image, ImageError};

/// Decodes one image; of an animation its first frame.
pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<(Image, Exif), ImageError> {
    if format == Format::WebP && riff_is_cut(bytes) {
        return Err(ImageError::Truncated { format });
    }
    let input = Cursor::new(bytes);
    let failed = |cause| explain(cause, format);
    let mut decoder: Box<dyn ImageDecoder + '_> = match format {
        Format::Png => Box::new(png::PngDecoder::new(input).map_err(failed)?),
        Format::WebP => Box::new(webp::WebPDecoder::new(input).map_err(failed)?),
        Format::Tiff => Box::new(tiff::TiffDecoder::new(input).map_err(failed)?),
        Format::Bmp => Box::new(bmp::BmpDecoder::new(input).map_err(failed)?),
        Format::Gif => Box::new(gif::GifDecoder::new(input).map_err(failed)?),
        Format::Jpeg => unreachable!("image::decode sends JPEG to its own file"),
    };
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    limits.check_size(width, height, u64::from(color.bytes_per_pixel()))?;
    // What a decoder may keep beside the pixels it hands over: interlacing, canvases, metadata.
    let mut inner = Limits::no_limits();
    inner.max_alloc = Some(limits.max_pixels.saturating_mul(8).max(1 << 20));
    decoder.set_limits(inner).map_err(failed)?;
    let exif = match format {
        // A TIFF file is itself the structure that EXIF borrowed.
        Format::Tiff => exif::read(bytes),
        Format::Png => png_exif(bytes).map(exif::read).unwrap_or_default(),
        _ => decoder
            .exif_metadata()
            .ok()
            .flatten()
            .map(|b| exif::read(&b))
            .unwrap_or_default(),
    };
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image_boxed(&mut samples).map_err(failed)?;
    let what = || ImageError::Unsupported {
        format,
        what: format!("{color:?} samples"),
    };
    Ok((
        flatten(width, height, color, samples).ok_or_else(what)??,
        exif,
    ))
}

/// A RIFF header states how long the file should be.
fn riff_is_cut(bytes: &[u8]) -> bool {
    let stated = bytes
        .get(4..8)
        .and_then(|b| b.try_into().ok())
        .map(u32::from_le_bytes);
    stated.is_none_or(|n| u64::from(n) + 8 > bytes.len() as u64)
}

/// The `eXIf` chunk, which may stand behind the pixels, where a decoder that reads up to them does not see it.
fn png_exif(bytes: &[u8]) -> Option<&[u8]> {
    const SIGNATURE: usize = 8;
    let mut chunks = bytes.get(SIGNATURE..)?;
    loop {
        let length = u32::from_be_bytes(chunks.get(..4)?.try_into().ok()?) as usize;
        let content = chunks.get(8..8usize.checked_add(length)?)?;
        if chunks.get(4..8) == Some(b"eXIf") {
            return Some(content);
        }
        chunks = chunks.get(12 + length..)?;
    }
}

fn explain(cause: Cause, format: Format) -> ImageError {
    let is_end = |e: &io::Error| e.kind() == io::ErrorKind::UnexpectedEof;
    match cause {
        Cause::IoError(e) if is_end(&e) => ImageError::Truncated { format },
        Cause::Unsupported(e) => {
            let what = match e.kind() {
                UnsupportedErrorKind::Color(c) => format!("{c:?} samples"),
                UnsupportedErrorKind::GenericFeature(what) => what,
                _ => e.to_string(),
            };
            ImageError::Unsupported { format, what }
        }
        Cause::Limits(e) if matches!(e.kind(), LimitErrorKind::InsufficientMemory) => {
            ImageError::Unsupported {
                format,
                what: "it needs more memory than the limit".into(),
            }
        }
        other => {
            // The last cause says what is wrong; the outer ones repeat the format.
            let mut innermost: &(dyn Error + 'static) = &other;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            let what = innermost.to_string();
            let ended = innermost.downcast_ref::<io::Error>().is_some_and(is_end);
            // The GIF decoder wraps its end of file in a type of its own that is not exported.
            if ended || what.eq_ignore_ascii_case("unexpected end of file") {
                return ImageError::Truncated { format };
            }
            ImageError::Damaged { format, what }
        }
    }
}
