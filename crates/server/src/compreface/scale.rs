//! CompreFace's scale of similarities. In: a pack's thresholds, cosine similarities. Out: numbers
//! from 0 to 1.

use fusiform::verify::{SAME_FMR, Thresholds};

/// Maps cosine similarity as CompreFace does: (tanh((c0 − d) · c1) + 1) / 2, d the distance of unit
/// vectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    c0: f64,
    c1: f64,
}

impl Scale {
    /// Fitted to a pack: 0.5 at the similarity whose false-match rate is 1e-3, 0.8 (the default
    /// threshold of Home Assistant's component) at that of 1e-5.
    pub(crate) fn fit(thresholds: &Thresholds) -> Result<Scale, fusiform::Error> {
        let distance = |fmr| Ok::<_, fusiform::Error>(distance(thresholds.at_fmr(fmr)?.similarity));
        let (c0, strict) = (distance(SAME_FMR)?, distance(1e-5)?);
        let c1 = 0.6f64.atanh() / (c0 - strict).max(1e-3);
        Ok(Scale { c0, c1 })
    }

    pub(crate) fn similarity(self, cosine: f32) -> f64 {
        rounded((((self.c0 - distance(cosine)) * self.c1).tanh() + 1.0) / 2.0)
    }
}

fn distance(cosine: f32) -> f64 {
    (2.0 - 2.0 * f64::from(cosine)).max(0.0).sqrt()
}

/// To five decimals, as CompreFace rounds.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
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
