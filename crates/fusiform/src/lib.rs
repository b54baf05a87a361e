//! Fusiform's public Rust API. In: photos, model packs, an album. Out: faces, people, answers with stated error rates.
//! Knows nothing of HTTP or terminals.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod engine;
mod error;
pub mod models;
mod photo;
pub mod verify;

pub use engine::Engine;
pub use error::{Error, ErrorKind};
pub use fusiform_album as album;
pub use fusiform_album::scan;
pub use fusiform_album::{Error as AlbumError, ErrorKind as AlbumErrorKind, regions};
pub use fusiform_face::{detect, geometry, image, pipeline, quality, redact};
pub use fusiform_kernels::cpu;
pub use fusiform_search::Error as SearchError;
pub use fusiform_search::{cluster, metrics, template};
pub use photo::{AnalyseOptions, Face, Photo};
