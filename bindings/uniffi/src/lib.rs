//! Kotlin and Swift. In: values of theirs. Out: faces, people and answers of the library. Knows
//! nothing of how anything is done, and nothing of Android or iOS. A panic becomes an exception.

mod album;
mod engine;
mod error;
mod face;
mod gallery;

uniffi::setup_scaffolding!("fusiform");
