//! RGB to files. In: an [`Image`]. Out: JPEG or PNG bytes.
//! Knows nothing of paths.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::error::ImageError;
use super::format::Format;
use super::pixels::Image;

/// Writes a JPEG; `quality` is 1 (smallest) to 100 (best), clamped.
///
/// # Errors
/// [`ImageError::Encode`] for a side over 65,535 px, which JPEG cannot state.
pub fn encode_jpeg(image: &Image, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, quality.clamp(1, 100));
    write(image, Format::Jpeg, encoder)?;
    Ok(file)
}

/// Writes a PNG, lossless.
///
/// # Errors
/// [`ImageError::Encode`] if the encoder refuses.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    write(image, Format::Png, PngEncoder::new(&mut file))?;
    Ok(file)
}

fn write(image: &Image, format: Format, encoder: impl ImageEncoder) -> Result<(), ImageError> {
    encoder
        .write_image(
            image.rgb(),
            image.width(),
            image.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|e| ImageError::Encode {
            format,
            what: e.to_string(),
        })
}
