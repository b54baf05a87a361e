//! Stage 1. In: the bytes of an image file. Out: upright 8-bit RGB and what EXIF says of the moment.
//! Knows nothing of paths or faces. The content decides the format, never the extension.

use std::fmt;

mod crop;
mod encode;
pub mod exif;
mod flatten;
mod format;
mod jpeg;
mod orientation;
mod still;

pub use crate::error::ImageError;
pub use crop::{CROP_PX, square};
pub use encode::{encode_jpeg, encode_png};
pub use format::{Format, sniff};
pub use orientation::Orientation;

/// Upright pixels, 8-bit sRGB, rows from the top, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Image {
    /// Takes `width * height * 3` bytes, red first, row by row from the top.
    ///
    /// # Errors
    /// [`ImageError::Shape`] if a side is zero or the bytes do not fill the size.
    ///
    /// # Example
    /// ```
    /// let image = fusiform_face::image::Image::new(2, 1, vec![255, 0, 0, 0, 0, 255])?;
    /// assert_eq!(image.pixel(1, 0), [0, 0, 255]);
    /// # Ok::<(), fusiform_face::image::ImageError>(())
    /// ```
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Image, ImageError> {
        let fills = (width as usize)
            .checked_mul(height as usize)
            .and_then(|n| n.checked_mul(3))
            .is_some_and(|n| n == rgb.len() && n > 0);
        if !fills {
            return Err(ImageError::Shape {
                width,
                height,
                bytes: rgb.len(),
            });
        }
        Ok(Image { width, height, rgb })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels: `height` rows of `width` times red, green, blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, to draw on.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The pixels, taken out.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// One pixel, red first.
    ///
    /// # Panics
    /// If `x` or `y` lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(
            x < self.width && y < self.height,
            "({x}, {y}) lies outside {self:?}"
        );
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// A copy whose longest side is at most `longest_side_px`, antialiased; never enlarged.
    pub fn shrunk_to(&self, longest_side_px: u32) -> Image {
        crate::resample::shrink(self, longest_side_px)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

/// What a file may ask for; checked from its header, before any pixel is allocated.
///
/// Peak memory of one decode, measured on 12 Mpx (36 MB of RGB), the file included: baseline JPEG 43 MB, WebP 60 MB,
/// PNG 63 MB, progressive JPEG 78 MB, TIFF 110 MB; a turned photo is copied once, 36 MB more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the encoded file. Default 256 MiB: a 200 Mpx JPEG of the best quality has about 100 MB.
    pub max_bytes: u64,
    /// Width times height. Default 200 million: the largest sensors in phones have 16320x12240 = 199.8 million.
    /// Formats with more than four bytes a pixel get proportionally fewer pixels.
    pub max_pixels: u64,
    /// Either side. Default 65,535, the most a JPEG can have.
    pub max_side: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            max_bytes: 256 << 20,
            max_pixels: 200_000_000,
            max_side: 65_535,
        }
    }
}

impl DecodeLimits {
    fn check_size(&self, width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), ImageError> {
        if width == 0 || height == 0 {
            return Err(ImageError::Shape {
                width,
                height,
                bytes: 0,
            });
        }
        // Sides are below 2^32 and a pixel has at most 16 bytes, so only this product can overflow.
        let pixels = u64::from(width) * u64::from(height);
        let bytes = pixels.saturating_mul(bytes_per_pixel);
        if width.max(height) > self.max_side
            || pixels > self.max_pixels
            || bytes > self.max_pixels.saturating_mul(4)
        {
            let (max_pixels, max_side) = (self.max_pixels, self.max_side);
            return Err(ImageError::TooManyPixels {
                width,
                height,
                max_pixels,
                max_side,
            });
        }
        Ok(())
    }
}

/// A decoded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, already turned upright.
    pub image: Image,
    /// The format by content.
    pub format: Format,
    /// How the stored pixels lay; `image` has this undone.
    pub orientation: Orientation,
    /// Width and height of the photo, upright; `image` is smaller after [`decode_reduced`].
    pub size: (u32, u32),
    /// EXIF `DateTimeOriginal` as ISO 8601 local time without zone: `2021-07-04T18:30:05`.
    pub taken_at: Option<String>,
}

/// Decodes a JPEG, PNG, WebP, TIFF, BMP or GIF (first frame) to upright 8-bit RGB.
///
/// Transparency is laid on white, CMYK and grey become RGB, 16-bit samples are rounded to 8. A file that ends before
/// its pixels do is an error and never a half-grey picture.
///
/// # Errors
/// [`ImageError`], which says what is wrong and what to do; it does not know the path.
///
/// # Source
/// ITU-T T.81 (JPEG), RFC 2083 and PNG third edition, RFC 9649 (WebP), TIFF 6.0, GIF89a; EXIF 2.32 (CIPA DC-008) for
/// `Orientation` and `DateTimeOriginal`.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, ImageError> {
    decode_enough(bytes, limits, None)
}

/// As [`decode`], but a JPEG comes at a half, a quarter or an eighth of its size if its longest side then still has
/// `enough_px`, in less time and memory.
///
/// # Errors
/// As [`decode`].
pub fn decode_reduced(
    bytes: &[u8],
    limits: &DecodeLimits,
    enough_px: u32,
) -> Result<Decoded, ImageError> {
    decode_enough(bytes, limits, Some(enough_px.max(1)))
}

fn decode_enough(
    bytes: &[u8],
    limits: &DecodeLimits,
    enough_px: Option<u32>,
) -> Result<Decoded, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    let n_bytes = bytes.len() as u64;
    if n_bytes > limits.max_bytes {
        return Err(ImageError::TooManyBytes {
            bytes: n_bytes,
            limit: limits.max_bytes,
        });
    }
    let format = sniff(bytes).ok_or_else(|| ImageError::UnknownFormat {
        content: format::describe_unknown(bytes),
    })?;
    let (stored, exif, size) = match format {
        Format::Jpeg => {
            let jpeg = jpeg::decode(bytes, limits, enough_px)?;
            (jpeg.image, jpeg.exif, jpeg.size)
        }
        _ => {
            let (image, exif) = still::decode(bytes, format, limits)?;
            let size = (image.width, image.height);
            (image, exif, size)
        }
    };
    let orientation = exif.orientation.unwrap_or_default();
    Ok(Decoded {
        image: orientation.upright(stored),
        size: orientation.upright_size(size),
        format,
        orientation,
        taken_at: exif.taken_at,
    })
}
