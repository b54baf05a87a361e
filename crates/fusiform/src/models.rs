//! Model packs. In: folders, memory, and what is compiled in. Out: checked [`Pack`]s.
//! Knows nothing of what a network computes; the engine opens them.
//!
//! A pack is a folder with `manifest.toml` and one ONNX file for each network. The manifest states,
//! for each network, its [`Role`], its file with its SHA-256, how to feed it, its licence, and, for
//! an embedder, the similarities at which false-match rates were measured.

mod base;
mod error;
mod library;
mod manifest;
mod pack;
mod weights;

pub use error::PackError;
pub use fusiform_nn::Precision;
pub use library::{Library, Listing, MAX_MANIFEST_BYTES, Origin};
pub use manifest::{
    Channels, DetectorManifest, EmbedderManifest, FORMAT, HeadName, InputManifest,
    LandmarksManifest, LivenessManifest, Manifest, NetworkInfo, Role, Threshold,
    UnrecognisableManifest,
};
pub use pack::Pack;
pub use weights::MAX_WEIGHTS_BYTES;
