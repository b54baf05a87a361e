//! JPEG XL to RGB. In: checked bytes. Out: upright pixels of the first frame, the EXIF block, the
//! ICC profile of the pixels.
//!
//! The boxes of the container are read here and only the picture's own are handed on: the decoder
//! would inflate compressed metadata without bound. It turns the picture itself, so the EXIF
//! orientation is left alone (ISO/IEC 18181-2, 9.4).

use std::borrow::Cow;

use jxl_bitstream::Bitstream;
use jxl_oxide::image::ImageHeader;
use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, JxlThreadPool, PixelFormat};
use jxl_oxide_common::Bundle;

use super::error::ImageError;
use super::format::Format;
use super::limits::DecodeLimits;
use super::samples::{Depth, Layout, to_rgb8};
use super::stored::{Profile, Samples, Source, Stored};
use crate::geometry::Size;

const FORMAT: Format = Format::JpegXl;
/// The decoder works on three planes of 32 bits, and copies of them.
const BYTES_PER_PIXEL: u64 = 16;
/// Bytes that it may hold for each pixel, beside a fixed part.
const HELD_PER_PIXEL: u64 = 48;
const HELD_FIXED: u64 = 64 << 20;

pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let parts = Parts::read(source.bytes);
    let size = check_header(&parts.codestream, source.limits, source.bytes.len())?;
    source.deadline.check()?;
    let held = size.pixels().saturating_mul(HELD_PER_PIXEL) + HELD_FIXED;
    let mut waiting = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(held as usize))
        .build_uninit();
    waiting.feed_bytes(&parts.codestream).map_err(damaged)?;
    let mut image = match waiting.try_init().map_err(damaged)? {
        InitializeResult::Initialized(image) => image,
        InitializeResult::NeedMoreData(_) => return Err(truncated()),
    };
    if image.num_loaded_keyframes() == 0 {
        return Err(truncated());
    }
    image.set_render_spot_color(true);
    let render = image.render_frame(0).map_err(damaged)?;
    source.deadline.check()?;
    let layout = match image.pixel_format() {
        PixelFormat::Gray => Layout::Grey,
        PixelFormat::Graya => Layout::GreyAlpha,
        PixelFormat::Rgb => Layout::Rgb,
        PixelFormat::Rgba => Layout::RgbAlpha,
        PixelFormat::Cmyk | PixelFormat::Cmyka => {
            let what = "colours of inks".into();
            return Err(ImageError::Unsupported {
                format: FORMAT,
                what,
            });
        }
    };
    let mut stream = render.stream();
    let upright = Size {
        width_px: stream.width(),
        height_px: stream.height(),
    };
    let n_samples = upright.pixels() as usize * layout.channels();
    if stream.channels() as usize != layout.channels() || upright.pixels() != size.pixels() {
        return Err(damaged("its channels are not as stated"));
    }
    let mut samples = vec![0u8; n_samples];
    stream.write_to_buffer(&mut samples);
    let is_grey = matches!(layout, Layout::Grey | Layout::GreyAlpha);
    let pixels = to_rgb8(upright, layout, Depth::Eight, samples)?;
    let profile = Profile::Bytes(Cow::Owned(image.rendered_icc()));
    let mut stored = Stored::new(
        source,
        pixels,
        upright,
        if is_grey { Samples::Grey } else { Samples::Rgb },
        parts.exif,
        profile,
    );
    stored.exif.orientation = None;
    Ok(stored)
}

/// The size, once it and the colour profile are within the limits.
fn check_header(
    codestream: &[u8],
    limits: &DecodeLimits,
    n_bytes: usize,
) -> Result<Size, ImageError> {
    let mut bits = Bitstream::new(codestream);
    let explained = |e: jxl_bitstream::Error| match e.unexpected_eof() {
        true => truncated(),
        false => damaged(e),
    };
    let header = ImageHeader::parse(&mut bits, ()).map_err(explained)?;
    let size = Size {
        width_px: header.size.width,
        height_px: header.size.height,
    };
    limits.check_size(size, BYTES_PER_PIXEL, FORMAT, n_bytes)?;
    if header.metadata.colour_encoding.want_icc() {
        let icc_bytes = bits.read_u64().map_err(explained)?;
        if icc_bytes > limits.max_icc_bytes.into() {
            return Err(ImageError::Unsupported {
                format: FORMAT,
                what: format!("a colour profile of {icc_bytes} bytes"),
            });
        }
    }
    Ok(size)
}

/// What a file has of the picture.
struct Parts<'a> {
    codestream: Cow<'a, [u8]>,
    exif: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// A bare codestream, or boxes of which `jxlc` holds it or `jxlp` parts of it.
    fn read(bytes: &'a [u8]) -> Parts<'a> {
        if bytes.starts_with(b"\xFF\x0A") {
            return Parts {
                codestream: Cow::Borrowed(bytes),
                exif: None,
            };
        }
        let mut parts = Parts {
            codestream: Cow::Borrowed(&[]),
            exif: None,
        };
        let mut rest = bytes;
        while let Some((kind, content, after)) = next_box(rest) {
            match &kind {
                b"jxlc" => parts.codestream = Cow::Borrowed(content),
                b"jxlp" => parts
                    .codestream
                    .to_mut()
                    .extend(content.get(4..).unwrap_or_default()),
                // Some writers leave out the offset.
                b"Exif" if content.starts_with(b"II*\0") || content.starts_with(b"MM\0*") => {
                    parts.exif = Some(content);
                }
                b"Exif" if parts.exif.is_none() => {
                    let offset = content.first_chunk::<4>().map(|b| u32::from_be_bytes(*b));
                    let start = offset.and_then(|n| (n as usize).checked_add(4));
                    parts.exif = start.and_then(|start| content.get(start..));
                }
                _ => {}
            }
            rest = after;
        }
        parts
    }
}

/// Kind and content of the first box, and what follows it; a box may end with the file.
fn next_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let short = u32::from_be_bytes(*bytes.first_chunk()?);
    let kind = *bytes.get(4..)?.first_chunk()?;
    let (header, stated) = match short {
        0 => (8, bytes.len() as u64),
        1 => (16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)),
        n => (8, n.into()),
    };
    let end = usize::try_from(stated)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let content = bytes.get(header..end)?;
    Some((kind, content, &bytes[end..]))
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

fn damaged(cause: impl std::fmt::Display) -> ImageError {
    ImageError::Damaged {
        format: FORMAT,
        what: cause.to_string(),
    }
}
