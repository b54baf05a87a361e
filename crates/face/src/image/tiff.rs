//! TIFF to RGB. In: checked bytes. Out: stored pixels, the file's own directory as EXIF, the ICC
//! profile. Knows nothing of orientation.

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
const IMAGE_SIDES: [u16; 2] = [256, 257];
const TILE_SIDES: [u16; 2] = [322, 323];
const ICC_PROFILE: u16 = 34_675;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let directory = Tiff::open(source.bytes).and_then(|t| Some((t.first_directory()?, t)));
    if let Some((first, tiff)) = &directory {
        let number = |tag| tiff.number(&tiff.find(*first, tag)?);
        let in_tiles = IMAGE_SIDES
            .into_iter()
            .zip(TILE_SIDES)
            .any(|(image, tile)| number(tile).is_some_and(|px| number(image) > Some(px)));
        // The decoder panics at several tiles in each of several planes.
        if number(PLANAR_CONFIGURATION) == Some(SEPARATE_PLANES) && in_tiles {
            return Err(ImageError::Unsupported {
                format: FORMAT,
                what: "its colours lie in separate planes of tiles".into(),
            });
        }
    }
    let decoder = TiffDecoder::new(TimedReader::new(source))
        .map_err(|cause| raster::explain(cause, FORMAT, source.deadline))?;
    let raster = raster::read(decoder, source, FORMAT)?;
    let profile = directory.as_ref().and_then(|(first, tiff)| {
        let entry = tiff.find(*first, ICC_PROFILE)?;
        tiff.bytes(&entry)
    });
    let profile = match profile {
        Some(bytes) => Profile::Bytes(Cow::Borrowed(bytes)),
        None => Profile::None,
    };
    let (image, size) = (raster.image, raster.size);
    let mut stored = Stored::new(source, image, size, raster.samples, None, profile);
    // The file is itself the structure that EXIF borrowed; two entries of it are read, whatever its
    // size.
    stored.exif = exif::read(source.bytes);
    Ok(stored)
}
