//! Model packs: manifest and weights together. In: folders and what is compiled in. Out: checked [`Pack`]s.
//! Knows nothing of what a network computes; the engine opens them.

mod base;
mod library;
mod manifest;

use std::path::PathBuf;

pub use base::base_pack;
pub use fusiform_nn::Precision;
pub use library::{Library, Listing, Origin};
pub use manifest::{
    Channels, DetectorManifest, EmbedderManifest, FORMAT, HeadName, InputManifest, Manifest,
    Threshold,
};
use sha2::{Digest, Sha256};

/// Largest weights file that is read, in bytes; iResNet-100 in fp32 is 250 MB.
pub const MAX_WEIGHTS_BYTES: u64 = 1 << 30;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A pack whose weights have the hashes that its manifest states.
#[derive(Debug, Clone)]
pub struct Pack {
    /// What the pack says of itself.
    pub manifest: Manifest,
    /// The detector's file, if the pack has one.
    pub detector: Option<Vec<u8>>,
    /// The embedder's file, if the pack has one.
    pub embedder: Option<Vec<u8>>,
}

/// Why a pack cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The manifest is not TOML, or a field is missing, unknown or out of range.
    #[error("manifest.toml: {0}")]
    Manifest(String),
    /// The file's content is not what the manifest states.
    #[error(
        "{file}: its sha256 is {found}, the manifest states {stated}; the file was changed or cut \
         short: fetch it again, or correct the manifest if you changed it yourself"
    )]
    Hash {
        /// The weights file.
        file: String,
        /// What the manifest states.
        stated: String,
        /// What the file has.
        found: String,
    },
    /// A file cannot be read or written, or is larger than allowed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No pack of that name is here.
    #[error(
        "no model pack called {name:?}; there are: {known}; add the folder of the pack to the library \
         first"
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A pack of that name is already there with other content.
    #[error(
        "a model pack called {0:?} is already there with other content; rename the new one in its \
         manifest, or remove the old one first"
    )]
    Taken(String),
}

impl PackError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> PackError {
        PackError::Io {
            path: path.into(),
            source,
        }
    }
}

impl Pack {
    /// Puts a manifest and its files together, refusing any whose hash differs.
    ///
    /// `read` gives the bytes of a file that the manifest names.
    ///
    /// # Errors
    /// [`PackError::Hash`], or whatever `read` answers.
    pub fn assemble(
        manifest: Manifest,
        mut read: impl FnMut(&str) -> Result<Vec<u8>, PackError>,
    ) -> Result<Pack, PackError> {
        let mut checked = |file: &str, stated: &str| {
            let bytes = read(file)?;
            let found = hex(&Sha256::digest(&bytes));
            if found != stated {
                return Err(PackError::Hash {
                    file: file.into(),
                    stated: stated.into(),
                    found,
                });
            }
            Ok(bytes)
        };
        let detector = manifest
            .detector
            .as_ref()
            .map(|d| checked(&d.file, &d.sha256))
            .transpose()?;
        let embedder = manifest
            .embedder
            .as_ref()
            .map(|e| checked(&e.file, &e.sha256))
            .transpose()?;
        Ok(Pack {
            manifest,
            detector,
            embedder,
        })
    }

    /// The same pack with both networks in another precision.
    pub fn in_precision(mut self, precision: Precision) -> Pack {
        if let Some(detector) = &mut self.manifest.detector {
            detector.precision = precision;
        }
        if let Some(embedder) = &mut self.manifest.embedder {
            embedder.precision = precision;
        }
        self
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
