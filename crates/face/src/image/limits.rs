//! What a file may ask for. In: sizes from a header. Out: leave to allocate and to go on, or an
//! error. Knows nothing of any format's bytes.

use std::time::{Duration, Instant};

use super::error::ImageError;
use super::format::Format;
use crate::geometry::Size;

/// What a file may ask for. Sizes are checked from the header, before any pixel is allocated.
///
/// HEIC and AVIF may have half as many pixels and JPEG XL a quarter, as their decoders hold two and
/// four times as much.
///
/// Peak memory of one decode, measured on 12 Mpx (36 MB of RGB), the file included: baseline JPEG
/// 43 MB, WebP 60 MB, PNG 63 MB, progressive JPEG 78 MB, TIFF 110 MB; a picture that is not stored
/// upright is copied once, 36 MB more. Whatever the header claims, a file of `n` bytes never gets
/// more than 4 Mpx + `n` × [`max_pixels_per_byte`](Self::max_pixels_per_byte).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the encoded file. Default 256 MiB: a 200-Mpx JPEG of the best quality has about 100
    /// MB.
    pub max_bytes: u64,
    /// Width times height. Default 200 million: the largest sensors in phones have 16320x12240 =
    /// 199.8 million. Formats with more than four bytes a pixel get proportionally fewer pixels.
    pub max_pixels: u64,
    /// Either side. Default 65,535, the most a JPEG can have.
    pub max_side_px: u32,
    /// Pixels for each byte of the file, beyond the first 4 million pixels. Default 1,024: JPEG
    /// cannot store more than 512 pixels in a byte, deflate (PNG) 344 of RGB; a lossless WebP or a
    /// run-length BMP can claim any size in 40 bytes, and a photo in them has fewer than 500. Only
    /// nearly blank drawings and scans have more.
    pub max_pixels_per_byte: u32,
    /// Scans of a JPEG, each of which passes over the whole picture. Default 100: encoders write
    /// about
    /// 10. A large picture gets proportionally fewer, but never fewer than 16: at most 16 ×
    /// [`max_pixels`](Self::max_pixels) in all.
    pub max_scans: u32,
    /// Bytes of an ICC profile, inflated. Default 4 MiB: press profiles have up to 3 MB, those of
    /// cameras a few KB. A larger one is ignored, with a [`Note`](super::Note).
    pub max_icc_bytes: u32,
    /// Bytes of an EXIF block. Default 1 MiB: in a JPEG it cannot exceed 64 KiB. A larger one is
    /// ignored, with a [`Note`](super::Note). XMP and text are never read or inflated here.
    pub max_metadata_bytes: u32,
    /// Time for decoding one file, all passes together. Default 60 s: a 200-Mpx PNG takes about 3
    /// s.
    ///
    /// Checked between rows of a PNG, at each read of a WebP, TIFF, BMP or GIF, and between passes.
    /// A JPEG pass is never interrupted: `max_pixels` and `max_scans` bound its work. The same
    /// holds for the entropy decoding of one WebP, which reads its data at once, and for one
    /// picture of a HEIC, AVIF or JPEG XL.
    pub max_time: Duration,
}

/// Pixels that any file may claim: at most 28 MB while decoding (measured on WebP: 7 bytes a
/// pixel).
const ALWAYS_ALLOWED_PIXELS: u64 = 4 << 20;

/// Scans that a picture of the most pixels may have.
const MIN_SCANS_ALLOWED: u32 = 16;

impl DecodeLimits {
    /// The defaults, as a constant.
    pub const DEFAULT: DecodeLimits = DecodeLimits {
        max_bytes: 256 << 20,
        max_pixels: 200_000_000,
        max_side_px: 65_535,
        max_pixels_per_byte: 1024,
        max_scans: 100,
        max_icc_bytes: 4 << 20,
        max_metadata_bytes: 1 << 20,
        max_time: Duration::from_secs(60),
    };

    /// Whether a file of so many bytes is read at all.
    pub(super) fn check_bytes(&self, bytes: usize) -> Result<(), ImageError> {
        let bytes = bytes as u64;
        if bytes > self.max_bytes {
            return Err(ImageError::TooManyBytes {
                bytes,
                limit: self.max_bytes,
            });
        }
        Ok(())
    }

    /// Whether memory for the size in the header may be allocated.
    pub(super) fn check_size(
        &self,
        size: Size,
        bytes_per_pixel: u64,
        format: Format,
        file_bytes: usize,
    ) -> Result<(), ImageError> {
        let Size {
            width_px,
            height_px,
        } = size;
        let max_pixels = self.max_pixels.saturating_mul(4) / bytes_per_pixel.max(4);
        self.check_within(size, max_pixels)?;
        let pixels = size.pixels();
        let bytes = file_bytes as u64;
        if pixels > self.plausible_pixels(file_bytes) {
            return Err(ImageError::TooFewBytes {
                format,
                width_px,
                height_px,
                bytes,
            });
        }
        Ok(())
    }

    /// Whether memory for pixels that came from no file may be allocated.
    pub(super) fn check_pixels(&self, size: Size) -> Result<(), ImageError> {
        self.check_within(size, self.max_pixels)
    }

    fn check_within(&self, size: Size, max_pixels: u64) -> Result<(), ImageError> {
        let Size {
            width_px,
            height_px,
        } = size;
        if width_px == 0 || height_px == 0 {
            return Err(ImageError::Shape {
                width_px,
                height_px,
                bytes: 0,
            });
        }
        if width_px.max(height_px) > self.max_side_px || size.pixels() > max_pixels {
            return Err(ImageError::TooManyPixels {
                width_px,
                height_px,
                max_pixels,
                max_side_px: self.max_side_px,
            });
        }
        Ok(())
    }

    /// Pixels that a file of so many bytes may claim.
    pub(super) fn plausible_pixels(&self, file_bytes: usize) -> u64 {
        let plausible = (file_bytes as u64).saturating_mul(self.max_pixels_per_byte.into());
        plausible.saturating_add(ALWAYS_ALLOWED_PIXELS)
    }

    /// Whether a JPEG of this size may have so many scans.
    pub(super) fn check_scans(&self, size: Size, scans: u32) -> Result<(), ImageError> {
        let pixels = size.pixels().max(1);
        let most_work = self.max_pixels.saturating_mul(MIN_SCANS_ALLOWED.into());
        let for_pixels = u32::try_from(most_work / pixels).unwrap_or(u32::MAX);
        let limit = self.max_scans.min(for_pixels);
        if scans > limit {
            return Err(ImageError::TooManyScans {
                scans,
                pixels,
                limit,
            });
        }
        Ok(())
    }
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits::DEFAULT
    }
}

/// When the work on one file must have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    end: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// [`DecodeLimits::max_time`] from now.
    pub(crate) fn start(limits: &DecodeLimits) -> Deadline {
        Deadline {
            // A time too far away to be stated never comes.
            end: Instant::now().checked_add(limits.max_time),
            limit: limits.max_time,
        }
    }

    /// # Errors
    /// [`ImageError::TooSlow`] once the time is over.
    pub(crate) fn check(&self) -> Result<(), ImageError> {
        match self.end {
            Some(end) if Instant::now() > end => Err(ImageError::TooSlow { limit: self.limit }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_bytes_cannot_claim_the_largest_picture() {
        let limits = DecodeLimits::DEFAULT;
        let check = |width_px, height_px, bytes| {
            let size = Size {
                width_px,
                height_px,
            };
            limits.check_size(size, 3, Format::WebP, bytes)
        };
        let refused = check(16_383, 12_207, 38);
        assert!(
            matches!(refused, Err(ImageError::TooFewBytes { bytes: 38, .. })),
            "{refused:?}"
        );
        assert_eq!(check(2048, 2048, 38), Ok(()));
        assert_eq!(check(4000, 3000, 8000), Ok(()));
    }

    #[test]
    fn large_pictures_get_fewer_scans() {
        let limits = DecodeLimits::DEFAULT;
        let small = Size {
            width_px: 4000,
            height_px: 3000,
        };
        assert_eq!(limits.check_scans(small, 100), Ok(()));
        assert!(limits.check_scans(small, 101).is_err());
        let large = Size {
            width_px: 16_000,
            height_px: 12_500,
        };
        assert_eq!(limits.check_scans(large, 16), Ok(()));
        assert!(limits.check_scans(large, 17).is_err());
    }

    #[test]
    fn no_time_is_over_at_once_and_endless_time_never() {
        let with = |max_time| DecodeLimits {
            max_time,
            ..DecodeLimits::DEFAULT
        };
        let deadline = Deadline::start(&with(Duration::ZERO));
        std::thread::sleep(Duration::from_millis(1));
        assert!(matches!(deadline.check(), Err(ImageError::TooSlow { .. })));
        assert_eq!(Deadline::start(&with(Duration::MAX)).check(), Ok(()));
    }
}
