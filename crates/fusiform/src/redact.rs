//! Faces made unrecognisable. In: pixels and boxes. Out: pixels that hold nothing of what was in the boxes' ellipses.
//! Knows nothing of who anybody is.

use fusiform_face::image::Image;

/// How far the covered ellipse reaches beyond a detector's box, as a factor of its sides: over hair line, ears and chin.
const REACH: f32 = 1.5;

/// Covers each face with an ellipse in the mean colour of its rim.
///
/// Nothing of the covered pixels is kept, neither blurred nor enlarged, so there is nothing to undo. Boxes are
/// `x_min, y_min, x_max, y_max` in pixels of the photo.
///
/// # Source
/// Blur and mosaics are matched again by networks: McPherson, Shokri and Shmatikov, arXiv 1609.00408 (2016). That an
/// ellipse is enough is measured by `fusiform eval redact`.
///
/// # Example
/// ```
/// use fusiform::image::Image;
/// let mut photo = Image::new(40, 40, vec![200; 4800])?;
/// photo.rgb_mut()[(20 * 40 + 20) * 3] = 0;
/// fusiform::redact::redact(&mut photo, &[[10.0, 10.0, 30.0, 30.0]]);
/// assert_eq!(photo.pixel(20, 20), [200, 200, 200]);
/// # Ok::<(), fusiform::image::ImageError>(())
/// ```
pub fn redact(photo: &mut Image, faces: &[[f32; 4]]) {
    let (width, height) = (photo.width() as i64, photo.height() as i64);
    for [x_min, y_min, x_max, y_max] in faces {
        let (cx, cy) = ((x_min + x_max) / 2.0, (y_min + y_max) / 2.0);
        let rx = ((x_max - x_min) / 2.0 * REACH).max(1.0);
        let ry = ((y_max - y_min) / 2.0 * REACH).max(1.0);
        // How far out a pixel lies: 1 on the ellipse.
        let out = |x: i64, y: i64| {
            let (dx, dy) = ((x as f32 + 0.5 - cx) / rx, (y as f32 + 0.5 - cy) / ry);
            (dx * dx + dy * dy).sqrt()
        };
        let span = |c: f32, r: f32, end: i64| {
            let (from, to) = ((c - r * 1.1).floor() as i64, (c + r * 1.1).ceil() as i64);
            from.clamp(0, end)..to.clamp(0, end)
        };
        let (columns, rows) = (span(cx, rx, width), span(cy, ry, height));
        let pixels = || {
            let columns = columns.clone();
            rows.clone()
                .flat_map(move |y| columns.clone().map(move |x| (x, y)))
        };
        let at = |x: i64, y: i64| ((y * width + x) * 3) as usize;
        let mut sum = [0u64; 3];
        let mut n = 0u64;
        for (x, y) in pixels().filter(|(x, y)| (1.0..1.1).contains(&out(*x, *y))) {
            let pixel = &photo.rgb()[at(x, y)..at(x, y) + 3];
            sum.iter_mut()
                .zip(pixel)
                .for_each(|(s, p)| *s += u64::from(*p));
            n += 1;
        }
        // A face that fills the photo has no rim.
        let colour = sum.map(|s| s.checked_div(n).map_or(128, |mean| mean as u8));
        for (x, y) in pixels().filter(|(x, y)| out(*x, *y) < 1.0) {
            photo.rgb_mut()[at(x, y)..at(x, y) + 3].copy_from_slice(&colour);
        }
    }
}
