//! The tables in SQLite. In: a connection. Out: [`Tables`].

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::Inventory;
use super::keys::altered;
use super::rows::{ExampleRow, ServiceRow, SubjectRow, Table};
use super::tables::{AuditRow, Each, EachEntry, Tables};
use crate::error::Error;

/// Columns of [`ServiceRow`], in the order in which [`service`] takes them.
pub(super) const SERVICE: &str = "id, kind, key_hash, terms, keep_days";
/// As [`SERVICE`], of [`SubjectRow`].
pub(super) const SUBJECT: &str = "id, service, name, consent, expires_at_ms";
/// As [`SERVICE`], of [`ExampleRow`].
pub(super) const EXAMPLE: &str = "id, subject, model, vector";

pub(super) fn service(row: &Row<'_>) -> rusqlite::Result<ServiceRow> {
    Ok(ServiceRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        key_hash: row.get(2)?,
        terms: row.get(3)?,
        keep_days: row.get(4)?,
    })
}

pub(super) fn subject(row: &Row<'_>) -> rusqlite::Result<SubjectRow> {
    Ok(SubjectRow {
        id: row.get(0)?,
        service: row.get(1)?,
        name: row.get(2)?,
        consent: row.get(3)?,
        expires_at_ms: row.get(4)?,
    })
}

pub(super) fn example(row: &Row<'_>) -> rusqlite::Result<ExampleRow> {
    Ok(ExampleRow {
        id: row.get(0)?,
        subject: row.get(1)?,
        model: row.get(2)?,
        record: row.get(3)?,
    })
}

/// An example with its image; without one with no bytes.
fn with_image(row: &Row<'_>) -> rusqlite::Result<(ExampleRow, Vec<u8>)> {
    let image: Option<Vec<u8>> = row.get(4)?;
    Ok((example(row)?, image.unwrap_or_default()))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get(0)?,
        at_ms: row.get(1)?,
        sealed: row.get(2)?,
        hash: row.get(3)?,
    })
}

/// A row whose values are of another kind than they were written as.
fn unreadable(table: Table, error: rusqlite::Error) -> Error {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
            altered(format_args!("among {} a row", table.rows()))
        }
        other => other.into(),
    }
}

/// Hands each row of a query on.
fn each_row<T>(
    db: &Connection,
    sql: &str,
    table: Table,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    each: Each<'_, T>,
) -> Result<(), Error> {
    let mut rows = db.prepare(sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        each(read(row).map_err(|e| unreadable(table, e))?)?;
    }
    Ok(())
}

/// The one row of a query, if there is one.
fn one<T>(
    db: &Connection,
    sql: &str,
    key: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Error> {
    Ok(db.prepare_cached(sql)?.query_row(key, read).optional()?)
}

fn change(db: &Connection, sql: &str, values: impl Params) -> Result<usize, Error> {
    Ok(db.prepare_cached(sql)?.execute(values)?)
}

impl Tables for Connection {
    fn read_head(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT value FROM head WHERE name = ?1";
        one(self, sql, [name], |row| row.get(0))
    }

    fn write_head(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        // An update leaves the index of names alone: one page less of every transaction.
        let update = "UPDATE head SET value = ?2 WHERE name = ?1";
        if change(self, update, params![name, value])? == 0 {
            change(
                self,
                "INSERT INTO head VALUES (?1, ?2)",
                params![name, value],
            )?;
        }
        Ok(())
    }

    fn services(&self, each: Each<'_, ServiceRow>) -> Result<(), Error> {
        let sql = format!("SELECT {SERVICE} FROM service ORDER BY id");
        each_row(self, &sql, Table::Service, service, each)
    }

    fn service(&self, id: i64) -> Result<Option<ServiceRow>, Error> {
        let sql = format!("SELECT {SERVICE} FROM service WHERE id = ?1");
        one(self, &sql, [id], service)
    }

    fn add_service(
        &self,
        kind: i64,
        key_hash: &[u8; 32],
        keep_days: Option<i64>,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO service (kind, key_hash, terms, keep_days)
                   VALUES (?1, ?2, x'', ?3)";
        change(self, sql, params![kind, key_hash, keep_days])?;
        Ok(self.last_insert_rowid())
    }

    fn set_terms(&self, id: i64, terms: &[u8]) -> Result<(), Error> {
        let sql = "UPDATE service SET terms = ?2 WHERE id = ?1";
        change(self, sql, params![id, terms]).map(drop)
    }

    fn remove_service(&self, id: i64) -> Result<(), Error> {
        change(self, "DELETE FROM service WHERE id = ?1", [id]).map(drop)
    }

    fn people(&self, each: Each<'_, SubjectRow>) -> Result<(), Error> {
        let sql = format!("SELECT {SUBJECT} FROM subject ORDER BY id");
        each_row(self, &sql, Table::Subject, subject, each)
    }

    fn person(&self, number: i64) -> Result<Option<SubjectRow>, Error> {
        let sql = format!("SELECT {SUBJECT} FROM subject WHERE id = ?1");
        one(self, &sql, [number], subject)
    }

    fn numbers_of(&self, service: i64) -> Result<Vec<i64>, Error> {
        let mut query = self.prepare_cached("SELECT id FROM subject WHERE service = ?1")?;
        let numbers: Result<_, _> = query.query_map([service], |r| r.get(0))?.collect();
        Ok(numbers?)
    }

    fn add_person(&self, service: i64) -> Result<i64, Error> {
        let sql = "INSERT INTO subject (service, name, consent) VALUES (?1, x'', x'')";
        change(self, sql, [service])?;
        Ok(self.last_insert_rowid())
    }

    fn set_person(&self, row: &SubjectRow) -> Result<(), Error> {
        let sql = "UPDATE subject SET name = ?2, consent = ?3, expires_at_ms = ?4 WHERE id = ?1";
        let values = params![row.id, row.name, row.consent, row.expires_at_ms];
        change(self, sql, values).map(drop)
    }

    fn remove_person(&self, number: i64) -> Result<(), Error> {
        change(self, "DELETE FROM subject WHERE id = ?1", [number]).map(drop)
    }

    fn examples(&self, each: Each<'_, (ExampleRow, Option<i64>)>) -> Result<(), Error> {
        let sql = format!("SELECT {EXAMPLE}, length(image) FROM example ORDER BY rowid");
        let read = |row: &Row<'_>| Ok((example(row)?, row.get(4)?));
        each_row(self, &sql, Table::Example, read, each)
    }

    fn example(&self, id: &[u8; 16]) -> Result<Option<ExampleRow>, Error> {
        let sql = format!("SELECT {EXAMPLE} FROM example WHERE id = ?1");
        one(self, &sql, [id], example)
    }

    fn examples_of(&self, number: i64) -> Result<Vec<ExampleRow>, Error> {
        let sql = format!("SELECT {EXAMPLE} FROM example WHERE subject = ?1");
        let mut query = self.prepare_cached(&sql)?;
        let rows: Result<_, _> = query.query_map([number], example)?.collect();
        Ok(rows?)
    }

    fn add_example(&self, row: &ExampleRow, image: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO example VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![row.id, row.subject, row.model, row.record, image];
        change(self, sql, values).map(drop)
    }

    fn set_example(&self, row: &ExampleRow) -> Result<(), Error> {
        let sql = "UPDATE example SET subject = ?2, model = ?3, vector = ?4 WHERE id = ?1";
        let values = params![row.id, row.subject, row.model, row.record];
        change(self, sql, values).map(drop)
    }

    fn remove_example(&self, id: &[u8; 16]) -> Result<(), Error> {
        change(self, "DELETE FROM example WHERE id = ?1", [id]).map(drop)
    }

    fn image(&self, id: &[u8; 16]) -> Result<Option<(ExampleRow, Vec<u8>)>, Error> {
        let sql = format!("SELECT {EXAMPLE}, image FROM example WHERE id = ?1");
        one(self, &sql, [id], with_image)
    }

    fn images(&self, each: Each<'_, (ExampleRow, Vec<u8>)>) -> Result<(), Error> {
        let sql = format!("SELECT {EXAMPLE}, image FROM example ORDER BY rowid");
        each_row(self, &sql, Table::Example, with_image, each)
    }

    fn newest_entry(&self) -> Result<Option<(i64, Vec<u8>)>, Error> {
        let sql = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
        one(self, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn entry_hash(&self, seq: i64) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT hash FROM audit WHERE seq = ?1";
        one(self, sql, [seq], |row| row.get(0))
    }

    fn entries(&self, after: i64, each: EachEntry<'_>) -> Result<(), Error> {
        let sql = "SELECT seq, at_ms, entry, hash FROM audit WHERE seq > ?1 ORDER BY seq";
        let mut rows = self.prepare(sql)?;
        let mut rows = rows.query([after])?;
        while let Some(row) = rows.next()? {
            if !each(entry(row).ok())? {
                break;
            }
        }
        Ok(())
    }

    fn add_entry(&self, entry: &AuditRow) -> Result<(), Error> {
        let sql = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4)";
        let values = params![entry.seq, entry.at_ms, entry.sealed, entry.hash];
        change(self, sql, values).map(drop)
    }

    fn remove_entries(&self, until: i64) -> Result<i64, Error> {
        let n = change(self, "DELETE FROM audit WHERE seq <= ?1", [until])?;
        Ok(i64::try_from(n).unwrap_or(i64::MAX))
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let mut found = Inventory::default();
        let mut ids = self.prepare("SELECT id FROM subject UNION SELECT subject FROM example")?;
        for id in ids.query_map([], |r| r.get(0))? {
            found.people.insert(id?);
        }
        let count = |table: &str| -> Result<usize, Error> {
            let sql = format!("SELECT count(*) FROM {table}");
            let n: i64 = self.query_row(&sql, [], |r| r.get(0))?;
            Ok(usize::try_from(n).unwrap_or_default())
        };
        (found.n_people, found.n_examples) = (count("subject")?, count("example")?);
        Ok(found)
    }
}

#[cfg(feature = "postgres")]
impl super::transfer::Copied for Connection {
    fn heads(&self, each: Each<'_, (String, Vec<u8>)>) -> Result<(), Error> {
        let sql = "SELECT name, value FROM head ORDER BY name";
        let mut query = self.prepare(sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            each((row.get(0)?, row.get(1)?))?;
        }
        Ok(())
    }

    fn put_service(&self, row: &ServiceRow) -> Result<(), Error> {
        let sql = "INSERT INTO service VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![row.id, row.kind, row.key_hash, row.terms, row.keep_days];
        change(self, sql, values).map(drop)
    }

    fn put_person(&self, row: &SubjectRow) -> Result<(), Error> {
        let sql = "INSERT INTO subject VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![
            row.id,
            row.service,
            row.name,
            row.consent,
            row.expires_at_ms
        ];
        change(self, sql, values).map(drop)
    }

    fn last_numbers(&self) -> Result<[i64; 2], Error> {
        let last = |table: &str| -> Result<i64, Error> {
            let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
            Ok(one(self, sql, [table], |row| row.get(0))?.unwrap_or(0))
        };
        Ok([last("service")?, last("subject")?])
    }

    fn set_last_numbers(&self, numbers: [i64; 2]) -> Result<(), Error> {
        for (table, number) in ["service", "subject"].into_iter().zip(numbers) {
            change(self, "DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
            let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
            change(self, sql, params![table, number])?;
        }
        Ok(())
    }
}
