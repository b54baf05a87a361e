//! A picture that was held aslant. In: a picture and an angle. Out: a copy turned by it, and the
//! boxes found there in pixels of the picture. Knows nothing of networks.

use crate::align::SimilarityTransform;
use crate::detect::DetectedFace;
use crate::geometry::{BoundingBox, Point};
use crate::image::{Image, ImageError};

/// The directions between quarter turns, in clockwise degrees that bring the picture upright:
/// likely ones first.
pub(super) const TILTS_DEG: [f32; 4] = [45.0, -45.0, 135.0, -135.0];

/// Side of the copy. It holds the whole picture, so that a face of a twentieth of it is found.
const SIDE_PX: u32 = 384;

/// A copy of a picture, turned.
pub(super) struct Tilted {
    pub(super) copy: Image,
    /// From the picture onto the copy.
    onto: SimilarityTransform,
}

impl Tilted {
    /// The whole picture turned clockwise.
    ///
    /// # Errors
    /// None for a picture with pixels.
    pub(super) fn new(image: &Image, deg: f32) -> Result<Tilted, ImageError> {
        let (width, height) = (image.width() as f32, image.height() as f32);
        let (sin, cos) = deg.to_radians().sin_cos();
        let across = width * cos.abs() + height * sin.abs();
        let down = width * sin.abs() + height * cos.abs();
        let side = SIDE_PX as f32;
        // Nothing is gained by enlarging.
        let scale = (side / across.max(down)).min(1.0);
        let (a, b) = (scale * cos, scale * sin);
        let onto = SimilarityTransform {
            a,
            b,
            tx: side / 2.0 - a * width / 2.0 + b * height / 2.0,
            ty: side / 2.0 - b * width / 2.0 - a * height / 2.0,
        };
        let copy = Image::new(SIDE_PX, SIDE_PX, nearest(image, &onto.inverse()))?;
        Ok(Tilted { copy, onto })
    }

    /// A face of the copy in pixels of the picture: a box of the same sides around the same middle,
    /// without landmarks.
    pub(super) fn undo(&self, face: &DetectedFace) -> DetectedFace {
        let back = self.onto.inverse();
        let (bbox, scale) = (&face.bbox, back.scale());
        let middle = back.apply(bbox.center());
        DetectedFace {
            bbox: BoundingBox::around(middle, bbox.width() * scale, bbox.height() * scale),
            score: face.score,
            landmarks: None,
        }
    }
}

/// The pixels of the copy: the nearest of the picture, grey beyond it. Between pixels nothing is
/// mixed, which would take longer than the detector does and finds no more faces.
fn nearest(image: &Image, from_copy: &SimilarityTransform) -> Vec<u8> {
    let pixels = image.rgb().as_chunks::<3>().0;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut rgb = Vec::with_capacity((SIDE_PX * SIDE_PX * 3) as usize);
    for row in 0..SIDE_PX {
        for column in 0..SIDE_PX {
            let at = from_copy.apply(Point {
                x: column as f32 + 0.5,
                y: row as f32 + 0.5,
            });
            // A cast takes what is left of the picture or above it for 0, so its sign is asked.
            let (x, y) = (at.x as usize, at.y as usize);
            let inside = at.x >= 0.0 && at.y >= 0.0 && x < width && y < height;
            rgb.extend(match inside {
                true => pixels[y * width + x],
                false => [GREY; 3],
            });
        }
    }
    rgb
}

/// Around a turned picture: the middle of the range of bytes.
const GREY: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_goes_back_to_where_its_pixels_were() {
        for (width, height) in [(900_u32, 300_u32), (40, 70)] {
            for deg in TILTS_DEG {
                // A white square on black; in the copy, the middle of what is lit.
                let (x, y, side) = (width / 5, height / 3, height / 6);
                let mut rgb = vec![0; (width * height * 3) as usize];
                for (px, py) in (y..y + side).flat_map(|py| (x..x + side).map(move |px| (px, py))) {
                    rgb[((py * width + px) * 3) as usize..][..3].fill(255);
                }
                let image = Image::new(width, height, rgb).unwrap();
                let tilted = Tilted::new(&image, deg).unwrap();
                let lit = tilted.copy.rgb().chunks(3).enumerate();
                let (mut sum, mut at) = (0.0, Point { x: 0.0, y: 0.0 });
                for (i, pixel) in lit {
                    let weight = f32::from(pixel[0].saturating_sub(GREY));
                    sum += weight;
                    at.x += weight * ((i as u32 % SIDE_PX) as f32 + 0.5);
                    at.y += weight * ((i as u32 / SIDE_PX) as f32 + 0.5);
                }
                let (cx, cy) = (at.x / sum, at.y / sum);
                let face = DetectedFace {
                    bbox: BoundingBox::from_array([cx - 1.0, cy - 1.0, cx + 1.0, cy + 1.0]),
                    score: 0.5,
                    landmarks: None,
                };
                let back = tilted.undo(&face).bbox.center();
                let middle = |start: u32| start as f32 + side as f32 / 2.0;
                let off = (back.x - middle(x)).hypot(back.y - middle(y));
                assert!(off < 1.0, "{width}x{height} {deg}: {off}");
            }
        }
    }
}
