//! Templates and how near they are. In: templates. Out: the nearest, clusters, metrics.
//! Knows nothing of files, SQL or pixels; has no input or output of its own.
//!
//! | module | takes → gives |
//! |---|---|
//! | [`template`] | an embedding with its model → similarities, within one model only |
//! | [`index`] | vectors with owners, queries → the `k` nearest owners, exactly |
//! | [`ivf`] | vectors → inverted lists; a query → vectors worth comparing with, approximately |
//! | [`cluster`] | faces, and what humans said → a group for each face |
//! | [`likelihood_ratio`] | measured error rates → how much a similarity speaks for one person |
//! | [`metrics`] | true labels and groups → precision, recall, F |
//!
//! Work is shared by the threads of the current rayon pool. Equal input gives equal output.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cluster;
mod error;
pub mod index;
pub mod ivf;
pub mod likelihood_ratio;
pub mod metrics;
pub mod template;

pub use error::Error;
