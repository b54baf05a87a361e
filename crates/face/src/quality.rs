//! Stage 4. In: a detected face and its crop. Out: how much it is worth to a recogniser, with
//! reasons. Knows nothing of people; judges the picture, never the person.
//!
//! Every part is the measured share of a genuine pair's similarity that remains when one of its
//! photos is degraded in that one way: 1 is nothing lost, 0 is all lost. So parts multiply, and a
//! part of 0.5 means the same everywhere. The curves were measured on LFW pairs with YuNet and
//! MobileFaceNet by `golden/quality_curves.py`.

use crate::align::{ALIGNED_SIDE_PX, AlignedFace, REFERENCE};
use crate::detect::DetectedFace;
use crate::embed::Embedding;
use crate::geometry::Size;
use crate::image;

mod luma;
mod pose;

use luma::Luma;
pub use pose::Pose;

/// What a recogniser can expect of a face. Every part is 0 (worthless) to 1 (nothing lost) except
/// degrees.
///
/// Plain data: a store keeps it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// Product of the parts below but `frontal`; 0 for a face that cannot be recognised, whatever
    /// its parts say.
    ///
    /// Setting apart the worst 5 % of lfw-dev by it takes the FNMR at FMR 1e-3 from 0.0191 to
    /// 0.0064 (`fusiform eval quality`; base pack). By `frontal` it would rise.
    pub overall: f32,
    /// From the distance between the eyes in the photo: 1 from 35 px, 0.65 at 9 px.
    pub size: f32,
    /// From fine detail against coarse contrast: 1 for a sharp photo, 0.77 after a Gaussian blur of
    /// 2 px of the crop.
    pub sharpness: f32,
    /// From contrast and from pixels that are clipped to white or black.
    pub exposure: f32,
    /// Where the face is directed.
    pub pose: Pose,
    /// From `pose`: 1 for a face directed at the camera, 0.82 at a yaw of 45 degrees. 1 without
    /// landmarks.
    pub frontal: f32,
    /// The detector's score.
    pub detector_score: f32,
    /// How far the embedding is from those that all faces have in common that cannot be
    /// recognised: 1 for a usual face, near 0 for a blur, an ear, a hand. 1 if the embedder's pack
    /// does not state what those look like.
    pub recognisability: f32,
}

/// What the embeddings of faces that cannot be recognised have in common.
///
/// # Source
/// Deng, Roy, Mishra and Mallya, "A unified approach to recognizability of faces", 2022: such faces
/// resemble *each other*. Their embeddings are also short: blurred to 6 px, 476 different people
/// have a mean similarity of 0.78 and a median length of 7.1, unblurred 0.0 and 12.8.
#[derive(Debug, Clone, PartialEq)]
pub struct Unrecognisable {
    /// Direction of their mean embedding, of unit length.
    pub center: Vec<f32>,
    /// Median length of the embeddings of usual faces.
    pub usual_length: f32,
    /// A face whose recognisability is lower cannot be recognised.
    pub min_recognisability: f32,
}

impl Unrecognisable {
    /// `length / usual_length · (1 − similarity to the centre)`, at least 0: about 1 for a usual
    /// face.
    pub fn recognisability(&self, embedding: &Embedding) -> f32 {
        let pairs = self.center.iter().zip(&embedding.vector);
        let similarity: f32 = pairs.map(|(a, b)| a * b).sum();
        let found = embedding.length / self.usual_length * (1.0 - similarity);
        if found.is_finite() {
            found.max(0.0)
        } else {
            0.0
        }
    }
}

impl Quality {
    /// The same, knowing the embedding.
    pub fn with(mut self, embedding: &Embedding, unrecognisable: &Unrecognisable) -> Quality {
        self.recognisability = unrecognisable.recognisability(embedding);
        self.overall *= self.recognisability.min(1.0);
        if self.is_unclear(unrecognisable) {
            self.overall = 0.0;
        }
        self
    }

    fn is_unclear(&self, unrecognisable: &Unrecognisable) -> bool {
        self.recognisability < unrecognisable.min_recognisability
    }
}

/// A crop of which 6 by 6 pixels are left: whoever it was, nobody can tell.
pub fn made_unrecognisable(crop: &AlignedFace) -> AlignedFace {
    let side = |px: u32| Size {
        width_px: px,
        height_px: px,
    };
    let small = crop.to_image().shrunk_to(UNRECOGNISABLE_PX);
    AlignedFace {
        rgb: image::resize(&small, side(ALIGNED_SIDE_PX)),
        from_photo: crop.from_photo,
    }
}

/// Side that is left of such a crop.
const UNRECOGNISABLE_PX: u32 = 6;

/// Judges one face.
///
/// # Units
/// Sizes are of the original photo, sharpness and exposure of the crop that the embedder sees.
pub fn assess(face: &DetectedFace, aligned: &AlignedFace) -> Quality {
    let luma = Luma::of_face(&aligned.rgb, ALIGNED_SIDE_PX as usize);
    let pose = face.landmarks.as_ref().map(Pose::of).unwrap_or_default();
    // The crop's own eye distance through the map that made it, so that boxes without landmarks
    // have a size too.
    let reference_eyes_px =
        (REFERENCE[1].x - REFERENCE[0].x).hypot(REFERENCE[1].y - REFERENCE[0].y);
    let size = remaining(EYES_PX, reference_eyes_px / aligned.from_photo.scale());
    let sharpness = remaining(DETAIL, luma.detail());
    let exposure = remaining(CONTRAST, luma.contrast()).min(remaining(CLIPPED, luma.clipped()));
    let frontal =
        remaining(YAW_DEG, pose.yaw_deg.abs()) * remaining(PITCH_DEG, pose.pitch_deg.abs());
    let detector_score = face.score.clamp(0.0, 1.0);
    Quality {
        overall: size * sharpness * exposure * detector_score,
        size,
        sharpness,
        exposure,
        pose,
        frontal,
        detector_score,
        recognisability: 1.0,
    }
}

/// A measured curve: a reading, and the share of similarity that remains there.
type Curve = &'static [(f32, f32)];

/// Photos shrunk until the eyes are this many pixels apart; 250 genuine pairs.
const EYES_PX: Curve = &[
    (2.0, 0.0),
    (4.0, 0.13),
    (5.0, 0.24),
    (7.0, 0.47),
    (9.0, 0.65),
    (11.0, 0.80),
    (14.0, 0.91),
    (18.0, 0.96),
    (22.0, 0.98),
    (28.0, 0.99),
    (35.0, 1.0),
];

/// Crops blurred with a Gaussian of 6, 4, 3, 2.5, 2, 1.5, 1 and 0.5 px; median of [`Luma::detail`]
/// there.
const DETAIL: Curve = &[
    (0.01, 0.0),
    (0.021, 0.05),
    (0.035, 0.16),
    (0.050, 0.41),
    (0.063, 0.59),
    (0.084, 0.77),
    (0.117, 0.90),
    (0.170, 0.97),
    (0.266, 1.0),
];

/// Crops drawn together around black and around middle grey; median of [`Luma::contrast`], mean of
/// the two losses.
const CONTRAST: Curve = &[
    (1.0, 0.0),
    (1.9, 0.07),
    (3.0, 0.26),
    (4.5, 0.52),
    (6.8, 0.76),
    (9.4, 0.89),
    (13.0, 0.95),
    (19.0, 0.98),
    (30.0, 1.0),
];

/// Crops brightened by 40, 80 ... 200; median of [`Luma::clipped`].
const CLIPPED: Curve = &[
    (0.0, 1.0),
    (0.06, 0.96),
    (0.20, 0.91),
    (0.39, 0.83),
    (0.60, 0.71),
    (0.76, 0.53),
    (0.89, 0.32),
    (0.95, 0.15),
    (1.0, 0.0),
];

/// Genuine pairs by the larger yaw of the two photos, 1500 pairs; LFW has too few beyond 45
/// degrees, from there on the curve falls to the profile, where one eye is out of sight.
const YAW_DEG: Curve = &[(30.0, 1.0), (36.0, 0.94), (45.0, 0.82), (90.0, 0.0)];

/// As yaw, by distance from the median pitch; beyond 16 degrees LFW has too few.
const PITCH_DEG: Curve = &[(5.0, 1.0), (10.0, 0.98), (16.0, 0.91), (60.0, 0.0)];

/// Linear between measured points, level beyond them.
fn remaining(curve: Curve, reading: f32) -> f32 {
    let above = curve.partition_point(|&(at, _)| at <= reading);
    match (
        above.checked_sub(1).and_then(|i| curve.get(i)),
        curve.get(above),
    ) {
        (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (reading - x0) / (x1 - x0),
        (Some(&(_, end)), None) | (None, Some(&(_, end))) => end,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_rise_or_fall_and_stay_between_0_and_1() {
        for curve in [EYES_PX, DETAIL, CONTRAST, CLIPPED, YAW_DEG, PITCH_DEG] {
            assert!(curve.windows(2).all(|w| w[0].0 < w[1].0), "{curve:?}");
            let rises = curve[0].1 < curve[curve.len() - 1].1;
            assert!(
                curve.windows(2).all(|w| (w[0].1 < w[1].1) == rises),
                "{curve:?}"
            );
            assert!(
                curve.iter().all(|(_, y)| (0.0..=1.0).contains(y)),
                "{curve:?}"
            );
        }
    }

    #[test]
    fn short_embeddings_near_the_common_centre_are_worth_nothing() {
        let unrecognisable = Unrecognisable {
            center: vec![0.0, 1.0],
            usual_length: 12.0,
            min_recognisability: 0.3,
        };
        let of = |vector: [f32; 2], length| Embedding {
            vector: vector.into(),
            length,
        };
        let whole = Quality {
            overall: 0.5,
            ..Quality::default()
        };
        let clear = whole.with(&of([1.0, 0.0], 12.0), &unrecognisable);
        assert_eq!((clear.recognisability, clear.overall), (1.0, 0.5));
        let blur = whole.with(&of([0.6, 0.8], 6.0), &unrecognisable);
        assert!((blur.recognisability - 0.1).abs() < 1e-6 && blur.overall == 0.0);
        let poor = whole.with(&of([0.8, 0.6], 15.0), &unrecognisable);
        assert!((poor.recognisability - 0.5).abs() < 1e-6 && (poor.overall - 0.25).abs() < 1e-6);
    }

    #[test]
    fn curves_are_read_between_and_beyond_their_points() {
        assert_eq!(remaining(EYES_PX, 9.0), 0.65);
        assert!((remaining(EYES_PX, 8.0) - 0.56).abs() < 1e-6);
        assert_eq!(
            (remaining(EYES_PX, 0.0), remaining(EYES_PX, 400.0)),
            (0.0, 1.0)
        );
        assert_eq!(
            (remaining(YAW_DEG, 0.0), remaining(YAW_DEG, 120.0)),
            (1.0, 0.0)
        );
    }
}
