//! A transaction of the sealed SQLite store. In: changes in the clear. Out: sealed rows, and the
//! state of the file after them.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::keys::Keys;
use super::records::{ExampleRecord, ImageSeal, consent_bytes};
use super::rows::{EXAMPLE, ExampleRow, SERVICE, SUBJECT, ServiceRow, SubjectRow};
use super::state::{KEY_RING, State, Table, write_head};
use super::{ClockMark, NewExample, Noted, Transaction, audit_log};
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::person::Person;
use crate::service::{Kind, Terms};

/// Within an open transaction of `db`.
pub(super) struct SqliteTransaction<'a> {
    pub(super) db: &'a Connection,
    pub(super) keys: &'a Keys,
    /// As it is after what was done so far.
    pub(super) state: State,
}

impl SqliteTransaction<'_> {
    fn subject_row(&self, number: i64) -> Result<Option<SubjectRow>, Error> {
        let sql = format!("SELECT {SUBJECT} FROM subject WHERE id = ?1");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row([number], SubjectRow::read).optional()?)
    }

    fn example_row(&self, id: &Uuid) -> Result<Option<ExampleRow>, Error> {
        let sql = format!("SELECT {EXAMPLE} FROM example WHERE id = ?1");
        let mut query = self.db.prepare_cached(&sql)?;
        let found = query.query_row([id.as_bytes()], ExampleRow::read);
        Ok(found.optional()?)
    }

    fn examples_of(&self, number: i64) -> Result<Vec<ExampleRow>, Error> {
        let sql = format!("SELECT {EXAMPLE} FROM example WHERE subject = ?1");
        let mut query = self.db.prepare_cached(&sql)?;
        let rows: Result<_, _> = query.query_map([number], ExampleRow::read)?.collect();
        Ok(rows?)
    }

    fn people_of(&self, service: i64) -> Result<Vec<i64>, Error> {
        let mut query = self
            .db
            .prepare_cached("SELECT id FROM subject WHERE service = ?1")?;
        let ids: Result<_, _> = query.query_map([service], |r| r.get(0))?.collect();
        Ok(ids?)
    }

    fn open_record(&self, row: &ExampleRow) -> Result<ExampleRecord, Error> {
        self.keys.open_example(row)
    }

    /// Replaces a row of an example by another state of it.
    fn replace_example(
        &mut self,
        mut row: ExampleRow,
        change: impl FnOnce(&mut ExampleRow, &mut ExampleRecord),
    ) -> Result<(), Error> {
        let mut record = self.open_record(&row)?;
        let sum = self.keys.rows.example(&row);
        self.state.sum(Table::Example).subtract(&sum);
        change(&mut row, &mut record);
        row.record = self.keys.sealer.seal(&row.field(), &record.to_bytes())?;
        self.db
            .prepare_cached(
                "UPDATE example SET subject = ?2, model = ?3, vector = ?4 WHERE id = ?1",
            )?
            .execute(params![row.id, row.subject, row.model, row.record])?;
        let sum = self.keys.rows.example(&row);
        self.state.sum(Table::Example).add(&sum);
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
        self.db
            .prepare_cached(
                "UPDATE subject SET name = ?2, consent = ?3, expires_at_ms = ?4 WHERE id = ?1",
            )?
            .execute(params![row.id, row.name, row.consent, row.expires_at_ms])?;
        let sum = self.keys.rows.subject(row);
        self.state.sum(Table::Subject).add(&sum);
        Ok(())
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn add_service(
        &mut self,
        kind: Kind,
        key_hash: &[u8; 32],
        terms: &Terms,
    ) -> Result<i64, Error> {
        let keep_days = terms.keep_days.map(i64::from);
        self.db.execute(
            "INSERT INTO service (kind, key_hash, terms, keep_days) VALUES (?1, ?2, x'', ?3)",
            params![kind as i64, key_hash, keep_days],
        )?;
        let mut row = ServiceRow {
            id: self.db.last_insert_rowid(),
            kind: kind as i64,
            key_hash: key_hash.to_vec(),
            terms: Vec::new(),
            keep_days,
        };
        row.terms = self.keys.sealer.seal(&row.field(), &terms.to_bytes())?;
        let sql = "UPDATE service SET terms = ?2 WHERE id = ?1";
        self.db.execute(sql, params![row.id, row.terms])?;
        let sum = self.keys.rows.service(&row);
        self.state.sum(Table::Service).add(&sum);
        Ok(row.id)
    }

    fn remove_service(&mut self, service: i64) -> Result<(), Error> {
        self.remove_people(service)?;
        let sql = format!("SELECT {SERVICE} FROM service WHERE id = ?1");
        let row = self.db.query_row(&sql, [service], ServiceRow::read);
        if let Some(row) = row.optional()? {
            let sum = self.keys.rows.service(&row);
            self.state.sum(Table::Service).subtract(&sum);
        }
        let sql = "DELETE FROM service WHERE id = ?1";
        Ok(self.db.execute(sql, [service]).map(drop)?)
    }

    fn add_person(&mut self, service: i64, name: &str, consent: &Consent) -> Result<i64, Error> {
        self.db
            .prepare_cached("INSERT INTO subject (service, name, consent) VALUES (?1, x'', x'')")?
            .execute([service])?;
        let mut row = SubjectRow {
            id: self.db.last_insert_rowid(),
            service,
            name: Vec::new(),
            consent: Vec::new(),
            expires_at_ms: None,
        };
        self.seal_subject(&mut row, name, consent, 0)?;
        Ok(row.id)
    }

    fn set_person(&mut self, person: &Person) -> Result<(), Error> {
        let Some(mut row) = self.subject_row(person.number)? else {
            return Ok(());
        };
        let (_, _, revision) = self.keys.open_subject(&row)?;
        let sum = self.keys.rows.subject(&row);
        self.state.sum(Table::Subject).subtract(&sum);
        self.seal_subject(&mut row, &person.name, &person.consent, revision + 1)
    }

    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error> {
        let row = self.subject_row(from)?.ok_or(Error::Damaged)?;
        let (_, of_from, _) = self.keys.open_subject(&row)?;
        for row in self.examples_of(from)? {
            self.replace_example(row, |row, record| {
                row.subject = into;
                record.consent.get_or_insert_with(|| of_from.clone());
            })?;
        }
        self.remove_person(from)
    }

    fn remove_person(&mut self, number: i64) -> Result<(), Error> {
        let Some(row) = self.subject_row(number)? else {
            return Ok(());
        };
        for example in self.examples_of(number)? {
            let sum = self.keys.rows.example(&example);
            self.state.sum(Table::Example).subtract(&sum);
        }
        let sum = self.keys.rows.subject(&row);
        self.state.sum(Table::Subject).subtract(&sum);
        let sql = "DELETE FROM subject WHERE id = ?1";
        Ok(self.db.execute(sql, [number]).map(drop)?)
    }

    fn remove_people(&mut self, service: i64) -> Result<(), Error> {
        let people = self.people_of(service)?;
        people.into_iter().try_for_each(|p| self.remove_person(p))
    }

    fn add_example(&mut self, example: &NewExample<'_>) -> Result<bool, Error> {
        let id = example.id;
        if self.example_row(&id)?.is_some() {
            return Ok(false);
        }
        let image = self
            .keys
            .sealer
            .seal(&format!("image {id}"), example.image)?;
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
        row.record = self.keys.sealer.seal(&row.field(), &record.to_bytes())?;
        self.db
            .prepare_cached("INSERT INTO example VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![row.id, row.subject, row.model, row.record, image])?;
        let sum = self.keys.rows.example(&row);
        self.state.sum(Table::Example).add(&sum);
        Ok(true)
    }

    fn remove_example(&mut self, id: &Uuid) -> Result<(), Error> {
        if let Some(row) = self.example_row(id)? {
            let sum = self.keys.rows.example(&row);
            self.state.sum(Table::Example).subtract(&sum);
        }
        let sql = "DELETE FROM example WHERE id = ?1";
        Ok(self.db.execute(sql, [id.as_bytes()]).map(drop)?)
    }

    fn set_template(&mut self, id: &Uuid, model: &str, vector: &[f32]) -> Result<(), Error> {
        let row = self.example_row(id)?.ok_or(Error::Damaged)?;
        self.replace_example(row, |row, record| {
            row.model = model.to_owned();
            record.vector = vector.to_vec();
            record.aside = false;
        })
    }

    fn set_aside(&mut self, id: &Uuid) -> Result<(), Error> {
        let row = self.example_row(id)?.ok_or(Error::Damaged)?;
        self.replace_example(row, |_, record| record.aside = true)
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        self.keys.read_key_ring(self.db, &self.state)
    }

    fn set_key_ring(&mut self, ring: &KeyRing) -> Result<(), Error> {
        let sealed = self.keys.sealer.seal(KEY_RING, &ring.to_bytes())?;
        write_head(self.db, KEY_RING, &sealed)?;
        self.state.keys = self.keys.rows.key_ring(&sealed);
        Ok(())
    }

    fn newest_seq(&self) -> i64 {
        self.state.seq
    }

    fn set_clock(&mut self, mark: ClockMark) {
        self.state.clock = Some(mark);
    }

    fn note(&mut self, entry: &Noted) -> Result<(), Error> {
        let Keys { sealer, chain, .. } = self.keys;
        audit_log::append(chain, self.db, sealer, &mut self.state, entry)
    }
}
