//! What keeps a gallery between runs. In: changes, each with its audit entry. Out: what was kept.
//! The trait states what every store promises; `tests/store_contract.rs` checks it for each of
//! them. `docs/writing-a-store.md` tells how to write one.

use std::collections::BTreeSet;
use std::path::Path;

use uuid::Uuid;

use crate::audit::{Action, Entry, Verified};
use crate::consent::Consent;
use crate::error::Error;
use crate::person::Person;
use crate::seal::Secret;
use crate::service::{Kind, Service, Terms};

/// A service, and the keyed hash of the key that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredService {
    /// Its number and kind.
    pub service: Service,
    /// See [`Store::key_hash`].
    pub key_hash: [u8; 32],
    /// What its people are kept on when nothing else is stated.
    pub terms: Terms,
}

/// An example without its image.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredExample {
    /// Its id.
    pub id: Uuid,
    /// Number of the person whose face it is.
    pub person: i64,
    /// Which model made the vector.
    pub model: String,
    /// The template.
    pub vector: Vec<f32>,
}

/// What [`Store::load`] hands on.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A service.
    Service(StoredService),
    /// A person of the service with this number.
    Person(i64, Person),
    /// An example.
    Example(StoredExample),
}

/// An example that is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewExample<'a> {
    /// Its id.
    pub id: Uuid,
    /// Number of the person whose face it is.
    pub person: i64,
    /// Which model made the vector.
    pub model: &'a str,
    /// The template.
    pub vector: &'a [f32],
    /// Bytes of the photo it was made from.
    pub image: &'a [u8],
}

/// What is stored, by number alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Numbers of the people, and of those whom examples belong to.
    pub people: BTreeSet<i64>,
    /// How many people there are.
    pub n_people: usize,
    /// How many examples there are.
    pub n_examples: usize,
    /// Bytes outside the tables that may still hold something erased.
    pub unscrubbed_bytes: u64,
}

/// Where a gallery's people, examples and audit log are kept.
///
/// Atomicity: [`Store::transact`] does all of a transaction or nothing, whatever fails and whenever
/// the process is killed. Isolation: transactions of one store, from however many threads or
/// processes, happen one after another, and their audit entries are in that order. Durability:
/// when `transact` returns, the transaction survives a power cut; a store without this says so.
/// Secrecy: names, consents, terms, images and audit entries are not written in the clear; so
/// are vectors, unless the store says otherwise.
pub trait Store: Send + Sync {
    /// Hands on everything that is stored but images and the audit log, as of one instant:
    /// services, then people, in the order of their numbers, then examples, in the order in which
    /// they were added. Ends with the first error of `each`.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a record that is not what was written; those of `each`.
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<(), Error>;

    /// All services, as of now.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn services(&self) -> Result<Vec<StoredService>, Error>;

    /// A number that is another one after another process committed; own transactions need not
    /// change it.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn version(&self) -> Result<i64, Error>;

    /// Runs `work` in a transaction: committed if it returns `Ok`, without any trace if not. `work`
    /// may be run again from its start if the transaction has to be repeated.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Database`], after which nothing was changed.
    fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Bytes of an example's image; none if there is no such example.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they are not what was written.
    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error>;

    /// Hash of an API key under a secret of this store: the same as long as the store exists, and
    /// another one in every other store.
    fn key_hash(&self, key: &Uuid) -> [u8; 32];

    /// Hands on the audit log from its beginning, and proves that no entry was altered, left out or
    /// cut off the end.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first entry that does not fit.
    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error>;

    /// What is stored, read from the store itself and not from memory.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn inventory(&self) -> Result<Inventory, Error>;

    /// Overwrites what was removed, wherever this store left it (a write-ahead log); `false` if a
    /// reader prevents it just now and it must be called again.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn scrub(&self) -> Result<bool, Error>;

    /// Writes a copy that opens with the same secret, while the store is in use, and logs
    /// [`Action::Backup`] before.
    ///
    /// # Errors
    /// [`Error::File`] if there is a file already; [`Error::Unsupported`].
    fn backup(&self, to: &Path) -> Result<(), Error>;

    /// Seals the store with another secret, and logs [`Action::Rekey`]. Backups made before keep
    /// the old one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::Unsupported`].
    fn rekey(&self, secret: &Secret) -> Result<(), Error>;
}

/// What can be changed in a transaction. Each call sees what those before it changed.
pub trait Transaction {
    /// Adds a service; returns its number, which was never used before.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn add_service(&mut self, kind: Kind, key_hash: &[u8; 32], terms: &Terms)
    -> Result<i64, Error>;

    /// Removes a service with its people and their examples.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn remove_service(&mut self, service: i64) -> Result<(), Error>;

    /// Adds a person; returns the number, which was never used before.
    ///
    /// # Errors
    /// [`Error::Database`] if there is no such service.
    fn add_person(&mut self, service: i64, name: &str, consent: &Consent) -> Result<i64, Error>;

    /// Gives a person another name and consent.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn set_person(&mut self, person: &Person) -> Result<(), Error>;

    /// Gives the examples of `from` to `into`, and removes `from`.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error>;

    /// Removes a person with their examples. The bytes are overwritten, as far as the store can.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn remove_person(&mut self, number: i64) -> Result<(), Error>;

    /// Removes all people of a service with their examples.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn remove_people(&mut self, service: i64) -> Result<(), Error>;

    /// Adds an example; `false`, without changing anything, if there is one of this id in any
    /// service.
    ///
    /// # Errors
    /// [`Error::Database`] if there is no such person.
    fn add_example(&mut self, example: &NewExample<'_>) -> Result<bool, Error>;

    /// Removes an example.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn remove_example(&mut self, id: &Uuid) -> Result<(), Error>;

    /// Appends an entry to the audit log, after all entries of transactions before. Numbers that
    /// are not meant are 0.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn log(&mut self, action: Action, service: i64, person: i64, count: i64) -> Result<(), Error>;
}

mod audit_log;
pub(crate) mod memory;
mod schema;
pub(crate) mod sqlite;
mod sqlite_transaction;
