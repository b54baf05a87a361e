//! A store in memory: for tests, and for programs that enrol people anew at each start. Keeps the
//! promises of [`Store`] but durability, and has no backup and no rekey. Nothing is sealed: nothing
//! is written. Vectors and images are overwritten with zeros when they go.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;
use zeroize::Zeroize;

use super::{Inventory, NewExample, Row, Store, StoredExample, StoredService, Transaction};
use crate::audit::{Action, Chain, Entry, Verified};
use crate::clock::now_ms;
use crate::consent::Consent;
use crate::error::Error;
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
    /// With the service of each.
    people: Tree<i64, (i64, Person)>,
    /// Service and number of each person.
    people_of: Tree<(i64, i64), ()>,
    last_person: i64,
    /// In the order in which they were added.
    examples: Tree<u64, Arc<Kept>>,
    order_of: Tree<Uuid, u64>,
    /// Person's number and order of each example.
    examples_of: Tree<(i64, u64), ()>,
    last_example: u64,
    audit: Tree<i64, (Entry, [u8; 32])>,
    chain_key: [u8; 32],
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

    fn orders_of(&self, person: i64) -> Vec<u64> {
        let keys = self.examples_of.from(&(person, 0)).map(|(key, ())| *key);
        keys.take_while(|(of, _)| *of == person)
            .map(|(_, order)| order)
            .collect()
    }
}

impl Store for MemoryStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
        let state = self.state().clone();
        for (_, service) in state.services.iter() {
            each(Row::Service(service.clone()))?;
        }
        for (_, (service, person)) in state.people.iter() {
            each(Row::Person(*service, person.clone()))?;
        }
        for (_, kept) in state.examples.iter() {
            each(Row::Example(kept.example.clone()))?;
        }
        Ok(())
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        Ok(self
            .state()
            .services
            .iter()
            .map(|(_, s)| s.clone())
            .collect())
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
        let mut newest = String::new();
        for (_, (entry, hash)) in audit.iter() {
            each(*entry);
            newest = hex::encode(hash);
        }
        Ok(Verified {
            n_entries: i64::try_from(audit.len()).unwrap_or(i64::MAX),
            newest,
        })
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
        self.people.insert(number, (service, person));
        self.people_of.insert((service, number), ());
        Ok(number)
    }

    fn set_person(&mut self, person: &Person) -> Result<(), Error> {
        if let Some((service, _)) = self.people.get(&person.number) {
            let service = *service;
            self.people.insert(person.number, (service, person.clone()));
        }
        Ok(())
    }

    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error> {
        self.people.get(&into).ok_or(Error::Damaged)?;
        for order in self.orders_of(from) {
            let Some(kept) = self.examples.get(&order) else {
                continue;
            };
            let mut kept = Kept::clone(kept);
            kept.example.person = into;
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
        if let Some((service, _)) = self.people.remove(&number) {
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

    fn log(&mut self, action: Action, service: i64, person: i64, count: i64) -> Result<(), Error> {
        let seq = i64::try_from(self.audit.len()).unwrap_or(i64::MAX - 1) + 1;
        let before = self.audit.get(&(seq - 1)).map(|(_, hash)| *hash);
        let (at_ms, text) = (now_ms(), Entry::text(action, service, person, count));
        let chain = Chain {
            key: self.chain_key,
        };
        let before = before.as_ref().map_or(&[][..], |hash| hash);
        let hash = chain.hash(before, seq, at_ms, text.as_bytes());
        let entry = Entry {
            seq,
            at_ms,
            action,
            service,
            subject: person,
            count,
        };
        self.audit.insert(seq, (entry, hash));
        Ok(())
    }
}
