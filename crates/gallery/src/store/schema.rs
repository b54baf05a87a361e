//! Tables of the sealed SQLite store, and how older files become newer ones (`user_version`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use crate::error::Error;

/// Marks the file as ours ("FusV"); 0 in files from before versions were kept.
pub(super) const APPLICATION_ID: i32 = 0x4675_7356;

/// The schema of files from before versions were kept, which are version 1: `IF NOT EXISTS` leaves
/// them as they are.
const V1: &str = "
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS service (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    terms BLOB NOT NULL, keep_days INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS subject (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    service INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
    name BLOB NOT NULL, consent BLOB NOT NULL, expires_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS example (
    id BLOB PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subject(id) ON DELETE CASCADE,
    model TEXT NOT NULL, vector BLOB NOT NULL, image BLOB) STRICT;
CREATE INDEX IF NOT EXISTS example_subject ON example(subject);
CREATE INDEX IF NOT EXISTS subject_service ON subject(service);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, entry BLOB NOT NULL, hash BLOB NOT NULL
    ) STRICT;";

/// Version 2 has the same tables; `upgrade.rs` seals their rows anew, bound to their owners.
const V2: &str = "SELECT 2;";

/// Steps in order; a file's `user_version` is how many of them it has. Append; never change one.
const STEPS: [&str; 2] = [V1, V2];

/// The newest schema version.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(STEPS.map(M::up).to_vec()));

/// Tables, indices, views and triggers by name, each with its kind and its SQL without blanks.
type Objects = BTreeMap<String, (String, String)>;

fn objects(db: &Connection) -> Result<Objects, Error> {
    let sql = "SELECT name, type, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'
               OR type NOT IN ('table', 'index')";
    let mut query = db.prepare(sql)?;
    let read = |r: &rusqlite::Row<'_>| {
        let sql: Option<String> = r.get(2)?;
        let sql = sql.unwrap_or_default();
        let sql = sql.chars().filter(|c| !c.is_whitespace()).collect();
        Ok((r.get(0)?, (r.get(1)?, sql)))
    };
    let found: Result<Objects, _> = query.query_map([], read)?.collect();
    Ok(found?)
}

/// Proves that the file has the tables and indices of its version and nothing else: a trigger or a
/// view that somebody planted could keep what is erased.
pub(super) fn check(db: &Connection) -> Result<(), Error> {
    let differs = |kind: &str, name: &str, why: &str| {
        let what = format!("the vault's schema: the {kind} `{name}` {why}");
        Err(Error::Tampered(what))
    };
    let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    let n_steps = usize::try_from(version).unwrap_or(0).clamp(1, STEPS.len());
    let model = Connection::open_in_memory()?;
    for step in &STEPS[..n_steps] {
        model.execute_batch(step)?;
    }
    let (wanted, found) = (objects(&model)?, objects(db)?);
    for (name, (kind, sql)) in &found {
        match wanted.get(name) {
            None => return differs(kind, name, "does not belong there"),
            Some((_, wanted)) if wanted != sql => return differs(kind, name, "was altered"),
            Some(_) => {}
        }
    }
    match wanted.iter().find(|(name, _)| !found.contains_key(*name)) {
        Some((name, (kind, _))) => differs(kind, name, "is missing"),
        None => Ok(()),
    }
}

/// Removes what does not belong there; its names.
pub(super) fn remove_foreign(db: &Connection) -> Result<Vec<String>, Error> {
    let model = Connection::open_in_memory()?;
    STEPS
        .iter()
        .try_for_each(|step| model.execute_batch(step))?;
    let (wanted, mut removed) = (objects(&model)?, Vec::new());
    for (name, (kind, _)) in objects(db)? {
        if !wanted.contains_key(&name) {
            let quoted = name.replace('"', "\"\"");
            db.execute_batch(&format!("DROP {kind} IF EXISTS \"{quoted}\""))?;
            removed.push(format!("the {kind} `{name}`"));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_step_runs() {
        super::MIGRATIONS.validate().unwrap();
    }
}
