//! New rows of decisions and people. In: what a human decided. Out: row numbers.
//! Knows nothing of what a decision does to faces.

use rusqlite::{Transaction, params};

use crate::database::now_ms;
use crate::ids::PersonId;

/// Adds a decision; gives its number. Decisions are never deleted: undoing sets `undone`.
pub(crate) fn insert_decision(
    t: &Transaction,
    actor: &str,
    kind: &str,
    person: Option<PersonId>,
    other: Option<PersonId>,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO decisions (at_ms, actor, kind, person, other) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let (person, other) = (person.map(|p| p.0), other.map(|p| p.0));
    t.execute(sql, params![now_ms(), actor, kind, person, other])?;
    Ok(t.last_insert_rowid())
}

/// Adds a person without a name.
pub(crate) fn insert_person(t: &Transaction) -> rusqlite::Result<PersonId> {
    t.prepare_cached("INSERT INTO people DEFAULT VALUES")?
        .execute([])?;
    Ok(PersonId(t.last_insert_rowid()))
}
