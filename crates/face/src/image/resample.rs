//! Smaller and larger copies of a picture. In: an [`Image`] and a size. Out: antialiased pixels of
//! that size. Knows nothing of files or faces.

use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::pixels::Image;
use crate::geometry::Size;

impl Image {
    /// A copy whose longest side is at most `longest_side_px`, antialiased; never enlarged.
    pub fn shrunk_to(&self, longest_side_px: u32) -> Image {
        let longest = self.size().longest_px();
        if longest <= longest_side_px.max(1) {
            return self.clone();
        }
        let scale = f64::from(longest_side_px.max(1)) / f64::from(longest);
        let size = scaled_size(self.size(), scale);
        Image::new(size.width_px, size.height_px, resize(self, size))
            .unwrap_or_else(|_| unreachable!("resize fills the size it is given"))
    }
}

/// The nearest whole size at this scale, at least 1x1.
pub(crate) fn scaled_size(size: Size, scale: f64) -> Size {
    let side = |px: u32| (f64::from(px) * scale).round().max(1.0) as u32;
    Size {
        width_px: side(size.width_px),
        height_px: side(size.height_px),
    }
}

/// `width * height * 3` bytes of RGB.
///
/// A triangle filter as wide as the step between target pixels: every source pixel counts, so that
/// nothing aliases, and the photo is read once.
pub(crate) fn resize(image: &Image, size: Size) -> Vec<u8> {
    if size == image.size() {
        return image.rgb().to_vec();
    }
    let source = ImageRef::new(image.width(), image.height(), image.rgb(), PixelType::U8x3)
        .unwrap_or_else(|_| unreachable!("an Image's bytes fill its size"));
    let mut target = Target::new(size.width_px, size.height_px, PixelType::U8x3);
    let triangle = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false);
    Resizer::new()
        .resize(&source, &mut target, &triangle)
        .unwrap_or_else(|_| unreachable!("both images are U8x3"));
    target.into_vec()
}

/// As [`resize`], but only the rectangle of `size` at `(x, y)` of the resized picture.
pub(crate) fn resize_part(image: &Image, whole: Size, (x, y): (u32, u32), size: Size) -> Vec<u8> {
    let source = ImageRef::new(image.width(), image.height(), image.rgb(), PixelType::U8x3)
        .unwrap_or_else(|_| unreachable!("an Image's bytes fill its size"));
    let mut target = Target::new(size.width_px, size.height_px, PixelType::U8x3);
    let across = f64::from(image.width()) / f64::from(whole.width_px);
    let down = f64::from(image.height()) / f64::from(whole.height_px);
    let (left, top) = (f64::from(x) * across, f64::from(y) * down);
    // Rounding must not reach over the edge.
    let width = (f64::from(size.width_px) * across).min(f64::from(image.width()) - left);
    let height = (f64::from(size.height_px) * down).min(f64::from(image.height()) - top);
    let triangle = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, width, height)
        .use_alpha(false);
    Resizer::new()
        .resize(&source, &mut target, &triangle)
        .unwrap_or_else(|_| unreachable!("both images are U8x3, the part lies inside"));
    target.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkerboard(width: u32, height: u32) -> Image {
        let value = |i: u32| {
            if (i % width + i / width).is_multiple_of(2) {
                0
            } else {
                255
            }
        };
        let rgb = (0..width * height).flat_map(|i| [value(i); 3]).collect();
        Image::new(width, height, rgb).unwrap()
    }

    #[test]
    fn a_fine_pattern_shrinks_to_grey_and_not_to_moire() {
        let small = checkerboard(300, 200).shrunk_to(47);
        assert_eq!((small.width(), small.height()), (47, 31));
        let inner = (3..28).flat_map(|y| (3..44).map(move |x| (x, y)));
        for (x, y) in inner {
            let grey = small.pixel(x, y)[0];
            assert!((124..=131).contains(&grey), "{grey} at ({x}, {y})");
        }
    }

    #[test]
    fn small_images_are_left_as_they_are() {
        let image = checkerboard(30, 20);
        assert!(image.shrunk_to(30) == image);
        assert_eq!(image.shrunk_to(0).width(), 1);
    }

    #[test]
    fn a_part_is_that_part_of_the_whole() {
        let pixel = |i: u32| [(i % 90) as u8 * 2, (i / 90) as u8 * 3, 9];
        let image = Image::new(90, 70, (0..90 * 70).flat_map(pixel).collect()).unwrap();
        let size = |width_px, height_px| Size {
            width_px,
            height_px,
        };
        let whole = resize(&image, size(45, 140));
        let part = resize_part(&image, size(45, 140), (20, 100), size(25, 40));
        for (i, value) in part.chunks(75).enumerate() {
            let row = &whole[((100 + i) * 45 + 20) * 3..][..75];
            // A part has no neighbours beyond its edges.
            let inner = 3..72;
            let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
            assert!(
                value[inner.clone()].iter().zip(&row[inner]).all(near),
                "row {i}"
            );
        }
    }

    #[test]
    fn a_line_of_pixels_keeps_a_pixel() {
        let line = checkerboard(5000, 1);
        let small = line.shrunk_to(640);
        assert_eq!((small.width(), small.height()), (640, 1));
    }
}
