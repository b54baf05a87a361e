//! How well faces are told apart. In: similarities with the truth. Out: error rates, thresholds, curves.
//! Knows nothing of images, models or where the truth comes from; never prints.
//!
//! Terms are those of ISO/IEC 19795-1: a *genuine* comparison is between two photos of one person, an
//! *impostor* comparison between photos of two; FMR and FNMR are the shares of impostor comparisons that
//! match and of genuine comparisons that do not. A comparison matches when `similarity >= threshold`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
pub mod calibration;
pub mod curve_svg;
pub mod dataset;
mod error;
pub mod lfw;
mod operating_point;
mod proportion;
pub mod verification;

pub use error::{Error, EvaluateError};
pub use proportion::Proportion;
