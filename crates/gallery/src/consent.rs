//! Consent. In: what the enrolling side states. Out: why a person may be kept, and until when.

use crate::clock::now_ms;
use crate::error::Error;

/// 1973: what is before it counts seconds, or is a date that nobody means.
const EARLIEST_END_MS: i64 = 100_000_000_000;

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
    /// Whether it has ended by the system's clock.
    pub fn has_ended(&self) -> bool {
        self.has_ended_by(now_ms())
    }

    /// Whether it has ended by a time, in milliseconds since 1970.
    pub(crate) fn has_ended_by(&self, at_ms: i64) -> bool {
        self.expires_at_ms.is_some_and(|end| end <= at_ms)
    }

    /// Whether it is a ground for at least what another is: the same basis and purpose, and no
    /// earlier end.
    pub(crate) fn covers(&self, other: &Consent) -> bool {
        let end = |consent: &Consent| consent.expires_at_ms.unwrap_or(i64::MAX);
        let same = self.basis == other.basis && self.purpose == other.purpose;
        same && end(self) >= end(other)
    }

    /// Refuses an end that can only be a mistake.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.expires_at_ms {
            Some(end) if end < EARLIEST_END_MS => Err(Error::ConsentUnit(end)),
            _ => Ok(()),
        }
    }

    /// Basis and purpose, to be sealed. The end is stored beside them, in the clear for a person,
    /// and authenticated with them.
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
