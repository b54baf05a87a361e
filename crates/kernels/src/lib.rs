//! Number slices in, number slices out: every SIMD routine of Fusiform.
//! Knows nothing of tensors, threads, files or faces; callers split the work.
//!
//! Each routine has a safe entry that checks lengths, a scalar twin that is the definition, and versions for the
//! instruction sets of [`cpu::Isa`]; tests hold every version to the twin.
#![warn(missing_docs)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub mod buffer;
pub mod cpu;
pub mod depthwise;
pub mod dot;
pub mod finish;
pub mod gemm;
pub mod peak;
pub mod pixels;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86_64;
