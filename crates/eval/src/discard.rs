//! Whether a quality measure predicts recognition errors. In: labelled embeddings and one number
//! per face. Out: the error versus discard characteristic.
//!
//! The photos that a measure calls worst are set apart, and what remains is compared again at the
//! same threshold. A measure that predicts errors takes them away with few photos; one that does
//! not leaves the rate where it is. What it cannot beat: errors that lie in nobody's photo.

use crate::calibration::{LabelledEmbedding, impostor_thresholds};
use crate::error::EvaluateError;
use crate::proportion::Proportion;

/// Shares of the photos that are set apart, worst first.
pub const DISCARDED: [f64; 6] = [0.0, 0.01, 0.02, 0.05, 0.10, 0.20];

/// What remains of the errors after some photos are set apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscardPoint {
    /// Share of the photos to set apart, 0…1.
    pub discarded: f64,
    /// Photos that were.
    pub n_discarded: usize,
    /// The measure from which a photo remains.
    pub least: f32,
    /// Genuine comparisons of the remaining photos that do not match.
    pub fnmr: Proportion,
}

/// One measure's curve.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscardCurve {
    /// Name of the measure.
    pub measure: String,
    /// One point for each of [`DISCARDED`].
    pub points: Vec<DiscardPoint>,
    /// Where setting apart photos at random would stay: the rate with all of them.
    pub random: f64,
}

/// The comparisons of a labelled set at the threshold of one false-match rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparisons {
    /// Faces at this similarity and above match.
    pub threshold: f32,
    /// Impostor comparisons that match, over all photos.
    pub fmr: Proportion,
    /// Per genuine comparison: its two faces, and whether they match.
    genuine: Vec<(u32, u32, bool)>,
    n_faces: usize,
}

impl Comparisons {
    /// Compares every face with every other and keeps who of one person matches whom.
    ///
    /// # Errors
    /// As [`impostor_thresholds`].
    pub fn at_fmr(faces: &[LabelledEmbedding<'_>], fmr: f64) -> Result<Self, EvaluateError> {
        let calibration = impostor_thresholds(faces, &[fmr])?;
        let point = calibration.points[0];
        let mut order: Vec<u32> = (0..faces.len() as u32).collect();
        order.sort_by_key(|&i| faces[i as usize].person);
        let mut genuine = Vec::new();
        let person = |i: &u32| faces[*i as usize].person;
        for photos in order.chunk_by(|a, b| person(a) == person(b)) {
            for (n, &a) in photos.iter().enumerate() {
                for &b in &photos[n + 1..] {
                    let pair = [a, b].map(|i| faces[i as usize].vector);
                    let similarity = fusiform::template::similarity(pair[0], pair[1]).0;
                    genuine.push((a, b, similarity >= point.threshold));
                }
            }
        }
        Ok(Self {
            threshold: point.threshold,
            fmr: point.fmr,
            genuine,
            n_faces: faces.len(),
        })
    }

    /// The error versus discard characteristic of one measure; `values` are per face, higher is
    /// better.
    ///
    /// Photos of equal value are set apart in their order. Thresholds stay those of all photos, as
    /// a system that is set up once has them.
    ///
    /// # Errors
    /// [`EvaluateError::MeasureSize`] unless there is one finite value per face.
    ///
    /// # Source
    /// Grother and Tabassi, "Performance of biometric quality measures", IEEE TPAMI 29 (2007);
    /// terms of ISO/IEC 29794-1 and 29794-5.
    ///
    /// # Example
    /// ```
    /// use fusiform_eval::calibration::LabelledEmbedding;
    /// use fusiform_eval::discard::Comparisons;
    /// let face = |person, vector| LabelledEmbedding { person, vector };
    /// let (a, b, blurred) = ([1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]);
    /// let faces = [face(0, &a), face(0, &a), face(1, &b), face(0, &blurred)];
    /// let comparisons = Comparisons::at_fmr(&faces, 0.5)?;
    /// let curve = comparisons.discard_curve("sharpness", &[0.9, 0.8, 0.9, 0.1], &[0.0, 0.25])?;
    /// assert_eq!(curve.points[0].fnmr.count, 2);
    /// assert_eq!(curve.points[1].fnmr.count, 0);
    /// # Ok::<(), fusiform_eval::EvaluateError>(())
    /// ```
    pub fn discard_curve(
        &self,
        measure: &str,
        values: &[f32],
        shares: &[f64],
    ) -> Result<DiscardCurve, EvaluateError> {
        if values.len() != self.n_faces || values.iter().any(|v| !v.is_finite()) {
            return Err(EvaluateError::MeasureSize {
                measure: measure.to_owned(),
                expected: self.n_faces,
            });
        }
        let mut worst_first: Vec<u32> = (0..values.len() as u32).collect();
        worst_first.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        let mut rank = vec![0usize; values.len()];
        for (place, &face) in worst_first.iter().enumerate() {
            rank[face as usize] = place;
        }
        let points = shares.iter().map(|&discarded| {
            let n_discarded = (discarded * values.len() as f64).round() as usize;
            let stays = |face: u32| rank[face as usize] >= n_discarded;
            let left = self
                .genuine
                .iter()
                .filter(|(a, b, _)| stays(*a) && stays(*b));
            let matched: Vec<bool> = left.map(|(_, _, matched)| *matched).collect();
            let missed = matched.iter().filter(|matched| !**matched).count() as u64;
            let first = worst_first.get(n_discarded);
            DiscardPoint {
                discarded,
                n_discarded,
                least: first.map_or(f32::INFINITY, |&face| values[face as usize]),
                fnmr: Proportion::of_independent(missed, matched.len() as u64),
            }
        });
        let missed = self
            .genuine
            .iter()
            .filter(|(_, _, matched)| !matched)
            .count();
        Ok(DiscardCurve {
            measure: measure.to_owned(),
            points: points.collect(),
            random: missed as f64 / self.genuine.len() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two people of four photos each, of which the last was blurred into the other's direction.
    fn faces() -> (Vec<[f32; 2]>, Vec<u32>) {
        let person = |x: f32, y: f32| vec![[x, y], [x, y], [x, y], [y, x]];
        let vectors = [person(1.0, 0.0), person(0.0, 1.0)].concat();
        (vectors, vec![0, 0, 0, 0, 1, 1, 1, 1])
    }

    fn comparisons() -> Comparisons {
        let (vectors, people) = faces();
        let labelled: Vec<LabelledEmbedding<'_>> = vectors
            .iter()
            .zip(&people)
            .map(|(vector, &person)| LabelledEmbedding { person, vector })
            .collect();
        Comparisons::at_fmr(&labelled, 0.9).unwrap()
    }

    #[test]
    fn a_measure_that_knows_the_bad_photos_takes_their_errors_away() {
        let good = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        let curve = comparisons()
            .discard_curve("good", &good, &[0.0, 0.25])
            .unwrap();
        assert_eq!(
            (curve.points[0].fnmr.count, curve.points[0].fnmr.trials),
            (6, 12)
        );
        assert_eq!(
            (curve.points[1].fnmr.count, curve.points[1].fnmr.trials),
            (0, 6)
        );
        assert_eq!(
            (curve.points[1].n_discarded, curve.points[1].least),
            (2, 1.0)
        );
        assert_eq!(curve.random, 0.5);
    }

    #[test]
    fn a_measure_that_errs_leaves_them() {
        let bad = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        let curve = comparisons()
            .discard_curve("bad", &bad, &DISCARDED)
            .unwrap();
        // 5 % of eight photos round to none; 20 % to two: four of six pairs are left wrong.
        assert_eq!(curve.points[3].n_discarded, 0);
        assert_eq!(
            (curve.points[5].fnmr.count, curve.points[5].fnmr.trials),
            (4, 6)
        );
    }

    #[test]
    fn a_value_for_each_face_is_wanted() {
        let comparisons = comparisons();
        for values in [vec![0.5; 7], vec![f32::NAN; 8]] {
            let error = comparisons
                .discard_curve("size", &values, &DISCARDED)
                .unwrap_err();
            assert!(error.to_string().contains("size"), "{error}");
        }
    }

    #[test]
    fn all_set_apart_leaves_no_rate() {
        let curve = comparisons()
            .discard_curve("all", &[1.0; 8], &[1.0])
            .unwrap();
        assert_eq!(curve.points[0].fnmr.trials, 0);
        assert!(curve.points[0].fnmr.value().is_nan());
    }
}
