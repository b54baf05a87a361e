//! In progress.
#![forbid(unsafe_code)]
