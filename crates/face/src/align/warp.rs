//! Sampling through a similarity. In: a photo and the map from it to a square crop. Out: the crop's
//! pixels. Knows nothing of faces.

use super::similarity_transform::SimilarityTransform;
use crate::geometry::Point;
use crate::image::Image;

/// What is seen beyond the photo's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    Black,
    /// The nearest pixel of the photo.
    Edge,
}

/// `side * side * 3` bytes of RGB.
///
/// Sampling is bilinear. Where the photo has more than one and a half pixels per crop pixel, its
/// pixels are first averaged in whole squares, so that the remaining step is between 0.75 and 1.5
/// and nothing aliases.
pub(super) fn warp(
    image: &Image,
    to_crop: &SimilarityTransform,
    side: usize,
    beyond: Beyond,
) -> Vec<u8> {
    let to_photo = to_crop.inverse();
    let step = to_photo.scale();
    let square = (step.round() as usize).max(1);
    if square == 1 {
        let whole = Patch {
            rgb: image.rgb(),
            width: image.width() as usize,
            height: image.height() as usize,
            beyond,
        };
        return whole.sample(&to_photo, side);
    }
    let Some(region) = Region::under(image, &to_photo, side, square) else {
        return vec![0; side * side * 3];
    };
    let rgb = region.average(image, square);
    let patch = Patch {
        rgb: &rgb,
        width: region.width,
        height: region.height,
        beyond,
    };
    let n = square as f32;
    let shrunk = SimilarityTransform {
        a: to_photo.a / n,
        b: to_photo.b / n,
        tx: (to_photo.tx - region.left as f32) / n,
        ty: (to_photo.ty - region.top as f32) / n,
    };
    patch.sample(&shrunk, side)
}

/// The part of the photo under the crop, in squares of pixels.
struct Region {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Region {
    /// `None` if the crop misses the photo.
    fn under(
        image: &Image,
        to_photo: &SimilarityTransform,
        side: usize,
        square: usize,
    ) -> Option<Region> {
        let far = side as f32;
        let corners = [(0.0, 0.0), (far, 0.0), (0.0, far), (far, far)]
            .map(|(x, y)| to_photo.apply(Point { x, y }));
        let span = |of: fn(&Point) -> f32, length: u32| {
            let low = corners.iter().map(of).fold(f32::INFINITY, f32::min);
            let high = corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
            // One square more on each side, for the neighbours that bilinear sampling touches.
            let margin = square as f32;
            let start = (low - margin).floor().clamp(0.0, length as f32) as usize;
            let end = (high + margin).ceil().clamp(0.0, length as f32) as usize;
            (end > start).then(|| (start, (end - start).div_ceil(square)))
        };
        let (left, width) = span(|p| p.x, image.width())?;
        let (top, height) = span(|p| p.y, image.height())?;
        Some(Region {
            left,
            top,
            width,
            height,
        })
    }

    /// The mean colour of each square; a square cut by the photo's edge counts what is inside.
    fn average(&self, image: &Image, square: usize) -> Vec<u8> {
        let (photo_width, photo_height) = (image.width() as usize, image.height() as usize);
        let right = (self.left + self.width * square).min(photo_width);
        let mut rgb = Vec::with_capacity(self.width * self.height * 3);
        let mut columns = vec![0u32; (right - self.left) * 3];
        for row in 0..self.height {
            let top = self.top + row * square;
            let bottom = (top + square).min(photo_height);
            columns.fill(0);
            for y in top..bottom {
                let start = y * photo_width * 3;
                let line = &image.rgb()[start + self.left * 3..start + right * 3];
                for (sum, &value) in columns.iter_mut().zip(line) {
                    *sum += u32::from(value);
                }
            }
            for pixels in columns.chunks(square * 3) {
                let pixels = pixels.as_chunks::<3>().0;
                let n = ((bottom - top) * pixels.len()) as u32;
                let total = |channel: usize| pixels.iter().map(|p| p[channel]).sum::<u32>();
                rgb.extend([0, 1, 2].map(|channel| ((total(channel) + n / 2) / n) as u8));
            }
        }
        rgb
    }
}

struct Patch<'a> {
    rgb: &'a [u8],
    width: usize,
    height: usize,
    beyond: Beyond,
}

impl Patch<'_> {
    fn sample(&self, from_crop: &SimilarityTransform, side: usize) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(side * side * 3);
        for row in 0..side {
            for column in 0..side {
                let center = Point {
                    x: column as f32 + 0.5,
                    y: row as f32 + 0.5,
                };
                let at = from_crop.apply(center);
                rgb.extend(self.bilinear(at.x - 0.5, at.y - 0.5));
            }
        }
        rgb
    }

    /// Colour between four pixels, in indices of pixels.
    fn bilinear(&self, x: f32, y: f32) -> [u8; 3] {
        // Without SSE4.1, which the build does not ask for, `floor` and `round` are calls; casts
        // are not. A cast saturates, so that positions far outside stay outside.
        let floor = |v: f32| (v as i32).saturating_sub(i32::from(v < 0.0));
        let (column, row) = (floor(x), floor(y));
        let (fx, fy) = (x - column as f32, y - row as f32);
        let [top, bottom] = [
            self.pair(column, row),
            self.pair(column, row.saturating_add(1)),
        ];
        std::array::from_fn(|channel| {
            let along = |[left, right]: &[[u8; 3]; 2]| {
                let (left, right) = (f32::from(left[channel]), f32::from(right[channel]));
                left + (right - left) * fx
            };
            let (top, bottom) = (along(&top), along(&bottom));
            (top + (bottom - top) * fy + 0.5) as u8
        })
    }

    /// A pixel and its right neighbour.
    fn pair(&self, column: i32, row: i32) -> [[u8; 3]; 2] {
        if self.beyond == Beyond::Edge {
            let row = row.clamp(0, self.height as i32 - 1) as usize;
            let line = &self.rgb.as_chunks::<3>().0[row * self.width..(row + 1) * self.width];
            let last = self.width as i32 - 1;
            let pixel = |column: i32| line[column.clamp(0, last) as usize];
            return [pixel(column), pixel(column.saturating_add(1))];
        }
        let Some(line) = usize::try_from(row).ok().filter(|&row| row < self.height) else {
            return [[0; 3]; 2];
        };
        let line = &self.rgb.as_chunks::<3>().0[line * self.width..(line + 1) * self.width];
        let pixel = |column: i32| {
            usize::try_from(column)
                .ok()
                .and_then(|column| line.get(column))
                .copied()
                .unwrap_or_default()
        };
        [pixel(column), pixel(column.saturating_add(1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u32, height: u32, draw: impl Fn(f32, f32) -> [f32; 3]) -> Image {
        let pixel = |i: u32| draw((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        let rgb = (0..width * height)
            .flat_map(|i| pixel(i).map(|v| v.round() as u8))
            .collect();
        Image::new(width, height, rgb).unwrap()
    }

    fn scaled(scale: f32, turn: f32, tx: f32, ty: f32) -> SimilarityTransform {
        SimilarityTransform {
            a: scale * turn.cos(),
            b: scale * turn.sin(),
            tx,
            ty,
        }
    }

    #[test]
    fn the_identity_copies() {
        let image = drawn(112, 112, |x, y| [x * 2.0, y * 2.0, x + y]);
        assert_eq!(
            warp(&image, &scaled(1.0, 0.0, 0.0, 0.0), 112, Beyond::Black),
            image.rgb()
        );
    }

    #[test]
    fn slopes_stay_where_they_are_at_every_scale() {
        for scale in [2.0f32, 1.0, 0.7, 0.5, 0.28, 0.11] {
            for turn in [0.0f32, 0.3, -1.2, 2.6] {
                let photo_side = (112.0 / scale * 1.6) as u32;
                let slope = 200.0 / photo_side as f32;
                let image = drawn(photo_side, photo_side, |x, y| {
                    [x * slope + 20.0, y * slope + 20.0, 77.0]
                });
                // The crop's middle on the photo's middle.
                let middle = photo_side as f32 / 2.0;
                let bare = scaled(scale, turn, 0.0, 0.0).apply(Point {
                    x: middle,
                    y: middle,
                });
                let to_crop = scaled(scale, turn, 56.0 - bare.x, 56.0 - bare.y);
                let crop = warp(&image, &to_crop, 112, Beyond::Black);
                let back = to_crop.inverse();
                for (i, pixel) in crop.chunks(3).enumerate() {
                    let at = Point {
                        x: (i % 112) as f32 + 0.5,
                        y: (i / 112) as f32 + 0.5,
                    };
                    let from = back.apply(at);
                    let inside = |v: f32| v > 15.0 / scale && v < photo_side as f32 - 15.0 / scale;
                    if inside(from.x) && inside(from.y) {
                        let (dx, dy) = (
                            f32::from(pixel[0]) - from.x * slope - 20.0,
                            f32::from(pixel[1]) - from.y * slope - 20.0,
                        );
                        assert!(
                            dx.abs() < 1.6 && dy.abs() < 1.6,
                            "{scale} {turn}: {dx} {dy}"
                        );
                        assert_eq!(pixel[2], 77);
                    }
                }
            }
        }
    }

    #[test]
    fn stripes_too_narrow_for_the_crop_become_grey() {
        let image = drawn(900, 900, |x, _| {
            [if (x as u32).is_multiple_of(2) {
                0.0
            } else {
                255.0
            }; 3]
        });
        for scale in [0.5f32, 0.25, 0.2, 0.125] {
            let crop = warp(&image, &scaled(scale, 0.0, 0.0, 0.0), 112, Beyond::Black);
            let row = &crop[40 * 336..40 * 336 + 300];
            let (low, high) = (row.iter().min().unwrap(), row.iter().max().unwrap());
            assert!(high - low <= 60, "scale {scale}: {low} to {high}");
        }
    }

    #[test]
    fn outside_the_photo_is_black() {
        let white = drawn(40, 40, |_, _| [255.0; 3]);
        for scale in [1.0f32, 0.3] {
            let crop = warp(&white, &scaled(scale, 0.0, 30.0, 30.0), 112, Beyond::Black);
            assert_eq!(crop[..3], [0, 0, 0]);
            let seen = 30 * 336 + 30 * 3 + 2 * 339;
            assert_eq!(crop[seen..seen + 3], [255, 255, 255]);
        }
        assert!(
            warp(&white, &scaled(0.2, 0.0, -9e9, 0.0), 112, Beyond::Black)
                .iter()
                .all(|&v| v == 0)
        );
        assert!(
            warp(&white, &scaled(1.0, 0.0, 9e9, 0.0), 112, Beyond::Black)
                .iter()
                .all(|&v| v == 0)
        );
    }
}
