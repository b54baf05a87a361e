//! Fusiform's public Rust API. In: photos, model packs, a catalogue. Out: faces, people, answers with stated error rates.
//! Knows nothing of HTTP or terminals.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod config;
pub mod engine;
mod error;
pub mod evaluate;
pub mod measure;
pub mod models;
pub mod redact;
pub mod regions;
pub mod scan;
pub mod speed;

pub use error::Error;
pub use fusiform_face::{detect, geometry, image, pipeline, quality};
pub use fusiform_gallery::{Error as CatalogueError, ErrorKind as CatalogueErrorKind};
pub use fusiform_gallery::{catalogue, cluster, metrics, template};
pub use fusiform_kernels::cpu;
