//! Thresholds for stated false-match rates. In: labelled embeddings of one model. Out:
//! [`Calibration`]. Compares every face with every other; keeps only the few impostor pairs that
//! decide the thresholds.

use rayon::prelude::*;

use crate::error::EvaluateError;
use crate::operating_point::{allowed_false_matches, threshold};
use crate::proportion::Proportion;

/// The false-match rates a model pack states thresholds for.
pub const CALIBRATED_FMRS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];

/// An embedding and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct LabelledEmbedding<'a> {
    /// Number of the person; equal numbers are one person.
    pub person: u32,
    /// Unit vector, all of one size.
    pub vector: &'a [f32],
}

/// A threshold and what was measured at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationPoint {
    /// The false-match rate asked for.
    pub stated_fmr: f64,
    /// The lowest threshold that keeps it: faces match at this similarity and above.
    pub threshold: f32,
    /// Impostor comparisons that match.
    pub fmr: Proportion,
    /// Genuine comparisons that do not match.
    pub fnmr: Proportion,
}

impl CalibrationPoint {
    /// Whether the rate rests on at least 30 false matches.
    ///
    /// # Source
    /// The "rule of 30", Doddington et al., Speech Communication 31 (2000): thirty errors put the
    /// true rate within ±30 % of the measured one with 90 % confidence, if comparisons are
    /// independent.
    pub fn rests_on_30_errors(&self) -> bool {
        self.fmr.count >= 30
    }
}

/// The result of all comparisons of a labelled set.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Number of embeddings.
    pub n_faces: usize,
    /// Number of people.
    pub n_people: usize,
    /// Comparisons of one person's faces.
    pub n_genuine: u64,
    /// Comparisons of two people's faces.
    pub n_impostor: u64,
    /// One point per rate asked for, in that order.
    pub points: Vec<CalibrationPoint>,
}

/// Thresholds at which a model keeps the stated false-match rates, from all pairs of labelled
/// faces.
///
/// Thresholds are exact: each lies just above the impostor similarity of rank `⌊fmr · impostors⌋ +
/// 1`. Comparisons that share a person are not independent, so the 95 % intervals come from leaving
/// out one person at a time.
///
/// # Shapes
/// Embeddings of any one size. Memory: about 12 bytes per impostor pair within the largest of
/// `fmrs`, so
/// 1.7 MB for 14 million pairs at 1e-2; time grows with the number of pairs.
///
/// # Errors
/// [`EvaluateError::EmbeddingSize`] for sizes that differ, [`EvaluateError::NotUnit`] for vectors
/// that are not of length 1 ± 0.01, [`EvaluateError::Rate`], [`EvaluateError::NothingToCompare`].
///
/// # Source
/// Rates as in ISO/IEC 19795-1; the delete-one jackknife after Efron and Stein, Annals of
/// Statistics 9 (1981), since a rate over all pairs is a U-statistic of people.
pub fn impostor_thresholds(
    faces: &[LabelledEmbedding<'_>],
    fmrs: &[f64],
) -> Result<Calibration, EvaluateError> {
    check(faces, fmrs)?;
    let people = People::of(faces);
    if people.n_impostor == 0 {
        return Err(EvaluateError::NO_IMPOSTOR);
    }
    if people.n_genuine == 0 {
        return Err(EvaluateError::NO_GENUINE);
    }
    let largest = fmrs.iter().copied().fold(0.0, f64::max);
    let needed = allowed_false_matches(largest, people.n_impostor) + 1;
    let top = people.nearest_impostors(needed);
    let similarities: Vec<f32> = top.iter().map(|pair| pair.similarity).collect();

    let thresholds: Vec<f32> = fmrs
        .iter()
        .map(|&fmr| threshold(&similarities, allowed_false_matches(fmr, people.n_impostor)))
        .collect();
    let missed = people.missed_genuine(&thresholds);

    let points =
        fmrs.iter()
            .zip(&thresholds)
            .zip(missed)
            .map(|((&stated_fmr, &threshold), missed)| CalibrationPoint {
                stated_fmr,
                threshold,
                fmr: people.fmr(&top, threshold),
                fnmr: people.fnmr(&missed),
            });
    Ok(Calibration {
        n_faces: faces.len(),
        n_people: people.spans.len(),
        n_genuine: people.n_genuine,
        n_impostor: people.n_impostor,
        points: points.collect(),
    })
}

fn check(faces: &[LabelledEmbedding<'_>], fmrs: &[f64]) -> Result<(), EvaluateError> {
    if let Some(&value) = fmrs.iter().find(|fmr| !(**fmr > 0.0 && **fmr < 1.0)) {
        return Err(EvaluateError::Rate { value });
    }
    let expected = faces.first().map_or(0, |face| face.vector.len());
    for (index, face) in faces.iter().enumerate() {
        let found = face.vector.len();
        if found != expected {
            return Err(EvaluateError::EmbeddingSize {
                index,
                found,
                expected,
            });
        }
        let length = dot(face.vector, face.vector).sqrt();
        if !(0.99..=1.01).contains(&length) {
            return Err(EvaluateError::NotUnit { index, length });
        }
    }
    Ok(())
}

/// One comparison of two people, by their positions in [`People::spans`].
struct ImpostorPair {
    similarity: f32,
    people: [u32; 2],
}

/// Faces sorted by person, so that whose pair it is follows from the positions.
struct People<'a> {
    vectors: Vec<&'a [f32]>,
    /// Per face, the position of its person in `spans`.
    person: Vec<u32>,
    /// Per person, where their faces lie in `vectors`.
    spans: Vec<std::ops::Range<usize>>,
    n_genuine: u64,
    n_impostor: u64,
}

/// Faces whose comparisons are one piece of parallel work; a block stays in the second-level cache
/// while all other faces stream past it.
const BLOCK: usize = 64;

/// Histogram bins over the similarities −1.02…1.02 that vectors of length 1 ± 0.01 can have.
const N_BINS: usize = 1 << 16;

fn bin(similarity: f32) -> usize {
    // Saturates at both ends. What matters is only that it never falls when the similarity rises.
    ((similarity + 1.03) * (N_BINS as f32 / 2.06)) as usize
}

impl<'a> People<'a> {
    fn of(faces: &[LabelledEmbedding<'a>]) -> Self {
        let mut sorted: Vec<&LabelledEmbedding<'a>> = faces.iter().collect();
        sorted.sort_by_key(|face| face.person);
        let (mut spans, mut person) = (Vec::new(), Vec::with_capacity(faces.len()));
        let mut n_genuine = 0;
        for group in sorted.chunk_by(|a, b| a.person == b.person) {
            person.resize(person.len() + group.len(), spans.len() as u32);
            spans.push(person.len() - group.len()..person.len());
            n_genuine += pairs_within(group.len());
        }
        let vectors = sorted.iter().map(|face| face.vector).collect();
        let n_impostor = pairs_within(faces.len()) - n_genuine;
        Self {
            vectors,
            person,
            spans,
            n_genuine,
            n_impostor,
        }
    }

    /// Calls `visit(state, i, j, similarity)` for every impostor pair `i < j` of one block of faces
    /// `i`.
    fn visit_impostors<S>(
        &self,
        block: usize,
        state: &mut S,
        mut visit: impl FnMut(&mut S, usize, usize, f32),
    ) {
        let rows = block * BLOCK..((block + 1) * BLOCK).min(self.vectors.len());
        for j in rows.start + 1..self.vectors.len() {
            // Faces of j's person are not impostors.
            let end = self.spans[self.person[j] as usize].start.min(rows.end);
            for i in rows.start..end {
                visit(state, i, j, dot(self.vectors[i], self.vectors[j]));
            }
        }
    }

    /// The `needed` nearest impostor pairs, and those that tie with the last by histogram bin;
    /// nearest first.
    ///
    /// All pairs are compared twice: first counted into bins, then those of the bins that reach
    /// into the `needed` nearest are kept. That bounds memory by what is needed, whatever the
    /// number of pairs.
    fn nearest_impostors(&self, needed: u64) -> Vec<ImpostorPair> {
        let n_blocks = self.vectors.len().div_ceil(BLOCK);
        let empty = || vec![0u64; N_BINS];
        let histogram = (0..n_blocks)
            .into_par_iter()
            .fold(empty, |mut bins, block| {
                self.visit_impostors(block, &mut bins, |bins, _, _, s| bins[bin(s)] += 1);
                bins
            })
            .reduce(empty, |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            });
        let mut seen = 0;
        let lowest = histogram.iter().rposition(|n| {
            seen += n;
            seen >= needed
        });
        let lowest = lowest.unwrap_or(0);

        let mut nearest: Vec<ImpostorPair> = (0..n_blocks)
            .into_par_iter()
            .flat_map_iter(|block| {
                let mut kept = Vec::new();
                self.visit_impostors(block, &mut kept, |kept, i, j, similarity| {
                    if bin(similarity) >= lowest {
                        kept.push(ImpostorPair {
                            similarity,
                            people: [self.person[i], self.person[j]],
                        });
                    }
                });
                kept
            })
            .collect();
        nearest.par_sort_unstable_by(|a, b| b.similarity.total_cmp(&a.similarity));
        nearest
    }

    /// Per threshold and person, how many pairs of the person's faces do not match.
    fn missed_genuine(&self, thresholds: &[f32]) -> Vec<Vec<u64>> {
        let per_person: Vec<Vec<u64>> = self
            .spans
            .par_iter()
            .map(|span| {
                let mut missed = vec![0; thresholds.len()];
                for i in span.clone() {
                    for j in i + 1..span.end {
                        let similarity = dot(self.vectors[i], self.vectors[j]);
                        for (missed, threshold) in missed.iter_mut().zip(thresholds) {
                            *missed += u64::from(similarity < *threshold);
                        }
                    }
                }
                missed
            })
            .collect();
        let of_threshold = |idx: usize| per_person.iter().map(|missed| missed[idx]).collect();
        (0..thresholds.len()).map(of_threshold).collect()
    }

    fn fmr(&self, nearest: &[ImpostorPair], threshold: f32) -> Proportion {
        let n_faces = self.vectors.len() as u64;
        let mut parts: Vec<Part> = self
            .spans
            .iter()
            .map(|span| Part {
                errors: 0,
                trials: span.len() as u64 * (n_faces - span.len() as u64),
            })
            .collect();
        let matching = nearest.partition_point(|pair| pair.similarity >= threshold);
        for person in nearest[..matching].iter().flat_map(|pair| pair.people) {
            parts[person as usize].errors += 1;
        }
        jackknife(matching as u64, self.n_impostor, &parts)
    }

    fn fnmr(&self, missed: &[u64]) -> Proportion {
        let parts: Vec<Part> = self
            .spans
            .iter()
            .zip(missed)
            .map(|(span, &errors)| Part {
                errors,
                trials: pairs_within(span.len()),
            })
            .filter(|part| part.trials > 0)
            .collect();
        jackknife(missed.iter().sum(), self.n_genuine, &parts)
    }
}

/// The comparisons that one person takes part in.
struct Part {
    errors: u64,
    trials: u64,
}

/// Rate and interval, from how the rate changes when each person's comparisons are left out.
fn jackknife(errors: u64, trials: u64, parts: &[Part]) -> Proportion {
    let without: Vec<f64> = parts
        .iter()
        .filter(|part| part.trials < trials)
        .map(|part| (errors - part.errors) as f64 / (trials - part.trials) as f64)
        .collect();
    let n = without.len() as f64;
    let mean = without.iter().sum::<f64>() / n;
    let squares: f64 = without.iter().map(|rate| (rate - mean).powi(2)).sum();
    let standard_error = (squares * (n - 1.0) / n).sqrt();
    // When nothing was counted, or too few people are left to vary, the people are what was
    // sampled.
    Proportion::with_standard_error(
        errors,
        trials,
        standard_error,
        (parts.len() as u64).min(trials),
    )
}

fn pairs_within(n: usize) -> u64 {
    let n = n as u64;
    n * n.saturating_sub(1) / 2
}

/// Eight partial sums, so that the compiler may use vector registers. Not `kernels::dot`: its order
/// of additions depends on the instruction set, and a pack's thresholds must not.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_eights, a_rest) = a.as_chunks::<8>();
    let (b_eights, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_eights.iter().zip(b_eights) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
