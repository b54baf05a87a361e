//! Faces made unrecognisable. In: pixels and boxes. Out: pixels that hold nothing of what was in
//! the boxes' ellipses. Knows nothing of who anybody is.

use crate::geometry::BoundingBox;
use crate::image::Image;

/// How far the covered ellipse reaches beyond a detector's box, as a factor of its sides: over hair
/// line, ears and chin.
const REACH: f32 = 1.5;
/// The rim of the covered ellipse is so much larger than it.
const RIM: f32 = 1.1;

/// How far a kept face reaches beyond its box: a pixel within stays if it is nearer to that face
/// than to a covered one.
const KEPT_REACH: f32 = 1.2;

/// Covers each face with an ellipse in the mean colour of its rim, but nothing that belongs to a
/// face that is kept.
///
/// Nothing of the covered pixels is kept, neither blurred nor enlarged, so there is nothing to
/// undo. Where ellipses of a covered and of a kept face overlap, a pixel belongs to the face whose
/// centre is nearer, measured in sizes of each face; so heads that touch are divided between them.
/// Boxes are in pixels of the photo.
///
/// # Source
/// Blur and mosaics are matched again by networks: McPherson, Shokri and Shmatikov, arXiv
/// 1609.00408 (2016). That an ellipse is enough is measured by detecting and recognising again in
/// redacted photos.
///
/// # Example
/// ```
/// use fusiform_face::{geometry::BoundingBox, image::Image};
/// let mut photo = Image::new(40, 40, vec![200; 4800])?;
/// photo.rgb_mut()[(20 * 40 + 20) * 3] = 0;
/// fusiform_face::redact::redact(
///     &mut photo,
///     &[BoundingBox::from_array([10.0, 10.0, 30.0, 30.0])],
///     &[],
/// );
/// assert_eq!(photo.pixel(20, 20), [200, 200, 200]);
/// # Ok::<(), fusiform_face::image::ImageError>(())
/// ```
pub fn redact(photo: &mut Image, covered: &[BoundingBox], kept: &[BoundingBox]) {
    let (width, height) = (photo.width() as i64, photo.height() as i64);
    let kept: Vec<Ellipse> = kept.iter().map(Ellipse::of).collect();
    for face in covered.iter().map(Ellipse::of) {
        let is_covered = |x: i64, y: i64| {
            let to_face = face.distance(x, y);
            let is_nearer = |k: &Ellipse| k.distance(x, y) < to_face.min(KEPT_REACH);
            to_face < REACH && !kept.iter().any(is_nearer)
        };
        let span = |c: f32, r: f32, end: i64| {
            let r = r * REACH * RIM;
            ((c - r).floor() as i64).clamp(0, end)..((c + r).ceil() as i64).clamp(0, end)
        };
        let columns = span(face.x, face.half_width, width);
        let rows = span(face.y, face.half_height, height);
        let pixels = || {
            let columns = columns.clone();
            rows.clone()
                .flat_map(move |y| columns.clone().map(move |x| (x, y)))
        };
        let offset = |x: i64, y: i64| ((y * width + x) * 3) as usize;
        let mut sum = [0u64; 3];
        let mut n = 0u64;
        let rim = REACH..REACH * RIM;
        for (x, y) in pixels().filter(|(x, y)| rim.contains(&face.distance(*x, *y))) {
            let pixel = &photo.rgb()[offset(x, y)..offset(x, y) + 3];
            sum.iter_mut()
                .zip(pixel)
                .for_each(|(s, p)| *s += u64::from(*p));
            n += 1;
        }
        // A face that fills the photo has no rim.
        let colour = sum.map(|s| s.checked_div(n).map_or(128, |mean| mean as u8));
        for (x, y) in pixels().filter(|(x, y)| is_covered(*x, *y)) {
            photo.rgb_mut()[offset(x, y)..offset(x, y) + 3].copy_from_slice(&colour);
        }
    }
}

/// The ellipse in a face's box.
struct Ellipse {
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
}

impl Ellipse {
    fn of(bbox: &BoundingBox) -> Ellipse {
        let center = bbox.center();
        Ellipse {
            x: center.x,
            y: center.y,
            half_width: (bbox.width() / 2.0).max(0.7),
            half_height: (bbox.height() / 2.0).max(0.7),
        }
    }

    /// Distance of a pixel's centre from the ellipse's, in radii: 1 on the ellipse.
    fn distance(&self, x: i64, y: i64) -> f32 {
        let dx = (x as f32 + 0.5 - self.x) / self.half_width;
        let dy = (y as f32 + 0.5 - self.y) / self.half_height;
        (dx * dx + dy * dy).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_touch_are_divided_between_them() {
        let colours = (0..100 * 60u32).flat_map(|i| [i as u8, (i >> 4) as u8, 9]);
        let pixels = colours.collect();
        let before = Image::new(100, 60, pixels).unwrap();
        // The covered ellipse alone would reach over half of the kept face.
        let [other, kept] =
            [[10.0, 10.0, 50.0, 50.0], [45.0, 10.0, 85.0, 50.0]].map(BoundingBox::from_array);
        let mut after = before.clone();
        redact(&mut after, &[other], &[kept]);
        let same = |x: u32, y: u32| before.pixel(x, y) == after.pixel(x, y);
        let mut n_kept = 0;
        for (x, y) in (0..100u32).flat_map(|x| (0..60u32).map(move |y| (x, y))) {
            let distance = |face| Ellipse::of(face).distance(x.into(), y.into());
            if distance(&kept) < 1.0 && distance(&kept) < distance(&other) {
                assert!(same(x, y), "{x} {y} belongs to the kept face");
                n_kept += 1;
            }
            if distance(&other) < distance(&kept) && distance(&other) < 1.0 {
                assert_eq!(after.pixel(x, y), after.pixel(30, 30), "{x} {y}");
            }
        }
        let whole = std::f32::consts::PI * 20.0 * 20.0;
        assert!(n_kept as f32 > 0.95 * whole, "{n_kept} of {whole}");
        assert!(!same(30, 30));
    }
}
