//! What is read of a sealed store, whatever database has its tables. In: tables as of one instant,
//! and the keys. Out: what they say, after it was proved.

use rayon::prelude::*;
use uuid::Uuid;

use super::keys::{Keys, altered};
use super::records::ExampleRecord;
use super::rows::{ExampleRow, SubjectRow, TABLES, Table};
use super::state::{RowSum, State};
use super::tables::Tables;
use super::{Ledger, Loaded, Row, StoredExample, StoredService, audit_log};
use crate::error::Error;
use crate::person::Person;

/// Examples that are decrypted together.
const LOAD_BATCH: usize = 4096;

/// An example whose record was opened.
fn stored_example(row: ExampleRow, mut record: ExampleRecord) -> StoredExample {
    StoredExample {
        id: row.uuid(),
        person: row.subject,
        model: row.model,
        vector: std::mem::take(&mut record.vector),
        consent: record.consent.take(),
        aside: record.aside,
    }
}

impl Keys {
    /// A person as [`Row`].
    pub(super) fn person(&self, row: &SubjectRow) -> Result<(i64, Person, i64), Error> {
        let (name, consent, revision) = self.open_subject(row)?;
        let person = Person {
            number: row.id,
            name,
            consent,
        };
        Ok((row.service, person, revision))
    }

    #[cfg(feature = "postgres")]
    pub(super) fn example(&self, row: ExampleRow) -> Result<StoredExample, Error> {
        let record = self.open_example(&row)?;
        Ok(stored_example(row, record))
    }

    pub(super) fn services(&self, tables: &dyn Tables) -> Result<Vec<StoredService>, Error> {
        let mut found = Vec::new();
        tables.services(&mut |row| {
            found.push(self.open_service(&row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// The image of an example.
    pub(super) fn image(&self, tables: &dyn Tables, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let Some((row, sealed)) = tables.image(id.as_bytes())? else {
            return Ok(None);
        };
        let record = self.open_example(&row)?;
        let mut image = self.open_image(id, &record, &sealed)?;
        Ok(Some(std::mem::take(&mut *image)))
    }

    pub(super) fn verify_images(&self, tables: &dyn Tables) -> Result<(), Error> {
        tables.images(&mut |(row, sealed)| {
            let record = self.open_example(&row)?;
            self.open_image(&row.uuid(), &record, &sealed).map(drop)
        })
    }

    /// Hands on every row, and proves that each is as it was written and none is missing, planted
    /// or from an older copy.
    pub(super) fn load(
        &self,
        tables: &dyn Tables,
        each: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(Loaded, State), Error> {
        let state = State::read(tables, &self.sealer)?;
        self.read_key_ring(tables, &state)?;
        let (mut sums, mut stored) = ([RowSum::default(); 3], Ledger::default());
        let sum_of = |table: Table| table as usize;
        tables.services(&mut |row| {
            sums[sum_of(Table::Service)].add(&self.rows.service(&row));
            stored.add_service(row.id);
            each(Row::Service(self.open_service(&row)?))
        })?;
        tables.people(&mut |row| {
            let (service, person, revision) = self.person(&row)?;
            sums[sum_of(Table::Subject)].add(&self.rows.subject(&row));
            stored.add_person(service, row.id, revision);
            each(Row::Person {
                service,
                person,
                revision,
            })
        })?;
        let (sum, mut batch) = (&mut sums[sum_of(Table::Example)], Vec::new());
        tables.examples(&mut |row| {
            batch.push(row);
            match batch.len() {
                LOAD_BATCH => self.open_examples(&mut batch, each, sum, &mut stored),
                _ => Ok(()),
            }
        })?;
        self.open_examples(&mut batch, each, sum, &mut stored)?;
        let log = match audit_log::verify(tables, self, &state, &mut |_, _| ()) {
            Ok((_, ledger)) => Ok(ledger),
            Err(Error::Chain { seq }) => Err(seq),
            Err(other) => return Err(other),
        };
        let differing = TABLES
            .iter()
            .find(|t| sums[sum_of(**t)] != state.sums[sum_of(**t)]);
        if let Some(table) = differing {
            if let Ok(log) = &log {
                // It can tell whom the difference is about.
                stored.compare(log)?;
            }
            let rows = table.rows();
            let what = format!("among {rows} one is missing, planted or from an older copy");
            return Err(Error::Tampered(what));
        }
        let clock = state.clock;
        Ok((Loaded { log, clock }, state))
    }

    /// Opens sealed examples on all threads and hands them on in their order.
    fn open_examples(
        &self,
        batch: &mut Vec<(ExampleRow, Option<i64>)>,
        each: &mut dyn FnMut(Row) -> Result<(), Error>,
        sum: &mut RowSum,
        stored: &mut Ledger,
    ) -> Result<(), Error> {
        let opened: Result<Vec<(ExampleRecord, [u8; 32])>, Error> = batch
            .par_iter()
            .map(|(row, n_bytes)| {
                let record = self.open_example(row)?;
                if *n_bytes != Some(record.image.n_bytes) {
                    return Err(altered(format_args!("the image of face {}", row.uuid())));
                }
                Ok((record, self.rows.example(row)))
            })
            .collect();
        for ((row, _), (record, hash)) in batch.drain(..).zip(opened?) {
            sum.add(&hash);
            if !stored.add_face(row.subject) {
                let (id, person) = (row.uuid(), row.subject);
                let what = format!("face {id} belongs to person {person}, who is missing");
                return Err(Error::Tampered(what));
            }
            each(Row::Example(stored_example(row, record)))?;
        }
        Ok(())
    }
}
