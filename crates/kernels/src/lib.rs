//! Every SIMD routine of Fusiform. In: slices of numbers. Out: slices of numbers.
//! Knows nothing of tensors, threads, files or faces; callers split the work among threads.
//!
//! | module | what it computes |
//! |---|---|
//! | [`nhwc`] | rows of images whose channels lie side by side: convolutions, pooling, sums |
//! | [`planar`], [`gemm`] | the same on planes (NCHW), for what [`nhwc`] does not take |
//! | [`dot`] | dot products of vectors and of blocks of vectors, in floats and in four bits |
//! | [`epilogue`] | bias, residual and activation at the end of a convolution |
//! | [`cpu`] | which instruction set is used |
//! | [`peak`] | what one core can do at most |
//!
//! Each routine has a safe entry that checks lengths, one body in Rust that is generic over the
//! vector type, and an instance of it for each [`cpu::Isa`]. The scalar instance is the definition:
//! `tests/against_scalar.rs` and the property tests compare every other instance with it.
//!
//! # Example
//! ```
//! use fusiform_kernels::nhwc::{AddRow, KernelSet};
//!
//! let mut out = [0.0; 3];
//! KernelSet::chosen().add(&mut AddRow {
//!     a: &[1.0, 2.0, 3.0],
//!     b: &[10.0, 20.0, 30.0],
//!     out: &mut out,
//! });
//! assert_eq!(out, [11.0, 22.0, 33.0]);
//! ```
#![warn(missing_docs)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub mod buffer;
mod compile;
pub mod cpu;
pub mod dot;
pub mod epilogue;
pub mod gemm;
mod int8_dot;
mod multiply_adds;
pub mod nhwc;
pub mod peak;
pub mod planar;
mod scalar;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;
