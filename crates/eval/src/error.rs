//! What can be wrong with the material of an evaluation.

/// Why an evaluation could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A line of a pairs file is not what the format states.
    #[error("pairs file, line {line}: {problem}")]
    PairsLine {
        /// Line number, from 1.
        line: usize,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A line of a file of labelled faces is not what the format states.
    #[error("labels file, line {line}: {problem}")]
    LabelsLine {
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// One of the two kinds of comparison is missing, so an error rate would have no denominator.
    #[error("no {kind} comparisons to measure; give photos of {remedy}")]
    NothingToCompare {
        /// `genuine` or `impostor`.
        kind: &'static str,
        /// What photos would make such comparisons.
        remedy: &'static str,
    },
    /// A threshold cannot be taken from other folds when there are none.
    #[error("all pairs are of one fold; cross-validated accuracy needs at least two")]
    OneFold,
    /// A similarity is NaN or infinite.
    #[error(
        "comparison {index} has the similarity {value}; give a finite number, or none when no face \
         was found"
    )]
    NotFinite {
        /// Position in the list given.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A quality measure does not state one number per face.
    #[error("measure {measure} needs one finite value for each of the {expected} faces")]
    MeasureSize {
        /// Name of the measure.
        measure: String,
        /// Number of faces.
        expected: usize,
    },
    /// Embeddings of one evaluation must come from one model.
    #[error("embedding {index} has {found} values where the first has {expected}; use one model")]
    EmbeddingSize {
        /// Position in the list given.
        index: usize,
        /// Its number of values.
        found: usize,
        /// The number of values of the first embedding.
        expected: usize,
    },
    /// Similarities are dot products, which mean something between unit vectors only.
    #[error("embedding {index} has length {length}; normalise embeddings to length 1")]
    NotUnit {
        /// Position in the list given.
        index: usize,
        /// Its Euclidean length.
        length: f32,
    },
    /// A false-match rate asked for is not a rate.
    #[error("false-match rate {value} is not between 0 and 1 (both exclusive)")]
    Rate {
        /// The value given.
        value: f64,
    },
}

impl EvaluateError {
    pub(crate) const NO_GENUINE: Self = Self::NothingToCompare {
        kind: "genuine",
        remedy: "one person twice",
    };
    pub(crate) const NO_IMPOSTOR: Self = Self::NothingToCompare {
        kind: "impostor",
        remedy: "two people",
    };
}

/// What went wrong in an evaluation or a benchmark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] fusiform::Error),
    /// The material.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A network cannot be loaded or run.
    #[error("network {name}: {source}")]
    Network {
        /// Name of the network in its manifest.
        name: String,
        /// The cause, from the runtime.
        source: Box<fusiform_nn::Error>,
    },
}
