//! Fusiform's inference runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
mod exec;
mod limits;
mod load;
mod model;
mod onnx;
mod ops;
mod optimize;
mod port;
mod precision;
mod rgb_input;
mod tensor;

pub use error::{Error, ErrorKind};
pub use exec::session::{Session, StepTime};
pub use limits::Limits;
pub use model::Model;
pub use port::{Dim, Port};
pub use precision::{Precision, UnknownPrecision};
pub use rgb_input::RgbInput;
pub use tensor::Tensor;
