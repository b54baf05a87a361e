//! How well and how fast faces are found and told apart. In: an engine, labelled photos,
//! similarities with the truth. Out: error rates, thresholds, curves, timings. Knows nothing of
//! terminals; never prints.
//!
//! Terms are those of ISO/IEC 19795-1: a *genuine* comparison is between two photos of one person,
//! an *impostor* comparison between photos of two; FMR and FNMR are the shares of impostor
//! comparisons that match and of genuine comparisons that do not. A comparison matches when
//! `similarity >= threshold`.
//!
//! | module | takes → gives |
//! |---|---|
//! | [`dataset`] | folders of labelled photos → one embedding for each photo |
//! | [`lfw`] | LFW's `pairs.txt` → pairs of photos |
//! | [`verification`] | similarities of pairs → accuracy, TAR at FAR, EER, AUC, DET curve |
//! | [`calibration`] | labelled embeddings → thresholds at stated false-match rates |
//! | [`recognisability`] | photos → what unrecognisable faces look like to an embedder |
//! | [`robustness`] | photos → their faces after turns, masks, darkness and other changes |
//! | [`detection`] | labelled and found faces → recall, average precision, landmark error |
//! | [`discard`] | labelled embeddings and a quality measure → error versus discard |
//! | [`curve_svg`] | verification and discard reports → their curves as one SVG |
//! | [`npy`] | numbers → files for NumPy |
//! | [`mod@bench`] | networks → times, and the share of what the core can do at most |
//!
//! # Example
//! ```
//! use fusiform_eval::verification::{PairScore, evaluate};
//! let pair = |fold, similarity, same| PairScore { fold, similarity: Some(similarity), same };
//! let scores = [
//!     pair(0, 0.8, true),
//!     pair(0, 0.1, false),
//!     pair(1, 0.7, true),
//!     pair(1, 0.2, false),
//! ];
//! let report = evaluate(&scores)?;
//! let svg = fusiform_eval::curve_svg::det_curve(&[("base", &report)]);
//! assert!(report.accuracy == 1.0 && svg.starts_with("<svg"));
//! # Ok::<(), fusiform_eval::EvaluateError>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
pub mod calibration;
pub mod curve_svg;
pub mod dataset;
pub mod detection;
pub mod discard;
mod error;
pub mod lfw;
pub mod npy;
mod operating_point;
mod proportion;
pub mod recognisability;
pub mod robustness;
pub mod verification;

pub use error::{Error, EvaluateError};
pub use proportion::Proportion;
