//! ONNX bytes to plain records. In: bytes from anywhere. Out: nodes, initialisers, ports, as written.
//! Knows nothing of what operators mean. Every length is checked against the bytes that are there.

mod records;
mod wire;

pub(crate) use records::{Attribute, Graph, Node, read_model};
