//! HEIF files to RGB: HEIC and AVIF. In: checked bytes. Out: upright pixels of the primary image,
//! the EXIF block, the ICC profile. Knows the container; pictures are decoded by `heifer` (HEVC)
//! and, in `heif/av1.rs`, by `re_rav1d` (AV1).
//!
//! Rotation, mirroring and cropping are properties of the container and are applied here; the EXIF
//! orientation of such a file repeats them and is left alone (ISO/IEC 23008-12, A.2.1).

#[cfg(feature = "avif")]
mod av1;
mod container;
#[cfg(feature = "avif")]
mod yuv;

use std::borrow::Cow;

use heifer_isobmff::{HeifFile, ItemId};

use self::container::{BYTES_PER_PIXEL, check_tables, coded_sources, damaged, explain};
use super::error::ImageError;
use super::format::Format;
use super::stored::{Profile, Samples, Source, Stored};
use crate::geometry::Size;

/// Which coding a file's pictures have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[cfg(feature = "heic")]
    Hevc,
    #[cfg(feature = "avif")]
    Av1,
}

pub(super) fn decode_heic<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    decode(source, Format::Heic)
}

pub(super) fn decode_avif<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    decode(source, Format::Avif)
}

fn decode<'a>(source: &Source<'a>, format: Format) -> Result<Stored<'a>, ImageError> {
    let explained = |cause| explain(cause, format);
    check_tables(source.bytes, format)?;
    let file = HeifFile::parse(source.bytes).map_err(explained)?;
    let primary = file.primary_id;
    let stated = file.image_size(primary).map_err(explained)?;
    let Some((width_px, height_px)) = stated else {
        return Err(damaged(format, "its picture states no size"));
    };
    let size = Size {
        width_px,
        height_px,
    };
    let (limits, n_bytes) = (source.limits, source.bytes.len());
    limits.check_size(size, BYTES_PER_PIXEL, format, n_bytes)?;
    let sources = coded_sources(&file, primary, format)?;
    source.deadline.check()?;
    let coding = coding(&file, &sources, format)?;
    let max_pixels = limits.plausible_pixels(n_bytes).min(limits.max_pixels);
    let image = match coding {
        #[cfg(feature = "heic")]
        Coding::Hevc => hevc(source.bytes, max_pixels, format)?,
        #[cfg(feature = "avif")]
        Coding::Av1 => av1::decode(&file, primary, source, max_pixels)?,
    };
    let profile = match file.icc_profile(primary) {
        Ok(Some(profile)) => Profile::Bytes(Cow::Owned(profile.to_vec())),
        _ => Profile::None,
    };
    let exif = file.exif(primary).ok().flatten();
    let size = image.size();
    let mut stored = Stored::new(source, image, size, Samples::Rgb, exif.as_deref(), profile);
    stored.exif.orientation = None;
    Ok(stored)
}

#[cfg(feature = "heic")]
fn hevc(bytes: &[u8], max_pixels: u64, format: Format) -> Result<super::pixels::Image, ImageError> {
    use super::samples::{Depth, Layout, to_rgb8};
    let options = heifer::Options {
        // Photos are decoded beside each other, and a panic must stay on this thread.
        max_threads: 1,
        max_pixels,
    };
    let image = heifer::decode_rgba8(bytes, &options).map_err(|cause| match cause {
        heifer::Error::Container(cause) => explain(cause, format),
        heifer::Error::Unsupported(what) => ImageError::Unsupported { format, what },
        other => damaged(format, &other.to_string()),
    })?;
    let size = Size {
        width_px: image.width,
        height_px: image.height,
    };
    match image.has_alpha {
        true => to_rgb8(size, Layout::RgbAlpha, Depth::Eight, image.data),
        false => super::pixels::Image::new(size.width_px, size.height_px, image.into_rgb8()),
    }
}

fn coding(file: &HeifFile, sources: &[ItemId], format: Format) -> Result<Coding, ImageError> {
    let item = sources.first().and_then(|&id| file.item(id).ok());
    let kind = item.map_or(*b"none", |item| item.item_type.0);
    match &kind {
        #[cfg(feature = "heic")]
        b"hvc1" => Ok(Coding::Hevc),
        #[cfg(feature = "avif")]
        b"av01" => Ok(Coding::Av1),
        kind => Err(ImageError::Unsupported {
            format,
            what: format!("pictures coded as {}", String::from_utf8_lossy(kind)),
        }),
    }
}
