//! Why a file cannot be used. In: a kind and words. Out: plain data. Knows nothing of files.

use std::fmt;

/// What is wrong with a file, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// It asks for more bytes, pixels or time than is allowed.
    OverLimit,
    /// It is damaged or cut.
    Damaged,
    /// It has the name of a photo and is none.
    NoPhoto,
    /// A kind of its format that no decoder covers.
    NotCovered,
    /// The system does not let it be read, or it is not there.
    Unreadable,
    /// Anything else.
    Failed,
}

impl ProblemKind {
    /// One word for programs: `over_limit`, `damaged`, `no_photo`, `not_covered`, `unreadable`,
    /// `failed`.
    pub fn word(self) -> &'static str {
        match self {
            ProblemKind::OverLimit => "over_limit",
            ProblemKind::Damaged => "damaged",
            ProblemKind::NoPhoto => "no_photo",
            ProblemKind::NotCovered => "not_covered",
            ProblemKind::Unreadable => "unreadable",
            ProblemKind::Failed => "failed",
        }
    }
}

/// A kind of problem, and in words what is wrong and what helps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unusable {
    /// What is wrong, roughly.
    pub kind: ProblemKind,
    /// Reason and remedy.
    pub why: String,
}

impl Unusable {
    pub(crate) fn new(kind: ProblemKind, why: impl Into<String>) -> Unusable {
        Unusable {
            kind,
            why: why.into(),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
