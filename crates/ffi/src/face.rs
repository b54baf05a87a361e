//! Faces and answers as plain structs. In: values of the library. Out: the same in C's layout.
//! Knows nothing of handles.

use fusiform::models::Threshold;
use fusiform::{BoundingBox, Face, Verdict, Verification};

/// An upright rectangle in pixels of the upright photo; it may reach over the photo's edge.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformBox {
    /// Left edge.
    pub x_min: f32,
    /// Top edge.
    pub y_min: f32,
    /// Right edge.
    pub x_max: f32,
    /// Bottom edge.
    pub y_max: f32,
}

/// A position in pixels of the upright photo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct FusiformPoint {
    /// From the left edge.
    pub x: f32,
    /// From the top edge.
    pub y: f32,
}

/// How much of a recogniser's accuracy a face keeps, 0 to 1, with the reasons; and where it looks.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformQuality {
    /// Product of the others but `frontal`; 0 for a face by which nobody can be recognised.
    pub overall: f32,
    /// From the distance between the eyes.
    pub size: f32,
    /// From fine detail against coarse contrast.
    pub sharpness: f32,
    /// From contrast and clipped pixels.
    pub exposure: f32,
    /// From yaw and pitch.
    pub frontal: f32,
    /// How far the face is from those that cannot be recognised.
    pub recognisability: f32,
    /// Turned to the subject's left is positive.
    pub yaw_deg: f32,
    /// Looking up is positive.
    pub pitch_deg: f32,
    /// Turned clockwise in the picture is positive.
    pub roll_deg: f32,
}

/// One face of a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformFace {
    /// Where it is.
    pub bbox: FusiformBox,
    /// The detector's score, 0 to 1. Not a probability.
    pub score: f32,
    /// Whether `landmarks` are known.
    pub has_landmarks: bool,
    /// Whether it has a template, which fusiform_photo_template gives.
    pub has_template: bool,
    /// Whether nobody can be recognised in it: too small, too blurred, or no face.
    pub is_unclear: bool,
    /// The subject's right eye, left eye, tip of the nose, right and left corner of the mouth.
    pub landmarks: [FusiformPoint; 5],
    /// How good it is.
    pub quality: FusiformQuality,
}

/// A similarity and the error rates that were measured at it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformThreshold {
    /// False-match rate: the share of pairs of different people that reach the similarity.
    pub fmr: f64,
    /// False non-match rate: the share of pairs of one person that do not reach it.
    pub fnmr: f64,
    /// Cosine similarity, -1 to 1; larger is nearer.
    pub similarity: f32,
}

/// The verdict of a one-to-one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum FusiformVerdict {
    /// Below the similarity of a false-match rate of 1e-2.
    Different = 0,
    /// At or above that of 1e-3.
    Same = 1,
    /// Between the two.
    Unsure = 2,
}

/// Whether two faces are of one person, and what the answer rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformVerification {
    /// Cosine similarity, -1 to 1; larger is nearer.
    pub similarity: f32,
    /// The decision.
    pub verdict: FusiformVerdict,
    /// At or above: same.
    pub same_at: FusiformThreshold,
    /// Below: different.
    pub different_below: FusiformThreshold,
}

impl From<BoundingBox> for FusiformBox {
    fn from(of: BoundingBox) -> FusiformBox {
        FusiformBox {
            x_min: of.x_min,
            y_min: of.y_min,
            x_max: of.x_max,
            y_max: of.y_max,
        }
    }
}

impl From<&Face> for FusiformFace {
    fn from(face: &Face) -> FusiformFace {
        let points = face.landmarks.map(|l| l.as_array());
        let points = points.map(|l| l.map(|p| FusiformPoint { x: p.x, y: p.y }));
        let q = &face.quality;
        FusiformFace {
            bbox: face.bbox.into(),
            score: face.score,
            has_landmarks: points.is_some(),
            has_template: face.template.is_some(),
            is_unclear: face.is_unclear(),
            landmarks: points.unwrap_or_default(),
            quality: FusiformQuality {
                overall: q.overall,
                size: q.size,
                sharpness: q.sharpness,
                exposure: q.exposure,
                frontal: q.frontal,
                recognisability: q.recognisability,
                yaw_deg: q.pose.yaw_deg,
                pitch_deg: q.pose.pitch_deg,
                roll_deg: q.pose.roll_deg,
            },
        }
    }
}

impl From<Threshold> for FusiformThreshold {
    fn from(of: Threshold) -> FusiformThreshold {
        FusiformThreshold {
            fmr: of.fmr,
            fnmr: of.fnmr,
            similarity: of.similarity,
        }
    }
}

impl From<Verification> for FusiformVerification {
    fn from(of: Verification) -> FusiformVerification {
        FusiformVerification {
            similarity: of.similarity.0,
            verdict: match of.verdict {
                Verdict::Same => FusiformVerdict::Same,
                Verdict::Different => FusiformVerdict::Different,
                Verdict::Unsure => FusiformVerdict::Unsure,
            },
            same_at: of.same_at.into(),
            different_below: of.different_below.into(),
        }
    }
}
