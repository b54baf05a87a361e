//! Stage 1. In: the bytes of an image file. Out: upright 8-bit sRGB and when the photo was taken.
//! Knows nothing of paths or faces. The content decides the format, never the extension.
//!
//! [`decode()`] is the only way from bytes to pixels. It checks [`DecodeLimits`], looks the format
//! up in one table of codecs, contains a decoder's panic, converts to sRGB and brings the picture
//! upright.

mod codec;
mod colour;
mod containment;
mod crop;
mod decode;
mod encode;
mod error;
pub mod exif;
mod fingerprint;
mod format;
mod frame;
mod jpeg;
mod limits;
mod orientation;
mod pixels;
mod png;
mod resample;
mod samples;
mod stored;
mod taken;
mod tiff_directory;
mod yuv;

#[cfg(feature = "bmp")]
mod bmp;
#[cfg(feature = "gif")]
mod gif;
#[cfg(any(feature = "avif", feature = "heic"))]
mod heif;
#[cfg(feature = "jxl")]
mod jxl;
#[cfg(any(feature = "bmp", feature = "gif", feature = "tiff", feature = "webp"))]
mod raster;
#[cfg(feature = "raw")]
mod raw;
#[cfg(feature = "tiff")]
mod tiff;
#[cfg(feature = "webp")]
mod webp;

pub use codec::sniff;
pub use containment::contain;
pub use crop::{CROP_PX, square, surroundings};
pub(crate) use decode::decode_within;
pub use decode::{Decoded, decode, decode_reduced};
pub use encode::{encode_jpeg, encode_png};
pub use error::ImageError;
pub use fingerprint::{Fingerprint, Waves};
pub use format::Format;
pub use frame::{Frame, PixelFormat, Plane};
pub(crate) use limits::Deadline;
pub use limits::DecodeLimits;
pub use orientation::Orientation;
pub use pixels::Image;
pub(crate) use resample::{resize, resize_part, scaled_size};
pub use stored::Note;
pub use taken::{DateSource, Taken, days_in_month};
pub use yuv::{YuvColour, YuvToRgb};
