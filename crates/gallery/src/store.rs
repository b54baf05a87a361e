//! What keeps a gallery between runs. In: changes, each with its audit entry. Out: what was kept.
//! The trait states what every store promises; `tests/store_contract.rs` checks it for each of
//! them. `docs/writing-a-store.md` tells how to write one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::audit::{Action, Entry, Verified};
pub use crate::clock::ClockMark;
use crate::clock::now_ms;
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
pub use crate::ledger::Ledger;
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
    /// The consent that the example keeps whoever it belongs to; `None` is that of its person.
    pub consent: Option<Consent>,
    /// It could not be embedded anew by the present model: kept, but not matched.
    pub aside: bool,
}

/// What [`Store::load`] hands on.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A service.
    Service(StoredService),
    /// A person.
    Person {
        /// Number of the service.
        service: i64,
        /// The person.
        person: Person,
        /// How often [`Transaction::set_person`] changed the person.
        revision: i64,
    },
    /// An example.
    Example(StoredExample),
}

/// What [`Store::load`] found beside the rows, as of the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the audit log says is stored; or, of a broken log, the first entry that does not fit.
    pub log: Result<Ledger, i64>,
    /// What was last kept of the clock.
    pub clock: Option<ClockMark>,
}

/// What another process changed in a store that several share: as it is now, or gone.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Services or API keys.
    Services,
    /// A person.
    Person {
        /// Number of the service.
        service: i64,
        /// The person.
        person: Person,
    },
    /// A person who is no longer there, nor are their examples.
    NoPerson(i64),
    /// An example.
    Example(StoredExample),
    /// An example that is no longer there.
    NoExample(Uuid),
}

/// A row that a transaction changed, added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    Services,
    /// By number.
    Person(i64),
    /// By id.
    Example(Uuid),
}

/// What is known of an index of templates that a store searches by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexStated {
    /// Values of each template.
    pub dimensions: usize,
    /// Breadth of a search: how many candidates HNSW keeps.
    pub ef_search: u32,
    /// How often the nearest template was found (recall@1), measured with `n_probes` templates
    /// against a comparison with all others; 0 before that was measured.
    pub recall: f64,
    /// Templates it was measured with.
    pub n_probes: usize,
    /// Templates that there were.
    pub n_templates: usize,
}

/// How much an index of templates (HNSW) keeps: more makes it better, larger and slower to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexShape {
    /// Links of each template (m).
    pub links: u32,
    /// Candidates when a template is put in (`ef_construction`); at least twice the links.
    pub build_candidates: u32,
}

impl Default for IndexShape {
    fn default() -> IndexShape {
        IndexShape {
            links: 16,
            build_candidates: 128,
        }
    }
}

/// A template that a store found near a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Id of the example.
    pub id: Uuid,
    /// Number of its person.
    pub person: i64,
    /// Cosine similarity with the probe.
    pub similarity: f32,
}

/// A server that uses a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSeen {
    /// Its machine and process.
    pub name: String,
    /// Changes that it had not taken in when it was heard of last; 0 is none.
    pub n_behind: i64,
    /// How long ago that was.
    pub seen_ms_ago: i64,
}

/// Keeps other processes from changing anything but the audit log until it is dropped.
pub trait WriteLock {}

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
    /// The consent that the example keeps whoever it belongs to; `None` is that of its person.
    pub consent: Option<&'a Consent>,
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
    /// they were added. Ends with the first error of `each`. Proves that every record is as it was
    /// last written, and that none is missing, planted or put back from an older copy.
    ///
    /// # Errors
    /// [`Error::Tampered`] naming what is not as it was written; those of `each`.
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<Loaded, Error>;

    /// All services, as of now.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn services(&self) -> Result<Vec<StoredService>, Error>;

    /// The API keys, as of now; none before the first was kept here.
    ///
    /// # Errors
    /// [`Error::Tampered`] if they are not as they were written.
    fn key_ring(&self) -> Result<KeyRing, Error>;

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

    /// Whether several processes may use the store at a time: each then takes [`Store::lock`]
    /// before it decides about a change, and [`Store::changes`] before it answers.
    fn is_shared(&self) -> bool {
        false
    }

    /// Waits until no other process changes anything.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Busy`] if another process does not end.
    fn lock(&self) -> Result<Option<Box<dyn WriteLock + '_>>, Error> {
        Ok(None)
    }

    /// Whether [`Store::changes`] has something to hand on.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    fn has_changes(&self) -> Result<bool, Error> {
        Ok(false)
    }

    /// Hands on what other processes changed since [`Store::load`] or the last call, people before
    /// examples, as of one instant. `false` if that cannot be told any more: then everything has
    /// to be loaded again. Not called by two threads at a time.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; those of `each`, after which the same is handed on again.
    fn changes(&self, each: &mut dyn FnMut(Change) -> Result<(), Error>) -> Result<bool, Error> {
        let _ = each;
        Ok(true)
    }

    /// Has [`Store::changes`] hand on everything anew, as what was loaded last was not taken in.
    fn forget_taken_in(&self) {}

    /// Waits until another process may have changed something, or for this long.
    fn wait_for_change(&self, timeout: Duration) {
        std::thread::sleep(timeout);
    }

    /// Says to the others what this process has taken in.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    fn report(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The processes that use the store, as they reported last.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    fn servers(&self) -> Result<Vec<ServerSeen>, Error> {
        Ok(Vec::new())
    }

    /// The store's own index of templates, if it has one.
    ///
    /// # Errors
    /// [`Error::Unreachable`]; [`Error::Tampered`].
    fn index(&self) -> Result<Option<IndexStated>, Error> {
        Ok(None)
    }

    /// Makes that index anew, of everybody, and keeps it up to date from then on. Others can read
    /// meanwhile, and not write. `progress` is told how many of how many templates are in.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; [`Error::Busy`]; [`Error::Unreachable`].
    fn build_index(
        &self,
        shape: IndexShape,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let _ = (shape, progress);
        Err(Error::Unsupported("this store has no index"))
    }

    /// Measures with how much of a search the index finds the nearest template as often as
    /// `recall` asks for, and searches so from then on: what was tried, the best of which is used.
    ///
    /// # Errors
    /// As [`Store::build_index`].
    fn calibrate_index(
        &self,
        recall: f64,
        n_probes: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<IndexStated>, Error> {
        let _ = (recall, n_probes, progress);
        Err(Error::Unsupported("this store has no index"))
    }

    /// Templates of a service that its index finds near each probe, nearest first, more than
    /// `top` of each where there are more; and how good the index is.
    ///
    /// # Errors
    /// As [`Store::build_index`].
    fn nearest(
        &self,
        service: i64,
        probes: &[&[f32]],
        top: usize,
    ) -> Result<(Vec<Vec<Near>>, IndexStated), Error> {
        let _ = (service, probes, top);
        Err(Error::Unsupported("this store has no index"))
    }

    /// An example's template; none if there is no such example.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not what was written.
    fn template(&self, id: &Uuid) -> Result<Option<Vec<f32>>, Error> {
        let _ = id;
        Err(Error::Unsupported(
            "this store hands out no single template",
        ))
    }

    /// Bytes of an example's image; none if there is no such example.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they are not what was written.
    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error>;

    /// Hash of an API key under a secret of this store: the same as long as the store exists, and
    /// another one in every other store.
    fn key_hash(&self, key: &Uuid) -> [u8; 32];

    /// Proves that every image is as it was written.
    ///
    /// # Errors
    /// [`Error::Tampered`] naming the example.
    fn verify_images(&self) -> Result<(), Error>;

    /// Entries of the audit log after a position, at most `limit`, of all services or of one;
    /// compared with their own hashes, but not with the end of the log.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first entry that does not fit.
    fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<i64>,
    ) -> Result<Vec<Entry>, Error>;

    /// Removes the entries of the audit log that are older than a time, but never the newest: how
    /// many. What they say is kept as a whole, so that the rest is proved as before. Logs
    /// [`Action::Prune`].
    ///
    /// # Errors
    /// [`Error::Chain`]; [`Error::Database`].
    fn prune_audit(&self, before_ms: i64) -> Result<i64, Error>;

    /// Keeps entries where they take no room on a full disk; returns the position in the log that
    /// they come after. They are lost with the next transaction that is committed, which has to log
    /// them; a store that is opened again logs them itself.
    ///
    /// # Errors
    /// [`Error::DiskFull`] if that place is full too.
    fn reserve(&self, entries: &[Noted]) -> Result<i64, Error>;

    /// Whether the disk has room for what an enrolment may need; also if nobody can tell.
    fn has_room(&self) -> bool {
        true
    }

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
    /// reader prevents it just now and it must be called again. Waits for nobody, and lets
    /// transactions go on meanwhile.
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

    /// Gives a person another name and consent. The gallery logs one [`Action::Consent`] or
    /// [`Action::Rename`] with each.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn set_person(&mut self, person: &Person) -> Result<(), Error>;

    /// Gives the examples of `from` to `into`, and removes `from`. Examples without a consent of
    /// their own keep that of `from` as their own.
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

    /// Gives an example another template, which is matched from now on.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is no such example.
    fn set_template(&mut self, id: &Uuid, model: &str, vector: &[f32]) -> Result<(), Error>;

    /// Keeps an example, but out of what is matched.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is no such example.
    fn set_aside(&mut self, id: &Uuid) -> Result<(), Error>;

    /// The API keys, as of now.
    ///
    /// # Errors
    /// As [`Store::key_ring`].
    fn key_ring(&self) -> Result<KeyRing, Error>;

    /// Keeps the API keys.
    ///
    /// # Errors
    /// [`Error::Database`].
    fn set_key_ring(&mut self, ring: &KeyRing) -> Result<(), Error>;

    /// Position of the newest entry of the audit log; 0 before the first.
    fn newest_seq(&self) -> i64;

    /// Keeps what is known of the clock.
    fn set_clock(&mut self, mark: ClockMark);

    /// Appends an entry to the audit log, after all entries of transactions before.
    ///
    /// # Errors
    /// [`Error::Chain`], after which nothing can be changed, if the newest entry is not the one
    /// that was written last; [`Error::Database`].
    fn note(&mut self, entry: &Noted) -> Result<(), Error>;

    /// As [`Transaction::note`], with the present time. Numbers that are not meant are 0.
    ///
    /// # Errors
    /// As [`Transaction::note`].
    fn log(&mut self, action: Action, service: i64, person: i64, count: i64) -> Result<(), Error> {
        self.note(&Noted {
            at_ms: now_ms(),
            action,
            service,
            person,
            count,
        })
    }
}

/// An entry that is to be appended to the audit log. Numbers that are not meant are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub action: Action,
    /// The service whose key was used.
    pub service: i64,
    /// The person's number.
    pub person: i64,
    /// How many faces or examples.
    pub count: i64,
}

impl Noted {
    /// An entry of the store itself, as of now.
    fn now(action: Action, count: i64) -> Noted {
        Noted {
            at_ms: now_ms(),
            action,
            service: 0,
            person: 0,
            count,
        }
    }
}

pub(crate) mod accept;
mod audit_log;
mod file;
mod keys;
pub(crate) mod memory;
mod partial_file;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod records;
mod reserve;
mod restore;
pub(crate) mod room;
mod rows;
mod schema;
mod sealed;
mod sealed_transaction;
pub(crate) mod sqlite;
mod sqlite_tables;
mod state;
mod tables;
#[cfg(feature = "postgres")]
mod transfer;
mod upgrade;
mod wrapping;
