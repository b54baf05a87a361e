//! Enrolled people of the recognition service. In: templates and images of named people. Out: matches; all of it
//! encrypted on disk. Knows nothing of pixels, networks or HTTP.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod claim;
mod consent;
mod error;
mod index;
mod people;
mod seal;
mod store;
mod traces;

pub use audit::{Action, Entry, Verified};
pub use claim::Claim;
pub use consent::Consent;
pub use error::Error;
pub use index::{Example, Match, Person};
pub use seal::{MasterKey, Secret, new_key};
pub use store::{Kind, Service, Terms, Vault};
pub use traces::Traces;
pub use uuid::Uuid;
