//! The precision of dense layers. In: a name. Out: a choice. Knows nothing of how it is carried
//! out.

use std::fmt;
use std::str::FromStr;

/// The numbers that dense convolutions multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Floats, as the file has them.
    #[default]
    Float32,
    /// Eight-bit integers where that is faster. Weights are rounded once, with a scale for each
    /// output channel; inputs are rounded row by row, with a scale from the row's minimum and
    /// maximum.
    Int8,
}

/// A name that is not one of a [`Precision`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("precision {0:?} is unknown; it is \"float32\" or \"int8\"")]
pub struct UnknownPrecision(String);

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Float32 => "float32",
            Precision::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Precision, UnknownPrecision> {
        [Precision::Float32, Precision::Int8]
            .into_iter()
            .find(|p| p.to_string() == name)
            .ok_or_else(|| UnknownPrecision(name.into()))
    }
}
