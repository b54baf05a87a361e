//! Tables of the sealed SQLite store, and how older files become newer ones (`user_version`).

use std::sync::LazyLock;

use rusqlite_migration::{M, Migrations};

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

/// Steps in order; a file's `user_version` is how many of them it has. Append; never change one.
const STEPS: [&str; 1] = [V1];

/// The newest schema version.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(STEPS.map(M::up).to_vec()));

#[cfg(test)]
mod tests {
    #[test]
    fn every_step_runs() {
        super::MIGRATIONS.validate().unwrap();
    }
}
