//! Fusiform's inference runtime. In: an ONNX file and tensors. Out: tensors.
//! Knows nothing of faces, people or the network.
//!
//! bytes → `format` → `graph` (checked, simplified) → [`Session`] → `island` (the fast path, by rows) or `ops`, one file per
//! family of operators, which is the definition.
//!
//! # To add an operator
//! 1. A variant of `Op` in `ops.rs`, its attributes read in `Op::read` (an attribute that is not honoured is an error).
//! 2. Its work in the file of its family, called from `Op::run`; shapes are checked before anything is computed.
//! 3. A case in `golden/make_golden.py`, which compares it with ONNX Runtime on odd shapes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
mod format;
mod graph;
mod island;
mod ops;
mod photo;
mod session;
mod simplify;
mod tensor;

pub use error::{Error, ErrorKind};
pub use graph::{Dim, Limits, Model, Port};
pub use photo::Photo;
pub use session::{Precision, Session, StepTime, UnknownPrecision};
pub use tensor::Tensor;
