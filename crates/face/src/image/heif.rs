//! HEIF files to RGB: HEIC and AVIF. In: checked bytes. Out: upright pixels of the primary image,
//! the EXIF block, the ICC profile. Knows the container; pictures are decoded by `heifer` (HEVC)
//! and, in `heif/av1.rs`, by `re_rav1d` (AV1).
//!
//! Rotation, mirroring and cropping are properties of the container and are applied here; the EXIF
//! orientation of such a file repeats them and is left alone (ISO/IEC 23008-12, A.2.1).

#[cfg(feature = "avif")]
mod av1;
#[cfg(feature = "avif")]
mod yuv;

use std::borrow::Cow;
use std::collections::HashSet;

use heifer_isobmff::boxes::Property;

use heifer_isobmff::{BoxIter, Error as Cause, HeifFile, ItemId};

use super::error::ImageError;
use super::format::Format;
use super::stored::{Profile, Samples, Source, Stored};
use crate::geometry::Size;

/// Most items of a file: a picture of 200 million pixels in tiles of 512×512 has 765, and as many
/// again for transparency.
const MAX_ITEMS: usize = 4096;
/// Most bytes of one table about items: so many items have 200 KB.
const MAX_TABLE_BYTES: usize = 512 << 10;
/// Bytes for each pixel while decoding, counted against four: four of the result and a copy turned.
const BYTES_PER_PIXEL: u64 = 8;

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

/// The coded pictures of an item: itself, or those it is put together from. Each is used once and
/// none is put together itself, so the work is bounded by the bytes.
fn coded_sources(file: &HeifFile, id: ItemId, format: Format) -> Result<Vec<ItemId>, ImageError> {
    let item = file.item(id).map_err(|cause| explain(cause, format))?;
    let is_derived = |kind: &[u8; 4]| matches!(kind, b"grid" | b"iovl" | b"iden");
    if !is_derived(&item.item_type.0) {
        return Ok(vec![id]);
    }
    let sources = file.referenced_items(id, b"dimg");
    let mut seen = HashSet::new();
    for &source in sources {
        let item = file.item(source).map_err(|cause| explain(cause, format))?;
        if is_derived(&item.item_type.0) || !seen.insert(source) {
            let what = "its picture is put together in several steps".into();
            return Err(ImageError::Unsupported { format, what });
        }
    }
    match sources {
        [] => Err(damaged(format, "its picture has no parts")),
        _ => Ok(sources.to_vec()),
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

/// Whether an item is the transparency of another.
#[cfg(feature = "avif")]
fn is_alpha(file: &HeifFile, id: ItemId) -> bool {
    let Ok(mut properties) = file.item_properties(id) else {
        return false;
    };
    properties.any(|p| match p {
        Property::AuxiliaryType(urn) => urn.contains(":alpha") || urn.contains("auxid:1"),
        _ => false,
    })
}

/// Refuses tables of items that are too long to be compared with each other.
fn check_tables(bytes: &[u8], format: Format) -> Result<(), ImageError> {
    let too_long = || ImageError::Unsupported {
        format,
        what: format!("it lists more than {MAX_ITEMS} parts"),
    };
    // What is wrong with the boxes is said by the parser.
    let top = BoxIter::new(bytes).map_while(Result::ok);
    for meta in top.filter(|b| &b.header.box_type.0 == b"meta") {
        let children = BoxIter::new(meta.content.get(4..).unwrap_or_default());
        for child in children.map_while(Result::ok) {
            let tables: Vec<&[u8]> = match &child.header.box_type.0 {
                b"iinf" | b"iloc" | b"iref" => vec![child.content],
                b"iprp" => BoxIter::new(child.content)
                    .map_while(Result::ok)
                    .filter(|b| &b.header.box_type.0 == b"ipma")
                    .map(|b| b.content)
                    .collect(),
                _ => continue,
            };
            if tables.iter().any(|table| table.len() > MAX_TABLE_BYTES) {
                return Err(too_long());
            }
            if &child.header.box_type.0 == b"iinf" {
                let entries = BoxIter::new(child.content.get(6..).unwrap_or_default());
                if entries.map_while(Result::ok).count() > MAX_ITEMS {
                    return Err(too_long());
                }
            }
        }
    }
    Ok(())
}

fn damaged(format: Format, what: &str) -> ImageError {
    ImageError::Damaged {
        format,
        what: what.into(),
    }
}

fn explain(cause: Cause, format: Format) -> ImageError {
    match cause {
        Cause::UnexpectedEof => ImageError::Truncated { format },
        other => damaged(format, &other.to_string()),
    }
}
