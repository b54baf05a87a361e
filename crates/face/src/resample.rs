//! Smaller and larger copies of a photo. In: an [`Image`] and a size. Out: antialiased pixels of that size.
//! Knows nothing of faces.

use fast_image_resize::images::{Image as Target, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::image::Image;

/// A copy whose longest side is at most `longest_side_px`.
pub(crate) fn shrink(image: &Image, longest_side_px: u32) -> Image {
    let longest = image.width().max(image.height());
    if longest <= longest_side_px.max(1) {
        return image.clone();
    }
    let (width, height) = scaled(
        image,
        f64::from(longest_side_px.max(1)) / f64::from(longest),
    );
    Image::new(width, height, resize(image, width, height))
        .unwrap_or_else(|_| unreachable!("resize fills the size it is given"))
}

/// The nearest whole size at this scale, at least 1x1.
pub(crate) fn scaled(image: &Image, scale: f64) -> (u32, u32) {
    let side = |px: u32| (f64::from(px) * scale).round().max(1.0) as u32;
    (side(image.width()), side(image.height()))
}

/// `width * height * 3` bytes of RGB.
///
/// A triangle filter as wide as the step between target pixels: every source pixel counts, so that nothing aliases,
/// and the photo is read once.
pub(crate) fn resize(image: &Image, width: u32, height: u32) -> Vec<u8> {
    if (width, height) == (image.width(), image.height()) {
        return image.rgb().to_vec();
    }
    let source = ImageRef::new(image.width(), image.height(), image.rgb(), PixelType::U8x3)
        .unwrap_or_else(|_| unreachable!("an Image's bytes fill its size"));
    let mut target = Target::new(width, height, PixelType::U8x3);
    let triangle = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false);
    Resizer::new()
        .resize(&source, &mut target, &triangle)
        .unwrap_or_else(|_| unreachable!("both images are U8x3"));
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
        let small = shrink(&checkerboard(300, 200), 47);
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
        assert!(shrink(&image, 30) == image);
        assert_eq!(shrink(&image, 0).width(), 1);
    }

    #[test]
    fn a_line_of_pixels_keeps_a_pixel() {
        let line = checkerboard(5000, 1);
        let small = shrink(&line, 640);
        assert_eq!((small.width(), small.height()), (640, 1));
    }
}
