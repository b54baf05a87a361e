//! Enrolled people of the recognition service. In: templates and images of named people. Out: matches; all of it
//! encrypted on disk. Knows nothing of pixels, networks or HTTP.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
mod index;
mod seal;
mod store;

pub use error::Error;
pub use index::{Example, Match};
pub use seal::{MasterKey, Secret, new_key};
pub use store::{Kind, Service, Vault};
pub use uuid::Uuid;
