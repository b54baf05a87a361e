//! On-device face recognition: photos in; faces, people and answers with stated error rates out.
//! Knows nothing of HTTP, terminals or evaluation.
//!
//! ```standalone_crate
//! use fusiform::Fmr;
//! # fn main() -> Result<(), fusiform::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! # for photo in ["ida.jpg", "party.jpg"] {
//! #     std::fs::copy(format!("tests/data/{photo}"), dir.path().join(photo)).unwrap();
//! # }
//! # std::env::set_current_dir(&dir).unwrap();
//! let engine = fusiform::Engine::builtin()?;
//! let mut people = fusiform::Gallery::open("people.db", &engine)?; // or in_memory(&engine)
//! people.enrol("Ida", engine.analyse_file("ida.jpg")?.largest()?)?;
//! for face in &engine.analyse_file("party.jpg")?.faces {
//!     println!("{:?}", people.identify(face, Fmr(1e-3))?);
//! }
//! # let party = engine.analyse_file("party.jpg")?;
//! # let found = party.faces.iter().map(|face| people.identify(face, Fmr(1e-3)));
//! # let found = found.collect::<Result<Vec<_>, _>>()?;
//! # assert_eq!(found.iter().filter(|found| found.name.is_some()).count(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Workflow
//!
//! 1. An [`Engine`] is opened from a [`Pack`] of networks: the one that is compiled in, a folder,
//!    or memory. It is shared between threads by reference.
//! 2. [`Engine::analyse`] takes the bytes of a photo and gives a [`Photo`] with its [`Face`]s: box,
//!    landmarks, quality, upright crop, and a [`Template`] that can be compared.
//! 3. [`Engine::verify`] compares two faces; a [`Gallery`] identifies faces among enrolled people,
//!    who gave their consent; an [`Album`] finds the people in folders of photos.
//!
//! Every answer carries the similarity, the threshold, and the false-match rate that the threshold
//! was measured at ([`Fmr`], [`Thresholds`]). Errors carry a stable [`ErrorKind`].
//!
//! # Features
//!
//! | feature | adds | needs |
//! |---|---|---|
//! | `detect` | [`Engine`], [`Photo`], [`Pack`], [`cluster`], [`redact`] | – |
//! | `album` | [`Album`], [`Engine::scan`], [`Engine::group`] | SQLite, compiled in |
//! | `gallery` | [`Gallery`] | SQLite, compiled in |
//! | `video` | `Engine::analyse_video` | decoders of H.264 and H.265, compiled in |
//!
//! The first three are on by default; `default-features = false, features = ["detect"]` leaves
//! SQLite out.
//!
//! # Threads
//!
//! Nothing here starts threads but [`Engine::scan`]. A call works on the thread that makes it, and
//! one made on a thread of a rayon pool may use that pool.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "album")]
pub mod album;
pub mod cover;
pub mod engine;
mod error;
mod file;
#[cfg(feature = "gallery")]
pub mod gallery;
pub mod models;
mod photo;
pub mod verify;
#[cfg(feature = "video")]
pub mod video;

#[cfg(feature = "album")]
pub use album::{Album, regions, scan};
pub use engine::Engine;
pub use error::{Error, ErrorKind};
#[cfg(feature = "gallery")]
pub use gallery::{Gallery, Identification};
pub use models::{Pack, PackError};
pub use photo::{AnalyseOptions, Face, FoundFace, NotOneFace, Photo, one_clear_face};
pub use verify::{Fmr, Thresholds, Verdict, Verification};
#[cfg(feature = "video")]
pub use video::{Clip, VideoOptions};

pub use fusiform_face::align::{ALIGNED_SIDE_PX, AlignError, AlignedFace, SimilarityTransform};
pub use fusiform_face::backend::BackendError;
pub use fusiform_face::detect::{DetectOptions, DetectedFace};
pub use fusiform_face::embed::Embedding;
pub use fusiform_face::geometry::{BoundingBox, Landmarks, Point, Size};
pub use fusiform_face::image::{
    DateSource, DecodeLimits, Decoded, Fingerprint, Frame, Image, ImageError, Note, Orientation,
    PixelFormat, Plane, Taken, YuvColour,
};
pub use fusiform_face::quality::{Pose, Quality};
pub use fusiform_face::{Error as FaceError, detect, geometry, image, quality, redact};
pub use fusiform_kernels::cpu;
pub use fusiform_nn::Precision;
pub use fusiform_search::template::{ModelId, Similarity, Template};
pub use fusiform_search::{Error as SearchError, cluster, metrics, template};

#[cfg(feature = "album")]
pub use fusiform_album::{Error as AlbumError, ErrorKind as AlbumErrorKind};
#[cfg(feature = "gallery")]
pub use fusiform_gallery::Error as GalleryError;
