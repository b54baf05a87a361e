//! The catalogue of faces and people. In: templates and human decisions. Out: people, matches, groups.
//! Knows nothing of pixels, files' content or models' insides.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod catalogue;
pub mod cluster;
mod error;
pub mod metrics;
pub mod nearest;
pub mod template;

pub use error::{Error, ErrorKind};
