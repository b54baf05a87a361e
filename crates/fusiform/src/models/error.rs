//! What can be wrong with a model pack. In: causes. Out: messages that name the file and the
//! remedy.

use std::path::PathBuf;

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
    /// A file that the manifest names was not given.
    #[error("{file}: the manifest names it as {role}, and it is not among the files given")]
    Missing {
        /// The weights file.
        file: String,
        /// Its role.
        role: &'static str,
    },
    /// A file cannot be read or written, or is larger than allowed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause, from the system.
        source: std::io::Error,
    },
    /// No pack of that name is here.
    #[error(
        "no model pack called {name:?}; there are: {known}; add the folder of the pack to the \
         library first"
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
