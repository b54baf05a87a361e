//! People of a service. In: names, consents, templates, images. Out: matches; who was enrolled,
//! renamed, erased. Each change and its audit entry are one transaction of the store.

use uuid::Uuid;

use crate::audit::Action;
use crate::consent::Consent;
use crate::error::Error;
use crate::gallery::{Gallery, saturated};
use crate::person::{Example, Match, Person};
use crate::seal::random;
use crate::service::Service;
use crate::store::NewExample;

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

    /// Makes a person; `false` if there is one of that name, whatever its letter case. Without a
    /// consent the service's own terms hold.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn add_subject(
        &self,
        service: Service,
        name: &str,
        consent: Option<Consent>,
    ) -> Result<bool, Error> {
        let consent = consent.map_or_else(|| self.usual_consent(service), Ok)?;
        let _writer = self.writer();
        if self.columns(service).find(name).is_some() {
            return Ok(false);
        }
        let mut number = 0;
        self.store.transact(&mut |t| {
            number = t.add_person(service.id, name, &consent)?;
            t.log(Action::Enrol, service.id, number, 0)
        })?;
        let name = name.to_owned();
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

    /// Gives a person another consent; `false` if there is no such person.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn set_consent(
        &self,
        service: Service,
        name: &str,
        consent: Consent,
    ) -> Result<bool, Error> {
        let _writer = self.writer();
        let Some((mut person, _)) = self.person(service, name) else {
            return Ok(false);
        };
        person.consent = consent;
        self.set_person(service, person)?;
        Ok(true)
    }

    fn set_person(&self, service: Service, person: Person) -> Result<(), Error> {
        self.store.transact(&mut |t| {
            t.set_person(&person)?;
            t.log(Action::Enrol, service.id, person.number, 0)
        })?;
        self.publish(service, |columns| {
            columns.set_person(person);
            Ok(())
        })
    }

    /// Gives a person another name, or merges them into the person who has it. `false` if there is
    /// no such person.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn rename_subject(&self, service: Service, old: &str, new: &str) -> Result<bool, Error> {
        let _writer = self.writer();
        let Some((mut from, _)) = self.person(service, old) else {
            return Ok(false);
        };
        let into = self.columns(service).find(new);
        match into.filter(|into| *into != from.number) {
            Some(into) => {
                self.store.transact(&mut |t| {
                    t.merge_people(from.number, into)?;
                    t.log(Action::Enrol, service.id, into, 0)?;
                    t.log(Action::Erase, service.id, from.number, 0)
                })?;
                self.publish(service, |columns| {
                    columns.merge_people(from.number, into);
                    Ok(())
                })?;
            }
            None => {
                from.name = new.to_owned();
                self.set_person(service, from)?;
            }
        }
        self.scrub()?;
        Ok(true)
    }

    /// Erases a person with their examples and images: the stored name and how many examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_subject(
        &self,
        service: Service,
        name: &str,
    ) -> Result<Option<(String, usize)>, Error> {
        let _writer = self.writer();
        let Some((person, n)) = self.person(service, name) else {
            return Ok(None);
        };
        self.erase_people(service, Action::Erase, &[(person.number, n)])?;
        Ok(Some((person.name, n)))
    }

    /// Erases everybody whose consent has ended: how many people went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_ended(&self) -> Result<usize, Error> {
        let mut n = 0;
        for (service, _) in self.services() {
            let _writer = self.writer();
            let columns = self.columns(service);
            let counted = |number| (number, columns.person(number).map_or(0, |(_, n)| n));
            let ended: Vec<(i64, usize)> = columns.ended().into_iter().map(counted).collect();
            if !ended.is_empty() {
                // This reference would keep the erased vectors in memory until the loop ends.
                drop(columns);
                self.erase_people(service, Action::Expire, &ended)?;
                n += ended.len();
            }
        }
        self.scrub_if_due()?;
        Ok(n)
    }

    /// The caller holds the lock that [`Gallery::writer`] returns.
    fn erase_people(
        &self,
        service: Service,
        action: Action,
        people: &[(i64, usize)],
    ) -> Result<(), Error> {
        self.store.transact(&mut |t| {
            for (number, n) in people {
                t.remove_person(*number)?;
                t.log(action, service.id, *number, saturated(*n))?;
            }
            Ok(())
        })?;
        let numbers: Vec<i64> = people.iter().map(|(number, _)| *number).collect();
        self.publish(service, |columns| columns.remove_people(&numbers))?;
        self.scrub()
    }

    /// Erases everything of a service: how many people and examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_all(&self, service: Service) -> Result<(usize, usize), Error> {
        let _writer = self.writer();
        let columns = self.columns(service);
        let n = (columns.n_people(), columns.n_examples());
        drop(columns);
        self.store.transact(&mut |t| {
            t.remove_people(service.id)?;
            t.log(Action::Erase, service.id, 0, saturated(n.1))
        })?;
        self.publish(service, |columns| {
            *columns = Default::default();
            Ok(())
        })?;
        self.scrub()?;
        Ok(n)
    }

    /// Enrols a face; the person is made, on the service's own terms, when needed. Stored when this
    /// returns.
    ///
    /// # Shapes
    /// `vector` has unit length and as many values as those enrolled before.
    ///
    /// # Errors
    /// [`Error::Search`] for a vector of another length; [`Error::Database`].
    pub fn enrol(
        &self,
        service: Service,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<Uuid, Error> {
        let id = uuid::Builder::from_random_bytes(random::<16>()?).into_uuid();
        self.enrol_as(service, id, subject, vector, image)?;
        Ok(id)
    }

    /// As [`Gallery::enrol`], under an id that another server gave; `false` if an example has it
    /// already.
    ///
    /// # Errors
    /// As [`Gallery::enrol`].
    pub fn enrol_as(
        &self,
        service: Service,
        id: Uuid,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<bool, Error> {
        let usual = self.usual_consent(service)?;
        let _writer = self.writer();
        let columns = self.columns(service);
        let expected = columns.dimensions().unwrap_or(vector.len());
        if expected != vector.len() || vector.is_empty() {
            let found = vector.len();
            return Err(fusiform_search::Error::Dimensions { expected, found }.into());
        }
        let known = columns.find(subject);
        drop(columns);
        let (mut number, mut added) = (0, false);
        self.store.transact(&mut |t| {
            number = match known {
                Some(number) => number,
                None => t.add_person(service.id, subject, &usual)?,
            };
            added = t.add_example(&NewExample {
                id,
                person: number,
                model: &self.model,
                vector,
                image,
            })?;
            if added {
                t.log(Action::Enrol, service.id, number, 1)?;
            } else if known.is_none() {
                t.remove_person(number)?;
            }
            Ok(())
        })?;
        if added {
            self.publish(service, |columns| {
                if known.is_none() {
                    columns.set_person(Person {
                        number,
                        name: subject.to_owned(),
                        consent: usual,
                    });
                }
                columns.add_example(id, number, vector)
            })?;
        }
        Ok(added)
    }

    /// Erases one example; the person stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_example(&self, service: Service, id: &Uuid) -> Result<Option<Example>, Error> {
        let _writer = self.writer();
        let columns = self.columns(service);
        let Some((example, number, _)) = columns.example(id) else {
            return Ok(None);
        };
        drop(columns);
        self.store.transact(&mut |t| {
            t.remove_example(id)?;
            t.log(Action::EraseFace, service.id, number, 1)
        })?;
        self.publish(service, |columns| columns.remove_example(id))?;
        self.scrub()?;
        Ok(Some(example))
    }

    /// One example and its vector; none once the person's consent has ended.
    pub fn example(&self, service: Service, id: &Uuid) -> Option<(Example, Vec<f32>)> {
        let columns = self.columns(service);
        let (example, _, vector) = columns.example(id)?;
        Some((example, vector.to_vec()))
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
            .example(id)
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
        self.columns(service).nearest(probes, top)
    }
}
