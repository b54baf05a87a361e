//! From a similarity to a decision. In: a similarity and a pack's measured thresholds. Out: a
//! verdict with the threshold and the false-match rate it rests on. Knows nothing of networks or
//! files.

use std::fmt;

use fusiform_search::likelihood_ratio::LikelihoodRatio;
use fusiform_search::template::Similarity;

use crate::error::Error;
use crate::models::Threshold;

/// A false-match rate, 0…1: the share of comparisons of two different people that are called a
/// match (ISO/IEC 19795-1).
///
/// It is a rate of single comparisons. Whoever is compared with N enrolled people is wrongly taken
/// for one of them about N times as often.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Fmr(pub f64);

impl fmt::Display for Fmr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 in {:.0}", 1.0 / self.0)
    }
}

impl From<f64> for Fmr {
    fn from(rate: f64) -> Fmr {
        Fmr(rate)
    }
}

/// False-match rate at and above whose similarity two faces are called the same person.
///
/// One in a thousand pairs of strangers is the usual working point of a one-to-one check
/// (NIST FRVT 1:1 reports it beside 1e-4 to 1e-6).
pub const SAME_FMR: f64 = 1e-3;

/// False-match rate below whose similarity they are called different; between the two the verdict
/// is unsure.
pub const DIFFERENT_FMR: f64 = 1e-2;

/// Lost pairs for each false pair (FNMR over FMR) at the similarity where two lone faces of an
/// album are linked.
///
/// An album holds far more pairs of strangers than of one person, so it needs a stricter point than
/// one comparison, and the weaker a model the less strict a point, or it would link nothing. Chosen
/// on lfw-dev with two packs: `bench/RESULTS.md`, "Grouping".
pub const LINK_BALANCE: f64 = 2500.0;

/// The same at the similarity below which two faces are no evidence for being one person.
pub const FLOOR_BALANCE: f64 = 175.0;

/// The verdict of a one-to-one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At or above the similarity of [`SAME_FMR`].
    Same,
    /// Below the similarity of [`DIFFERENT_FMR`].
    Different,
    /// Between the two.
    Unsure,
}

/// The thresholds of one embedder, from its manifest.
///
/// # Example
/// ```
/// use fusiform::{Engine, Fmr, verify::Verdict};
/// let engine = Engine::builtin()?;
/// let thresholds = engine.thresholds()?;
/// let strict = thresholds.at_fmr(Fmr(1e-4))?;
/// assert!(strict.similarity > thresholds.at_fmr(Fmr(1e-3))?.similarity);
/// // A rate that was not measured is an error; nothing is made up.
/// assert!(thresholds.at_fmr(Fmr(1e-9)).is_err());
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    pack: String,
    stated: Vec<Threshold>,
}

/// A similarity, the decision, and the error rates it was measured at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    /// Cosine similarity, -1…1; larger is nearer.
    pub similarity: Similarity,
    /// The decision.
    pub verdict: Verdict,
    /// At or above: same.
    pub same_at: Threshold,
    /// Below: different.
    pub different_below: Threshold,
}

impl Thresholds {
    /// The thresholds that the embedder of the pack called `pack` states, loosest first.
    pub(crate) fn of(pack: &str, stated: &[Threshold]) -> Thresholds {
        Thresholds {
            pack: pack.into(),
            stated: stated.to_vec(),
        }
    }

    /// Every threshold that the pack states, loosest first.
    pub fn stated(&self) -> &[Threshold] {
        &self.stated
    }

    /// The threshold measured at `fmr`.
    ///
    /// # Errors
    /// [`Error::Uncalibrated`] if the pack states none; nothing is interpolated.
    pub fn at_fmr(&self, fmr: impl Into<Fmr>) -> Result<Threshold, Error> {
        let Fmr(fmr) = fmr.into();
        // Rates pass through text, so they are compared with a tolerance.
        let near = |t: &&Threshold| (t.fmr / fmr - 1.0).abs() < 1e-6;
        self.stated
            .iter()
            .find(near)
            .copied()
            .ok_or_else(|| Error::Uncalibrated {
                pack: self.pack.clone(),
                fmr,
            })
    }

    /// How much a similarity speaks for one person, from the rates at all stated thresholds.
    pub fn likelihood_ratio(&self) -> LikelihoodRatio {
        let rates = self.stated.iter().map(|t| (t.similarity, t.fmr, t.fnmr));
        LikelihoodRatio::from_rates(&rates.collect::<Vec<_>>())
    }

    /// The similarity at which the rate of lost pairs is `balance` times the rate of false ones.
    ///
    /// Between stated rates it is interpolated, in the logarithm of their balance; beyond them the
    /// last one counts.
    ///
    /// # Errors
    /// [`Error::Uncalibrated`] if the pack states none.
    pub fn at_balance(&self, balance: f64) -> Result<f32, Error> {
        // A measured rate of 0 is treated as 1e-6, so that the logarithm is finite.
        let of = |t: &Threshold| (t.fnmr.max(1e-6) / t.fmr.max(1e-12) / balance).ln();
        let mut stated = self.stated.clone();
        stated.sort_by(|a, b| a.similarity.total_cmp(&b.similarity));
        let (Some(first), Some(last)) = (stated.first(), stated.last()) else {
            return Err(Error::Uncalibrated {
                pack: self.pack.clone(),
                fmr: SAME_FMR,
            });
        };
        if of(first) >= 0.0 {
            return Ok(first.similarity);
        }
        let between = stated
            .windows(2)
            .find(|w| of(&w[0]) < 0.0 && of(&w[1]) >= 0.0);
        Ok(between.map_or(last.similarity, |w| {
            let part = of(&w[0]) / (of(&w[0]) - of(&w[1]));
            w[0].similarity + (w[1].similarity - w[0].similarity) * part as f32
        }))
    }

    /// The verdict on a similarity.
    ///
    /// # Errors
    /// [`Error::Uncalibrated`] unless the pack states [`SAME_FMR`] and [`DIFFERENT_FMR`].
    pub fn judge(&self, similarity: Similarity) -> Result<Verification, Error> {
        let same_at = self.at_fmr(SAME_FMR)?;
        let different_below = self.at_fmr(DIFFERENT_FMR)?;
        let verdict = if similarity.0 >= same_at.similarity {
            Verdict::Same
        } else if similarity.0 >= different_below.similarity {
            Verdict::Unsure
        } else {
            Verdict::Different
        };
        Ok(Verification {
            similarity,
            verdict,
            same_at,
            different_below,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds() -> Thresholds {
        let stated = [(1e-2, 0.3), (1e-3, 0.4)];
        let stated = stated.map(|(fmr, similarity)| Threshold {
            fmr,
            similarity,
            fnmr: 0.1,
        });
        Thresholds::of("p", &stated)
    }

    #[test]
    fn the_edges_belong_to_the_upper_side() {
        let verdict = |s| thresholds().judge(Similarity(s)).unwrap().verdict;
        assert_eq!(verdict(0.4), Verdict::Same);
        assert_eq!(verdict(0.399), Verdict::Unsure);
        assert_eq!(verdict(0.3), Verdict::Unsure);
        assert_eq!(verdict(0.299), Verdict::Different);
        assert_eq!(verdict(f32::NAN), Verdict::Different);
    }

    #[test]
    fn a_balance_lies_between_the_stated_rates_and_ends_with_them() {
        // The balances are 10 and 100.
        let at = |balance| thresholds().at_balance(balance).unwrap();
        assert_eq!((at(1.0), at(1e9)), (0.3, 0.4));
        assert!((at(1000f64.sqrt()) - 0.35).abs() < 1e-6);
        assert!(Thresholds::of("p", &[]).at_balance(1.0).is_err());
    }

    #[test]
    fn a_missing_rate_is_an_error_that_names_it() {
        let error = thresholds().at_fmr(1e-4).unwrap_err().to_string();
        assert!(
            error.contains("0.0001") && error.contains("calibrate"),
            "{error}"
        );
    }
}
