//! Pixels in memory. In: rows of RGB. Out: an [`Image`] whose bytes fill its size.
//! Knows nothing of files.

use std::fmt;

use super::error::ImageError;
use crate::geometry::Size;

/// Upright pixels, 8-bit sRGB, rows from the top, no padding.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    size: Size,
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
    pub fn new(width_px: u32, height_px: u32, rgb: Vec<u8>) -> Result<Image, ImageError> {
        let fills = (width_px as usize)
            .checked_mul(height_px as usize)
            .and_then(|n| n.checked_mul(3))
            .is_some_and(|n| n == rgb.len() && n > 0);
        if !fills {
            return Err(ImageError::Shape {
                width_px,
                height_px,
                bytes: rgb.len(),
            });
        }
        let size = Size {
            width_px,
            height_px,
        };
        Ok(Image { size, rgb })
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.size.width_px
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.size.height_px
    }

    /// The pixels: `height` rows of `width` times red, green, blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixels, to draw on.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The pixels, moved out.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// One pixel, red first.
    ///
    /// # Panics
    /// If `x` or `y` lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(
            x < self.width() && y < self.height(),
            "({x}, {y}) lies outside {self:?}"
        );
        let start = (y as usize * self.width() as usize + x as usize) * 3;
        [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({})", self.size)
    }
}
