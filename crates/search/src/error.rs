//! What can go wrong between templates.

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Vectors of different models, or not of one length.
    #[error("templates of {left} and {right} do not compare; embed both with one model")]
    ModelsDiffer {
        /// One model, with its vector's length.
        left: String,
        /// The other.
        right: String,
    },
    /// A vector has another length than those it is to be compared with.
    #[error("a vector of {found} values among vectors of {expected}; embed both with one model")]
    Dimensions {
        /// Values of the vectors that are there.
        expected: usize,
        /// Values of this one.
        found: usize,
    },
}
