//! One-to-one comparison on a list of pairs. In: similarities with the truth. Out:
//! [`VerificationReport`]. Knows nothing of files and models.

use crate::error::EvaluateError;
use crate::operating_point::{allowed_false_matches, matching, threshold};
use crate::proportion::Proportion;

/// The false-match rates a report states the true-accept rate for.
pub const REPORTED_FARS: [f64; 2] = [1e-2, 1e-3];

/// One comparison of two photos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairScore {
    /// Which fold the pair belongs to.
    pub fold: usize,
    /// Larger is nearer. `None`: no face was found in one of the photos.
    pub similarity: Option<f32>,
    /// True when both photos show one person.
    pub same: bool,
}

/// Accuracy on one fold, at the threshold that was best on the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldAccuracy {
    /// The fold.
    pub fold: usize,
    /// The threshold taken from the other folds.
    pub threshold: f32,
    /// Share of its pairs that were told right, 0…1.
    pub accuracy: f64,
}

/// True-accept rate at a false-accept rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TarAtFar {
    /// The rate asked for.
    pub far: f64,
    /// The lowest threshold that keeps it.
    pub threshold: f32,
    /// Share of the genuine pairs that match, with Wilson's 95 % interval.
    pub tar: Proportion,
    /// Share of the impostor pairs that match; at most `far`.
    pub measured_far: Proportion,
}

/// One point of the DET curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetPoint {
    /// Pairs of at least this similarity match.
    pub threshold: f32,
    /// False-match rate, 0…1.
    pub fmr: f64,
    /// False-non-match rate, 0…1.
    pub fnmr: f64,
}

/// Everything measured on one list of pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationReport {
    /// Number of pairs of one person.
    pub n_genuine: u64,
    /// Number of pairs of two people.
    pub n_impostor: u64,
    /// Genuine pairs with a photo in which no face was found. They count as non-matches.
    pub n_genuine_failed: u64,
    /// Impostor pairs with a photo in which no face was found. They count as non-matches.
    pub n_impostor_failed: u64,
    /// Mean of the folds' accuracies.
    pub accuracy: f64,
    /// Standard error of that mean: the folds' standard deviation (n − 1) over √n.
    pub accuracy_standard_error: f64,
    /// Mean of the folds' thresholds.
    pub threshold: f32,
    /// The folds, in order.
    pub folds: Vec<FoldAccuracy>,
    /// One entry for each of [`REPORTED_FARS`].
    pub tar_at_far: Vec<TarAtFar>,
    /// Equal error rate: where FMR and FNMR meet, interpolated between the two nearest thresholds.
    pub eer: f64,
    /// Area under the ROC curve: how often a genuine pair is nearer than an impostor pair, ties
    /// half.
    pub auc: f64,
    /// From the strictest threshold to the loosest; the last point accepts everything.
    pub det: Vec<DetPoint>,
}

/// Measures one-to-one comparison.
///
/// A pair without similarity (failure to acquire) stays in every denominator and counts as the
/// lowest similarity there is: "different" at every threshold. For genuine pairs that is an error,
/// so what is called FNMR here is, where faces were not found, ISO/IEC 19795-1's false reject rate.
///
/// *Accuracy*: for each fold, the threshold that tells most pairs of all other folds right (of
/// equals the strictest; half-way between neighbouring similarities) is applied to the fold; mean
/// and standard error are taken over folds.
///
/// *TAR at FAR*: over all pairs at once. With `m = ⌊FAR · impostors⌋`, the threshold lies just
/// above the impostor similarity of rank `m + 1` from the top, so that at most `m` impostors match.
///
/// # Errors
/// [`EvaluateError::NothingToCompare`] without genuine or without impostor pairs,
/// [`EvaluateError::OneFold`] with fewer than two folds, [`EvaluateError::NotFinite`] for NaN and
/// infinity.
///
/// # Source
/// Huang et al., UMass Amherst TR 07-49 (2007), for the protocol; ISO/IEC 19795-1 for the rates.
///
/// # Example
/// ```
/// use fusiform_eval::verification::{PairScore, evaluate};
/// let scores = [(0, 0.8, true), (0, 0.1, false), (1, 0.7, true), (1, 0.2, false)]
///     .map(|(fold, similarity, same)| PairScore { fold, similarity: Some(similarity), same });
/// let report = evaluate(&scores)?;
/// assert_eq!((report.accuracy, report.auc, report.eer), (1.0, 1.0, 0.0));
/// # Ok::<(), fusiform_eval::EvaluateError>(())
/// ```
pub fn evaluate(scores: &[PairScore]) -> Result<VerificationReport, EvaluateError> {
    let mut genuine = Vec::new();
    let mut impostor = Vec::new();
    for (index, score) in scores.iter().enumerate() {
        if let Some(value) = score.similarity.filter(|s| !s.is_finite()) {
            return Err(EvaluateError::NotFinite { index, value });
        }
        let side = if score.same {
            &mut genuine
        } else {
            &mut impostor
        };
        side.push(ranked(score));
    }
    if genuine.is_empty() {
        return Err(EvaluateError::NO_GENUINE);
    }
    if impostor.is_empty() {
        return Err(EvaluateError::NO_IMPOSTOR);
    }
    for side in [&mut genuine, &mut impostor] {
        side.sort_unstable_by(|a, b| b.total_cmp(a));
    }
    let n_genuine = genuine.len() as u64;
    let n_impostor = impostor.len() as u64;
    let failed = |side: &[f32]| side.iter().filter(|s| **s == f32::NEG_INFINITY).count() as u64;

    let folds = cross_validate(scores)?;
    let n_folds = folds.len() as f64;
    let accuracy = folds.iter().map(|f| f.accuracy).sum::<f64>() / n_folds;
    let squares: f64 = folds.iter().map(|f| (f.accuracy - accuracy).powi(2)).sum();
    let threshold_mean = folds.iter().map(|f| f64::from(f.threshold)).sum::<f64>() / n_folds;

    let tar_at_far = REPORTED_FARS
        .iter()
        .map(|&far| {
            let threshold = threshold(&impostor, allowed_false_matches(far, n_impostor));
            TarAtFar {
                far,
                threshold,
                tar: Proportion::of_independent(matching(&genuine, threshold), n_genuine),
                measured_far: Proportion::of_independent(
                    matching(&impostor, threshold),
                    n_impostor,
                ),
            }
        })
        .collect();
    let det = det_curve(&genuine, &impostor);

    Ok(VerificationReport {
        n_genuine,
        n_impostor,
        n_genuine_failed: failed(&genuine),
        n_impostor_failed: failed(&impostor),
        accuracy,
        accuracy_standard_error: (squares / (n_folds - 1.0)).sqrt() / n_folds.sqrt(),
        threshold: threshold_mean as f32,
        folds,
        tar_at_far,
        eer: equal_error_rate(&det),
        auc: area_under_roc(&det),
        det,
    })
}

fn ranked(score: &PairScore) -> f32 {
    score.similarity.unwrap_or(f32::NEG_INFINITY)
}

fn cross_validate(scores: &[PairScore]) -> Result<Vec<FoldAccuracy>, EvaluateError> {
    let mut descending: Vec<&PairScore> = scores.iter().collect();
    descending.sort_unstable_by(|a, b| ranked(b).total_cmp(&ranked(a)));
    let mut folds: Vec<usize> = scores.iter().map(|s| s.fold).collect();
    folds.sort_unstable();
    folds.dedup();
    if folds.len() < 2 {
        return Err(EvaluateError::OneFold);
    }
    let of_fold = |fold| {
        let threshold = best_threshold(descending.iter().filter(|s| s.fold != fold));
        let (mut n, mut right) = (0u64, 0u64);
        for score in scores.iter().filter(|s| s.fold == fold) {
            n += 1;
            right += u64::from((ranked(score) >= threshold) == score.same);
        }
        FoldAccuracy {
            fold,
            threshold,
            accuracy: right as f64 / n as f64,
        }
    };
    Ok(folds.into_iter().map(of_fold).collect())
}

/// The threshold at which most pairs are decided rightly. In: pairs from the most similar down, at
/// least one.
fn best_threshold<'a>(descending: impl Iterator<Item = &'a &'a PairScore>) -> f32 {
    // Right answers are counted relative to "nothing matches"; failed pairs can never be let in.
    let mut gain = 0i64;
    let mut best: Option<(i64, f32)> = None;
    let mut above: Option<f32> = None;
    let mut consider = |gain: i64, threshold: f32| {
        if best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, threshold));
        }
    };
    for score in descending {
        let Some(similarity) = score.similarity else {
            break;
        };
        match above {
            None => consider(0, similarity.next_up()),
            Some(above) if above > similarity => consider(gain, midpoint(above, similarity)),
            Some(_) => {}
        }
        gain += if score.same { 1 } else { -1 };
        above = Some(similarity);
    }
    if let Some(lowest) = above {
        consider(gain, lowest);
    }
    // No pair had a similarity, so every threshold tells the same.
    best.map_or(0.0, |(_, threshold)| threshold)
}

/// A threshold that `above` reaches and `below` does not, even when they are neighbours.
fn midpoint(above: f32, below: f32) -> f32 {
    let middle = below + (above - below) / 2.0;
    if middle > below { middle } else { above }
}

fn det_curve(genuine: &[f32], impostor: &[f32]) -> Vec<DetPoint> {
    let (n_genuine, n_impostor) = (genuine.len() as f64, impostor.len() as f64);
    let strictest = genuine[0].max(impostor[0]).next_up();
    let mut curve = vec![DetPoint {
        threshold: strictest,
        fmr: 0.0,
        fnmr: 1.0,
    }];
    let (mut g, mut i) = (0, 0);
    while g < genuine.len() || i < impostor.len() {
        let next = |side: &[f32], idx: usize| side.get(idx).copied();
        let threshold = match (next(genuine, g), next(impostor, i)) {
            (Some(a), Some(b)) => a.max(b),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => break,
        };
        g += genuine[g..].iter().take_while(|s| **s == threshold).count();
        i += impostor[i..]
            .iter()
            .take_while(|s| **s == threshold)
            .count();
        curve.push(DetPoint {
            threshold,
            fmr: i as f64 / n_impostor,
            fnmr: 1.0 - g as f64 / n_genuine,
        });
    }
    curve
}

fn equal_error_rate(det: &[DetPoint]) -> f64 {
    for pair in det.windows(2) {
        let (strict, loose) = (pair[0], pair[1]);
        if loose.fmr >= loose.fnmr {
            let before = strict.fnmr - strict.fmr;
            let after = loose.fmr - loose.fnmr;
            return strict.fmr + (loose.fmr - strict.fmr) * before / (before + after);
        }
    }
    // The last point accepts everything, so the curves have met before.
    f64::NAN
}

fn area_under_roc(det: &[DetPoint]) -> f64 {
    let trapezium =
        |pair: &[DetPoint]| (pair[1].fmr - pair[0].fmr) * (2.0 - pair[0].fnmr - pair[1].fnmr) / 2.0;
    det.windows(2).map(trapezium).sum()
}

#[cfg(test)]
mod tests;
