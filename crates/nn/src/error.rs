//! What can go wrong with a model. In: causes. Out: one message that names node, operator and shape.

use std::fmt;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is not the ONNX it claims to be.
    Malformed,
    /// An operator, attribute or number format that this runtime does not cover.
    Unsupported,
    /// More bytes, nodes or elements than the limits allow.
    TooLarge,
    /// Tensors that do not fit the operator or the model's inputs.
    Shape,
}

/// Why a model cannot be loaded or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", Place(.node))]
pub struct Error {
    kind: ErrorKind,
    /// Name and operator of the node, once known.
    node: Option<(String, String)>,
    what: String,
}

struct Place<'a>(&'a Option<(String, String)>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((node, op)) => write!(f, "node {node:?} ({op}): "),
            None => Ok(()),
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Error {
        Error {
            kind,
            node: None,
            what: what.into(),
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Malformed, what)
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, what)
    }

    pub(crate) fn shape(what: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape, what)
    }

    pub(crate) fn too_large(what: impl Into<String>) -> Error {
        Error::new(ErrorKind::TooLarge, what)
    }

    /// Adds where it happened, unless that is known already.
    pub(crate) fn at(mut self, node: &str, op: &str) -> Error {
        self.node.get_or_insert_with(|| (node.into(), op.into()));
        self
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
