//! The boxes of a HEIF file: limits on its tables, and which items make up a picture. In: bytes of
//! unknown honesty, a parsed container. Out: leave to go on, items. Decodes nothing.

use std::collections::HashSet;

#[cfg(feature = "avif")]
use heifer_isobmff::boxes::Property;
use heifer_isobmff::{BoxIter, Error as Cause, HeifFile, ItemId};

use super::super::error::ImageError;
use super::super::format::Format;

/// Most items of a file: a picture of 200 million pixels in tiles of 512×512 has 765, and as many
/// again for transparency.
const MAX_ITEMS: usize = 4096;
/// Most bytes of one table about items: so many items have 200 KB.
const MAX_TABLE_BYTES: usize = 512 << 10;
/// Bytes for each pixel while decoding, counted against four: four of the result and a copy turned.
pub(super) const BYTES_PER_PIXEL: u64 = 8;

/// The coded pictures of an item: itself, or those it is put together from. Each is used once and
/// none is put together itself, so the work is bounded by the bytes.
pub(super) fn coded_sources(
    file: &HeifFile,
    id: ItemId,
    format: Format,
) -> Result<Vec<ItemId>, ImageError> {
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

/// Whether an item is the transparency of another.
#[cfg(feature = "avif")]
pub(super) fn is_alpha(file: &HeifFile, id: ItemId) -> bool {
    let Ok(mut properties) = file.item_properties(id) else {
        return false;
    };
    properties.any(|p| match p {
        Property::AuxiliaryType(urn) => urn.contains(":alpha") || urn.contains("auxid:1"),
        _ => false,
    })
}

/// Refuses tables of items that are too long to be compared with each other.
pub(super) fn check_tables(bytes: &[u8], format: Format) -> Result<(), ImageError> {
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

pub(super) fn damaged(format: Format, what: &str) -> ImageError {
    ImageError::Damaged {
        format,
        what: what.into(),
    }
}

pub(super) fn explain(cause: Cause, format: Format) -> ImageError {
    match cause {
        Cause::UnexpectedEof => ImageError::Truncated { format },
        other => damaged(format, &other.to_string()),
    }
}
