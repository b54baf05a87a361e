//! A gallery: a store, and its people in memory. In: a store and the model in use. Out: services,
//! keys, the audit log, backups; `people.rs` has the people. What a call has answered is stored; a
//! kill at any instant leaves the state before or after a call.
//!
//! Readers (`nearest`, `person`, `examples` …) take the columns that were published last and wait
//! for nobody. Writers go one after another: check, transaction of the store, then publication.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use uuid::Uuid;

use crate::aside::Aside;
use crate::audit::{Action, Entry, Verified};
use crate::clock::Clock;
use crate::columns::Columns;
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::place::Place;
use crate::read::{Read, published};
use crate::recorder::Recorder;
use crate::seal::Secret;
use crate::service::Service;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Noted, Store, StoredService, Transaction, WriteLock};

/// How far the clock may jump and be believed at once, and how long it must go on evenly after a
/// longer jump, unless it is set.
const CLOCK_GRACE: Duration = Duration::from_secs(86_400);

/// Templates that are searched in memory unless somebody decides otherwise: some 7 GB of them.
pub const MEMORY_TEMPLATES: usize = 10_000_000;

/// Where the nearest templates are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchIn {
    /// In memory, exactly; each server holds all templates.
    Memory,
    /// In the store's index, approximately; [`crate::Found::recall`] says how well.
    Database,
}

impl SearchIn {
    pub(crate) fn is_database(self) -> bool {
        self == SearchIn::Database
    }
}

/// Enrolled people of some services, stored and in memory.
///
/// # Example
/// ```
/// use fusiform_gallery::{Gallery, Kind, Terms, Uuid};
///
/// let gallery = Gallery::in_memory("model-1")?;
/// let terms = Terms { basis: "consent".into(), purpose: "the door".into(), keep_days: None };
/// let club = gallery.add_service(Kind::Recognition, &Uuid::from_u128(1), terms)?;
/// gallery.add_subject(club, "Ida", None)?;
/// gallery.enrol(club, "Ida", &[1.0, 0.0], b"bytes of a photo")?;
/// let found = gallery.nearest(club, &[&[0.8, 0.6]], 1);
/// assert_eq!((&*found[0][0].subject, found[0][0].similarity), ("Ida", 0.8));
/// # Ok::<(), fusiform_gallery::Error>(())
/// ```
pub struct Gallery {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<Clock>,
    /// The model in use; without one nobody is matched or enrolled.
    pub(crate) model: Option<String>,
    /// Examples that are kept but not matched.
    pub(crate) aside: ArcSwap<BTreeMap<Uuid, Aside>>,
    /// Held by a writer from its checks to the publication of what it changed.
    writing: Mutex<()>,
    pub(crate) services: ArcSwap<Vec<StoredService>>,
    pub(crate) ring: ArcSwap<KeyRing>,
    /// When keys were used that the ring does not know of yet, by number.
    pub(crate) used: Mutex<BTreeMap<i64, i64>>,
    /// Of each service, by its number.
    pub(crate) collections: ArcSwap<BTreeMap<i64, Arc<ArcSwap<Columns>>>>,
    seen_version: AtomicI64,
    pub(crate) search_in: SearchIn,
    /// Why a shared store could not be followed when it was asked last.
    pub(crate) away: ArcSwapOption<String>,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gallery")
    }
}

impl Gallery {
    /// Opens a sealed SQLite file, or makes it, and reads every template into memory, after it
    /// was proved that they are as they were written and that none is missing or back.
    ///
    /// A broken audit log does not keep it from opening: see [`Gallery::health`].
    ///
    /// # Errors
    /// [`Error::WrongKey`], [`Error::NotAGallery`], [`Error::Newer`], [`Error::Tampered`],
    /// [`Error::Remains`] and [`Error::Model`], if the file holds another model's templates, change
    /// nothing.
    pub fn open(path: &Path, secret: &Secret, model: &str) -> Result<Gallery, Error> {
        Gallery::with_store(Box::new(SqliteStore::open(path, secret)?), model)
    }

    /// As [`Gallery::open`], whatever model the templates are of: for keys, the audit log and
    /// copies. Nobody is matched or enrolled.
    ///
    /// # Errors
    /// As [`Gallery::open`], but for [`Error::Model`].
    pub fn open_unmatched(path: &Path, secret: &Secret) -> Result<Gallery, Error> {
        Gallery::load(
            Box::new(SqliteStore::open(path, secret)?),
            None,
            SearchIn::Memory,
        )
    }

    /// As [`Gallery::open`] or, without a model, [`Gallery::open_unmatched`], wherever it is kept.
    /// `search_in` says where faces are searched; unless it does, in memory up to
    /// [`MEMORY_TEMPLATES`], and beyond them in the store's index if it has one.
    ///
    /// # Errors
    /// As these, and as [`Place::open`]; [`Error::NoIndex`].
    pub fn open_at(
        place: &Place,
        secret: &Secret,
        model: Option<&str>,
        search_in: Option<SearchIn>,
    ) -> Result<Gallery, Error> {
        let store = place.open(secret)?;
        let index = store.index()?;
        let is_large = index.is_some_and(|index| index.n_templates > MEMORY_TEMPLATES);
        let usual = match is_large {
            true => SearchIn::Database,
            false => SearchIn::Memory,
        };
        let search_in = search_in.unwrap_or(usual);
        if search_in.is_database() && index.is_none() {
            return Err(Error::NoIndex);
        }
        Gallery::load(store, model, search_in)
    }

    /// An empty gallery that ends with the process.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn in_memory(model: &str) -> Result<Gallery, Error> {
        Gallery::with_store(Box::new(MemoryStore::new()?), model)
    }

    /// A gallery over any store; reads every template into memory.
    ///
    /// # Errors
    /// [`Error::Model`] if the store holds another model's templates; those of [`Store::load`].
    pub fn with_store(store: Box<dyn Store>, model: &str) -> Result<Gallery, Error> {
        Gallery::load(store, Some(model), SearchIn::Memory)
    }

    fn load(
        store: Box<dyn Store>,
        model: Option<&str>,
        search_in: SearchIn,
    ) -> Result<Gallery, Error> {
        let store: Arc<dyn Store> = store.into();
        let read = Read::all(&*store, model, search_in.is_database())?;
        let clock = Arc::new(Clock::new(read.clock, CLOCK_GRACE));
        let recorder = Recorder::new(Arc::clone(&store), Arc::clone(&clock), read.broken_at);
        Ok(Gallery {
            recorder,
            clock,
            aside: ArcSwap::from_pointee(read.aside),
            model: model.map(str::to_owned),
            writing: Mutex::new(()),
            ring: ArcSwap::from_pointee(ring_of(&*store, &read.services)?),
            store,
            used: Mutex::default(),
            services: ArcSwap::from_pointee(read.services),
            collections: ArcSwap::from_pointee(published(read.collections)),
            seen_version: AtomicI64::new(0),
            search_in,
            away: ArcSwapOption::empty(),
        })
    }

    /// The right to change something; until it is dropped, nobody else changes anything, and what
    /// others changed before is known here.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, Error> {
        let writing = self.writing();
        let lock = self.store.lock()?;
        if self.store.is_shared() {
            self.take_in_changes()?;
        }
        Ok(Writer {
            _lock: lock,
            _writing: writing,
        })
    }

    /// Columns of nobody.
    pub(crate) fn no_columns(&self) -> Columns {
        Columns::without_vectors(self.search_in.is_database())
    }

    pub(crate) fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A service's people as they are now; nobody for a service that is not there.
    pub(crate) fn columns(&self, service: Service) -> Arc<Columns> {
        let collections = self.collections.load();
        let found = collections.get(&service.id);
        found.map_or_else(Arc::default, |columns| columns.load_full())
    }

    /// Publishes changed columns of a service. Needs the right of [`Gallery::writer`].
    pub(crate) fn publish(
        &self,
        service: Service,
        change: impl FnOnce(&mut Columns) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let collections = self.collections.load();
        let Some(published) = collections.get(&service.id) else {
            return Ok(());
        };
        let mut columns = Columns::clone(&published.load());
        change(&mut columns)?;
        published.store(Arc::new(columns));
        Ok(())
    }

    /// Learns of services that another process made or removed since; `false` if nothing was
    /// written.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Damaged`].
    pub fn learn_services(&self) -> Result<bool, Error> {
        if self.store.is_shared() {
            return self.catch_up();
        }
        let _writing = self.writing();
        let version = self.store.version()?;
        if self.seen_version.swap(version, Ordering::SeqCst) == version {
            return Ok(false);
        }
        self.read_services()?;
        Ok(true)
    }

    /// Reads services and API keys again.
    pub(crate) fn read_services(&self) -> Result<(), Error> {
        let services = self.store.services()?;
        let ring = ring_of(&*self.store, &services)?;
        self.set_services(services);
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    pub(crate) fn set_services(&self, services: Vec<StoredService>) {
        let mut collections = BTreeMap::clone(&self.collections.load());
        for stored in &services {
            let none = || Arc::new(ArcSwap::from_pointee(self.no_columns()));
            collections.entry(stored.service.id).or_insert_with(none);
        }
        self.collections.store(Arc::new(collections));
        self.services.store(Arc::new(services));
    }

    /// A transaction of the store, after the entries of the log that wait.
    pub(crate) fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.recorder.transact(work)
    }

    /// An entry of the audit log as of now.
    pub(crate) fn noted(&self, action: Action, service: i64, person: i64, count: i64) -> Noted {
        Noted {
            at_ms: self.clock.now_ms(),
            action,
            service,
            person,
            count,
        }
    }

    /// How long entries of recognitions, which change nothing, may wait to be written together; a
    /// kill loses those of that time at most. Zero writes each before it is answered. 10 s unless
    /// it is set.
    pub fn set_audit_window(&self, window: Duration) {
        self.recorder.set_window(window);
    }

    /// How far the clock may jump and be believed at once; after a longer jump nobody is erased
    /// until it has gone on evenly for as long. A day unless it is set.
    pub fn set_clock_grace(&self, grace: Duration) {
        self.clock.set_grace(grace);
    }

    /// Believes the system's clock, as somebody said that it is right; recorded.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn trust_clock(&self) -> Result<(), Error> {
        self.clock.believe();
        let entry = self.noted(Action::TrustClock, 0, 0, 1);
        self.transact(&mut |t| t.note(&entry))
    }

    /// Writes what waits: the entries of recognitions.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::DiskFull`]; [`Error::Chain`].
    pub fn flush(&self) -> Result<(), Error> {
        self.recorder.flush()
    }

    /// Records an action that changes nothing here. Exports are stored when this returns, all else
    /// within the time of [`Gallery::set_audit_window`].
    ///
    /// # Errors
    /// [`Error::Chain`] if the log is broken; [`Error::DiskFull`] if the reserve is full as well;
    /// [`Error::Database`].
    pub fn record(
        &self,
        action: Action,
        service: Option<Service>,
        number: Option<i64>,
        count: usize,
    ) -> Result<(), Error> {
        let service = service.map_or(0, |s| s.id);
        let entry = self.noted(action, service, number.unwrap_or(0), saturated(count));
        match action {
            Action::Identify | Action::Compare => self.recorder.record(entry),
            _ => self.transact(&mut |t| t.note(&entry)),
        }
    }

    /// Reads the whole audit log and proves that no entry was altered, left out or cut off.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first entry that does not fit.
    pub fn verify_audit(&self, mut each: impl FnMut(Entry)) -> Result<Verified, Error> {
        // What cannot be written now does not keep what is written from being read.
        drop(self.flush());
        self.store.verify_audit(&mut each)
    }

    /// As [`Gallery::verify_audit`], and finds the entry whose hash was noted elsewhere: a file
    /// that was put back to an older state does not have it, also when entries followed. Its
    /// position, and what the chain proves.
    ///
    /// # Errors
    /// [`Error::UnknownAnchor`] if no entry has it; [`Error::Chain`].
    pub fn verify_audit_since(&self, hash: &str) -> Result<(i64, Verified), Error> {
        let wanted = hash.trim().to_lowercase();
        let mut found = None;
        let verified = self.verify_audit(|e| {
            if hex::encode(e.hash) == wanted {
                found = Some(e.seq);
            }
        })?;
        let seq = found.ok_or_else(|| Error::UnknownAnchor(hash.trim().into()))?;
        Ok((seq, verified))
    }

    /// Entries of the audit log after a position, at most `limit`, of all services or of one.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first of them that does not fit.
    pub fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<Service>,
    ) -> Result<Vec<Entry>, Error> {
        drop(self.flush());
        self.store.audit_page(after, limit, service.map(|s| s.id))
    }

    /// Removes entries of the audit log that are older than a time, in milliseconds since 1970: how
    /// many. The newest stays, and the rest is proved as before.
    ///
    /// # Errors
    /// [`Error::Chain`]; [`Error::Database`].
    pub fn prune_audit(&self, before_ms: i64) -> Result<i64, Error> {
        let _writer = self.writer()?;
        self.flush()?;
        let n = self.store.prune_audit(before_ms)?;
        self.scrub()?;
        Ok(n)
    }

    /// Writes a copy, sealed with the same key, while the gallery is in use.
    ///
    /// # Errors
    /// [`Error::File`] if there is a file already; [`Error::Unsupported`].
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        self.flush()?;
        self.store.backup(to)
    }

    /// Seals the gallery with another key or passphrase. Backups made before keep the old one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::Database`]; [`Error::Unsupported`].
    pub fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let writer = self.writer()?;
        self.flush()?;
        self.store.rekey(secret)?;
        drop(writer);
        self.scrub()
    }

    /// What a person of this service is kept on when nothing else is stated.
    pub(crate) fn usual_consent(&self, service: Service) -> Result<Consent, Error> {
        let services = self.services.load();
        let found = services.iter().find(|s| s.service == service);
        found
            .map(|s| s.terms.consent(self.clock.now_ms()))
            .ok_or(Error::Damaged)
    }

    /// Overwrites what was erased wherever the store left it. If a reader prevents it just now, it
    /// is tried again ([`Gallery::health`] tells).
    pub(crate) fn scrub(&self) -> Result<(), Error> {
        self.recorder.scrub()
    }
}

/// See [`Gallery::writer`].
pub(crate) struct Writer<'a> {
    // Given back before another thread here may ask for it.
    _lock: Option<Box<dyn WriteLock + 'a>>,
    _writing: MutexGuard<'a, ()>,
}

/// The API keys of a store, those that its services were made with among them.
fn ring_of(store: &dyn Store, services: &[StoredService]) -> Result<KeyRing, Error> {
    let mut ring = store.key_ring()?;
    ring.complete(&first_keys(services));
    Ok(ring)
}

/// The number of each service, and the hash of the key that it was made with.
pub(crate) fn first_keys(services: &[StoredService]) -> Vec<(i64, [u8; 32])> {
    services
        .iter()
        .map(|s| (s.service.id, s.key_hash))
        .collect()
}

/// A count as the audit log has it.
pub(crate) fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
