//! Why a face pipeline could not be built or run. In: causes. Out: messages that name value and
//! remedy. Knows nothing of paths: the caller, who knows the file, puts its name in front.

use crate::align::AlignError;
use crate::backend::BackendError;
use crate::image::ImageError;

/// Why a face pipeline could not be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A photo's bytes.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A face's landmarks.
    #[error(transparent)]
    Align(#[from] AlignError),
    /// The backend refused the network's input or failed inside it.
    #[error("{stage}: {source}")]
    Network {
        /// `detector` or `embedder`.
        stage: &'static str,
        /// The backend's error.
        source: BackendError,
    },
    /// The network's ports are not those of the head that the model pack names.
    #[error("{stage}: {what}; correct the head or the input in the pack's manifest.toml")]
    Contract {
        /// `detector` or `embedder`.
        stage: &'static str,
        /// Which port, what it has and what it should have.
        what: String,
    },
    /// An option has a value outside its range.
    #[error("{option} = {value} is not {wanted}")]
    Option {
        /// Name of the field.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        wanted: &'static str,
    },
}
