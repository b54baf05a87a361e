//! The ONNX reader. In: bytes from an untrusted source. Out: nodes, initialisers and ports, as
//! written. Knows nothing of what operators mean. Every length is checked against the bytes that
//! are left.

mod protobuf;
mod records;

pub(crate) use records::{Attribute, Graph, Node, read_model};
