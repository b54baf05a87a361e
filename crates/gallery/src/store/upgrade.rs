//! Files of the first version, whose rows were sealed without their owners. In: such a file and its
//! keys. Out: the same people, sealed as the present version does; nothing at all if a record does
//! not open. A log that is broken stays broken.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::keys::Keys;
use super::records::{ExampleRecord, ImageSeal, consent_bytes};
use super::rows::{ExampleRow, ServiceRow, SubjectRow, Table};
use super::sqlite_tables::{EXAMPLE, SERVICE, SUBJECT, example, service, subject};
use super::state::{STATE, State, take};
use super::tables::Tables;
use super::{Noted, audit_log};
use crate::audit::Action;
use crate::consent::Consent;
use crate::error::Error;
use crate::names::FreeNames;
use crate::service::{Kind, Terms};

/// The sealed end of the log, as the first version kept it.
const OLD_HEAD: &str = "audit head";

/// Seals a file of the first version anew, with its data key by `wrap`; does nothing to another.
pub(super) fn run(
    db: &mut Connection,
    keys: &Keys,
    wrap: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    if db.read_head(STATE)?.is_some() || db.read_head(OLD_HEAD)?.is_none() {
        return Ok(());
    }
    db.execute_batch("PRAGMA secure_delete = ON;")?;
    let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut state = end_of_log(&db, keys)?;
    wrap(&db)?;
    services(&db, keys, &mut state)?;
    people(&db, keys, &mut state)?;
    examples(&db, keys, &mut state)?;
    db.execute("DELETE FROM head WHERE name = ?1", [OLD_HEAD])?;
    if audit_log::check_end(&*db, &state).is_ok() {
        let entry = Noted::now(Action::Upgrade, 1);
        audit_log::append(&*db, keys, &mut state, &entry)?;
    }
    state.write(&*db, &keys.sealer)?;
    Ok(db.commit()?)
}

/// The end of the log as it was sealed; one that no log has if it does not open.
fn end_of_log(db: &Connection, keys: &Keys) -> Result<State, Error> {
    let sealed = db.read_head(OLD_HEAD)?.unwrap_or_default();
    let parse = |mut plain: &[u8]| {
        let seq = i64::from_le_bytes(take(&mut plain)?);
        let hash = if seq == 0 { [0; 32] } else { take(&mut plain)? };
        Some((seq, hash))
    };
    let plain = keys.sealer.open(OLD_HEAD, &sealed).ok();
    let lost = || -> Result<(i64, [u8; 32]), Error> {
        let last: Option<i64> = db
            .query_row("SELECT max(seq) FROM audit", [], |r| r.get(0))
            .optional()?
            .flatten();
        Ok((last.unwrap_or(0) + 1, [0xff; 32]))
    };
    let (seq, hash) = match plain.and_then(|plain| parse(&plain)) {
        Some(end) => end,
        None => lost()?,
    };
    Ok(State {
        seq,
        hash,
        ..State::default()
    })
}

fn old_consent(plain: &[u8], end: Option<i64>) -> Result<Consent, Error> {
    Consent::from_bytes(plain, end).ok_or(Error::Damaged)
}

fn services(db: &Connection, keys: &Keys, state: &mut State) -> Result<(), Error> {
    let mut query = db.prepare(&format!("SELECT {SERVICE} FROM service"))?;
    let rows: Result<Vec<ServiceRow>, _> = query.query_map([], service)?.collect();
    for mut row in rows? {
        let wrong = || Error::Tampered(format!("collection {} does not open", row.id));
        let kind = Kind::of(row.kind).ok_or_else(wrong)?;
        let plain = keys.sealer.open(&format!("terms {kind:?}"), &row.terms);
        let consent = old_consent(&plain.map_err(|_| wrong())?, None)?;
        let terms = Terms {
            basis: consent.basis,
            purpose: consent.purpose,
            keep_days: None,
        };
        row.terms = keys.sealer.seal(&row.field(), &terms.to_bytes())?;
        let sql = "UPDATE service SET terms = ?2 WHERE id = ?1";
        db.execute(sql, params![row.id, row.terms])?;
        state.sum(Table::Service).add(&keys.rows.service(&row));
    }
    Ok(())
}

fn people(db: &Connection, keys: &Keys, state: &mut State) -> Result<(), Error> {
    let mut query = db.prepare(&format!("SELECT {SUBJECT} FROM subject ORDER BY id"))?;
    let rows: Result<Vec<SubjectRow>, _> = query.query_map([], subject)?.collect();
    let mut free = FreeNames::default();
    for mut row in rows? {
        let id = row.id;
        let wrong = || Error::Tampered(format!("person {id} does not open"));
        let name = keys.sealer.open(&format!("subject {id}"), &row.name);
        let name = name.map_err(|_| wrong())?;
        let name = std::str::from_utf8(&name).map_err(|_| wrong())?;
        // Two spellings of one name were two people.
        let name = free.take(row.service, name);
        let consent = keys.sealer.open(&format!("consent {id}"), &row.consent);
        let consent = old_consent(&consent.map_err(|_| wrong())?, row.expires_at_ms)?;
        row.name = keys.sealer.seal(&row.field("subject"), name.as_bytes())?;
        let plain = consent_bytes(&consent, 0);
        row.consent = keys.sealer.seal(&row.field("consent"), &plain)?;
        let sql = "UPDATE subject SET name = ?2, consent = ?3 WHERE id = ?1";
        db.execute(sql, params![id, row.name, row.consent])?;
        state.sum(Table::Subject).add(&keys.rows.subject(&row));
    }
    Ok(())
}

fn examples(db: &Connection, keys: &Keys, state: &mut State) -> Result<(), Error> {
    let mut ids = db.prepare("SELECT id FROM example ORDER BY rowid")?;
    let ids: Result<Vec<[u8; 16]>, _> = ids.query_map([], |r| r.get(0))?.collect();
    let one = format!("SELECT {EXAMPLE}, image FROM example WHERE id = ?1");
    let read = |r: &rusqlite::Row<'_>| Ok((example(r)?, r.get(4)?));
    for id in ids? {
        let found: (ExampleRow, Option<Vec<u8>>) =
            db.prepare_cached(&one)?.query_row([id], read)?;
        let (mut row, image) = found;
        let id = row.uuid();
        let wrong = || Error::Tampered(format!("face {id} does not open"));
        let image = image.ok_or_else(wrong)?;
        let opens = keys.sealer.open(&format!("image {id}"), &image);
        drop(opens.map_err(|_| wrong())?);
        let plain = keys.sealer.open(&format!("vector {id}"), &row.record);
        let plain = plain.map_err(|_| wrong())?;
        let (numbers, _) = plain.as_chunks::<4>();
        let record = ExampleRecord {
            vector: numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            image: ImageSeal::of(&image).ok_or_else(wrong)?,
            consent: None,
            aside: false,
        };
        row.record = keys.sealer.seal(&row.field(), &record.to_bytes())?;
        let sql = "UPDATE example SET vector = ?2 WHERE id = ?1";
        db.prepare_cached(sql)?
            .execute(params![row.id, row.record])?;
        state.sum(Table::Example).add(&keys.rows.example(&row));
    }
    Ok(())
}
