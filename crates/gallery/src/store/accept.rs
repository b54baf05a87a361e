//! The decision of somebody who has the key to go on with a vault that was altered. In: a vault
//! that does not open, or whose log is broken. Out: the same without what cannot be proved, and an
//! entry that says so: from it on the log is proved again. What came before stays listed, unproved.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::audit_log::{self, Base};
use super::file::{connect, is_gallery, migrate};
use super::keys::Keys;
use super::rows::{ExampleRow, ServiceRow, SubjectRow, Table};
use super::sqlite::SqliteStore;
use super::sqlite_tables::{EXAMPLE, SERVICE, SUBJECT, example, service, subject};
use super::state::{KEY_RING, State};
use super::tables::Tables;
use super::wrapping::{Wrapping, unwrap_key};
use super::{Ledger, Noted, schema, upgrade};
use crate::audit::Action;
use crate::error::Error;
use crate::seal::Secret;

/// What was given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The first entry of the audit log that did not fit.
    pub broken_at: Option<i64>,
    /// What was removed because it is not as it was written, in words.
    pub removed: Vec<String>,
    /// Whether there was anything to decide; if not, nothing was changed.
    pub was_altered: bool,
}

impl SqliteStore {
    /// Goes on with a file that was altered: removes what is not as it was written, and begins the
    /// proof of the log anew, with an entry that records the decision. Changes nothing if all is
    /// proved.
    ///
    /// # Errors
    /// [`Error::WrongKey`]; [`Error::NotAGallery`]; [`Error::Newer`]; [`Error::Database`].
    pub fn accept(path: &Path, secret: &Secret) -> Result<Accepted, Error> {
        if !path.is_file() {
            let why = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::File(path.into(), why));
        }
        let mut db = connect(path)?;
        if !is_gallery(&db, path)? {
            return Err(Error::NotAGallery(path.into()));
        }
        let key = unwrap_key(&db, path, secret)?;
        let keys = Keys::of(&key);
        let mut accepted = Accepted {
            removed: schema::remove_foreign(&db)?,
            ..Accepted::default()
        };
        migrate(&mut db, path)?;
        let wrap = |db: &Connection| Wrapping::again(secret)?.write(db, &key);
        upgrade::run(&mut db, &keys, wrap)?;
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let lost = State::read(&*db, &keys.sealer).is_err();
        let mut state = State::read(&*db, &keys.sealer).unwrap_or_default();
        let replayed = audit_log::verify(&*db, &keys, &state, &mut |_, _| ());
        let log = match replayed {
            Ok((_, ledger)) if !lost => Some(ledger),
            Err(Error::Chain { seq }) => {
                accepted.broken_at = Some(seq);
                None
            }
            Ok(_) => {
                accepted.broken_at = Some(1);
                None
            }
            Err(other) => return Err(other),
        };
        accept_key_ring(&db, &keys, &mut state, &mut accepted.removed)?;
        let sums = state.sums;
        let stored = keep_proved(&db, &keys, log.as_ref(), &mut state, &mut accepted.removed)?;
        let as_logged = log.as_ref().is_some_and(|log| stored.compare(log).is_ok());
        accepted.was_altered = !accepted.removed.is_empty() || sums != state.sums || !as_logged;
        if !accepted.was_altered {
            return Ok(accepted);
        }
        let last = "SELECT max(seq) FROM audit";
        let last: Option<i64> = db.query_row(last, [], |r| r.get(0)).optional()?.flatten();
        state.seq = state.seq.max(last.unwrap_or(0));
        let base = Base {
            seq: state.seq,
            hash: state.hash,
            ledger: stored,
        };
        base.write(&*db, &keys.sealer)?;
        let entry = Noted::now(Action::Accept, accepted.broken_at.unwrap_or(0));
        audit_log::append(&*db, &keys, &mut state, &entry)?;
        state.write(&*db, &keys.sealer)?;
        db.commit()?;
        Ok(accepted)
    }
}

/// Goes on with the API keys as they are, if they open; else without names, ends and revocations.
fn accept_key_ring(
    db: &Connection,
    keys: &Keys,
    state: &mut State,
    removed: &mut Vec<String>,
) -> Result<(), Error> {
    if keys.read_key_ring(db, state).is_ok() {
        return Ok(());
    }
    let sealed = db
        .read_head(KEY_RING)?
        .filter(|s| keys.sealer.open(KEY_RING, s).is_ok());
    match sealed {
        Some(older) => {
            state.keys = keys.rows.key_ring(&older);
            removed.push("the newest names, ends and revocations of API keys".into());
        }
        None => {
            db.execute("DELETE FROM head WHERE name = ?1", [KEY_RING])?;
            state.keys = [0; 32];
            removed.push("all names, ends and revocations of API keys".into());
        }
    }
    Ok(())
}

/// Removes the rows that do not open, or that belong to nobody whom the log knows; sums the rest.
fn keep_proved(
    db: &Connection,
    keys: &Keys,
    log: Option<&Ledger>,
    state: &mut State,
    removed: &mut Vec<String>,
) -> Result<Ledger, Error> {
    let mut stored = Ledger::default();
    state.sums = Default::default();
    let mut query = db.prepare(&format!("SELECT {SERVICE} FROM service"))?;
    let rows: Result<Vec<ServiceRow>, _> = query.query_map([], service)?.collect();
    for row in rows? {
        if keys.open_service(&row).is_ok() && log.is_none_or(|log| log.has_service(row.id)) {
            state.sum(Table::Service).add(&keys.rows.service(&row));
            stored.add_service(row.id);
        } else {
            db.execute("DELETE FROM service WHERE id = ?1", [row.id])?;
            removed.push(format!("collection {} with its people", row.id));
        }
    }
    let mut query = db.prepare(&format!("SELECT {SUBJECT} FROM subject"))?;
    let rows: Result<Vec<SubjectRow>, _> = query.query_map([], subject)?.collect();
    for row in rows? {
        let known = log.is_none_or(|log| log.has_person(row.id));
        match keys.open_subject(&row) {
            Ok((.., revision)) if known => {
                state.sum(Table::Subject).add(&keys.rows.subject(&row));
                stored.add_person(row.service, row.id, revision);
            }
            _ => {
                db.execute("DELETE FROM subject WHERE id = ?1", [row.id])?;
                removed.push(format!("person {}", row.id));
            }
        }
    }
    let mut ids = db.prepare("SELECT id, rowid FROM example ORDER BY rowid")?;
    let read = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?));
    let ids: Result<Vec<(Vec<u8>, i64)>, _> = ids.query_map([], read)?.collect();
    let one = format!("SELECT {EXAMPLE}, image FROM example WHERE rowid = ?1");
    for (id, rowid) in ids? {
        let read = |r: &rusqlite::Row<'_>| Ok((example(r)?, r.get(4)?));
        let found: Result<(ExampleRow, Vec<u8>), _> = db.query_row(&one, [rowid], read);
        let proved = found.ok().filter(|(row, image)| {
            let record = keys.open_example(row);
            let image = record.and_then(|r| keys.open_image(&row.uuid(), &r, image));
            image.is_ok() && stored.add_face(row.subject)
        });
        match proved {
            Some((row, _)) => state.sum(Table::Example).add(&keys.rows.example(&row)),
            None => {
                db.execute("DELETE FROM example WHERE rowid = ?1", [rowid])?;
                removed.push(format!("face {}", hex::encode(id)));
            }
        }
    }
    Ok(stored)
}
