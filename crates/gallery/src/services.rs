//! Services and their API keys. In: keys, as they are made, exchanged and taken back. Out: which
//! service a key opens. Each change and its audit entry are one transaction of the store.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use uuid::Uuid;

use crate::audit::Action;
use crate::error::Error;
use crate::gallery::{Gallery, first_keys};
use crate::key_ring::{ApiKey, KeyLabel, KeyRing};
use crate::service::{Kind, Service, Terms};
use crate::store::{Noted, StoredService};

impl Gallery {
    /// Makes a service with this key; only the key's keyed hash is stored.
    ///
    /// # Errors
    /// [`Error::KeyTaken`].
    pub fn add_service(&self, kind: Kind, key: &Uuid, terms: Terms) -> Result<Service, Error> {
        self.add_service_labelled(kind, key, terms, &KeyLabel::default())
    }

    /// As [`Gallery::add_service`], and says how the key is called and when it ends.
    ///
    /// # Errors
    /// As [`Gallery::add_key`].
    pub fn add_service_labelled(
        &self,
        kind: Kind,
        key: &Uuid,
        terms: Terms,
        label: &KeyLabel,
    ) -> Result<Service, Error> {
        let _writer = self.writer()?;
        let key_hash = self.store.key_hash(key);
        let mut services = Vec::clone(&self.services.load());
        if services.iter().any(|s| s.key_hash == key_hash) {
            return Err(Error::KeyTaken);
        }
        let (mut id, mut ring) = (0, KeyRing::default());
        self.transact(&mut |t| {
            id = t.add_service(kind, &key_hash, &terms)?;
            ring = t.key_ring()?;
            ring.complete(&first_keys(&services));
            ring.add(id, key_hash, label, self.clock.now_ms())?;
            t.set_key_ring(&ring)?;
            t.note(&self.noted(Action::Key, id, 0, 1))
        })?;
        self.ring.store(Arc::new(ring));
        let service = Service { id, kind };
        services.push(StoredService {
            service,
            key_hash,
            terms,
        });
        self.set_services(services);
        Ok(service)
    }

    /// The service of this key and kind, unless the key has ended or was taken back. Every stored
    /// hash is compared, in constant time.
    ///
    /// The key counts as used.
    pub fn service(&self, kind: Kind, key: &Uuid) -> Option<Service> {
        let (number, service) = self.opened_by(key)?;
        if service.kind != kind {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(number, self.clock.now_ms());
        Some(service)
    }

    /// Whether a key opens a service of whatever kind; it does not count as used by that.
    pub fn is_key(&self, key: &Uuid) -> bool {
        self.opened_by(key).is_some()
    }

    fn opened_by(&self, key: &Uuid) -> Option<(i64, Service)> {
        let ring = self.ring.load();
        let key = ring.opening(&self.store.key_hash(key), self.clock.now_ms())?;
        Some((key.number, service_of(key, &self.services.load())?))
    }

    /// What is known of each key, in the order of their numbers.
    pub fn keys(&self) -> Vec<(ApiKey, Service)> {
        let (ring, services) = (self.ring.load(), self.services.load());
        let keys = ring.keys().iter();
        keys.filter_map(|(key, _)| Some((key.clone(), service_of(key, &services)?)))
            .collect()
    }

    /// Gives a service another key beside those that it has.
    ///
    /// # Errors
    /// [`Error::KeyTaken`], also by a key that was taken back; [`Error::Unsupported`] for a name
    /// of more than 200 bytes; [`Error::Database`].
    pub fn add_key(&self, service: Service, key: &Uuid, label: &KeyLabel) -> Result<ApiKey, Error> {
        let hash = self.store.key_hash(key);
        self.change_ring(|ring, now_ms| {
            let added = ring.add(service.id, hash, label, now_ms)?;
            let entry = self.noted(Action::AddKey, service.id, 0, added.number);
            Ok((Some(added), Some(entry)))
        })?
        .ok_or(Error::Damaged)
    }

    /// Gives a key's service a new key with the same name, and lets the old one end after
    /// `overlap_ms`; `None` if there is no such key.
    ///
    /// # Errors
    /// As [`Gallery::add_key`].
    pub fn rotate_key(
        &self,
        number: i64,
        new: &Uuid,
        overlap_ms: i64,
    ) -> Result<Option<ApiKey>, Error> {
        let hash = self.store.key_hash(new);
        self.change_ring(|ring, now_ms| {
            let Some(old) = ring.key(number) else {
                return Ok((None, None));
            };
            let end = now_ms.saturating_add(overlap_ms.max(0));
            old.expires_at_ms = Some(old.expires_at_ms.map_or(end, |given| given.min(end)));
            let (service, name) = (old.service, old.name.clone());
            let label = KeyLabel {
                name,
                expires_at_ms: None,
            };
            let added = ring.add(service, hash, &label, now_ms)?;
            let entry = self.noted(Action::AddKey, service, 0, added.number);
            Ok((Some(added), Some(entry)))
        })
    }

    /// Takes a key back: it opens nothing from now on. `None` if there is no such key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn revoke_key(&self, number: i64) -> Result<Option<ApiKey>, Error> {
        self.change_ring(|ring, _| {
            let Some(key) = ring.key(number) else {
                return Ok((None, None));
            };
            key.revoked = true;
            let entry = self.noted(Action::RevokeKey, key.service, 0, number);
            Ok((Some(key.clone()), Some(entry)))
        })
    }

    /// Keeps when keys were used, to the minute, where the ring does not know it yet.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn keep_key_use(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let mut known = KeyRing::clone(&self.ring.load());
        let news = used
            .iter()
            .filter(|(number, at)| known.note_use(**number, **at));
        if news.count() == 0 {
            return Ok(());
        }
        self.change_ring(|ring, _| {
            for (number, at_ms) in &used {
                ring.note_use(*number, *at_ms);
            }
            Ok((Some(()), None))
        })
        .map(drop)
    }

    /// Changes the keys as they are in the store, where another process may have changed them.
    /// `change` gives its result, and the entry that the audit log gets; without a result nothing
    /// is changed.
    fn change_ring<T>(
        &self,
        mut change: impl FnMut(&mut KeyRing, i64) -> Result<(Option<T>, Option<Noted>), Error>,
    ) -> Result<Option<T>, Error> {
        let _writer = self.writer()?;
        let services = self.store.services()?;
        let (mut done, mut changed) = (None, None);
        self.transact(&mut |t| {
            let mut ring = t.key_ring()?;
            ring.complete(&first_keys(&services));
            let (result, entry) = change(&mut ring, self.clock.now_ms())?;
            done = result;
            if done.is_none() {
                return Ok(());
            }
            t.set_key_ring(&ring)?;
            changed = Some(ring);
            entry.map_or(Ok(()), |entry| t.note(&entry))
        })?;
        if let Some(ring) = changed {
            self.ring.store(Arc::new(ring));
        }
        Ok(done)
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
        let writer = self.writer()?;
        self.transact(&mut |t| {
            t.remove_service(service.id)?;
            t.note(&self.noted(Action::Key, service.id, 0, -1))
        })?;
        let mut services = Vec::clone(&self.services.load());
        services.retain(|s| s.service != service);
        let mut ring = KeyRing::clone(&self.ring.load());
        ring.complete(&first_keys(&services));
        self.ring.store(Arc::new(ring));
        self.services.store(Arc::new(services));
        let mut collections = BTreeMap::clone(&self.collections.load());
        collections.remove(&service.id);
        self.collections.store(Arc::new(collections));
        self.set_aside_map(|aside| aside.retain(|_, kept| kept.service != service.id));
        drop(writer);
        self.scrub()
    }
}

/// The service that a key opens, if it is among these.
fn service_of(key: &ApiKey, services: &[StoredService]) -> Option<Service> {
    let found = services.iter().find(|s| s.service.id == key.service);
    found.map(|s| s.service)
}
