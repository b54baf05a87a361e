//! GIF to RGB. In: checked bytes. Out: stored pixels of the first frame on its canvas.
//! Knows nothing of orientation, dates or colour profiles: a GIF has none.

use image::codecs::gif::GifDecoder;

use super::error::ImageError;
use super::format::Format;
use super::raster::{self, TimedReader};
use super::stored::{Profile, Source, Stored};

const FORMAT: Format = Format::Gif;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let decoder = GifDecoder::new(TimedReader::new(source))
        .map_err(|cause| raster::explain(cause, FORMAT, source.deadline))?;
    let raster = raster::read(decoder, source, FORMAT)?;
    Ok(Stored::new(
        source,
        raster.image,
        raster.size,
        raster.samples,
        None,
        Profile::None,
    ))
}
