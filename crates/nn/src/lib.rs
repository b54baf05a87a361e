//! A small ONNX runtime for vision networks on CPUs. In: an ONNX file, and tensors or RGB bytes.
//! Out: tensors. Knows nothing of faces, people or the network.
//!
//! # Workflow
//! ```text
//! file ─ onnx ─► records ─ load ─► Model ─ optimize ─► Model ─ exec ─► Session ─ run ─► tensors
//! ```
//! 1. [`Model::open`] reads the file piece by piece, checks it, and optimises it: constants are
//!    computed, batch normalisation is folded into convolutions, activations and residual sums are
//!    fused into the convolution before them, narrow sibling convolutions are merged.
//! 2. [`Session::new`] packs the weights for the instruction set of this CPU. Each weight is in
//!    memory once: it leaves the model when it is packed. Loading a model of 100 MB peaks below
//!    1.3 of its size (`tests/memory.rs`).
//! 3. [`Session::run`] runs the network. Steps that can run fused compute images row by row with
//!    their channels side by side; what cannot runs operator by operator. The numbers agree with
//!    ONNX Runtime to 1e-4 of the largest output (`tests/golden.rs`).
//!
//! # Example
//! A model with one node, `y = Relu(x)`:
//! ```
//! use fusiform_nn::{Limits, Model, Session, Tensor};
//!
//! let onnx = b"\x3a\x18\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x5a\x03\x0a\x01x\x62\x03\x0a\x01y\
//!              \x42\x02\x10\x0d";
//! let model = Model::from_bytes(onnx, &Limits::default())?;
//! let session = Session::new(model)?;
//!
//! let x = Tensor::new(vec![1, 3], vec![-1.0, 0.0, 2.0])?;
//! let outputs = session.run(&[("x", &x)])?;
//! let (name, y) = &outputs[0];
//! assert_eq!((&**name, y.data()), ("y", &[0.0, 0.0, 2.0][..]));
//! # Ok::<(), fusiform_nn::Error>(())
//! ```
//!
//! # Threading
//! A [`Session`] is `Sync`: any number of threads may run it at once, without waiting for each
//! other. It starts no threads. A run that is called on a thread of a rayon pool shares the rows of
//! large layers with the threads of that pool, as many as other runs of this process leave: one run
//! takes the whole pool, as many runs as threads take one thread each. Called elsewhere, a run
//! stays on its thread. The results are the same to the bit.
//!
//! # Precision
//! [`Precision::Int8`] makes dense convolutions of 12 channels or more multiply eight-bit integers.
//! Nothing needs to be calibrated; see [`Precision`].
//!
//! # Supported operators
//! Of the domain `ai.onnx`, in float32; integers serve shapes and indices. Files of opset 6 to 14
//! are tested; newer ones work where the operators have not changed. Float16 and float64 weights
//! become float32.
//!
//! | family | operators |
//! |---|---|
//! | convolution | Conv (2-D; groups, strides, dilations, padding) |
//! | matrix products | Gemm, MatMul |
//! | normalisation | BatchNormalization, Softmax |
//! | activations | Relu, LeakyRelu, PRelu, Clip, Sigmoid, HardSigmoid, HardSwish, Tanh |
//! | element-wise | Add, Sub, Mul, Div, Pow, Min, Max, Exp, Log, Sqrt, Floor, Ceil, Neg, Abs, Erf |
//! | pooling and means | MaxPool, AveragePool, GlobalAveragePool, ReduceMean |
//! | resizing | Resize and Upsample (nearest, linear) |
//! | layout | Concat, Split, Transpose, Slice, Gather, Pad (constant), Expand |
//! | shapes | Reshape, Flatten, Squeeze, Unsqueeze, Shape, ConstantOfShape, Constant, Cast |
//! | no effect | Identity, Dropout |
//!
//! An operator or attribute outside of this is an error when the model is loaded, never a wrong
//! result. Fused are 2-D convolutions (dense and depthwise, with constant weights), unpadded
//! MaxPool, Add, Mul and Sub with a constant number, nearest Resize, and Split and Transpose at the
//! end.
//!
//! # Untrusted models
//! A model file may come from anywhere. [`Limits`] bounds its bytes, its nodes and the elements of
//! every tensor, weights and results alike; lengths are checked against the bytes that are left
//! before memory is allocated. A malformed file gives an [`Error`] that names file, node and cause,
//! and never panics: `tests/hostile.rs` runs truncated and mutated models, `fuzz/` anything else.
//! Time is not bounded: a model within the limits may compute for long.
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
