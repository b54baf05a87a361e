//! A transaction of a sealed store. In: changes in the clear. Out: sealed rows, the state of the
//! store after them, and which rows those were.

use uuid::Uuid;

use super::keys::Keys;
use super::records::{ExampleRecord, ImageSeal, consent_bytes};
use super::rows::{ExampleRow, ServiceRow, SubjectRow, Table};
use super::state::{KEY_RING, State};
use super::tables::Tables;
use super::{ClockMark, NewExample, Noted, Touched, Transaction, audit_log};
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::person::Person;
use crate::service::{Kind, Terms};

/// Within an open transaction of the tables.
pub(super) struct SealedTransaction<'a> {
    pub(super) tables: &'a dyn Tables,
    pub(super) keys: &'a Keys,
    /// As it is after what was done so far.
    pub(super) state: State,
    /// What was changed so far.
    pub(super) touched: Vec<Touched>,
    /// Bytes that were removed so far.
    pub(super) n_removed_bytes: u64,
}

impl<'a> SealedTransaction<'a> {
    /// Begins over a log whose end is as it was left.
    pub(super) fn begin(
        tables: &'a dyn Tables,
        keys: &'a Keys,
    ) -> Result<SealedTransaction<'a>, Error> {
        let state = State::read(tables, &keys.sealer)?;
        audit_log::check_end(tables, &state)?;
        Ok(SealedTransaction {
            tables,
            keys,
            state,
            touched: Vec::new(),
            n_removed_bytes: 0,
        })
    }

    /// Takes a row out of the sum.
    fn forget_example(&mut self, row: &ExampleRow) {
        let sum = self.keys.rows.example(row);
        self.state.sum(Table::Example).subtract(&sum);
        self.n_removed_bytes += row.record.len() as u64;
    }

    /// Replaces a row of an example by another state of it.
    fn replace_example(
        &mut self,
        mut row: ExampleRow,
        change: impl FnOnce(&mut ExampleRow, &mut ExampleRecord),
    ) -> Result<(), Error> {
        let mut record = self.keys.open_example(&row)?;
        self.forget_example(&row);
        change(&mut row, &mut record);
        row.record = self.keys.sealer.seal(&row.field(), &record.to_bytes())?;
        self.tables.set_example(&row)?;
        let sum = self.keys.rows.example(&row);
        self.state.sum(Table::Example).add(&sum);
        self.touched.push(Touched::Example(row.uuid()));
        Ok(())
    }

    /// Seals a person's row and adds it to the sum; `name` and `consent` of `row` are replaced.
    fn seal_subject(
        &mut self,
        row: &mut SubjectRow,
        name: &str,
        consent: &Consent,
        revision: i64,
    ) -> Result<(), Error> {
        let sealer = &self.keys.sealer;
        row.expires_at_ms = consent.expires_at_ms;
        row.name = sealer.seal(&row.field("subject"), name.as_bytes())?;
        let plain = consent_bytes(consent, revision);
        row.consent = sealer.seal(&row.field("consent"), &plain)?;
        self.tables.set_person(row)?;
        let sum = self.keys.rows.subject(row);
        self.state.sum(Table::Subject).add(&sum);
        self.touched.push(Touched::Person(row.id));
        Ok(())
    }
}

impl Transaction for SealedTransaction<'_> {
    fn add_service(
        &mut self,
        kind: Kind,
        key_hash: &[u8; 32],
        terms: &Terms,
    ) -> Result<i64, Error> {
        let keep_days = terms.keep_days.map(i64::from);
        let id = self.tables.add_service(kind as i64, key_hash, keep_days)?;
        let mut row = ServiceRow {
            id,
            kind: kind as i64,
            key_hash: key_hash.to_vec(),
            terms: Vec::new(),
            keep_days,
        };
        row.terms = self.keys.sealer.seal(&row.field(), &terms.to_bytes())?;
        self.tables.set_terms(id, &row.terms)?;
        let sum = self.keys.rows.service(&row);
        self.state.sum(Table::Service).add(&sum);
        self.touched.push(Touched::Services);
        Ok(id)
    }

    fn remove_service(&mut self, service: i64) -> Result<(), Error> {
        self.remove_people(service)?;
        if let Some(row) = self.tables.service(service)? {
            let sum = self.keys.rows.service(&row);
            self.state.sum(Table::Service).subtract(&sum);
        }
        self.touched.push(Touched::Services);
        self.tables.remove_service(service)
    }

    fn add_person(&mut self, service: i64, name: &str, consent: &Consent) -> Result<i64, Error> {
        let mut row = SubjectRow {
            id: self.tables.add_person(service)?,
            service,
            name: Vec::new(),
            consent: Vec::new(),
            expires_at_ms: None,
        };
        self.seal_subject(&mut row, name, consent, 0)?;
        Ok(row.id)
    }

    fn set_person(&mut self, person: &Person) -> Result<(), Error> {
        let Some(mut row) = self.tables.person(person.number)? else {
            return Ok(());
        };
        let (_, _, revision) = self.keys.open_subject(&row)?;
        let sum = self.keys.rows.subject(&row);
        self.state.sum(Table::Subject).subtract(&sum);
        self.seal_subject(&mut row, &person.name, &person.consent, revision + 1)
    }

    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error> {
        let row = self.tables.person(from)?.ok_or(Error::Damaged)?;
        let (_, of_from, _) = self.keys.open_subject(&row)?;
        for row in self.tables.examples_of(from)? {
            self.replace_example(row, |row, record| {
                row.subject = into;
                record.consent.get_or_insert_with(|| of_from.clone());
            })?;
        }
        self.remove_person(from)
    }

    fn remove_person(&mut self, number: i64) -> Result<(), Error> {
        let Some(row) = self.tables.person(number)? else {
            return Ok(());
        };
        for example in self.tables.examples_of(number)? {
            self.forget_example(&example);
        }
        let sum = self.keys.rows.subject(&row);
        self.state.sum(Table::Subject).subtract(&sum);
        self.n_removed_bytes += (row.name.len() + row.consent.len()) as u64;
        self.touched.push(Touched::Person(number));
        self.tables.remove_person(number)
    }

    fn remove_people(&mut self, service: i64) -> Result<(), Error> {
        let people = self.tables.numbers_of(service)?;
        people.into_iter().try_for_each(|p| self.remove_person(p))
    }

    fn add_example(&mut self, example: &NewExample<'_>) -> Result<bool, Error> {
        let id = example.id;
        if self.tables.example(id.as_bytes())?.is_some() {
            return Ok(false);
        }
        let sealer = &self.keys.sealer;
        let image = sealer.seal(&format!("image {id}"), example.image)?;
        let record = ExampleRecord {
            vector: example.vector.to_vec(),
            image: ImageSeal::of(&image).ok_or(Error::Damaged)?,
            consent: example.consent.cloned(),
            aside: false,
        };
        let mut row = ExampleRow {
            id: id.into_bytes(),
            subject: example.person,
            model: example.model.to_owned(),
            record: Vec::new(),
        };
        row.record = sealer.seal(&row.field(), &record.to_bytes())?;
        self.tables.add_example(&row, &image)?;
        let sum = self.keys.rows.example(&row);
        self.state.sum(Table::Example).add(&sum);
        self.touched.push(Touched::Example(id));
        Ok(true)
    }

    fn remove_example(&mut self, id: &Uuid) -> Result<(), Error> {
        if let Some(row) = self.tables.example(id.as_bytes())? {
            self.forget_example(&row);
        }
        self.touched.push(Touched::Example(*id));
        self.tables.remove_example(id.as_bytes())
    }

    fn set_template(&mut self, id: &Uuid, model: &str, vector: &[f32]) -> Result<(), Error> {
        let row = self.tables.example(id.as_bytes())?.ok_or(Error::Damaged)?;
        self.replace_example(row, |row, record| {
            row.model = model.to_owned();
            record.vector = vector.to_vec();
            record.aside = false;
        })
    }

    fn set_aside(&mut self, id: &Uuid) -> Result<(), Error> {
        let row = self.tables.example(id.as_bytes())?.ok_or(Error::Damaged)?;
        self.replace_example(row, |_, record| record.aside = true)
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        self.keys.read_key_ring(self.tables, &self.state)
    }

    fn set_key_ring(&mut self, ring: &KeyRing) -> Result<(), Error> {
        let sealed = self.keys.sealer.seal(KEY_RING, &ring.to_bytes())?;
        self.tables.write_head(KEY_RING, &sealed)?;
        self.state.keys = self.keys.rows.key_ring(&sealed);
        self.touched.push(Touched::Services);
        Ok(())
    }

    fn newest_seq(&self) -> i64 {
        self.state.seq
    }

    fn set_clock(&mut self, mark: ClockMark) {
        self.state.clock = Some(mark);
    }

    fn note(&mut self, entry: &Noted) -> Result<(), Error> {
        audit_log::append(self.tables, self.keys, &mut self.state, entry)
    }
}
