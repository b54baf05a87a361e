//! A face with its surroundings as a small picture to show. In: upright pixels and a box. Out: a
//! square. Not the crop that an embedder sees: that one is `align`'s.

use super::pixels::Image;
use crate::geometry::BoundingBox;

/// Side of a crop in pixels; enough for a screen with two pixels per point.
pub const CROP_PX: u32 = 160;
/// How much of the surroundings a crop shows: the side of the square over the face's longer side.
const CROP_MARGIN: f32 = 1.5;

/// [`surroundings`] of a box, at most `side_px` pixels wide.
///
/// `None` if a side of the box is not a finite number.
pub fn square(image: &Image, bbox: &BoundingBox, side_px: u32) -> Option<Image> {
    let (crop, _) = surroundings(image, bbox, CROP_MARGIN)?;
    Some(crop.shrunk_to(side_px))
}

/// A square around a box, `margin` times its longer side wide, moved inside the picture where it
/// would reach out of it; and the box in it.
///
/// `None` if a side of the box is not a finite number.
pub fn surroundings(
    image: &Image,
    bbox: &BoundingBox,
    margin: f32,
) -> Option<(Image, BoundingBox)> {
    if bbox.as_array().iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (width, height) = (image.width(), image.height());
    let wanted = bbox.width().max(bbox.height()) * margin;
    let side = (wanted.round() as u32).clamp(1, width.min(height));
    let start = |center: f32, end: u32| {
        ((center - side as f32 / 2.0).max(0.0).round() as u32).min(end - side)
    };
    let center = bbox.center();
    let (x, y) = (start(center.x, width), start(center.y, height));
    let rows = (y..y + side).flat_map(|row| {
        let start = (row as usize * width as usize + x as usize) * 3;
        image.rgb()[start..start + side as usize * 3]
            .iter()
            .copied()
    });
    let crop = Image::new(side, side, rows.collect()).ok()?;
    let [x_min, y_min, x_max, y_max] = bbox.as_array();
    let (x, y) = (x as f32, y as f32);
    let inside = BoundingBox::from_array([x_min - x, y_min - y, x_max - x, y_max - y]);
    Some((crop, inside))
}
