//! DeepStack's confidence. In: a pack's thresholds, cosine similarities. Out: numbers from 0 to 1.

use fusiform::verify::{SAME_FMR, Thresholds};

/// What DeepStack takes for a match unless a client says otherwise.
const MATCH: f64 = 0.67;
/// What Home Assistant's component asks for.
const SURE: f64 = 0.8;
const SURE_FMR: f64 = 1e-5;

/// Cosines and the confidences that they stand for, both rising; straight lines between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confidence {
    points: [(f64, f64); 4],
}

impl Confidence {
    /// Fitted to a pack: 0.67 at the similarity whose false-match rate is 1e-3, 0.8 at that of
    /// 1e-5.
    pub(super) fn fit(thresholds: &Thresholds) -> Result<Confidence, fusiform::Error> {
        let same = f64::from(thresholds.at_fmr(SAME_FMR)?.similarity);
        let sure = f64::from(thresholds.at_fmr(SURE_FMR)?.similarity);
        let sure = sure.max(same + 1e-3);
        Ok(Confidence {
            points: [(-1.0, 0.0), (same, MATCH), (sure, SURE), (1.0, 1.0)],
        })
    }

    pub(super) fn of(self, cosine: f32) -> f64 {
        let cosine = f64::from(cosine).clamp(-1.0, 1.0);
        let lines = self.points.windows(2);
        let found = lines.map(|l| (l[0], l[1])).find(|(_, (x, _))| cosine <= *x);
        let ((x0, y0), (x1, y1)) = found.unwrap_or((self.points[2], self.points[3]));
        let value = y0 + (y1 - y0) * (cosine - x0) / (x1 - x0);
        // To the precision of the vectors; a threshold must reach its own confidence.
        (value * 1e6).round() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_confidences_stand_for_stated_false_match_rates() {
        let engine = fusiform::Engine::builtin().unwrap();
        let thresholds = engine.thresholds().unwrap();
        let confidence = Confidence::fit(thresholds).unwrap();
        let at = |fmr| confidence.of(thresholds.at_fmr(fmr).unwrap().similarity);
        assert_eq!((at(1e-3), at(1e-5)), (0.67, 0.8));
        assert!(at(1e-2) < 0.67 && at(1e-4) > 0.67);
        assert_eq!((confidence.of(1.0), confidence.of(-1.0)), (1.0, 0.0));
        let all: Vec<f64> = (-100..=100)
            .map(|c| confidence.of(c as f32 / 100.0))
            .collect();
        assert!(all.is_sorted());
    }
}
