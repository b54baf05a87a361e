//! Consent. In: what the enrolling side states. Out: why a person may be kept, and until when.

use crate::clock::now_ms;

/// On what ground a person is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The legal ground: consent, contract, household and the like.
    pub basis: String,
    /// What the enrolment is for.
    pub purpose: String,
    /// When it ends, in milliseconds since 1970; `None` is a statement: until erased.
    pub expires_at_ms: Option<i64>,
}

impl Consent {
    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= now_ms())
    }

    /// Basis and purpose, to be sealed. The end is stored beside them in the clear, for the job
    /// that erases.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.basis.as_bytes(), b"\0", self.purpose.as_bytes()].concat()
    }

    pub(crate) fn from_bytes(plain: &[u8], expires_at_ms: Option<i64>) -> Option<Consent> {
        let (basis, purpose) = std::str::from_utf8(plain).ok()?.split_once('\0')?;
        Some(Consent {
            basis: basis.into(),
            purpose: purpose.into(),
            expires_at_ms,
        })
    }
}
