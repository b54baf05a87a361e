//! A decoder of the `image` crate at work. In: a decoder whose format is known. Out: RGB pixels.
//! Knows nothing of any one format: WebP, TIFF, BMP and GIF each have a file that prepares theirs.

use std::error::Error;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use image::error::{ImageError as Cause, LimitErrorKind, UnsupportedErrorKind};
use image::{ColorType, ExtendedColorType, ImageDecoder, Limits};

use super::error::ImageError;
use super::format::Format;
use super::limits::Deadline;
use super::pixels::Image;
use super::samples::{Depth, Layout, to_rgb8};
use super::stored::{Samples, Source};
use crate::geometry::Size;

/// Pixels, their size, and the colours they stood for.
pub(super) struct Raster {
    pub(super) image: Image,
    pub(super) size: Size,
    pub(super) samples: Samples,
}

/// Checks the size, then reads all pixels.
pub(super) fn read(
    mut decoder: impl ImageDecoder,
    source: &Source,
    format: Format,
) -> Result<Raster, ImageError> {
    let (width_px, height_px) = decoder.dimensions();
    let size = Size {
        width_px,
        height_px,
    };
    let color = decoder.color_type();
    let limits = source.limits;
    let bytes_per_pixel = u64::from(color.bytes_per_pixel());
    limits.check_size(size, bytes_per_pixel, format, source.bytes.len())?;
    // What a decoder may keep beside the pixels it hands over: canvases, strips, metadata.
    let mut inner = Limits::no_limits();
    inner.max_alloc = Some(limits.max_pixels.saturating_mul(8).max(1 << 20));
    let failed = |cause| explain(cause, format, source.deadline);
    decoder.set_limits(inner).map_err(failed)?;
    let (layout, depth) = match color {
        ColorType::L8 => (Layout::Grey, Depth::Eight),
        ColorType::La8 => (Layout::GreyAlpha, Depth::Eight),
        ColorType::Rgb8 => (Layout::Rgb, Depth::Eight),
        ColorType::Rgba8 => (Layout::RgbAlpha, Depth::Eight),
        ColorType::L16 => (Layout::Grey, Depth::Sixteen),
        ColorType::La16 => (Layout::GreyAlpha, Depth::Sixteen),
        ColorType::Rgb16 => (Layout::Rgb, Depth::Sixteen),
        ColorType::Rgba16 => (Layout::RgbAlpha, Depth::Sixteen),
        ColorType::Rgb32F => (Layout::Rgb, Depth::Float),
        ColorType::Rgba32F => (Layout::RgbAlpha, Depth::Float),
        _ => {
            return Err(ImageError::Unsupported {
                format,
                what: format!("{color:?} samples"),
            });
        }
    };
    let samples = match (decoder.original_color_type(), layout) {
        (ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16, _) => Samples::Cmyk,
        (_, Layout::Grey | Layout::GreyAlpha) => Samples::Grey,
        _ => Samples::Rgb,
    };
    let mut bytes = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut bytes).map_err(failed)?;
    Ok(Raster {
        image: to_rgb8(size, layout, depth, bytes)?,
        size,
        samples,
    })
}

/// The bytes of a file, refused once the time is over.
pub(super) struct TimedReader<'a> {
    bytes: Cursor<&'a [u8]>,
    deadline: Deadline,
    n_reads: u32,
}

/// Reads between two checks of the deadline: reading the clock costs as much as some reads.
const READS_PER_CHECK: u32 = 64;

impl<'a> TimedReader<'a> {
    pub(super) fn new(source: &Source<'a>) -> TimedReader<'a> {
        TimedReader {
            bytes: Cursor::new(source.bytes),
            deadline: source.deadline,
            n_reads: 0,
        }
    }

    fn check(&mut self) -> io::Result<()> {
        self.n_reads = self.n_reads.wrapping_add(1);
        if self.n_reads % READS_PER_CHECK == 1 && self.deadline.check().is_err() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Read for TimedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.bytes.read(buffer)
    }
}

impl BufRead for TimedReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.bytes.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.bytes.consume(n);
    }
}

impl Seek for TimedReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// The `image` crate's error in our words.
pub(super) fn explain(cause: Cause, format: Format, deadline: Deadline) -> ImageError {
    // Whatever a decoder makes of a reader that refused, the time is the cause.
    if let Err(too_slow) = deadline.check() {
        return too_slow;
    }
    let is_end = |e: &io::Error| e.kind() == io::ErrorKind::UnexpectedEof;
    match cause {
        Cause::IoError(e) if is_end(&e) => ImageError::Truncated { format },
        Cause::Unsupported(e) => {
            let what = match e.kind() {
                UnsupportedErrorKind::Color(c) => format!("{c:?} samples"),
                UnsupportedErrorKind::GenericFeature(what) => what,
                _ => e.to_string(),
            };
            ImageError::Unsupported { format, what }
        }
        Cause::Limits(e) if matches!(e.kind(), LimitErrorKind::InsufficientMemory) => {
            ImageError::Unsupported {
                format,
                what: "it needs more memory than the limit".into(),
            }
        }
        other => {
            // The last cause says what is wrong; the outer ones repeat the format.
            let mut innermost: &(dyn Error + 'static) = &other;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            let what = innermost.to_string();
            let ended = innermost.downcast_ref::<io::Error>().is_some_and(is_end);
            // The GIF decoder wraps its end of file in a type of its own that is not exported.
            if ended || what.eq_ignore_ascii_case("unexpected end of file") {
                return ImageError::Truncated { format };
            }
            ImageError::Damaged { format, what }
        }
    }
}
