//! Everything that can go wrong above the rooms. In: errors of the rooms. Out: one type that keeps its source.
//! Knows nothing of exit codes or HTTP status.

use std::path::PathBuf;

use crate::models::PackError;

/// What went wrong; the source is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model pack.
    #[error("model pack: {0}")]
    Pack(#[from] PackError),
    /// A network cannot be loaded or run.
    #[error("network {name}: {source}")]
    Network {
        /// Name of the network in its manifest.
        name: String,
        /// What the runtime said.
        source: fusiform_nn::Error,
    },
    /// The file of a photo holds no photo that can be read.
    #[error("{path}: {source}")]
    Photo {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        source: fusiform_face::image::ImageError,
    },
    /// Bytes are no photo that can be read.
    #[error(transparent)]
    Image(#[from] fusiform_face::image::ImageError),
    /// Detection, alignment or embedding failed.
    #[error(transparent)]
    Face(#[from] fusiform_face::Error),
    /// The album.
    #[error(transparent)]
    Album(#[from] fusiform_album::Error),
    /// Templates that do not compare.
    #[error(transparent)]
    Search(#[from] fusiform_search::Error),
    /// The pack lacks the network that the task needs.
    #[error(
        "pack {pack:?} has no {role}; choose one that has with --pack, `fusiform models list` \
         shows them"
    )]
    Lacks {
        /// The pack.
        pack: String,
        /// `detector` or `embedder`.
        role: &'static str,
    },
    /// The pack states no similarity for the false-match rate that the task needs.
    #[error(
        "pack {pack:?} states no threshold at a false-match rate of {fmr}; measure it with \
         `fusiform calibrate DIR --pack DIR --write`"
    )]
    Uncalibrated {
        /// The pack.
        pack: String,
        /// The rate needed.
        fmr: f64,
    },
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No face in a photo that needs one.
    #[error("no face found; try a smaller --min-face, or a photo that shows the face larger")]
    NoFace,
}

impl Error {
    /// An error of the system, with the file or folder that it is about.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io {
            path: path.into(),
            source,
        }
    }
}
