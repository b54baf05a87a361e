//! Plain answers. In: values of the library. Out: objects. Knows nothing of engines.

use fusiform::models::Threshold;
use fusiform::{Identification, Verdict, Verification};
use napi_derive::napi;

/// A similarity and the error rates that were measured at it.
#[napi(object)]
pub struct ThresholdFields {
    pub fmr: f64,
    pub similarity: f64,
    pub fnmr: f64,
}

#[napi(object)]
pub struct VerificationFields {
    pub similarity: f64,
    pub verdict: String,
    pub same_at: ThresholdFields,
    pub different_below: ThresholdFields,
}

#[napi(object, use_nullable = true)]
pub struct IdentificationFields {
    pub name: Option<String>,
    pub similarity: Option<f64>,
    pub threshold: ThresholdFields,
}

impl From<&Threshold> for ThresholdFields {
    fn from(of: &Threshold) -> ThresholdFields {
        ThresholdFields {
            fmr: of.fmr,
            similarity: of.similarity.into(),
            fnmr: of.fnmr,
        }
    }
}

impl From<Verification> for VerificationFields {
    fn from(of: Verification) -> VerificationFields {
        let verdict = match of.verdict {
            Verdict::Same => "same",
            Verdict::Different => "different",
            Verdict::Unsure => "unsure",
        };
        VerificationFields {
            similarity: of.similarity.0.into(),
            verdict: verdict.into(),
            same_at: (&of.same_at).into(),
            different_below: (&of.different_below).into(),
        }
    }
}

impl From<Identification> for IdentificationFields {
    fn from(of: Identification) -> IdentificationFields {
        IdentificationFields {
            name: of.name,
            similarity: of.similarity.map(|s| s.0.into()),
            threshold: (&of.threshold).into(),
        }
    }
}
