//! Enrolled people of the recognition service. In: templates and images of named people. Out: matches; all of it
//! encrypted on disk. Knows nothing of pixels, networks or HTTP.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod consent;
mod erasure_check;
mod error;
mod index;
mod lock;
mod people;
mod seal;
mod store;

pub use audit::{Action, Entry, Verified};
pub use consent::Consent;
pub use erasure_check::ErasureCheck;
pub use error::Error;
pub use index::{Example, Match, Person};
pub use lock::Lock;
pub use seal::{MasterKey, Secret, new_key};
pub use store::{Kind, Service, Terms, Vault};
pub use uuid::Uuid;
