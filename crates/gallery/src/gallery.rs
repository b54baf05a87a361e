//! A gallery: a store, and its people in memory. In: a store and the model in use. Out: services,
//! keys, the audit log, backups; `people.rs` has the people. What a call has answered is stored; a
//! kill at any instant leaves the state before or after a call.
//!
//! Readers (`nearest`, `person`, `examples` …) take the columns that were published last and wait
//! for nobody. Writers go one after another: check, transaction of the store, then publication.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::audit::{Action, Entry, Verified};
use crate::columns::Columns;
use crate::consent::Consent;
use crate::error::Error;
use crate::seal::Secret;
use crate::service::{Kind, Service, Terms};
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Row, Store, StoredService};

/// Enrolled people of some services, stored and in memory.
///
/// # Example
/// ```
/// use fusiform_gallery::{Gallery, Kind, Terms, Uuid};
///
/// let gallery = Gallery::in_memory("model-1")?;
/// let terms = Terms { basis: "consent".into(), purpose: "the door".into(), keep_days: None };
/// let club = gallery.add_service(Kind::Recognition, &Uuid::from_u128(1), terms)?;
/// gallery.enrol(club, "Ida", &[1.0, 0.0], b"bytes of a photo")?;
/// let found = gallery.nearest(club, &[&[0.8, 0.6]], 1);
/// assert_eq!((&*found[0][0].subject, found[0][0].similarity), ("Ida", 0.8));
/// # Ok::<(), fusiform_gallery::Error>(())
/// ```
pub struct Gallery {
    pub(crate) store: Box<dyn Store>,
    pub(crate) model: String,
    /// Held by a writer from its checks to the publication of what it changed.
    writing: Mutex<()>,
    services: ArcSwap<Vec<StoredService>>,
    /// Of each service, by its number.
    collections: ArcSwap<BTreeMap<i64, Arc<ArcSwap<Columns>>>>,
    /// Erased bytes may still stand where the store left them.
    scrub_due: AtomicBool,
    seen_version: AtomicI64,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gallery")
    }
}

impl Gallery {
    /// Opens a sealed SQLite file, or makes it, and reads every template into memory.
    ///
    /// # Errors
    /// [`Error::WrongKey`], [`Error::NotAGallery`], [`Error::Newer`] and [`Error::Model`], if the
    /// file holds another model's templates, change nothing.
    pub fn open(path: &Path, secret: &Secret, model: &str) -> Result<Gallery, Error> {
        Gallery::with_store(Box::new(SqliteStore::open(path, secret)?), model)
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
        let mut services = Vec::new();
        let mut collections: BTreeMap<i64, Columns> = BTreeMap::new();
        let mut service_of = std::collections::HashMap::new();
        store.load(&mut |row| {
            match row {
                Row::Service(service) => {
                    collections.entry(service.service.id).or_default();
                    services.push(service);
                }
                Row::Person(service, person) => {
                    service_of.insert(person.number, service);
                    collections.entry(service).or_default().set_person(person);
                }
                Row::Example(example) => {
                    if example.model != model {
                        return Err(Error::Model {
                            found: example.model,
                            wanted: model.to_owned(),
                        });
                    }
                    let service = service_of.get(&example.person).ok_or(Error::Damaged)?;
                    let columns = collections.entry(*service).or_default();
                    columns.add_example(example.id, example.person, &example.vector)?;
                }
            }
            Ok(())
        })?;
        let published = |(id, columns)| (id, Arc::new(ArcSwap::from_pointee(columns)));
        Ok(Gallery {
            store,
            model: model.to_owned(),
            writing: Mutex::new(()),
            services: ArcSwap::from_pointee(services),
            collections: ArcSwap::from_pointee(collections.into_iter().map(published).collect()),
            scrub_due: AtomicBool::new(true),
            seen_version: AtomicI64::new(0),
        })
    }

    /// The right to change something; until it is dropped, nobody else changes anything.
    pub(crate) fn writer(&self) -> MutexGuard<'_, ()> {
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
        let _writer = self.writer();
        let version = self.store.version()?;
        if self.seen_version.swap(version, Ordering::SeqCst) == version {
            return Ok(false);
        }
        let services = self.store.services()?;
        self.set_services(services);
        Ok(true)
    }

    fn set_services(&self, services: Vec<StoredService>) {
        let mut collections = BTreeMap::clone(&self.collections.load());
        for stored in &services {
            collections.entry(stored.service.id).or_default();
        }
        self.collections.store(Arc::new(collections));
        self.services.store(Arc::new(services));
    }

    /// Records an action that changes nothing here; stored when this returns.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn record(
        &self,
        action: Action,
        service: Option<Service>,
        number: Option<i64>,
        count: usize,
    ) -> Result<(), Error> {
        let service = service.map_or(0, |s| s.id);
        let (number, count) = (number.unwrap_or(0), saturated(count));
        self.store
            .transact(&mut |t| t.log(action, service, number, count))
    }

    /// Reads the whole audit log and proves that no entry was altered, left out or cut off.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first entry that does not fit.
    pub fn verify_audit(&self, mut each: impl FnMut(Entry)) -> Result<Verified, Error> {
        self.store.verify_audit(&mut each)
    }

    /// Writes a copy, sealed with the same key, while the gallery is in use.
    ///
    /// # Errors
    /// [`Error::File`] if there is a file already; [`Error::Unsupported`].
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        self.store.backup(to)
    }

    /// Seals the gallery with another key or passphrase. Backups made before keep the old one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::Database`]; [`Error::Unsupported`].
    pub fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let _writer = self.writer();
        self.store.rekey(secret)?;
        self.scrub()
    }

    /// Makes a service with this key; only the key's keyed hash is stored.
    ///
    /// # Errors
    /// [`Error::KeyTaken`].
    pub fn add_service(&self, kind: Kind, key: &Uuid, terms: Terms) -> Result<Service, Error> {
        let _writer = self.writer();
        let key_hash = self.store.key_hash(key);
        let mut services = Vec::clone(&self.services.load());
        if services.iter().any(|s| s.key_hash == key_hash) {
            return Err(Error::KeyTaken);
        }
        let mut id = 0;
        self.store.transact(&mut |t| {
            id = t.add_service(kind, &key_hash, &terms)?;
            t.log(Action::Key, id, 0, 1)
        })?;
        let service = Service { id, kind };
        services.push(StoredService {
            service,
            key_hash,
            terms,
        });
        self.set_services(services);
        Ok(service)
    }

    /// The service of this key and kind. Every stored hash is compared, in constant time.
    pub fn service(&self, kind: Kind, key: &Uuid) -> Option<Service> {
        let hash = self.store.key_hash(key);
        let mut found = None;
        for stored in self.services.load().iter() {
            if bool::from(stored.key_hash.ct_eq(&hash)) && stored.service.kind == kind {
                found = Some(stored.service);
            }
        }
        found
    }

    /// What a person of this service is kept on when nothing else is stated.
    pub(crate) fn usual_consent(&self, service: Service) -> Result<Consent, Error> {
        let services = self.services.load();
        let found = services.iter().find(|s| s.service == service);
        found.map(|s| s.terms.consent()).ok_or(Error::Damaged)
    }

    /// Every service and its terms.
    pub fn services(&self) -> Vec<(Service, Terms)> {
        let services = self.services.load();
        services
            .iter()
            .map(|s| (s.service, s.terms.clone()))
            .collect()
    }

    /// Forgets a service whose people [`Gallery::erase_all`] has erased; its key opens nothing from
    /// now on.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn remove_service(&self, service: Service) -> Result<(), Error> {
        let _writer = self.writer();
        self.store.transact(&mut |t| {
            t.remove_service(service.id)?;
            t.log(Action::Key, service.id, 0, -1)
        })?;
        let mut services = Vec::clone(&self.services.load());
        services.retain(|s| s.service != service);
        self.services.store(Arc::new(services));
        let mut collections = BTreeMap::clone(&self.collections.load());
        collections.remove(&service.id);
        self.collections.store(Arc::new(collections));
        self.scrub()
    }

    /// Overwrites what was erased wherever the store left it. If a reader prevents it just now, a
    /// later call does it.
    pub(crate) fn scrub(&self) -> Result<(), Error> {
        let done = self.store.scrub()?;
        self.scrub_due.store(!done, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn scrub_if_due(&self) -> Result<(), Error> {
        if self.scrub_due.load(Ordering::SeqCst) {
            self.scrub()?;
        }
        Ok(())
    }
}

/// A count as the audit log has it.
pub(crate) fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
