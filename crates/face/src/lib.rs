//! Photos in, described faces out. In: bytes of an image file. Out: boxes, landmarks, crops, quality, embeddings.
//! Knows nothing of people, storage, files or terminals.
//!
//! The stages are modules in the order of the work: [`image`] → [`detect`] → [`align`] → [`quality`], [`embed`];
//! only [`pipeline`] knows that order.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod align;
pub mod detect;
pub mod embed;
mod error;
pub mod geometry;
pub mod image;
mod network;
mod normalisation;
pub mod pipeline;
pub mod quality;
pub mod redact;
mod resample;

pub use error::Error;
