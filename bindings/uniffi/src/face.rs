//! Photos and faces. In: the library's. Out: records, and faces that compare.

use std::sync::Arc;

use crate::error::FusiformError;

/// A photo and its faces, best detector score first.
#[derive(uniffi::Record)]
pub struct Photo {
    /// Width in pixels, upright.
    pub width_px: u32,
    /// Height in pixels, upright.
    pub height_px: u32,
    /// Local time without a zone, as ISO 8601.
    pub taken_at: Option<String>,
    /// Clockwise degrees that bring its faces upright.
    pub turn_deg: u16,
    /// Shorter side, in pixels, of the smallest face that was looked for.
    pub smallest_face_px: f32,
    /// What in the file had no effect, in words.
    pub notes: Vec<String>,
    /// Best detector score first.
    pub faces: Vec<Arc<Face>>,
    /// The face with the largest box, if there is any: the person whom a portrait shows.
    pub largest: Option<Arc<Face>>,
}

/// An upright rectangle in pixels of the upright photo; it may reach over the photo's edge.
#[derive(uniffi::Record)]
pub struct BoundingBox {
    pub x_min: f32,
    pub y_min: f32,
    pub x_max: f32,
    pub y_max: f32,
}

/// Pixels of the upright photo.
#[derive(uniffi::Record)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// How much of a recogniser's accuracy a face keeps, 0 to 1; `overall` is the product of the others
/// but `frontal`, and 0 for a face by which nobody can be recognised. Angles: turned to the
/// subject's left, up, and clockwise in the picture are positive.
#[derive(uniffi::Record)]
pub struct Quality {
    pub overall: f32,
    pub size: f32,
    pub sharpness: f32,
    pub exposure: f32,
    pub frontal: f32,
    pub detector_score: f32,
    pub recognisability: f32,
    pub yaw_deg: f32,
    pub pitch_deg: f32,
    pub roll_deg: f32,
}

/// One face: where it is, how good it is, and the template by which it is compared.
#[derive(uniffi::Object)]
pub struct Face(pub(crate) fusiform::Face);

#[uniffi::export]
impl Face {
    /// Where it is.
    pub fn bbox(&self) -> BoundingBox {
        bounding_box(&self.0.bbox)
    }

    /// The detector's score, 0 to 1. Not a probability.
    pub fn score(&self) -> f32 {
        self.0.score
    }

    /// The subject's right eye, left eye, tip of the nose, right and left corner of the mouth;
    /// empty if the detector gives boxes alone.
    pub fn landmarks(&self) -> Vec<Point> {
        let points = self.0.landmarks.map(|l| l.as_array());
        let points = points.iter().flatten();
        points.map(|p| Point { x: p.x, y: p.y }).collect()
    }

    /// How good it is, and where it is directed.
    pub fn quality(&self) -> Quality {
        let (q, pose) = (&self.0.quality, &self.0.quality.pose);
        Quality {
            overall: q.overall,
            size: q.size,
            sharpness: q.sharpness,
            exposure: q.exposure,
            frontal: q.frontal,
            detector_score: q.detector_score,
            recognisability: q.recognisability,
            yaw_deg: pose.yaw_deg,
            pitch_deg: pose.pitch_deg,
            roll_deg: pose.roll_deg,
        }
    }

    /// The embedding of unit length; only those of one model compare.
    pub fn template(&self) -> Result<Vec<f32>, FusiformError> {
        Ok(self.0.template()?.vector.clone())
    }

    /// Which model made the template; none if the pack has no embedder.
    pub fn model(&self) -> Option<String> {
        self.0.template.as_ref().map(|t| t.model.0.clone())
    }

    /// The upright crop that the embedder was given: 112x112 RGB pixels.
    pub fn aligned_rgb(&self) -> Vec<u8> {
        self.0.aligned.rgb.clone()
    }

    /// Whether nobody can be recognised in it: too small, too blurred, or no face.
    pub fn is_unclear(&self) -> bool {
        self.0.is_unclear()
    }

    /// Cosine similarity to another face, -1 to 1; larger is nearer. `Engine.verify` judges it.
    pub fn similarity(&self, other: &Face) -> Result<f32, FusiformError> {
        Ok(self.0.similarity(&other.0)?.0)
    }
}

impl From<fusiform::Photo> for Photo {
    fn from(photo: fusiform::Photo) -> Photo {
        let faces: Vec<Arc<Face>> = photo.faces.into_iter().map(|f| Arc::new(Face(f))).collect();
        let area = |face: &&Arc<Face>| face.0.bbox.area();
        let largest = faces.iter().max_by(|a, b| area(a).total_cmp(&area(b)));
        Photo {
            largest: largest.cloned(),
            width_px: photo.width_px,
            height_px: photo.height_px,
            taken_at: photo.taken_at,
            turn_deg: photo.turn_deg,
            smallest_face_px: photo.smallest_face_px,
            notes: photo.notes.iter().map(ToString::to_string).collect(),
            faces,
        }
    }
}

pub(crate) fn bounding_box(bbox: &fusiform::BoundingBox) -> BoundingBox {
    let [x_min, y_min, x_max, y_max] = bbox.as_array();
    BoundingBox {
        x_min,
        y_min,
        x_max,
        y_max,
    }
}
