//! A face as CompreFace shows it. In: a described face. Out: JSON, and similarities on CompreFace's scale.

use fusiform::geometry::BoundingBox;
use fusiform::pipeline::DescribedFace;
use fusiform::verify::{SAME_FMR, Thresholds};
use serde_json::{Value, json};

/// How cosine similarity maps to CompreFace's scale: (tanh((c0 − d) · c1) + 1) / 2, d the distance of unit vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    c0: f64,
    c1: f64,
}

impl Scale {
    /// Fitted to a pack: 0.5 at the similarity whose false-match rate is 1e-3, 0.8 (where Home Assistant's component
    /// says yes) at that of 1e-5.
    pub(crate) fn fit(thresholds: &Thresholds) -> Result<Scale, fusiform::Error> {
        let distance = |fmr| Ok::<_, fusiform::Error>(distance(thresholds.at_fmr(fmr)?.similarity));
        let (c0, strict) = (distance(SAME_FMR)?, distance(1e-5)?);
        let c1 = 0.6f64.atanh() / (c0 - strict).max(1e-3);
        Ok(Scale { c0, c1 })
    }

    pub(super) fn similarity(self, cosine: f32) -> f64 {
        rounded((((self.c0 - distance(cosine)) * self.c1).tanh() + 1.0) / 2.0)
    }
}

fn distance(cosine: f32) -> f64 {
    (2.0 - 2.0 * f64::from(cosine)).max(0.0).sqrt()
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

/// A face that is said to fill its image.
pub(super) fn whole(b: &BoundingBox, vector: &[f32], plugins: &[&str]) -> Value {
    let mut shown = json!({"box": bounds(b, 1.0)});
    if wants_embedding(plugins) {
        shown["embedding"] = json!(vector);
    }
    shown
}

fn wants_embedding(plugins: &[&str]) -> bool {
    plugins.iter().any(|p| p.contains("calculator"))
}

fn px(v: f32) -> i64 {
    v.round() as i64
}

fn bounds(b: &BoundingBox, probability: f64) -> Value {
    json!({"probability": probability,
        "x_max": px(b.x_max), "y_max": px(b.y_max), "x_min": px(b.x_min), "y_min": px(b.y_min)})
}

/// Box and the plugins asked for.
pub(super) fn face(face: &DescribedFace, plugins: &[&str]) -> Value {
    let probability = rounded(f64::from(face.face.score));
    let mut shown = json!({"box": bounds(&face.face.bbox, probability)});
    if let (true, Some(l)) = (plugins.contains(&"landmarks"), &face.face.landmarks) {
        // CompreFace's left is the viewer's.
        let order = [
            &l.subject_right_eye,
            &l.subject_left_eye,
            &l.nose_tip,
            &l.subject_right_mouth,
            &l.subject_left_mouth,
        ];
        shown["landmarks"] = json!(order.map(|p| [px(p.x), px(p.y)]));
    }
    if plugins.contains(&"pose") {
        let p = &face.quality.pose;
        shown["pose"] = json!({"pitch": p.pitch_deg, "roll": p.roll_deg, "yaw": p.yaw_deg});
    }
    if let (true, Some(e)) = (wants_embedding(plugins), &face.embedding) {
        shown["embedding"] = json!(e.0);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_says_half_at_one_in_a_thousand_and_four_fifths_at_one_in_a_hundred_thousand() {
        let engine = fusiform::Engine::builtin().unwrap();
        let thresholds = engine.thresholds().unwrap();
        let scale = Scale::fit(thresholds).unwrap();
        let at = |fmr| scale.similarity(thresholds.at_fmr(fmr).unwrap().similarity);
        assert_eq!((at(1e-3), at(1e-5)), (0.5, 0.8));
        assert!(at(1e-2) < 0.4 && scale.similarity(1.0) > 0.999);
        assert!(scale.similarity(-1.0) < 0.01);
    }
}
