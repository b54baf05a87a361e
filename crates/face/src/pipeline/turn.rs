//! A picture that lies on its side. In: faces found in turned pixels. Out: the same faces in the
//! pixels as they were. Knows nothing of networks.

use crate::detect::DetectedFace;
use crate::geometry::{BoundingBox, Landmarks, Point, Size, deg_apart};
use crate::image::{Image, Orientation};

/// Clockwise quarter turns of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    /// Likely ones first: scans and photos without EXIF lie on a side more often than on the head.
    pub(super) const ALL: [Turn; 3] = [Turn::Quarter, Turn::ThreeQuarters, Turn::Half];

    /// Clockwise degrees that bring the picture upright.
    pub(super) fn deg(self) -> u16 {
        match self {
            Turn::Quarter => 90,
            Turn::Half => 180,
            Turn::ThreeQuarters => 270,
        }
    }

    /// The turn that rights a face with this roll; `None` if it is upright, more or less.
    pub(super) fn for_roll(roll_deg: f32) -> Option<Turn> {
        let nearest = |turn: &Turn| deg_apart(roll_deg, -f32::from(turn.deg())) <= 45.0;
        Turn::ALL.into_iter().find(nearest)
    }

    /// The picture turned.
    pub(super) fn turn(self, image: Image) -> Image {
        let orientation = match self {
            Turn::Quarter => Orientation::RotatedLeft,
            Turn::Half => Orientation::UpsideDown,
            Turn::ThreeQuarters => Orientation::RotatedRight,
        };
        orientation.upright(image)
    }

    /// Size of the turned picture.
    pub(super) fn turned_size(self, size: Size) -> Size {
        match self {
            Turn::Half => size,
            Turn::Quarter | Turn::ThreeQuarters => Size {
                width_px: size.height_px,
                height_px: size.width_px,
            },
        }
    }

    /// A face of the turned picture in pixels of the picture of this size before.
    pub(super) fn undo(self, face: &DetectedFace, before: Size) -> DetectedFace {
        let (width, height) = (before.width_px as f32, before.height_px as f32);
        let point = |p: Point| match self {
            Turn::Quarter => Point {
                x: p.y,
                y: height - p.x,
            },
            Turn::Half => Point {
                x: width - p.x,
                y: height - p.y,
            },
            Turn::ThreeQuarters => Point {
                x: width - p.y,
                y: p.x,
            },
        };
        let [x_min, y_min, x_max, y_max] = face.bbox.as_array();
        let (one, two) = (
            point(Point { x: x_min, y: y_min }),
            point(Point { x: x_max, y: y_max }),
        );
        let bbox = [
            one.x.min(two.x),
            one.y.min(two.y),
            one.x.max(two.x),
            one.y.max(two.y),
        ];
        DetectedFace {
            bbox: BoundingBox::from_array(bbox),
            score: face.score,
            landmarks: face
                .landmarks
                .map(|l| Landmarks::from_array(l.as_array().map(point))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_goes_back_to_where_its_pixels_were() {
        let (width, height) = (5, 3);
        for turn in Turn::ALL {
            for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                let mut rgb = vec![0; (width * height * 3) as usize];
                rgb[((y * width + x) * 3) as usize] = 255;
                let image = Image::new(width, height, rgb).unwrap();
                let before = image.size();
                let turned = turn.turn(image);
                assert_eq!(turned.size(), turn.turned_size(before));
                let lit = turned.rgb().chunks(3).position(|p| p[0] == 255).unwrap() as u32;
                let (tx, ty) = ((lit % turned.width()) as f32, (lit / turned.width()) as f32);
                let spot = Point {
                    x: tx + 0.5,
                    y: ty + 0.5,
                };
                let face = DetectedFace {
                    bbox: BoundingBox::from_array([tx, ty, tx + 1.0, ty + 1.0]),
                    score: 0.5,
                    landmarks: Some(Landmarks::from_array([spot; 5])),
                };
                let back = turn.undo(&face, before);
                let (x, y) = (x as f32, y as f32);
                assert_eq!(back.bbox.as_array(), [x, y, x + 1.0, y + 1.0], "{turn:?}");
                let nose = back.landmarks.unwrap().nose_tip;
                assert_eq!((nose.x, nose.y), (x + 0.5, y + 0.5), "{turn:?}");
            }
        }
    }

    #[test]
    fn a_roll_names_the_turn_that_rights_it() {
        let cases = [
            (0.0, None),
            (44.0, None),
            (-90.0, Some(Turn::Quarter)),
            (-60.0, Some(Turn::Quarter)),
            (100.0, Some(Turn::ThreeQuarters)),
            (175.0, Some(Turn::Half)),
            (-175.0, Some(Turn::Half)),
        ];
        for (roll_deg, turn) in cases {
            assert_eq!(Turn::for_roll(roll_deg), turn, "{roll_deg}");
        }
    }
}
