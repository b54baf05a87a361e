//! How servers follow each other. In: what transactions touched, sealed, by version. Out: those
//! rows as they are now.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::connections::Session;
use super::database::{PostgresStore, SNAPSHOT};
use super::tables::{EXAMPLE, SUBJECT, example, subject};
use crate::error::Error;
use crate::store::state::{State, take};
use crate::store::{Change, Touched};

/// Changes that are kept for servers that come back; who missed more loads everything again.
const KEPT_CHANGES: i64 = 100_000;
/// Changes are removed in groups of so many.
const REMOVE_EVERY: i64 = 1_000;
/// Rows that are asked for at a time.
const CHUNK: usize = 5_000;

const SERVICES: u8 = 0;
const PERSON: u8 = 1;
const EXAMPLES: u8 = 2;

impl PostgresStore {
    /// Says within a transaction which rows it touched, and lets the others know at its end.
    pub(super) fn write_change(
        &self,
        session: &Session<'_>,
        version: i64,
        touched: Vec<Touched>,
    ) -> Result<(), Error> {
        let touched: BTreeSet<Touched> = touched.into_iter().collect();
        let plain: Vec<u8> = touched.iter().flat_map(to_bytes).collect();
        let sealed = self.keys.sealer.seal(&field(version), &plain)?;
        let sql = "INSERT INTO fusiform.change (version, rows) VALUES ($1, $2)";
        session.change(sql, &[&version, &sealed])?;
        if version % REMOVE_EVERY == 0 {
            let sql = "DELETE FROM fusiform.change WHERE version <= $1";
            session.change(sql, &[&(version - KEPT_CHANGES)])?;
        }
        session.query_opt("SELECT pg_notify('fusiform', $1)", &[&version.to_string()])?;
        Ok(())
    }

    /// See [`crate::Store::changes`].
    pub(super) fn hand_on_changes(
        &self,
        each: &mut dyn FnMut(Change) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let known = *self.known();
        let session = self.in_transaction(SNAPSHOT)?;
        let state = State::read(&session, &self.keys.sealer)?;
        if !known.leads_to(&state, &session)? {
            return Ok(false);
        }
        let Some(touched) = self.touched(&session, known.version, state.version)? else {
            return Ok(false);
        };
        self.hand_on(&session, &touched, each)?;
        self.known().take(&state);
        Ok(true)
    }

    /// What was touched by the transactions after a version; `None` if one of them is not there.
    fn touched(
        &self,
        session: &Session<'_>,
        after: i64,
        until: i64,
    ) -> Result<Option<BTreeSet<Touched>>, Error> {
        let sql = "SELECT version, rows FROM fusiform.change
                   WHERE version > $1 AND version <= $2 ORDER BY version";
        let (mut version, mut touched, mut is_whole) = (after, BTreeSet::new(), true);
        session.stream(sql, &[&after, &until], &mut |row| {
            version += 1;
            let (found, sealed): (i64, Vec<u8>) = (session.value(row, 0)?, session.value(row, 1)?);
            let plain = self.keys.sealer.open(&field(found), &sealed).ok();
            let rows = plain.and_then(|plain| from_bytes(&plain));
            is_whole = found == version && rows.is_some();
            touched.extend(rows.into_iter().flatten());
            Ok(is_whole)
        })?;
        Ok((is_whole && version == until).then_some(touched))
    }

    fn hand_on(
        &self,
        session: &Session<'_>,
        touched: &BTreeSet<Touched>,
        each: &mut dyn FnMut(Change) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if touched.contains(&Touched::Services) {
            each(Change::Services)?;
        }
        let numbers = touched.iter().filter_map(|row| match row {
            Touched::Person(number) => Some(*number),
            _ => None,
        });
        let numbers: Vec<i64> = numbers.collect();
        let by_number = format!("{SUBJECT} WHERE id = ANY($1) ORDER BY id");
        for numbers in numbers.chunks(CHUNK) {
            let mut gone: BTreeSet<i64> = numbers.iter().copied().collect();
            let rows = session.rows(&by_number, &[&numbers], subject)?;
            for row in &rows {
                gone.remove(&row.id);
            }
            // A name that somebody gave up may be another's now.
            gone.into_iter()
                .try_for_each(|n| each(Change::NoPerson(n)))?;
            for row in rows {
                let (service, person, _) = self.keys.person(&row)?;
                each(Change::Person { service, person })?;
            }
        }
        let ids = touched.iter().filter_map(|row| match row {
            Touched::Example(id) => Some(*id),
            _ => None,
        });
        let ids: Vec<Uuid> = ids.collect();
        let by_id = format!("{EXAMPLE} WHERE id = ANY($1) ORDER BY n");
        for ids in ids.chunks(CHUNK) {
            let mut gone: BTreeSet<Uuid> = ids.iter().copied().collect();
            let rows = session.rows(&by_id, &[&ids], example)?;
            for row in &rows {
                gone.remove(&row.uuid());
            }
            gone.into_iter()
                .try_for_each(|id| each(Change::NoExample(id)))?;
            for row in rows {
                each(Change::Example(self.keys.example(row)?))?;
            }
        }
        Ok(())
    }
}

fn field(version: i64) -> String {
    format!("change {version}")
}

fn to_bytes(touched: &Touched) -> Vec<u8> {
    match touched {
        Touched::Services => vec![SERVICES],
        Touched::Person(number) => [&[PERSON][..], &number.to_le_bytes()].concat(),
        Touched::Example(id) => [&[EXAMPLES][..], id.as_bytes()].concat(),
    }
}

fn from_bytes(mut rest: &[u8]) -> Option<Vec<Touched>> {
    let mut touched = Vec::new();
    while let Some(([kind], after)) = rest.split_first_chunk::<1>() {
        rest = after;
        touched.push(match *kind {
            SERVICES => Touched::Services,
            PERSON => Touched::Person(i64::from_le_bytes(take(&mut rest)?)),
            EXAMPLES => Touched::Example(Uuid::from_bytes(take(&mut rest)?)),
            _ => return None,
        });
    }
    Some(touched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_is_read_as_it_was_written() {
        let id = Uuid::from_u128(7);
        let touched = [Touched::Services, Touched::Person(-3), Touched::Example(id)];
        let bytes: Vec<u8> = touched.iter().flat_map(to_bytes).collect();
        assert_eq!(from_bytes(&bytes).unwrap(), touched);
        assert_eq!(from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(from_bytes(&[9]), None);
    }
}
