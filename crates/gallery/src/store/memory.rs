//! A store in memory: for tests, and for programs that enrol people anew at each start. Keeps the
//! promises of [`Store`] but durability, and has no backup and no rekey. Nothing is sealed: nothing
//! is written. Vectors and images are overwritten with zeros when they go.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;
use zeroize::Zeroize;

use super::{ClockMark, Inventory, Ledger, Loaded, NewExample, Noted, Row, Store};
use super::{StoredExample, StoredService, Transaction};
use crate::audit::{Action, Chain, Entry, Verified};
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::person::Person;
use crate::seal::{Secret, random};
use crate::service::{Kind, Service, Terms};
use crate::tree::Tree;

/// A store that ends with the process.
pub struct MemoryStore {
    state: Mutex<State>,
    pepper: [u8; 32],
}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new() -> Result<MemoryStore, Error> {
        Ok(MemoryStore {
            state: Mutex::new(State {
                chain_key: random()?,
                ..State::default()
            }),
            pepper: random()?,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is stored. A copy shares it, so a transaction changes a copy that replaces the
/// state at the end.
#[derive(Clone, Default)]
struct State {
    services: Tree<i64, StoredService>,
    last_service: i64,
    /// With the service of each, and how often it was changed.
    people: Tree<i64, (i64, Person, i64)>,
    /// Service and number of each person.
    people_of: Tree<(i64, i64), ()>,
    last_person: i64,
    /// In the order in which they were added.
    examples: Tree<u64, Arc<Kept>>,
    order_of: Tree<Uuid, u64>,
    /// Person's number and order of each example.
    examples_of: Tree<(i64, u64), ()>,
    last_example: u64,
    audit: Tree<i64, Entry>,
    last_seq: i64,
    /// What the entries that were removed said is stored.
    pruned: Ledger,
    chain_key: [u8; 32],
    clock: Option<ClockMark>,
    keys: KeyRing,
}

#[derive(Clone)]
struct Kept {
    example: StoredExample,
    image: Vec<u8>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.example.vector.zeroize();
        self.image.zeroize();
    }
}

impl State {
    fn remove(&mut self, order: u64) {
        if let Some(kept) = self.examples.remove(&order) {
            self.order_of.remove(&kept.example.id);
            self.examples_of.remove(&(kept.example.person, order));
        }
    }

    fn replace(&mut self, id: &Uuid, change: impl FnOnce(&mut StoredExample)) -> Result<(), Error> {
        let order = *self.order_of.get(id).ok_or(Error::Damaged)?;
        let kept = self.examples.get(&order).ok_or(Error::Damaged)?;
        let mut kept = Kept::clone(kept);
        change(&mut kept.example);
        self.examples.insert(order, Arc::new(kept));
        Ok(())
    }

    fn orders_of(&self, person: i64) -> Vec<u64> {
        let keys = self.examples_of.from(&(person, 0)).map(|(key, ())| *key);
        keys.take_while(|(of, _)| *of == person)
            .map(|(_, order)| order)
            .collect()
    }
}

impl Store for MemoryStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<Loaded, Error> {
        let state = self.state().clone();
        for (_, service) in state.services.iter() {
            each(Row::Service(service.clone()))?;
        }
        for (_, (service, person, revision)) in state.people.iter() {
            each(Row::Person {
                service: *service,
                person: person.clone(),
                revision: *revision,
            })?;
        }
        for (_, kept) in state.examples.iter() {
            each(Row::Example(kept.example.clone()))?;
        }
        let mut ledger = state.pruned.clone();
        state
            .audit
            .iter()
            .for_each(|(_, entry)| ledger.apply(entry));
        Ok(Loaded {
            log: Ok(ledger),
            clock: state.clock,
        })
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        Ok(self
            .state()
            .services
            .iter()
            .map(|(_, s)| s.clone())
            .collect())
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        Ok(self.state().keys.clone())
    }

    fn version(&self) -> Result<i64, Error> {
        // No other process can commit.
        Ok(0)
    }

    fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let mut changed = state.clone();
        work(&mut changed)?;
        *state = changed;
        Ok(())
    }

    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let state = self.state();
        let order = state.order_of.get(id);
        let kept = order.and_then(|order| state.examples.get(order));
        Ok(kept.map(|kept| kept.image.clone()))
    }

    fn key_hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error> {
        let audit = self.state().audit.clone();
        let (mut newest, mut first) = (String::new(), 1);
        for (i, (seq, entry)) in audit.iter().enumerate() {
            if i == 0 {
                first = *seq;
            }
            each(*entry);
            newest = hex::encode(entry.hash);
        }
        Ok(Verified {
            n_entries: i64::try_from(audit.len()).unwrap_or(i64::MAX),
            first,
            newest,
        })
    }

    fn verify_images(&self) -> Result<(), Error> {
        // Nobody else can write into this process's memory.
        Ok(())
    }

    fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<i64>,
    ) -> Result<Vec<Entry>, Error> {
        let audit = self.state().audit.clone();
        let entries = audit
            .from(&after.saturating_add(1))
            .map(|(_, entry)| *entry);
        let entries = entries.filter(|e| service.is_none_or(|s| s == e.service));
        Ok(entries.take(limit).collect())
    }

    fn prune_audit(&self, before_ms: i64) -> Result<i64, Error> {
        let mut state = self.state();
        let (mut ledger, mut read, mut older) = (state.pruned.clone(), Vec::new(), None);
        for (seq, entry) in state.audit.iter() {
            if entry.at_ms >= before_ms || *seq == state.last_seq {
                break;
            }
            ledger.apply(entry);
            read.push(*seq);
            // A merge and the erasure that ends it stay together.
            if !ledger.is_merging() {
                older = Some((read.len(), ledger.clone()));
            }
        }
        let Some((n, ledger)) = older else {
            return Ok(0);
        };
        for seq in &read[..n] {
            state.audit.remove(seq);
        }
        state.pruned = ledger;
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        state.log(Action::Prune, 0, 0, n)?;
        Ok(n)
    }

    fn reserve(&self, _: &[Noted]) -> Result<i64, Error> {
        // Nothing is on a disk.
        Err(Error::DiskFull)
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let state = self.state();
        let people = state.people.iter().map(|(number, _)| *number);
        let owners = state.examples_of.iter().map(|((number, _), ())| *number);
        Ok(Inventory {
            people: people.chain(owners).collect(),
            n_people: state.people.len(),
            n_examples: state.examples.len(),
            unscrubbed_bytes: 0,
        })
    }

    fn scrub(&self) -> Result<bool, Error> {
        Ok(true)
    }

    fn backup(&self, _: &Path) -> Result<(), Error> {
        Err(Error::Unsupported(
            "people in memory have no file that could be copied",
        ))
    }

    fn rekey(&self, _: &Secret) -> Result<(), Error> {
        Err(Error::Unsupported("people in memory are not sealed"))
    }
}

impl Transaction for State {
    fn add_service(
        &mut self,
        kind: Kind,
        key_hash: &[u8; 32],
        terms: &Terms,
    ) -> Result<i64, Error> {
        self.last_service += 1;
        let id = self.last_service;
        let service = StoredService {
            service: Service { id, kind },
            key_hash: *key_hash,
            terms: terms.clone(),
        };
        self.services.insert(id, service);
        Ok(id)
    }

    fn remove_service(&mut self, service: i64) -> Result<(), Error> {
        self.remove_people(service)?;
        self.services.remove(&service);
        Ok(())
    }

    fn add_person(&mut self, service: i64, name: &str, consent: &Consent) -> Result<i64, Error> {
        self.services.get(&service).ok_or(Error::Damaged)?;
        self.last_person += 1;
        let number = self.last_person;
        let person = Person {
            number,
            name: name.to_owned(),
            consent: consent.clone(),
        };
        self.people.insert(number, (service, person, 0));
        self.people_of.insert((service, number), ());
        Ok(number)
    }

    fn set_person(&mut self, person: &Person) -> Result<(), Error> {
        if let Some((service, _, revision)) = self.people.get(&person.number) {
            let changed = (*service, person.clone(), revision + 1);
            self.people.insert(person.number, changed);
        }
        Ok(())
    }

    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error> {
        self.people.get(&into).ok_or(Error::Damaged)?;
        let (_, of_from, _) = self.people.get(&from).ok_or(Error::Damaged)?;
        let of_from = of_from.consent.clone();
        for order in self.orders_of(from) {
            let Some(kept) = self.examples.get(&order) else {
                continue;
            };
            let mut kept = Kept::clone(kept);
            kept.example.person = into;
            let own = &mut kept.example.consent;
            own.get_or_insert_with(|| of_from.clone());
            self.examples.insert(order, Arc::new(kept));
            self.examples_of.remove(&(from, order));
            self.examples_of.insert((into, order), ());
        }
        self.remove_person(from)
    }

    fn remove_person(&mut self, number: i64) -> Result<(), Error> {
        for order in self.orders_of(number) {
            self.remove(order);
        }
        if let Some((service, ..)) = self.people.remove(&number) {
            self.people_of.remove(&(service, number));
        }
        Ok(())
    }

    fn remove_people(&mut self, service: i64) -> Result<(), Error> {
        let keys = self.people_of.from(&(service, 0)).map(|(key, ())| *key);
        let keys = keys.take_while(|(of, _)| *of == service);
        let numbers: Vec<i64> = keys.map(|(_, number)| number).collect();
        numbers.into_iter().try_for_each(|n| self.remove_person(n))
    }

    fn add_example(&mut self, example: &NewExample<'_>) -> Result<bool, Error> {
        if self.order_of.get(&example.id).is_some() {
            return Ok(false);
        }
        self.people.get(&example.person).ok_or(Error::Damaged)?;
        self.last_example += 1;
        let order = self.last_example;
        let kept = Kept {
            example: StoredExample {
                id: example.id,
                person: example.person,
                model: example.model.to_owned(),
                vector: example.vector.to_vec(),
                consent: example.consent.cloned(),
                aside: false,
            },
            image: example.image.to_vec(),
        };
        self.examples.insert(order, Arc::new(kept));
        self.order_of.insert(example.id, order);
        self.examples_of.insert((example.person, order), ());
        Ok(true)
    }

    fn remove_example(&mut self, id: &Uuid) -> Result<(), Error> {
        if let Some(order) = self.order_of.get(id).copied() {
            self.remove(order);
        }
        Ok(())
    }

    fn set_template(&mut self, id: &Uuid, model: &str, vector: &[f32]) -> Result<(), Error> {
        self.replace(id, |example| {
            example.model = model.to_owned();
            example.vector.zeroize();
            example.vector = vector.to_vec();
            example.aside = false;
        })
    }

    fn set_aside(&mut self, id: &Uuid) -> Result<(), Error> {
        self.replace(id, |example| example.aside = true)
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        Ok(self.keys.clone())
    }

    fn set_key_ring(&mut self, ring: &KeyRing) -> Result<(), Error> {
        self.keys = ring.clone();
        Ok(())
    }

    fn newest_seq(&self) -> i64 {
        self.last_seq
    }

    fn set_clock(&mut self, mark: ClockMark) {
        self.clock = Some(mark);
    }

    fn note(&mut self, noted: &Noted) -> Result<(), Error> {
        let seq = self.last_seq + 1;
        let before = self.audit.get(&(seq - 1)).map(|entry| entry.hash);
        let text = Entry::text(noted.action, noted.service, noted.person, noted.count);
        let chain = Chain {
            key: self.chain_key,
        };
        let before = before.as_ref().map_or(&[][..], |hash| hash);
        let entry = Entry {
            seq,
            at_ms: noted.at_ms,
            action: noted.action,
            service: noted.service,
            subject: noted.person,
            count: noted.count,
            hash: chain.hash(before, seq, noted.at_ms, text.as_bytes()),
        };
        self.audit.insert(seq, entry);
        self.last_seq = seq;
        Ok(())
    }
}
