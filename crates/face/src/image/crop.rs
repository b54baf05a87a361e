//! A face cut out of its photo. In: upright pixels and a box. Out: a small square picture.

use super::Image;

/// Side of a crop in pixels; enough for a screen with two pixels a point.
pub const CROP_PX: u32 = 160;
/// How much of the surroundings a crop shows: the side of the square over the face's longer side.
const CROP_MARGIN: f32 = 1.5;

/// A square around a box, moved inside the picture where it would reach out of it.
///
/// None if the box is not one.
pub fn square(image: &Image, bbox: [f32; 4], side_px: u32) -> Option<Image> {
    if bbox.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let [x_min, y_min, x_max, y_max] = bbox;
    let (width, height) = (image.width(), image.height());
    let wanted = (x_max - x_min).max(y_max - y_min) * CROP_MARGIN;
    let side = (wanted.round() as u32).clamp(1, width.min(height));
    let left = |centre: f32, whole: u32| {
        ((centre - side as f32 / 2.0).max(0.0).round() as u32).min(whole - side)
    };
    let x = left((x_min + x_max) / 2.0, width);
    let y = left((y_min + y_max) / 2.0, height);
    let rows = (y..y + side).flat_map(|row| {
        let start = (row as usize * width as usize + x as usize) * 3;
        image.rgb()[start..start + side as usize * 3]
            .iter()
            .copied()
    });
    let cut = Image::new(side, side, rows.collect()).ok()?;
    Some(cut.shrunk_to(side_px))
}
