//! TIFF to RGB. In: checked bytes. Out: stored pixels, the file's own directory as EXIF, the ICC
//! profile. Knows nothing of orientation.
//!
//! The `image` crate's decoder reads the usual layouts fast; what it refuses is read by
//! `tiff/general.rs`.

mod colours;
mod general;
mod layout;
mod unpack;

use std::borrow::Cow;

use image::codecs::tiff::TiffDecoder;

use super::error::ImageError;
use super::exif;
use super::format::Format;
use super::raster::{self, TimedReader};
use super::stored::{Profile, Source, Stored};
use super::tiff_directory::Tiff;

const FORMAT: Format = Format::Tiff;

const PLANAR_CONFIGURATION: u16 = 284;
const SEPARATE_PLANES: u32 = 2;
const TILE_WIDTH: u16 = 322;
const COMPRESSION: u16 = 259;
const JPEG: u32 = 7;
const ICC_PROFILE: u16 = 34_675;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let directory = Tiff::open(source.bytes).and_then(|t| Some((t.first_directory()?, t)));
    let is_usual = directory.as_ref().is_none_or(|(first, tiff)| {
        let number = |tag| tiff.number(&tiff.find(*first, tag)?);
        // The usual decoder panics at several tiles in each of several planes, and makes grey of
        // some colours in JPEG.
        let is_planar = number(PLANAR_CONFIGURATION) == Some(SEPARATE_PLANES);
        !(is_planar && number(TILE_WIDTH).is_some()) && number(COMPRESSION) != Some(JPEG)
    });
    let usual = is_usual.then(|| {
        let decoder = TiffDecoder::new(TimedReader::new(source))
            .map_err(|cause| raster::explain(cause, FORMAT, source.deadline))?;
        raster::read(decoder, source, FORMAT)
    });
    let (image, samples, notes) = match (usual, &directory) {
        (Some(Ok(raster)), _) => (raster.image, raster.samples, Vec::new()),
        (None | Some(Err(ImageError::Unsupported { .. })), Some((_, tiff))) => {
            let read = general::read(source, tiff)?;
            (read.image, read.samples, read.notes)
        }
        (Some(Err(error)), _) => return Err(error),
        (None, None) => return Err(ImageError::Truncated { format: FORMAT }),
    };
    let profile = directory.as_ref().and_then(|(first, tiff)| {
        let entry = tiff.find(*first, ICC_PROFILE)?;
        tiff.bytes(&entry)
    });
    let profile = match profile {
        Some(bytes) => Profile::Bytes(Cow::Borrowed(bytes)),
        None => Profile::None,
    };
    let size = image.size();
    let mut stored = Stored::new(source, image, size, samples, None, profile);
    // The file is itself the structure that EXIF borrowed; two entries of it are read, whatever its
    // size.
    stored.exif = exif::read(source.bytes);
    stored.notes.extend(notes);
    Ok(stored)
}
