//! Enrolled people: templates and images of named people in, matches out. Consent, expiry, an audit
//! log and erasure are part of it. Knows nothing of pixels, networks or HTTP.
//!
//! A [`Gallery`] keeps its people in a [`Store`] and in memory. Readers search immutable columns,
//! with the exact matcher of `fusiform-search`, and never wait for a writer. Stores: a sealed
//! SQLite file ([`SqliteStore`]) and memory ([`MemoryStore`]).
//!
//! | file | what it has |
//! |---|---|
//! | `gallery.rs` | services, keys, the audit log, backups |
//! | `people.rs` | enrol, rename, erase, match |
//! | `columns.rs` | a service's people in memory, an immutable value that writers copy |
//! | `store.rs` | what a store promises |
//! | `seal.rs` | encryption of fields |
//! | `audit.rs` | entries and their chain of hashes |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod clock;
mod columns;
mod consent;
mod erasure_check;
mod error;
mod gallery;
mod lock;
mod people;
mod person;
mod private_file;
mod seal;
mod service;
pub mod store;
mod tree;

pub use audit::{Action, Entry, Verified};
pub use consent::Consent;
pub use erasure_check::ErasureCheck;
pub use error::{Cause, Error};
pub use gallery::Gallery;
pub use lock::Lock;
pub use person::{Example, Match, Person};
pub use private_file::private_file;
pub use seal::{MasterKey, Secret, new_key};
pub use service::{Kind, Service, Terms, is_guessable};
pub use store::Store;
pub use store::memory::MemoryStore;
pub use store::sqlite::SqliteStore;
pub use uuid::Uuid;
