//! Points, boxes and sizes. In and out: plain numbers in pixels of the upright original. Origin at
//! the top left corner of the top left pixel; pixel centres are at .5. Knows nothing of pixels'
//! values.

use std::fmt;

/// Width and height in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Size {
    /// Pixels in a row.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
}

impl Size {
    /// The longer side.
    pub fn longest_px(self) -> u32 {
        self.width_px.max(self.height_px)
    }

    /// Width times height.
    pub fn pixels(self) -> u64 {
        u64::from(self.width_px) * u64::from(self.height_px)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width_px, self.height_px)
    }
}

/// A position in the photo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Pixels from the left edge.
    pub x: f32,
    /// Pixels from the top edge.
    pub y: f32,
}

/// An upright rectangle; it may reach over the photo's edge when the face does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BoundingBox {
    /// Left edge.
    pub x_min: f32,
    /// Top edge.
    pub y_min: f32,
    /// Right edge.
    pub x_max: f32,
    /// Bottom edge.
    pub y_max: f32,
}

impl BoundingBox {
    /// `x_min, y_min, x_max, y_max`.
    pub fn as_array(&self) -> [f32; 4] {
        [self.x_min, self.y_min, self.x_max, self.y_max]
    }

    /// The inverse of [`as_array`](Self::as_array).
    pub fn from_array([x_min, y_min, x_max, y_max]: [f32; 4]) -> BoundingBox {
        BoundingBox {
            x_min,
            y_min,
            x_max,
            y_max,
        }
    }

    /// A box of these sides around a middle.
    pub fn around(middle: Point, width: f32, height: f32) -> BoundingBox {
        let (x, y) = (width / 2.0, height / 2.0);
        BoundingBox::from_array([middle.x - x, middle.y - y, middle.x + x, middle.y + y])
    }

    /// A box with sides so many times as long, around the same middle.
    pub fn resized(&self, scale: f32) -> BoundingBox {
        let (width, height) = (self.width() * scale, self.height() * scale);
        BoundingBox::around(self.center(), width, height)
    }

    /// Width in pixels; zero if the edges are in the wrong order.
    pub fn width(&self) -> f32 {
        (self.x_max - self.x_min).max(0.0)
    }

    /// Height in pixels; zero if the edges are in the wrong order.
    pub fn height(&self) -> f32 {
        (self.y_max - self.y_min).max(0.0)
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle.
    pub fn center(&self) -> Point {
        Point {
            x: (self.x_min + self.x_max) / 2.0,
            y: (self.y_min + self.y_max) / 2.0,
        }
    }

    /// The part inside a photo of this size.
    pub fn clipped(&self, photo: Size) -> BoundingBox {
        let (right, bottom) = (photo.width_px as f32, photo.height_px as f32);
        BoundingBox {
            x_min: self.x_min.clamp(0.0, right),
            y_min: self.y_min.clamp(0.0, bottom),
            x_max: self.x_max.clamp(0.0, right),
            y_max: self.y_max.clamp(0.0, bottom),
        }
    }

    /// The same box in a copy of the photo that is so many times as wide and as high.
    pub fn scaled(&self, x: f32, y: f32) -> BoundingBox {
        BoundingBox {
            x_min: self.x_min * x,
            y_min: self.y_min * y,
            x_max: self.x_max * x,
            y_max: self.y_max * y,
        }
    }

    /// The same box where the origin lies so far to the left and above.
    pub fn shifted(&self, x: f32, y: f32) -> BoundingBox {
        BoundingBox {
            x_min: self.x_min + x,
            y_min: self.y_min + y,
            x_max: self.x_max + x,
            y_max: self.y_max + y,
        }
    }

    /// Area of what it shares with another box.
    pub fn shared_area(&self, other: &BoundingBox) -> f32 {
        BoundingBox {
            x_min: self.x_min.max(other.x_min),
            y_min: self.y_min.max(other.y_min),
            x_max: self.x_max.min(other.x_max),
            y_max: self.y_max.min(other.y_max),
        }
        .area()
    }

    /// Intersection over union with another box: 1 for the same box, 0 for boxes apart or without
    /// area.
    ///
    /// # Example
    /// ```
    /// use fusiform_face::geometry::BoundingBox;
    /// let left = BoundingBox { x_min: 0.0, y_min: 0.0, x_max: 2.0, y_max: 2.0 };
    /// let right = BoundingBox { x_min: 1.0, x_max: 3.0, ..left };
    /// assert!((left.iou(&right) - 1.0 / 3.0).abs() < 1e-6);
    /// ```
    pub fn iou(&self, other: &BoundingBox) -> f32 {
        let shared = self.shared_area(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// Five points of a face; right and left are the subject's, so `subject_right_eye` is at the left
/// of the picture of an upright face.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Landmarks {
    /// Centre of the subject's right eye.
    pub subject_right_eye: Point,
    /// Centre of the subject's left eye.
    pub subject_left_eye: Point,
    /// Tip of the nose.
    pub nose_tip: Point,
    /// The subject's right corner of the mouth.
    pub subject_right_mouth: Point,
    /// The subject's left corner of the mouth.
    pub subject_left_mouth: Point,
}

impl Landmarks {
    /// Right eye, left eye, nose tip, right mouth corner, left mouth corner: the order detectors
    /// give them in.
    pub fn as_array(&self) -> [Point; 5] {
        [
            self.subject_right_eye,
            self.subject_left_eye,
            self.nose_tip,
            self.subject_right_mouth,
            self.subject_left_mouth,
        ]
    }

    /// The inverse of [`as_array`](Self::as_array).
    pub fn from_array(points: [Point; 5]) -> Landmarks {
        let [
            subject_right_eye,
            subject_left_eye,
            nose_tip,
            subject_right_mouth,
            subject_left_mouth,
        ] = points;
        Landmarks {
            subject_right_eye,
            subject_left_eye,
            nose_tip,
            subject_right_mouth,
            subject_left_mouth,
        }
    }

    /// The same points where the origin lies so far to the left and above.
    pub fn shifted(&self, x: f32, y: f32) -> Landmarks {
        Landmarks::from_array(self.as_array().map(|p| Point {
            x: p.x + x,
            y: p.y + y,
        }))
    }

    /// The same points in a copy of the photo that is so many times as wide and as high.
    pub fn scaled(&self, x: f32, y: f32) -> Landmarks {
        Landmarks::from_array(self.as_array().map(|p| Point {
            x: p.x * x,
            y: p.y * y,
        }))
    }

    /// Distance between the eye centres in pixels.
    pub fn inter_eye_px(&self) -> f32 {
        let (right, left) = (self.subject_right_eye, self.subject_left_eye);
        (left.x - right.x).hypot(left.y - right.y)
    }
}

/// How far two angles are apart, 0 to 180 degrees.
pub(crate) fn deg_apart(one: f32, other: f32) -> f32 {
    let apart = (one - other).rem_euclid(360.0);
    apart.min(360.0 - apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, y: f32, side: f32) -> BoundingBox {
        BoundingBox {
            x_min: x,
            y_min: y,
            x_max: x + side,
            y_max: y + side,
        }
    }

    #[test]
    fn iou_of_itself_of_neighbours_and_of_nothing() {
        let one = square(3.0, 4.0, 10.0);
        assert_eq!(one.iou(&one), 1.0);
        assert_eq!(one.iou(&square(13.0, 4.0, 10.0)), 0.0);
        assert_eq!(square(0.0, 0.0, 0.0).iou(&square(0.0, 0.0, 0.0)), 0.0);
        let inside_out = BoundingBox {
            x_min: 5.0,
            x_max: 1.0,
            ..one
        };
        assert_eq!((inside_out.area(), inside_out.iou(&one)), (0.0, 0.0));
    }

    #[test]
    fn clipping_keeps_what_is_inside() {
        let photo = Size {
            width_px: 100,
            height_px: 100,
        };
        let clipped = square(-5.0, 90.0, 20.0).clipped(photo);
        assert_eq!(
            clipped,
            BoundingBox {
                x_min: 0.0,
                y_min: 90.0,
                x_max: 15.0,
                y_max: 100.0
            }
        );
        assert_eq!(square(200.0, 0.0, 5.0).clipped(photo).area(), 0.0);
    }

    #[test]
    fn landmarks_keep_their_order() {
        let points: [Point; 5] = std::array::from_fn(|i| Point {
            x: i as f32,
            y: 10.0 * i as f32,
        });
        let landmarks = Landmarks::from_array(points);
        assert_eq!(landmarks.as_array(), points);
        assert_eq!(landmarks.nose_tip.x, 2.0);
        assert!((landmarks.inter_eye_px() - 101f32.sqrt()).abs() < 1e-5);
    }
}
