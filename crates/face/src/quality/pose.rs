//! Where a face is directed. In: five landmarks. Out: three angles.
//! Knows nothing of pixels.

use crate::geometry::Landmarks;

/// Direction of a face, estimated from five points: good to tell a glance from a profile, not a
/// measured head pose.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// Turned towards the subject's left (the right of the picture) is positive.
    pub yaw_deg: f32,
    /// Looking up is positive.
    pub pitch_deg: f32,
    /// Turned clockwise in the picture is positive.
    pub roll_deg: f32,
}

/// How far the tip of the nose stands before the plane of eyes and mouth, in eye distances.
///
/// About 34 of 63 mm in generic face models; an assumption about all faces, so angles carry some 10
/// % of error for each of us.
const NOSE_DEPTH: f32 = 0.54;

/// Where the nose lies between eyes (0) and mouth (1) on a face directed at the camera: median of
/// 3,000 LFW photos, YuNet's landmarks.
const NOSE_DOWN: f32 = 0.555;

/// Eyes to mouth in eye distances: median of the same photos.
const MOUTH_BELOW: f32 = 1.037;

impl Pose {
    /// Reads the angles off the triangle of eyes, nose and mouth.
    ///
    /// Seen from afar (weak perspective) a turn by `yaw` moves the nose aside by `depth * sin(yaw)`
    /// while the eyes draw together by `cos(yaw)`; a nod does the same between eyes and mouth. Both
    /// quotients are tangents. Landmarks on one spot give zeros.
    pub fn of(landmarks: &Landmarks) -> Pose {
        let [right, left, nose, right_mouth, left_mouth] = landmarks.as_array();
        let eyes = landmarks.inter_eye_px();
        if !(eyes > 0.0 && eyes.is_finite()) {
            return Pose::default();
        }
        // Axes along the eyes and down the face.
        let (ax, ay) = ((left.x - right.x) / eyes, (left.y - right.y) / eyes);
        let along = |x: f32, y: f32| x * ax + y * ay;
        let down = |x: f32, y: f32| y * ax - x * ay;
        let (eye_x, eye_y) = ((right.x + left.x) / 2.0, (right.y + left.y) / 2.0);
        let (mouth_x, mouth_y) = (
            (right_mouth.x + left_mouth.x) / 2.0 - eye_x,
            (right_mouth.y + left_mouth.y) / 2.0 - eye_y,
        );
        let (nose_x, nose_y) = (nose.x - eye_x, nose.y - eye_y);
        let aside = (along(nose_x, nose_y) - along(mouth_x, mouth_y) / 2.0) / eyes;
        let tall = down(mouth_x, mouth_y);
        let lift = if tall > 0.0 {
            NOSE_DOWN - down(nose_x, nose_y) / tall
        } else {
            0.0
        };
        Pose {
            yaw_deg: (aside / NOSE_DEPTH).atan().to_degrees(),
            pitch_deg: (lift * MOUTH_BELOW / NOSE_DEPTH).atan().to_degrees(),
            roll_deg: ay.atan2(ax).to_degrees(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;
    use proptest::prelude::*;

    /// A head of the assumed proportions, nodded, then turned, then tilted, seen from afar.
    fn head(yaw_deg: f32, pitch_deg: f32, roll_deg: f32, scale: f32) -> Landmarks {
        let (yaw, pitch, roll) = (
            yaw_deg.to_radians(),
            pitch_deg.to_radians(),
            roll_deg.to_radians(),
        );
        let nose = (0.0, NOSE_DOWN * MOUTH_BELOW, NOSE_DEPTH);
        let solid = [
            (-0.5, 0.0, 0.0),
            (0.5, 0.0, 0.0),
            nose,
            (-0.4, MOUTH_BELOW, 0.0),
            (0.4, MOUTH_BELOW, 0.0),
        ];
        Landmarks::from_array(solid.map(|(x, y, z): (f32, f32, f32)| {
            // Up is negative y, so looking up moves what is in front upwards.
            let (y, z) = (
                y * pitch.cos() - z * pitch.sin(),
                y * pitch.sin() + z * pitch.cos(),
            );
            let x = x * yaw.cos() + z * yaw.sin();
            Point {
                x: 100.0 + scale * (x * roll.cos() - y * roll.sin()),
                y: 80.0 + scale * (x * roll.sin() + y * roll.cos()),
            }
        }))
    }

    proptest! {
        #[test]
        fn a_turned_head_is_read_back(
            yaw in -60f32..60.0, roll in -170f32..170.0, scale in 10f32..300.0,
        ) {
            let pose = Pose::of(&head(yaw, 0.0, roll, scale));
            prop_assert!((pose.yaw_deg - yaw).abs() < 0.5);
            prop_assert!((pose.roll_deg - roll).abs() < 0.5);
            prop_assert!(pose.pitch_deg.abs() < 0.5);
        }

        #[test]
        fn a_nodding_head_is_read_back(pitch in -40f32..40.0, roll in -90f32..90.0) {
            let pose = Pose::of(&head(0.0, pitch, roll, 50.0));
            prop_assert!((pose.pitch_deg - pitch).abs() < 0.5, "{} for {pitch}", pose.pitch_deg);
            prop_assert!(pose.yaw_deg.abs() < 0.5);
        }
    }

    #[test]
    fn landmarks_without_extent_have_no_direction() {
        assert_eq!(Pose::of(&Landmarks::default()), Pose::default());
        let nan = Landmarks::from_array(
            [Point {
                x: f32::NAN,
                y: 0.0,
            }; 5],
        );
        assert_eq!(Pose::of(&nan), Pose::default());
    }
}
