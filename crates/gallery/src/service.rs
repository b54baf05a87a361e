//! Services: separate collections of people, each opened by keys of its own. Plain data.

use crate::clock::DAY_MS;
use crate::consent::Consent;

/// What a service's key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Enrols and recognises.
    Recognition = 0,
    /// Finds faces.
    Detection = 1,
    /// Compares two images.
    Verification = 2,
    /// Makes and removes services and copies the gallery; sees nobody's faces.
    Admin = 3,
}

impl Kind {
    /// The kind that is stored as this number.
    pub(crate) fn of(number: i64) -> Option<Kind> {
        [
            Kind::Recognition,
            Kind::Detection,
            Kind::Verification,
            Kind::Admin,
        ]
        .into_iter()
        .find(|k| *k as i64 == number)
    }
}

/// A service that a key opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its number, as the audit log has it.
    pub id: i64,
    /// What it may do.
    pub kind: Kind,
}

/// Whether a key is known to others or can be guessed: CompreFace's demonstration publishes
/// `00000000-0000-0000-0000-000000000002` and the like. A random one has fewer than eight different
/// digits once in some hundred million.
pub fn is_guessable(key: &uuid::Uuid) -> bool {
    let digits: std::collections::BTreeSet<u8> = key
        .as_bytes()
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .collect();
    digits.len() < 8
}

/// The consent that a service assumes for people about whom nothing else is stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The legal ground.
    pub basis: String,
    /// What the enrolment is for.
    pub purpose: String,
    /// Days until a person's consent ends; `None` is until erased.
    pub keep_days: Option<u32>,
}

impl Terms {
    /// Basis and purpose, to be sealed. The days stand beside them in the clear, and are
    /// authenticated with them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [self.basis.as_bytes(), b"\0", self.purpose.as_bytes()].concat()
    }

    pub(crate) fn from_bytes(plain: &[u8], keep_days: Option<u32>) -> Option<Terms> {
        let (basis, purpose) = std::str::from_utf8(plain).ok()?.split_once('\0')?;
        Some(Terms {
            basis: basis.into(),
            purpose: purpose.into(),
            keep_days,
        })
    }

    /// The consent of a person who is enrolled at a time.
    pub(crate) fn consent(&self, now_ms: i64) -> Consent {
        let end = |days| now_ms.saturating_add(i64::from(days) * DAY_MS);
        Consent {
            basis: self.basis.clone(),
            purpose: self.purpose.clone(),
            expires_at_ms: self.keep_days.map(end),
        }
    }
}
