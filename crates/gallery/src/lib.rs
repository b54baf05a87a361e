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
//! | `people.rs` | enter, rename, erase, match |
//! | `enrol.rs` | a face of a person, on what ground |
//! | `columns.rs` | a service's people in memory, an immutable value that writers copy |
//! | `store.rs` | what a store promises |
//! | `seal.rs` | encryption of fields |
//! | `audit.rs`, `ledger.rs` | entries and their chain of hashes; what they say is stored |
//! | `recorder.rs` | what is written together, what waits, what a full disk does |
//! | `clock.rs` | the present, and the time up to which the clock is believed |
//! | `reembed.rs` | a change of model |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aside;
mod audit;
mod clock;
mod columns;
mod consent;
mod enrol;
mod erasure_check;
mod error;
mod follow;
mod gallery;
mod health;
mod key_ring;
mod ledger;
mod lock;
mod names;
mod people;
mod person;
mod place;
mod private_file;
mod proof;
mod read;
mod recorder;
mod reembed;
mod seal;
mod service;
mod services;
pub mod store;
mod tree;

pub use audit::{Action, Entry, Verified};
pub use clock::ClockDoubt;
pub use consent::Consent;
pub use erasure_check::ErasureCheck;
pub use error::{Cause, Error};
pub use gallery::{Gallery, MEMORY_TEMPLATES, SearchIn};
pub use health::Health;
pub use key_ring::{ApiKey, KeyLabel, KeyRing};
pub use lock::Lock;
pub use names::{is_name, name_key};
pub use person::{Example, Found, Match, Person};
pub use place::Place;
pub use private_file::private_file;
pub use reembed::{EmbedImage, Reembedded, SetAside, reembed};
pub use seal::{MasterKey, Secret, new_key};
pub use service::{Kind, Service, Terms, is_guessable};
pub use store::Store;
pub use store::accept::Accepted;
pub use store::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use store::postgres::PostgresStore;
pub use store::room::has_room;
pub use store::sqlite::SqliteStore;
pub use uuid::Uuid;
