//! How large the detector sees a photo. In: sizes and options. Out: a [`Plan`] and the way back to
//! the photo. Knows nothing of pixels' values.

use super::spec::{DetectOptions, DetectedFace, DetectorSpec, InputSize};
use crate::geometry::Size;
use crate::image::scaled_size;

/// Pixels of the largest copy, whatever `min_face_px` asks for: a cap and not tiles, because one
/// more octave of small faces costs four times the work. With 2048x2048 a photo of 12 Mpx needs 300
/// MB in all (measured with YuNet).
const MAX_COPY_PIXELS: f64 = 4_194_304.0;

/// How far a photo is enlarged at most when `min_face_px` asks for faces smaller than the detector
/// finds.
const MAX_ENLARGEMENT: f64 = 2.0;

/// Size of the copy, and of the input in which it lies at the top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Plan {
    pub(super) copy: Size,
    pub(super) input: Size,
    /// Photo pixels per copy pixel; the two differ by the rounding of the copy's sides.
    step_x: f32,
    step_y: f32,
}

impl Plan {
    pub(super) fn new(photo: Size, spec: &DetectorSpec, options: &DetectOptions) -> Plan {
        let (photo_width, photo_height) = (f64::from(photo.width_px), f64::from(photo.height_px));
        let longest = photo_width.max(photo_height);
        let scale = match spec.input_size {
            InputSize::Fixed(input) => (f64::from(input.width_px) / photo_width)
                .min(f64::from(input.height_px) / photo_height),
            InputSize::Dynamic { .. } => {
                let usual = (f64::from(options.longest_side_px) / longest).min(1.0);
                let for_small_faces = options.min_face_px.map_or(0.0, |px| {
                    (f64::from(spec.smallest_face_px) / f64::from(px)).min(MAX_ENLARGEMENT)
                });
                let cap = (MAX_COPY_PIXELS / (photo_width * photo_height)).sqrt();
                usual.max(for_small_faces).min(cap)
            }
        };
        let mut copy = scaled_size(photo, scale);
        let input = match spec.input_size {
            InputSize::Fixed(input) => {
                copy.width_px = copy.width_px.min(input.width_px);
                copy.height_px = copy.height_px.min(input.height_px);
                input
            }
            InputSize::Dynamic { multiple_of } => Size {
                width_px: copy.width_px.next_multiple_of(multiple_of),
                height_px: copy.height_px.next_multiple_of(multiple_of),
            },
        };
        Plan {
            copy,
            input,
            step_x: (photo_width / f64::from(copy.width_px)) as f32,
            step_y: (photo_height / f64::from(copy.height_px)) as f32,
        }
    }

    /// Input pixels to photo pixels.
    pub(super) fn to_photo(self, face: &DetectedFace) -> DetectedFace {
        face.scaled(self.step_x, self.step_y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{BoundingBox, Landmarks, Point};

    fn plan(width: u32, height: u32, longest: u32, min_face: Option<f32>) -> Plan {
        let options = DetectOptions {
            longest_side_px: longest,
            min_face_px: min_face,
            min_score: None,
        };
        let spec = DetectorSpec {
            smallest_face_px: 10.0,
            ..DetectorSpec::default()
        };
        Plan::new(size(width, height), &spec, &options)
    }

    fn size(width_px: u32, height_px: u32) -> Size {
        Size {
            width_px,
            height_px,
        }
    }

    #[track_caller]
    fn check(found: Plan, copy: (u32, u32), input: (u32, u32)) {
        assert_eq!(found.copy, size(copy.0, copy.1));
        assert_eq!(found.input, size(input.0, input.1));
    }

    #[test]
    fn large_photos_shrink_and_small_ones_stay() {
        check(plan(4000, 3000, 640, None), (640, 480), (640, 480));
        check(plan(1000, 700, 640, None), (640, 448), (640, 448));
        check(plan(250, 250, 640, None), (250, 250), (256, 256));
        check(plan(1, 3000, 640, None), (1, 640), (32, 640));
    }

    #[test]
    fn small_faces_raise_the_size_up_to_the_cap() {
        // A detector that finds faces of 10 px finds 40 px ones at a quarter of the size.
        check(plan(4000, 3000, 640, Some(40.0)), (1000, 750), (1024, 768));
        check(plan(4000, 3000, 640, Some(200.0)), (640, 480), (640, 480));
        check(plan(300, 200, 640, Some(5.0)), (600, 400), (608, 416));
        check(plan(300, 200, 640, Some(1.0)), (600, 400), (608, 416));
        let capped = plan(6000, 4000, 640, Some(10.0));
        assert!(
            capped.copy.pixels() <= 4_200_000 && capped.copy.width_px > 2500,
            "{capped:?}"
        );
    }

    #[test]
    fn a_fixed_input_takes_what_fits() {
        let spec = DetectorSpec {
            input_size: InputSize::Fixed(size(320, 240)),
            ..DetectorSpec::default()
        };
        check(
            Plan::new(size(300, 900), &spec, &DetectOptions::default()),
            (80, 240),
            (320, 240),
        );
    }

    #[test]
    fn faces_come_back_in_photo_pixels() {
        let plan = plan(1000, 700, 640, None);
        let corner = Point { x: 640.0, y: 448.0 };
        let face = DetectedFace {
            bbox: BoundingBox {
                x_min: 0.0,
                y_min: 0.0,
                x_max: 640.0,
                y_max: 448.0,
            },
            score: 1.0,
            landmarks: Some(Landmarks::from_array([corner; 5])),
        };
        let face = plan.to_photo(&face);
        assert!((face.bbox.x_max - 1000.0).abs() < 0.01 && (face.bbox.y_max - 700.0).abs() < 0.01);
        assert!((face.landmarks.unwrap().nose_tip.y - 700.0).abs() < 0.01);
    }
}
