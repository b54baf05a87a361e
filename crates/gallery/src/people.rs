//! People of a service. In: names, consents, probes. Out: matches; who was entered, renamed,
//! erased. Each change and its audit entry are one transaction of the store; `enrol.rs` adds faces.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::aside::Aside;
use crate::audit::Action;
use crate::consent::Consent;
use crate::error::Error;
use crate::gallery::{Gallery, SearchIn, saturated};
use crate::names::checked;
use crate::person::{Example, Found, Match, Person};
use crate::service::Service;
use crate::store::{IndexShape, IndexStated, Near};

impl Gallery {
    /// Names of the people, as stored, in the order in which they came.
    pub fn subjects(&self, service: Service) -> Vec<String> {
        let columns = self.columns(service);
        columns.people().map(|p| p.name.clone()).collect()
    }

    /// Everybody enrolled, in the order in which they came.
    pub fn people(&self, service: Service) -> Vec<Person> {
        self.columns(service).people().cloned().collect()
    }

    /// One person and how many examples there are; letter case does not matter.
    pub fn person(&self, service: Service, name: &str) -> Option<(Person, usize)> {
        let columns = self.columns(service);
        let (person, n) = columns.person(columns.find(name)?)?;
        Some((person.clone(), n))
    }

    /// Makes a person with a stated consent; `false` if there is one of that name, whatever its
    /// letter case. Without a consent the service's own terms are assumed, which the log records.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::ConsentEnded`] and [`Error::ConsentUnit`]; [`Error::Database`].
    pub fn add_subject(
        &self,
        service: Service,
        name: &str,
        consent: Option<Consent>,
    ) -> Result<bool, Error> {
        let name = checked(name)?;
        let action = if consent.is_some() {
            Action::Enrol
        } else {
            Action::Assume
        };
        let consent = consent.map_or_else(|| self.usual_consent(service), Ok)?;
        consent.check()?;
        if consent.has_ended_by(self.clock.now_ms()) {
            return Err(Error::ConsentEnded(name));
        }
        let _writer = self.writer()?;
        if self.columns(service).find(&name).is_some() {
            return Ok(false);
        }
        let mut number = 0;
        self.transact(&mut |t| {
            number = t.add_person(service.id, &name, &consent)?;
            t.note(&self.noted(action, service.id, number, 0))
        })?;
        self.publish(service, |columns| {
            columns.set_person(Person {
                number,
                name,
                consent,
            });
            Ok(())
        })?;
        Ok(true)
    }

    /// Gives a person another consent, which may have ended; `false` if there is no such person.
    /// Examples that came from another person keep their own.
    ///
    /// # Errors
    /// [`Error::ConsentUnit`]; [`Error::Database`].
    pub fn set_consent(
        &self,
        service: Service,
        name: &str,
        consent: Consent,
    ) -> Result<bool, Error> {
        consent.check()?;
        let _writer = self.writer()?;
        let Some((mut person, _)) = self.person(service, name) else {
            return Ok(false);
        };
        person.consent = consent;
        self.set_person(service, person, Action::Consent)?;
        Ok(true)
    }

    fn set_person(&self, service: Service, person: Person, action: Action) -> Result<(), Error> {
        self.transact(&mut |t| {
            t.set_person(&person)?;
            t.note(&self.noted(action, service.id, person.number, 0))
        })?;
        self.publish(service, |columns| {
            columns.set_person(person);
            Ok(())
        })
    }

    /// Gives a person another name, or merges them into the person who has it: each example then
    /// keeps the consent that it was enrolled on. `false` if there is no such person.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::Database`].
    pub fn rename_subject(&self, service: Service, old: &str, new: &str) -> Result<bool, Error> {
        let new = checked(new)?;
        let writer = self.writer()?;
        let Some((mut from, n)) = self.person(service, old) else {
            return Ok(false);
        };
        let into = self.columns(service).find(&new);
        match into.filter(|into| *into != from.number) {
            Some(into) => {
                let moved = saturated(n + self.n_aside_of(from.number));
                self.transact(&mut |t| {
                    t.merge_people(from.number, into)?;
                    t.note(&self.noted(Action::Merge, service.id, into, moved))?;
                    t.note(&self.noted(Action::Erase, service.id, from.number, 0))
                })?;
                self.publish(service, |columns| {
                    columns.merge_people(from.number, into);
                    Ok(())
                })?;
                self.set_aside_map(|aside| {
                    let moved = aside.values_mut().filter(|kept| kept.person == from.number);
                    moved.for_each(|kept| kept.person = into);
                });
            }
            None => {
                from.name = new;
                self.set_person(service, from, Action::Rename)?;
            }
        }
        drop(writer);
        self.scrub()?;
        Ok(true)
    }

    /// Erases a person with their examples and images: the stored name and how many examples went.
    /// Nobody is matched with them when this returns; [`Gallery::health`] tells whether bytes are
    /// still to be overwritten.
    ///
    /// # Errors
    /// [`Error::Name`] for a name that nobody can have; [`Error::Database`].
    pub fn erase_subject(
        &self,
        service: Service,
        name: &str,
    ) -> Result<Option<(String, usize)>, Error> {
        let writer = self.writer()?;
        let Some((person, n)) = self.person(service, name) else {
            checked(name)?;
            return Ok(None);
        };
        let n = n + self.n_aside_of(person.number);
        self.erase_people(service, Action::Erase, &[(person.number, n)])?;
        drop(writer);
        self.scrub()?;
        Ok(Some((person.name, n)))
    }

    /// Erases everybody whose consent has ended, and examples whose own has: how many people and
    /// examples went. It goes by the time up to which the clock is believed; who has ended by the
    /// clock alone is not matched, and waits.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_ended(&self) -> Result<usize, Error> {
        let mut n = 0;
        let by_ms = self.clock.trusted_ms();
        self.recorder.keep_clock()?;
        for (service, _) in self.services() {
            let (people, examples) = self.columns(service).ended(by_ms);
            if people.is_empty() && examples.is_empty() {
                continue;
            }
            let _writer = self.writer()?;
            let columns = self.columns(service);
            let counted = |number| {
                let n = columns.person(number).map_or(0, |(_, n)| n);
                (number, n + self.n_aside_of(number))
            };
            let (people, examples) = columns.ended(by_ms);
            let people: Vec<(i64, usize)> = people.into_iter().map(counted).collect();
            // This reference would keep the erased vectors in memory until the loop ends.
            drop(columns);
            if !people.is_empty() {
                self.erase_people(service, Action::Expire, &people)?;
                n += people.len();
            }
            for (id, number) in examples {
                if people.iter().all(|(erased, _)| *erased != number) {
                    self.remove_example(service, &id, number, Action::ExpireFace)?;
                    n += 1;
                }
            }
        }
        if n > 0 || self.recorder.scrub_due() {
            self.scrub()?;
        }
        Ok(n)
    }

    /// The caller holds the lock that [`Gallery::writer`] returns.
    fn erase_people(
        &self,
        service: Service,
        action: Action,
        people: &[(i64, usize)],
    ) -> Result<(), Error> {
        self.transact(&mut |t| {
            for (number, n) in people {
                t.remove_person(*number)?;
                t.note(&self.noted(action, service.id, *number, saturated(*n)))?;
            }
            Ok(())
        })?;
        let numbers: Vec<i64> = people.iter().map(|(number, _)| *number).collect();
        self.set_aside_map(|aside| aside.retain(|_, kept| !numbers.contains(&kept.person)));
        self.publish(service, |columns| columns.remove_people(&numbers))
    }

    /// Erases everything of a service: how many people and examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_all(&self, service: Service) -> Result<(usize, usize), Error> {
        let writer = self.writer()?;
        let columns = self.columns(service);
        let n = (columns.n_people(), columns.n_examples());
        drop(columns);
        self.transact(&mut |t| {
            t.remove_people(service.id)?;
            t.note(&self.noted(Action::Erase, service.id, 0, saturated(n.1)))
        })?;
        self.set_aside_map(|aside| aside.retain(|_, kept| kept.service != service.id));
        self.publish(service, |columns| {
            *columns = self.no_columns();
            Ok(())
        })?;
        drop(writer);
        self.scrub()?;
        Ok(n)
    }

    /// Erases one example; the person stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_example(&self, service: Service, id: &Uuid) -> Result<Option<Example>, Error> {
        let writer = self.writer()?;
        let columns = self.columns(service);
        let aside = self.aside.load().get(id).copied();
        let aside = aside.filter(|kept| kept.service == service.id);
        let found = match (columns.example(id, self.clock.now_ms()), aside) {
            (Some((example, number, _)), _) => Some((example, number)),
            (None, Some(kept)) => columns.person(kept.person).map(|(person, _)| {
                let subject = person.name.clone();
                (Example { id: *id, subject }, kept.person)
            }),
            (None, None) => None,
        };
        drop(columns);
        let Some((example, number)) = found else {
            return Ok(None);
        };
        self.remove_example(service, id, number, Action::EraseFace)?;
        drop(writer);
        self.scrub()?;
        Ok(Some(example))
    }

    /// The caller holds the lock that [`Gallery::writer`] returns.
    fn remove_example(
        &self,
        service: Service,
        id: &Uuid,
        number: i64,
        action: Action,
    ) -> Result<(), Error> {
        self.transact(&mut |t| {
            t.remove_example(id)?;
            t.note(&self.noted(action, service.id, number, 1))
        })?;
        self.set_aside_map(|aside| aside.retain(|kept, _| kept != id));
        self.publish(service, |columns| columns.remove_example(id))
    }

    /// One example and whose it is; none once the person's consent has ended.
    pub fn named_example(&self, service: Service, id: &Uuid) -> Option<Example> {
        let columns = self.columns(service);
        let (example, ..) = columns.example(id, self.clock.now_ms())?;
        Some(example)
    }

    /// One example and its vector; none once the person's consent has ended.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::Damaged`] if the vector is in a database.
    pub fn example(
        &self,
        service: Service,
        id: &Uuid,
    ) -> Result<Option<(Example, Vec<f32>)>, Error> {
        let columns = self.columns(service);
        let Some((example, _, vector)) = columns.example(id, self.clock.now_ms()) else {
            return Ok(None);
        };
        let vector = match self.search_in {
            SearchIn::Memory => Some(vector.to_vec()),
            SearchIn::Database => self.store.template(id)?,
        };
        Ok(vector.map(|vector| (example, vector)))
    }

    /// How many examples there are of a service, or of one of its people by exact name, and a part
    /// of them in an order that does not change between calls.
    pub fn examples(
        &self,
        service: Service,
        of: Option<&str>,
        skip: usize,
        take: usize,
    ) -> (usize, Vec<Example>) {
        let columns = self.columns(service);
        let Some(name) = of else {
            return (columns.n_examples(), columns.page(skip, take));
        };
        let person = columns.find(name).and_then(|number| columns.person(number));
        match person.filter(|(person, _)| person.name == name) {
            Some((person, n)) => (n, columns.page_of(person.number, skip, take)),
            None => (0, Vec::new()),
        }
    }

    /// The bytes that were enrolled. Handing them out is recorded.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Database`].
    pub fn image(&self, service: Service, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let number = self
            .columns(service)
            .example(id, self.clock.now_ms())
            .map(|(_, number, _)| number);
        let Some(number) = number else {
            return Ok(None);
        };
        let Some(image) = self.store.image(id)? else {
            return Ok(None);
        };
        self.record(Action::Export, Some(service), Some(number), 1)?;
        Ok(Some(image))
    }

    /// For each probe the `top` nearest examples of people whose consent has not ended, nearest
    /// first; ties go to the example that was enrolled first.
    ///
    /// All probes share one pass over the templates, on all threads of the current rayon pool.
    /// Exact: equal to comparing every template as f32. Waits for no writer.
    ///
    /// # Shapes
    /// Each probe has unit length and as many values as the templates; what is nearest to a probe
    /// of another length is an empty list.
    pub fn nearest(&self, service: Service, probes: &[&[f32]], top: usize) -> Vec<Vec<Match>> {
        let now_ms = self.clock.now_ms();
        self.columns(service).nearest(probes, top, now_ms)
    }

    /// As [`Gallery::nearest`], wherever the templates are searched, and how well.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::Tampered`] of a search in a database.
    pub fn search(&self, service: Service, probes: &[&[f32]], top: usize) -> Result<Found, Error> {
        if self.search_in == SearchIn::Memory {
            let matches = self.nearest(service, probes, top);
            return Ok(Found {
                matches,
                recall: 1.0,
            });
        }
        let (near, index) = self.store.nearest(service.id, probes, top)?;
        let (columns, now_ms) = (self.columns(service), self.clock.now_ms());
        let named = |near: Near| {
            let (example, number, _) = columns.example(&near.id, now_ms)?;
            Some(Match {
                number,
                subject: example.subject,
                similarity: near.similarity,
            })
        };
        let of_probe = |near: Vec<Near>| near.into_iter().filter_map(named).take(top).collect();
        Ok(Found {
            matches: near.into_iter().map(of_probe).collect(),
            recall: index.recall,
        })
    }

    /// Where templates are searched.
    pub fn search_in(&self) -> SearchIn {
        self.search_in
    }

    /// What is known of the store's index of templates, if it has one.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    pub fn index(&self) -> Result<Option<IndexStated>, Error> {
        self.store.index()
    }

    /// Makes the store's index of templates, and measures how it has to be searched to find the
    /// nearest as often as `recall` asks for, with `n_probes` templates: what was tried, the best
    /// of which is used from then on.
    ///
    /// # Errors
    /// As [`crate::Store::build_index`].
    pub fn make_index(
        &self,
        shape: IndexShape,
        recall: f64,
        n_probes: usize,
        progress: &mut dyn FnMut(&str, usize, usize),
    ) -> Result<Vec<IndexStated>, Error> {
        self.flush()?;
        let store = &self.store;
        store.build_index(shape, &mut |n, of| progress("indexing", n, of))?;
        store.calibrate_index(recall, n_probes, &mut |n, of| progress("measuring", n, of))
    }

    pub(crate) fn n_aside_of(&self, person: i64) -> usize {
        let aside = self.aside.load();
        aside.values().filter(|kept| kept.person == person).count()
    }

    /// Needs the right of [`Gallery::writer`].
    pub(crate) fn set_aside_map(&self, change: impl FnOnce(&mut BTreeMap<Uuid, Aside>)) {
        if self.aside.load().is_empty() {
            return;
        }
        let mut aside = BTreeMap::clone(&self.aside.load());
        change(&mut aside);
        self.aside.store(Arc::new(aside));
    }
}
