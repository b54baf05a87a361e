//! People of a service. In: names, consents, templates, images. Out: matches; who was enrolled, renamed, erased.
//! Each change and its audit entry are one transaction.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::audit::Action;
use crate::consent::Consent;
use crate::error::Error;
use crate::index::{Example, Index, Match, Person};
use crate::seal::random;
use crate::store::{Service, Vault, begin};

impl Vault {
    /// Names of the subjects, as stored.
    pub fn subjects(&self, service: Service) -> Vec<String> {
        self.people(service).into_iter().map(|p| p.name).collect()
    }

    /// Everybody enrolled, in the order in which they came.
    pub fn people(&self, service: Service) -> Vec<Person> {
        self.with(service, |i| i.people.values().cloned().collect())
    }

    /// One person and how many examples there are; letter case does not matter.
    pub fn person(&self, service: Service, name: &str) -> Option<(Person, usize)> {
        self.with(service, |i| {
            let number = i.find(name)?;
            Some((i.people.get(&number)?.clone(), i.of_person(number).len()))
        })
    }

    fn insert_person(
        &self,
        db: &Connection,
        service: Service,
        name: &str,
        consent: Consent,
    ) -> Result<Person, Error> {
        db.execute(
            "INSERT INTO subject (service, name, consent) VALUES (?1, x'', x'')",
            [service.id],
        )?;
        let person = Person {
            number: db.last_insert_rowid(),
            name: name.to_owned(),
            consent,
        };
        self.store_person(db, &person)?;
        Ok(person)
    }

    fn store_person(&self, db: &Connection, person: &Person) -> Result<(), Error> {
        let (number, consent) = (person.number, &person.consent);
        let name = self
            .sealer
            .seal(&format!("subject {number}"), person.name.as_bytes())?;
        let sealed = self
            .sealer
            .seal(&format!("consent {number}"), &consent.to_bytes())?;
        db.execute(
            "UPDATE subject SET name = ?2, consent = ?3, expires_at_ms = ?4 WHERE id = ?1",
            params![number, name, sealed, consent.expires_at_ms],
        )?;
        Ok(())
    }

    /// Makes a person; `false` if there is one of that name, whatever its letter case. Without a consent the service's
    /// own terms hold.
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
        let mut db = self.db();
        if self.with(service, |i| i.find(name)).is_some() {
            return Ok(false);
        }
        let change = begin(&mut db)?;
        let person = self.insert_person(&change, service, name, consent)?;
        self.log(&change, Action::Enrol, (service.id, person.number, 0))?;
        change.commit()?;
        self.change(service, |i| i.add_person(person));
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
        let mut db = self.db();
        let Some((mut person, _)) = self.person(service, name) else {
            return Ok(false);
        };
        person.consent = consent;
        let change = begin(&mut db)?;
        self.store_person(&change, &person)?;
        self.log(&change, Action::Enrol, (service.id, person.number, 0))?;
        change.commit()?;
        self.change(service, |i| i.add_person(person));
        Ok(true)
    }

    /// Gives a subject another name, or folds it into the subject that has it. `false` if there is no such subject.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn rename_subject(&self, service: Service, old: &str, new: &str) -> Result<bool, Error> {
        let mut db = self.db();
        let (from, to) = self.with(service, |i| {
            let from = i.find(old).and_then(|n| i.people.get(&n).cloned());
            (from, i.find(new))
        });
        let Some(mut from) = from else {
            return Ok(false);
        };
        let change = begin(&mut db)?;
        match to.filter(|to| *to != from.number) {
            Some(to) => {
                change.execute(
                    "UPDATE example SET subject = ?2 WHERE subject = ?1",
                    [from.number, to],
                )?;
                change.execute("DELETE FROM subject WHERE id = ?1", [from.number])?;
                self.log(&change, Action::Enrol, (service.id, to, 0))?;
                self.log(&change, Action::Erase, (service.id, from.number, 0))?;
                change.commit()?;
                self.change(service, |i| i.fold(from.number, to));
            }
            None => {
                from.name = new.to_owned();
                self.store_person(&change, &from)?;
                self.log(&change, Action::Enrol, (service.id, from.number, 0))?;
                change.commit()?;
                self.change(service, |i| i.add_person(from));
            }
        }
        self.flush(&db)?;
        Ok(true)
    }

    /// Erases a subject with its examples and images: its stored name and how many examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_subject(
        &self,
        service: Service,
        name: &str,
    ) -> Result<Option<(String, usize)>, Error> {
        let mut db = self.db();
        let Some((person, n)) = self.person(service, name) else {
            return Ok(None);
        };
        self.erase_people(&mut db, service, Action::Erase, &[(person.number, n)])?;
        Ok(Some((person.name, n)))
    }

    /// Erases everybody whose consent has ended: how many people went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_ended(&self) -> Result<usize, Error> {
        let mut n = 0;
        for (service, _) in self.services() {
            let mut db = self.db();
            let ended: Vec<(i64, usize)> = self.with(service, |i| {
                let counted = |number| (number, i.of_person(number).len());
                i.ended().into_iter().map(counted).collect()
            });
            if !ended.is_empty() {
                self.erase_people(&mut db, service, Action::Expire, &ended)?;
                n += ended.len();
            }
        }
        self.flush_if_due()?;
        Ok(n)
    }

    fn erase_people(
        &self,
        db: &mut Connection,
        service: Service,
        action: Action,
        people: &[(i64, usize)],
    ) -> Result<(), Error> {
        let change = begin(db)?;
        for (number, n) in people {
            change.execute("DELETE FROM subject WHERE id = ?1", [number])?;
            let n = i64::try_from(*n).unwrap_or(i64::MAX);
            self.log(&change, action, (service.id, *number, n))?;
        }
        change.commit()?;
        self.change(service, |i| {
            for (number, _) in people {
                i.drop_person(*number);
            }
        });
        self.flush(db)
    }

    /// Erases everything of a service: how many subjects and examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_all(&self, service: Service) -> Result<(usize, usize), Error> {
        let mut db = self.db();
        let n = self.with(service, |i| (i.people.len(), i.n_examples()));
        let change = begin(&mut db)?;
        change.execute("DELETE FROM subject WHERE service = ?1", [service.id])?;
        let count = i64::try_from(n.1).unwrap_or(i64::MAX);
        self.log(&change, Action::Erase, (service.id, 0, count))?;
        change.commit()?;
        self.change(service, |i| *i = Index::default());
        self.flush(&db)?;
        Ok(n)
    }

    /// Enrols a face; the person is made, on the service's own terms, when needed. On disk when this returns.
    ///
    /// # Errors
    /// [`Error::Database`].
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

    /// As [`Vault::enrol`], under a number that another server gave; `false` if an example has it already.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn enrol_as(
        &self,
        service: Service,
        id: Uuid,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<bool, Error> {
        let plain: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
        let vector_sealed = self.sealer.seal(&format!("vector {id}"), &plain)?;
        let image_sealed = self.sealer.seal(&format!("image {id}"), image)?;
        let usual = self.usual_consent(service)?;
        let mut db = self.db();
        let taken = "SELECT 1 FROM example WHERE id = ?1";
        let taken = db
            .query_row(taken, [id.as_bytes()], |_| Ok(()))
            .optional()?;
        if taken.is_some() {
            return Ok(false);
        }
        let known = self.with(service, |i| i.find(subject));
        let change = begin(&mut db)?;
        let made = match known {
            Some(_) => None,
            None => Some(self.insert_person(&change, service, subject, usual)?),
        };
        let number = known
            .or(made.as_ref().map(|p| p.number))
            .ok_or(Error::Damaged)?;
        change.execute(
            "INSERT INTO example VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                id.as_bytes(),
                number,
                self.model,
                vector_sealed,
                image_sealed
            ],
        )?;
        self.log(&change, Action::Enrol, (service.id, number, 1))?;
        change.commit()?;
        self.change(service, |i| {
            if let Some(person) = made {
                i.add_person(person);
            }
            i.add(id, number, vector);
        });
        Ok(true)
    }

    /// Erases one example; the subject stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_example(&self, service: Service, id: &Uuid) -> Result<Option<Example>, Error> {
        let mut db = self.db();
        let Some((example, _)) = self.example(service, id) else {
            return Ok(None);
        };
        let number = self
            .with(service, |i| i.find(&example.subject))
            .unwrap_or(0);
        let change = begin(&mut db)?;
        change.execute("DELETE FROM example WHERE id = ?1", [id.as_bytes()])?;
        self.log(&change, Action::EraseFace, (service.id, number, 1))?;
        change.commit()?;
        self.change(service, |i| i.drop_example(id));
        self.flush(&db)?;
        Ok(Some(example))
    }

    /// One example and its vector; none once the person's consent has ended.
    pub fn example(&self, service: Service, id: &Uuid) -> Option<(Example, Vec<f32>)> {
        self.with(service, |i| i.example(id).map(|(e, v)| (e, v.to_vec())))
    }

    /// How many examples there are of a service, or of one of its people by exact name, and a part of them in an order
    /// that does not change between calls.
    pub fn examples(
        &self,
        service: Service,
        of: Option<&str>,
        skip: usize,
        take: usize,
    ) -> (usize, Vec<Example>) {
        self.with(service, |i| match of {
            None => (i.n_examples(), i.page(skip, take)),
            Some(name) => {
                let exact = |n: &i64| i.people.get(n).is_some_and(|p| p.name == name);
                let number = i.find(name).filter(exact);
                number.map_or_else(Default::default, |n| i.page_of(n, skip, take))
            }
        })
    }

    /// The bytes that were enrolled. Handing them out is recorded.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Database`].
    pub fn image(&self, service: Service, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let Some((example, _)) = self.example(service, id) else {
            return Ok(None);
        };
        let query = "SELECT image FROM example WHERE id = ?1";
        let sealed: Option<Vec<u8>> = self
            .db()
            .query_row(query, [id.as_bytes()], |r| r.get(0))
            .optional()?
            .flatten();
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        let number = self.with(service, |i| i.find(&example.subject));
        self.record(Action::Export, Some(service), number, 1)?;
        Ok(Some(
            self.sealer.open(&format!("image {id}"), &sealed)?.to_vec(),
        ))
    }

    /// The `top` nearest examples of a unit vector, nearest first.
    pub fn nearest(&self, service: Service, probe: &[f32], top: usize) -> Vec<Match> {
        self.with(service, |i| i.nearest(probe, top))
    }
}
