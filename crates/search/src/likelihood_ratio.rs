//! How much a similarity speaks for one person. In: a model's measured error rates. Out: the
//! logarithm of a likelihood ratio for any similarity. Knows nothing of albums or people.

/// The natural logarithm of how many times likelier a similarity is between two faces of one person
/// than between faces of two people.
///
/// Between the similarities of two stated thresholds that is the share of genuine pairs that lie
/// there over the share of impostor pairs: the fall of FNMR over the rise of FMR. It is taken as
/// the value at their middle, and as linear from there to the next and beyond the last.
///
/// # Example
/// ```
/// use fusiform_search::likelihood_ratio::LikelihoodRatio;
/// // Similarity, false-match rate, false-non-match rate.
/// let ratio = LikelihoodRatio::from_rates(&[
///     (0.2, 1e-2, 0.010),
///     (0.3, 1e-3, 0.019),
///     (0.4, 1e-4, 0.037),
/// ]);
/// assert!((ratio.ln_at(0.25) - 0.0).abs() < 1e-4); // As many of one kind as of the other.
/// assert!((ratio.ln_at(0.35) - 20f32.ln()).abs() < 1e-4);
/// assert!(ratio.ln_at(0.45) > ratio.ln_at(0.35));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LikelihoodRatio {
    /// Similarity and logarithm, rising in both; at least two.
    points: Vec<(f32, f32)>,
}

/// Where nothing was measured: as steep as the base pack's.
impl Default for LikelihoodRatio {
    fn default() -> LikelihoodRatio {
        LikelihoodRatio {
            points: vec![(0.3, 0.0), (0.4, 4.0)],
        }
    }
}

/// Farther than this from even nothing is told apart.
const MAX_LN: f32 = 15.0;

impl LikelihoodRatio {
    /// From thresholds, each with its false-match and false-non-match rate. Fewer than three that
    /// differ say nothing of how the ratio rises; then the default is taken.
    pub fn from_rates(stated: &[(f32, f64, f64)]) -> LikelihoodRatio {
        let mut stated = stated.to_vec();
        stated.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut points: Vec<(f32, f32)> = Vec::new();
        for pair in stated.windows(2) {
            let [(low, low_fmr, low_fnmr), (high, high_fmr, high_fnmr)] = [pair[0], pair[1]];
            let (impostors, genuine) = (low_fmr - high_fmr, high_fnmr - low_fnmr);
            if high <= low || impostors <= 0.0 {
                continue;
            }
            let ln = ((genuine.max(1e-7) / impostors).ln() as f32).clamp(-MAX_LN, MAX_LN);
            // Rates of few pairs may waver; a larger similarity never speaks less for one person.
            let ln = points.last().map_or(ln, |before| ln.max(before.1));
            points.push((low + (high - low) / 2.0, ln));
        }
        match points.len() {
            0 | 1 => LikelihoodRatio::default(),
            _ => LikelihoodRatio { points },
        }
    }

    /// The logarithm at a similarity.
    pub fn ln_at(&self, similarity: f32) -> f32 {
        let above = self.points.partition_point(|point| point.0 <= similarity);
        let at = above.clamp(1, self.points.len() - 1);
        let ((x0, y0), (x1, y1)) = (self.points[at - 1], self.points[at]);
        let ln = y0 + (y1 - y0) * (similarity - x0) / (x1 - x0);
        ln.clamp(-MAX_LN, MAX_LN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_similarity_never_speaks_less_for_one_person() {
        // The base pack's, and rates that waver.
        let packs = [
            vec![
                (0.2421, 1e-2, 0.0112),
                (0.3305, 1e-3, 0.0191),
                (0.4075, 1e-4, 0.0358),
                (0.4737, 1e-5, 0.0684),
            ],
            vec![(0.4, 1e-2, 0.1), (0.2, 1e-1, 0.01), (0.3, 3e-2, 0.09)],
            vec![(0.5, 0.0, 0.0)],
            vec![],
        ];
        for stated in &packs {
            let ratio = LikelihoodRatio::from_rates(stated);
            let all: Vec<f32> = (-100..=100)
                .map(|at| ratio.ln_at(at as f32 / 100.0))
                .collect();
            assert!(all.is_sorted(), "{stated:?}: {all:?}");
            assert!(all.iter().all(|ln| ln.is_finite()), "{stated:?}");
        }
        let measured = LikelihoodRatio::from_rates(&packs[0]);
        assert!(measured.ln_at(1.0) > 2.0 && LikelihoodRatio::default().ln_at(1.0) > 2.0);
    }
}
