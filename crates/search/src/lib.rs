//! Templates and how near they are. In: templates. Out: the nearest, clusters, metrics.
//! Knows nothing of files, SQL or pixels; has no input or output of its own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cluster;
mod error;
pub mod index;
pub mod ivf;
pub mod metrics;
pub mod template;

pub use error::Error;
