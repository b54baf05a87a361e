//! A picture of a stream, not yet looked at: whoever drops it has not paid for its pixels.

use std::time::Instant;

use fusiform_face::image::{DecodeLimits, Image, ImageError, Orientation, decode, decode_reduced};

use crate::picture::{Colour, Planes};

/// Longest side, in pixels, of the copy of a JPEG whose luma is looked at.
const LUMA_PX: u32 = 320;

/// A picture of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePicture {
    /// When its last byte came.
    pub received: Instant,
    pub(super) pixels: Pixels,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pixels {
    Planes(Planes),
    Jpeg(Vec<u8>),
}

impl LivePicture {
    /// Its pixels.
    ///
    /// # Errors
    /// [`ImageError`] for a JPEG that is damaged or exceeds a limit.
    pub fn image(&self, limits: &DecodeLimits) -> Result<Image, ImageError> {
        match &self.pixels {
            Pixels::Planes(planes) => planes.to_image(Orientation::Upright),
            Pixels::Jpeg(bytes) => Ok(decode(bytes, limits)?.image),
        }
    }

    /// Its luma, or that of a smaller copy, for [`crate::MotionGate`].
    ///
    /// # Errors
    /// As [`LivePicture::image`].
    pub fn luma(&self, limits: &DecodeLimits) -> Result<std::borrow::Cow<'_, Planes>, ImageError> {
        match &self.pixels {
            Pixels::Planes(planes) => Ok(std::borrow::Cow::Borrowed(planes)),
            Pixels::Jpeg(bytes) => {
                let image = decode_reduced(bytes, limits, LUMA_PX)?.image;
                let pixels = image.rgb().as_chunks::<3>().0.iter();
                // ITU-R BT.601.
                let luma = |&[r, g, b]: &[u8; 3]| {
                    (u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8
                };
                Ok(std::borrow::Cow::Owned(Planes {
                    width_px: image.width(),
                    height_px: image.height(),
                    y: pixels.map(|pixel| luma(pixel) as u8).collect(),
                    cb: Vec::new(),
                    cr: Vec::new(),
                    chroma_width_px: 0,
                    chroma_height_px: 0,
                    colour: Colour::usual(image.height()),
                }))
            }
        }
    }
}
