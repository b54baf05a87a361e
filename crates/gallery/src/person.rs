//! Enrolled people, their examples, and matches. Plain data.

use uuid::Uuid;

use crate::consent::Consent;

/// An enrolled person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number by which the audit log names the person; never used again.
    pub number: i64,
    /// The name, as stored.
    pub name: String,
    /// Why and until when the person is kept.
    pub consent: Consent,
}

/// An enrolled face without its vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The example's number.
    pub id: Uuid,
    /// Name of the person whose face it is, as stored.
    pub subject: String,
}

/// An example and how near it is to a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The person's number.
    pub number: i64,
    /// Name of the person, as stored.
    pub subject: String,
    /// Cosine similarity, −1…1; larger is nearer.
    pub similarity: f32,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// For each probe the nearest examples, nearest first.
    pub matches: Vec<Vec<Match>>,
    /// How often the nearest example is found, where it was measured (recall@1): 1 for an exact
    /// search, 0 for an index that nobody has measured.
    pub recall: f64,
}
