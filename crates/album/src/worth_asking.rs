//! Whether a question is worth asking. In: what speaks for and against a suggestion. Out: how
//! likely it is right, and what its answer is expected to settle. Knows nothing of the database.
//!
//! The similarities are first put through the pack's measured error rates ([`LikelihoodRatio`]), so
//! that the weights below hold for every pack. A suggestion is what a grouping has left: whoever is
//! surely one person was joined before. So the same similarity says less than for a pair of photos
//! at random, and what counts beside it is how near everybody else comes.

use fusiform_search::likelihood_ratio::LikelihoodRatio;
use fusiform_search::template::similarity;

use crate::grouped_face::{GroupedFace, weight};

/// Suggestions that are less likely right are not asked about.
const MIN_PROBABILITY: f32 = 0.2;
/// Questions that are expected to settle less than half a face are not asked.
const MIN_GAIN: f32 = 0.5;

/// Faces of each side whose pairs are compared.
const MAX_COMPARED: usize = 64;
/// Nearest other people whose similarities say how near strangers come.
pub(crate) const COHORT_SIZE: usize = 20;

/// Weights of a logistic regression.
///
/// # Source
/// Fitted on the suggestions of lfw-dev and of 18 parts of it (40 to 700 people) with the base
/// pack, 2,356 in all; with the weights of one half of the identities, 132 of the 176 questions
/// asked about the other half were a "yes", and stated and found probabilities differ by at most
/// 0.06. `bench/review_yield.py` counts anew.
const WEIGHT_SIMILARITY: f32 = 0.43;
const WEIGHT_BEST_PAIR: f32 = 0.373;
const WEIGHT_COHESION: f32 = 0.224;
const WEIGHT_COHORT: f32 = -0.777;
const WEIGHT_LN_PEOPLE: f32 = -0.642;
const WEIGHT_LN_FACES: f32 = -1.829;
const WEIGHT_LOW_QUALITY: f32 = -56.6;
const CONSTANT: f32 = -1.5;
/// A cohort farther away says no more than this.
const FAR_COHORT: f32 = -4.0;
/// A person below this mean quality is hardly one: blurred faces resemble each other.
const GOOD_QUALITY: f32 = 0.6;
/// Logarithm of the ratio for two faces of a usual person, for people of one face.
const USUAL_COHESION: f32 = 14.0;

/// What speaks for and against a suggestion.
pub(crate) struct Evidence<'a> {
    /// Of the subject's mean and the nearest prototype of the person.
    pub(crate) similarity: f32,
    /// Those of the subject's mean and the nearest other people, at most [`COHORT_SIZE`].
    pub(crate) cohort: &'a [f32],
    pub(crate) subject: &'a [&'a GroupedFace],
    pub(crate) person: &'a [&'a GroupedFace],
    /// What the person's own faces are like.
    pub(crate) person_likeness: Likeness,
    /// People of the album.
    pub(crate) n_people: usize,
}

/// What the faces of one person are like: computed once for each, and not for each suggestion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Likeness {
    /// The mean similarity of their pairs; `None` for one face.
    cohesion: Option<f32>,
    mean_quality: f32,
}

impl Likeness {
    pub(crate) fn of(person: &[&GroupedFace]) -> Likeness {
        Likeness {
            cohesion: cohesion(person),
            mean_quality: mean_quality(person),
        }
    }
}

impl Evidence<'_> {
    /// How likely the subject is that person, 0…1.
    pub(crate) fn probability(&self, ratio: &LikelihoodRatio) -> f32 {
        let (best_pair, mean_pair) = pairs(self.subject, self.person);
        let n_cohort = self.cohort.len().max(1) as f32;
        let cohort = match self.cohort {
            [] => FAR_COHORT,
            all => ratio
                .ln_at(all.iter().sum::<f32>() / n_cohort)
                .max(FAR_COHORT),
        };
        let Likeness {
            cohesion,
            mean_quality,
        } = self.person_likeness;
        let cohesion = cohesion.map_or(USUAL_COHESION, |c| ratio.ln_at(c));
        let n_faces = self.subject.len().max(1) as f32;
        let log_odds = CONSTANT
            + WEIGHT_SIMILARITY * ratio.ln_at(self.similarity)
            + WEIGHT_BEST_PAIR * ratio.ln_at(best_pair)
            + WEIGHT_COHESION * (ratio.ln_at(mean_pair) - cohesion)
            + WEIGHT_COHORT * cohort
            + WEIGHT_LN_PEOPLE * (self.n_people.max(1) as f32).ln()
            + WEIGHT_LN_FACES * n_faces.ln()
            + WEIGHT_LOW_QUALITY * (GOOD_QUALITY - mean_quality).max(0.0);
        logistic(log_odds)
    }
}

/// How likely a face that one person holds is another, to whom it is nearer.
pub(crate) fn probability_of_other(held: f32, other: f32, ratio: &LikelihoodRatio) -> f32 {
    logistic(ratio.ln_at(other) - ratio.ln_at(held))
}

/// How many faces an answer is expected to settle.
pub(crate) fn expected_gain(probability: f32, on_yes: f32, on_no: f32) -> f32 {
    probability * on_yes + (1.0 - probability) * on_no
}

/// How many faces a "yes" settles; one in the background counts less.
pub(crate) fn settled(subject: &[&GroupedFace]) -> f32 {
    subject.iter().map(|face| face.prominence).sum()
}

/// Whether to ask.
pub(crate) fn is_worth(probability: f32, gain: f32) -> bool {
    probability >= MIN_PROBABILITY && gain >= MIN_GAIN
}

fn logistic(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Some faces of a group, evenly chosen where there are many.
fn some<'a>(group: &'a [&'a GroupedFace]) -> impl Iterator<Item = &'a GroupedFace> {
    let step = group.len().div_ceil(MAX_COMPARED).max(1);
    group.iter().step_by(step).copied()
}

/// The best and the mean similarity of the pairs across two groups.
fn pairs(one: &[&GroupedFace], other: &[&GroupedFace]) -> (f32, f32) {
    let (mut best, mut sum, mut n) = (-1.0f32, 0.0, 0);
    for a in some(one) {
        for b in some(other) {
            let near = similarity(&a.vector, &b.vector).0;
            best = best.max(near);
            sum += near;
            n += 1;
        }
    }
    (best, sum / n.max(1) as f32)
}

/// The mean similarity of the pairs within a group; `None` for one face.
fn cohesion(group: &[&GroupedFace]) -> Option<f32> {
    let faces: Vec<&GroupedFace> = some(group).collect();
    let (mut sum, mut n) = (0.0, 0);
    for (at, a) in faces.iter().enumerate() {
        for b in &faces[..at] {
            sum += similarity(&a.vector, &b.vector).0;
            n += 1;
        }
    }
    (n > 0).then(|| sum / n as f32)
}

fn mean_quality(group: &[&GroupedFace]) -> f32 {
    group.iter().map(|face| weight(face)).sum::<f32>() / group.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(id: i64, angle: f32, quality: f32) -> GroupedFace {
        GroupedFace {
            id,
            photo: id,
            vector: vec![angle.cos(), angle.sin()],
            quality,
            taken_at: None,
            prominence: 1.0,
        }
    }

    fn probability(similarity: f32, cohort: &[f32], quality: f32, n_subject: usize) -> f32 {
        let person = [face(1, 0.0, quality), face(2, 0.6, quality)];
        let turned = 0.3 + similarity.acos();
        let subject: Vec<GroupedFace> = (0..n_subject)
            .map(|at| face(10 + at as i64, turned, 0.9))
            .collect();
        let (person, subject): (Vec<_>, Vec<_>) =
            (person.iter().collect(), subject.iter().collect());
        let evidence = Evidence {
            similarity,
            cohort,
            subject: &subject,
            person: &person,
            person_likeness: Likeness::of(&person),
            n_people: 100,
        };
        evidence.probability(&LikelihoodRatio::default())
    }

    #[test]
    fn what_speaks_for_one_person_makes_it_likelier_and_what_speaks_against_it_less() {
        let usual = probability(0.45, &[0.2], 0.9, 1);
        assert!(probability(0.55, &[0.2], 0.9, 1) > usual);
        assert!(probability(0.45, &[0.4], 0.9, 1) < usual, "others are near");
        assert!(probability(0.45, &[0.2], 0.5, 1) < usual, "blurred faces");
        assert!(
            probability(0.45, &[0.2], 0.9, 4) < usual,
            "a group is surer of itself"
        );
        assert!((0.0..=1.0).contains(&usual));
    }

    #[test]
    fn a_question_that_is_expected_to_settle_little_is_not_asked() {
        assert!(is_worth(0.5, expected_gain(0.5, 1.0, 0.0)));
        assert!(!is_worth(0.4, expected_gain(0.4, 1.0, 0.0)));
        assert!(is_worth(0.3, expected_gain(0.3, 2.0, 0.0)));
        assert!(
            !is_worth(0.6, expected_gain(0.6, 0.4, 0.0)),
            "in the background"
        );
        assert!(
            !is_worth(0.1, expected_gain(0.1, 50.0, 0.0)),
            "nearly sure to be a no"
        );
        assert_eq!(
            expected_gain(0.25, 1.0, 1.0),
            1.0,
            "either answer settles a held face"
        );
    }
}
