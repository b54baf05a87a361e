//! Faces as the app stores them. In: faces, the pack's threshold. Out: JSON with boxes, points and
//! descriptors, all in pixels of the photo that was sent.

use fusiform::Face;
use fusiform::geometry::Size;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::service::embedding;

/// The app's default: faces whose descriptors are nearer than that are linked.
const SENSITIVITY: f64 = 0.4;
/// The app drops faces of less than 0.99, unless its settings say otherwise.
const SURE: f64 = 1.0;
const DOUBTFUL: f64 = 0.8;

/// Makes descriptors that the app compares by their distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    factor: f64,
}

impl Scale {
    /// The distance of vectors at unit length and a cosine of `similarity` becomes the app's
    /// default.
    pub(super) fn fit(similarity: f32) -> Scale {
        let distance = (2.0 - 2.0 * f64::from(similarity)).max(1e-6).sqrt();
        Scale {
            factor: SENSITIVITY / distance,
        }
    }

    pub(super) fn descriptor(self, vector: &[f32]) -> Value {
        let scaled = vector.iter().map(|v| (f64::from(*v) * self.factor) as f32);
        json!(scaled.collect::<Vec<_>>())
    }

    pub(super) fn of_face(self, face: &Face) -> Result<Value, Problem> {
        Ok(self.descriptor(embedding(face)?))
    }

    pub(super) fn face(self, face: &Face, photo: Size) -> Result<Value, Problem> {
        let [left, top, right, bottom] = face.bbox.clipped(photo).as_array().map(px);
        let confidence = if face.is_unclear() { DOUBTFUL } else { SURE };
        Ok(json!({
            "detection_confidence": confidence,
            "left": left, "top": top, "right": right, "bottom": bottom,
            "landmarks": landmarks(face),
            "descriptor": self.of_face(face)?,
        }))
    }
}

/// Eyes, nose, corners of the mouth: the app keeps them and looks at none.
pub(super) fn landmarks(face: &Face) -> Value {
    let points = face.landmarks.iter().flat_map(|l| l.as_array());
    let points = points.map(|p| json!({"x": px(p.x), "y": px(p.y)}));
    Value::Array(points.collect())
}

fn px(v: f32) -> i64 {
    v.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_of_the_pack_is_the_apps_default_distance() {
        let similarity = 0.4f32;
        let scale = Scale::fit(similarity);
        assert!((scale.factor - 0.365).abs() < 0.001, "{}", scale.factor);
        let two = [[1.0, 0.0], [similarity, (1.0 - similarity.powi(2)).sqrt()]];
        let [a, b] = two.map(|v| {
            let scaled: Vec<f64> = serde_json::from_value(scale.descriptor(&v)).unwrap();
            scaled
        });
        let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2));
        assert!((squares.sum::<f64>().sqrt() - 0.4).abs() < 1e-6);
    }
}
