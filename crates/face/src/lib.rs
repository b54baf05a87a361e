//! Photos in, described faces out. In: bytes of an image file. Out: boxes, landmarks, crops,
//! quality, embeddings. Knows nothing of people, storage, files or terminals.
//!
//! # From bytes to faces
//!
//! [`pipeline::Pipeline::analyse`] is the one road: it checks every limit, decodes no more pixels
//! than the faces need, detects, aligns, judges and embeds. The stages are modules in the order of
//! the work: [`image`] → [`detect`] → [`landmarks`] → [`align`] → [`quality`], [`embed`]; only
//! [`pipeline`] knows that order. Networks run behind the seam in [`backend`].
//!
//! # Features
//!
//! `avif`, `bmp`, `gif`, `heic`, `jxl`, `raw`, `tiff`, `webp` (all on by default): the formats that
//! are decoded beside JPEG and PNG. A file of a format left out is an error that names the format.
//!
//! # Example
//!
//! ```no_run
//! use fusiform_face::backend::{Backend, NnBackend, Precision};
//! use fusiform_face::detect::{Detector, DetectorSpec};
//! use fusiform_face::pipeline::{AnalyseOptions, Pipeline};
//!
//! let network = NnBackend.load(std::fs::read("yunet.onnx")?.into(), Precision::default())?;
//! let pipeline = Pipeline::new(Detector::new(network, DetectorSpec::default())?, None, None);
//! let photo = pipeline.analyse(&std::fs::read("party.jpg")?, &AnalyseOptions::default())?;
//! println!("{} faces in {} px", photo.faces.len(), photo.size);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod align;
pub mod backend;
pub mod detect;
pub mod embed;
mod error;
pub mod geometry;
pub mod image;
pub mod landmarks;
mod normalisation;
pub mod pipeline;
pub mod quality;
pub mod redact;
mod stage;

pub use error::Error;
