//! The JSON of the v1 API. In: people, matches, log entries. Out: serialised types that are OpenAPI
//! schemas too.

use fusiform::geometry::BoundingBox;
use fusiform_gallery::{Entry, Gallery};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Why and until when a person may be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentGiven {
    /// Legal ground: consent, contract, household and the like.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) basis: String,
    /// What the enrolment is for.
    #[schema(min_length = 1, max_length = 500)]
    pub(super) purpose: String,
    /// When it ends, in milliseconds since 1970. `null` is until erased; it must be given, not left
    /// out.
    #[schema(required)]
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) expires_at_ms: Option<i64>,
}

impl ConsentGiven {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_terms(&self.basis, &self.purpose)
    }
}

/// Whether ground and purpose are stated, and in no more words than are kept.
pub(super) fn check_terms(basis: &str, purpose: &str) -> Result<(), Problem> {
    let good =
        |text: &str, most| !text.is_empty() && !text.contains('\0') && text.chars().count() <= most;
    if good(basis, 100) && good(purpose, 500) {
        return Ok(());
    }
    let why = "basis (1 to 100 characters) and purpose (1 to 500) are wanted, without NUL";
    Err(Problem::invalid(why))
}

/// A person and the consent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Known {
    name: String,
    /// How the audit log names the person; never used again for another.
    number: i64,
    basis: String,
    purpose: String,
    /// In milliseconds since 1970; `null` is until erased.
    expires_at_ms: Option<i64>,
    /// Whether the consent has ended: the person does not match any more and is about to be erased.
    ended: bool,
}

impl From<fusiform_gallery::Person> for Known {
    fn from(person: fusiform_gallery::Person) -> Known {
        Known {
            ended: person.consent.has_ended(),
            name: person.name,
            number: person.number,
            basis: person.consent.basis,
            purpose: person.consent.purpose,
            expires_at_ms: person.consent.expires_at_ms,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    pub(super) people: Vec<Known>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Person {
    pub(super) person: Known,
    /// Faces enrolled.
    pub(super) n_faces: usize,
}

/// What an erasure has done when it is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) enum Erasure {
    /// Nobody is matched with what was erased, and no list or image shows it.
    #[serde(rename = "matching stopped")]
    MatchingStopped,
}

/// Whether bytes of what was erased are still in the vault's files.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ErasedBytes {
    /// They are overwritten.
    Gone,
    /// A reader of the vault, a backup for example, holds them back: they are overwritten once it
    /// ends, which `/readyz` tells.
    Pending,
}

impl ErasedBytes {
    /// As it is now, after an erasure.
    pub(super) fn of(gallery: &Gallery) -> ErasedBytes {
        match gallery.health().bytes_pending {
            true => ErasedBytes::Pending,
            false => ErasedBytes::Gone,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Erased {
    pub(super) name: String,
    /// Faces that went.
    pub(super) n_faces: usize,
    pub(super) erased: Erasure,
    pub(super) bytes: ErasedBytes,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Enrolled {
    /// Number of the example, a UUID.
    pub(super) id: String,
}

/// A box in pixels of the upright image.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Bounds {
    x_min: f32,
    y_min: f32,
    x_max: f32,
    y_max: f32,
}

impl From<&BoundingBox> for Bounds {
    fn from(b: &BoundingBox) -> Bounds {
        Bounds {
            x_min: b.x_min,
            y_min: b.y_min,
            x_max: b.x_max,
            y_max: b.y_max,
        }
    }
}

/// One face; without a person it is unknown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Match {
    pub(super) bounds: Bounds,
    pub(super) detection_score: f32,
    /// Who it is, or `null` for unknown.
    pub(super) person: Option<String>,
    /// Cosine similarity with the person's nearest example; `null` for unknown.
    pub(super) similarity: Option<f32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Identified {
    /// Largest first; empty if nobody is in the image.
    pub(super) faces: Vec<Match>,
    /// Similarity from which on a face counts as a person.
    pub(super) threshold: f32,
    /// False-match rate of one comparison that the threshold was measured at.
    pub(super) fmr: f64,
    /// Examples that a face was compared with.
    pub(super) n_examples: usize,
    /// How often the nearest example is found, where it is enrolled: 1 for an exact search, else as
    /// `fusiform calibrate index` measured it; 0 if nobody did.
    pub(super) recall: f64,
    /// How often a stranger is taken for a person, at most: the rate times the comparisons
    /// (ISO/IEC 19795-1 FPIR).
    pub(super) fpir_at_most: f64,
}

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Audited {
    /// Its position in the whole log.
    pub(super) seq: i64,
    at_ms: i64,
    action: &'static str,
    /// The person's number; 0 if there is not one.
    person: i64,
    count: i64,
    /// Its hash, over itself and all entries before it. Note the last one elsewhere: with it
    /// `fusiform audit verify --since` notices a vault put back to an older state.
    hash: String,
}

impl From<Entry> for Audited {
    fn from(e: Entry) -> Audited {
        Audited {
            seq: e.seq,
            at_ms: e.at_ms,
            action: e.action.name(),
            person: e.subject,
            count: e.count,
            hash: blake3::Hash::from_bytes(e.hash).to_hex().to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Log {
    pub(super) entries: Vec<Audited>,
    /// Where the next page begins (`after`); `null` on the last.
    pub(super) next_after: Option<i64>,
}
