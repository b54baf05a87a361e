//! Faces made unrecognisable. In: pixels and boxes. Out: pixels that hold nothing of what was in the boxes' ellipses.
//! Knows nothing of who anybody is.

use crate::image::Image;

/// How far the covered ellipse reaches beyond a detector's box, as a factor of its sides: over hair line, ears and chin.
const REACH: f32 = 1.5;
/// The rim of the covered ellipse is so much larger than it.
const RIM: f32 = 1.1;

/// How far a kept face reaches beyond its box: what lies within stays, where it is nearer to that face than to a covered one.
const KEPT_REACH: f32 = 1.2;

/// Covers each face with an ellipse in the mean colour of its rim, but nothing that belongs to a face that is kept.
///
/// Nothing of the covered pixels is kept, neither blurred nor enlarged, so there is nothing to undo. Where ellipses of a
/// covered and of a kept face overlap, a pixel belongs to the face whose centre is nearer, measured in sizes of each
/// face; so heads that touch are parted between them. Boxes are `x_min, y_min, x_max, y_max` in pixels of the photo.
///
/// # Source
/// Blur and mosaics are matched again by networks: McPherson, Shokri and Shmatikov, arXiv 1609.00408 (2016). That an
/// ellipse is enough is measured by `fusiform eval redact`.
///
/// # Example
/// ```
/// use fusiform_face::image::Image;
/// let mut photo = Image::new(40, 40, vec![200; 4800])?;
/// photo.rgb_mut()[(20 * 40 + 20) * 3] = 0;
/// fusiform_face::redact::redact(&mut photo, &[[10.0, 10.0, 30.0, 30.0]], &[]);
/// assert_eq!(photo.pixel(20, 20), [200, 200, 200]);
/// # Ok::<(), fusiform_face::image::ImageError>(())
/// ```
pub fn redact(photo: &mut Image, covered: &[[f32; 4]], kept: &[[f32; 4]]) {
    let (width, height) = (photo.width() as i64, photo.height() as i64);
    let kept: Vec<Oval> = kept.iter().map(Oval::of).collect();
    for face in covered.iter().map(Oval::of) {
        let goes = |x: i64, y: i64| {
            let own = face.out(x, y);
            let theirs = |k: &Oval| k.out(x, y) < own.min(KEPT_REACH);
            own < REACH && !kept.iter().any(theirs)
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
        let at = |x: i64, y: i64| ((y * width + x) * 3) as usize;
        let mut sum = [0u64; 3];
        let mut n = 0u64;
        let rim = REACH..REACH * RIM;
        for (x, y) in pixels().filter(|(x, y)| rim.contains(&face.out(*x, *y))) {
            let pixel = &photo.rgb()[at(x, y)..at(x, y) + 3];
            sum.iter_mut()
                .zip(pixel)
                .for_each(|(s, p)| *s += u64::from(*p));
            n += 1;
        }
        // A face that fills the photo has no rim.
        let colour = sum.map(|s| s.checked_div(n).map_or(128, |mean| mean as u8));
        for (x, y) in pixels().filter(|(x, y)| goes(*x, *y)) {
            photo.rgb_mut()[at(x, y)..at(x, y) + 3].copy_from_slice(&colour);
        }
    }
}

/// The ellipse in a face's box.
struct Oval {
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
}

impl Oval {
    fn of([x_min, y_min, x_max, y_max]: &[f32; 4]) -> Oval {
        Oval {
            x: (x_min + x_max) / 2.0,
            y: (y_min + y_max) / 2.0,
            half_width: ((x_max - x_min) / 2.0).max(0.7),
            half_height: ((y_max - y_min) / 2.0).max(0.7),
        }
    }

    /// How far out a pixel lies: 1 on the ellipse.
    fn out(&self, x: i64, y: i64) -> f32 {
        let dx = (x as f32 + 0.5 - self.x) / self.half_width;
        let dy = (y as f32 + 0.5 - self.y) / self.half_height;
        (dx * dx + dy * dy).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_touch_are_parted_between_them() {
        let colours = (0..100 * 60u32).flat_map(|i| [i as u8, (i >> 4) as u8, 9]);
        let pixels = colours.collect();
        let before = Image::new(100, 60, pixels).unwrap();
        // The covered ellipse alone would reach over half of the kept face.
        let (other, kept) = ([10.0, 10.0, 50.0, 50.0], [45.0, 10.0, 85.0, 50.0]);
        let mut after = before.clone();
        redact(&mut after, &[other], &[kept]);
        let same = |x: u32, y: u32| before.pixel(x, y) == after.pixel(x, y);
        let mut n_kept = 0;
        for (x, y) in (0..100u32).flat_map(|x| (0..60u32).map(move |y| (x, y))) {
            let out = |face| Oval::of(face).out(x.into(), y.into());
            if out(&kept) < 1.0 && out(&kept) < out(&other) {
                assert!(same(x, y), "{x} {y} belongs to who is kept");
                n_kept += 1;
            }
            if out(&other) < out(&kept) && out(&other) < 1.0 {
                assert_eq!(after.pixel(x, y), after.pixel(30, 30), "{x} {y}");
            }
        }
        let whole = std::f32::consts::PI * 20.0 * 20.0;
        assert!(n_kept as f32 > 0.95 * whole, "{n_kept} of {whole}");
        assert!(!same(30, 30));
    }
}
