//! Fusiform's public Rust API. In: photos, model packs, a catalogue. Out: faces, people, answers with stated error rates.
//! Knows nothing of HTTP or terminals.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
pub mod evaluate;
pub mod models;
