//! Fusiform for C and C++. In: numbers, pointers to the caller's memory. Out: numbers, filled
//! structs, error codes. Knows nothing that the library does not; the words are in the header.
//!
//! Everything that C can get wrong and a program can notice is an error code: see the head of
//! `include/fusiform.h`. All work with pointers is in
//! `src/pointer.rs`.

#![deny(unsafe_op_in_unsafe_fn)]
// The head of the header says once, for all functions, what a caller promises of pointers.
#![allow(clippy::missing_safety_doc)]

mod album;
mod engine;
mod error;
mod face;
mod frame;
mod gallery;
mod guard;
mod handle;
mod photo;
mod pointer;

pub use album::*;
pub use engine::*;
pub use error::{FUSIFORM_MESSAGE_BYTES, FusiformCode, FusiformError, fusiform_code_name};
pub use face::*;
pub use frame::*;
pub use gallery::*;
pub use handle::{FusiformAlbum, FusiformEngine, FusiformGallery, FusiformPhoto};
pub use photo::*;
