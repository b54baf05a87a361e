//! The fusiform binary.
#![forbid(unsafe_code)]
fn main() {}
