//! What can go wrong with a model. In: causes. Out: one message that names file, node and shape.
//! Knows nothing of how it is shown.

use std::fmt;
use std::path::Path;

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file is not the ONNX it claims to be.
    Malformed,
    /// An operator, attribute or number format that this runtime does not support.
    Unsupported,
    /// More bytes, nodes or elements than the limits allow.
    TooLarge,
    /// Tensors that do not fit the operator or the model's inputs.
    Shape,
    /// The file cannot be opened or read.
    Read,
}

/// Why a model cannot be loaded or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", Prefix(.file, .node))]
pub struct Error {
    kind: ErrorKind,
    /// The model file, if it was read from one.
    file: Option<String>,
    /// Name and operator of the node, once known.
    node: Option<(String, String)>,
    what: String,
}

/// What the message begins with: the file and the node, as far as they are known.
struct Prefix<'a>(&'a Option<String>, &'a Option<(String, String)>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.0 {
            write!(f, "{file}: ")?;
        }
        match self.1 {
            Some((node, op)) => write!(f, "node {node:?} ({op}): "),
            None => Ok(()),
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Error {
        Error {
            kind,
            file: None,
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

    /// Adds the model file.
    pub(crate) fn in_file(mut self, file: &Path) -> Error {
        self.file = Some(file.display().to_string());
        self
    }

    /// Adds the node, unless one is known already.
    pub(crate) fn at(mut self, node: &str, op: &str) -> Error {
        self.node.get_or_insert_with(|| (node.into(), op.into()));
        self
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
