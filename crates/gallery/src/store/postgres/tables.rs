//! The tables in PostgreSQL. In: a session. Out: [`Tables`].

use deadpool_postgres::tokio_postgres::types::{FromSql, ToSql};
use deadpool_postgres::tokio_postgres::{self as pg, Row, RowStream};
use futures_util::{StreamExt, pin_mut};
use uuid::Uuid;

use super::connections::{CALL_TIMEOUT, Session};
use crate::error::Error;
use crate::store::Inventory;
use crate::store::keys::altered;
use crate::store::rows::{ExampleRow, ServiceRow, SubjectRow};
use crate::store::tables::{AuditRow, Each, EachEntry, Tables};
use crate::store::transfer::Copied;

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

const SERVICE: &str = "SELECT id, kind, key_hash, terms, keep_days FROM fusiform.service";
pub(super) const SUBJECT: &str =
    "SELECT id, service, name, consent, expires_at_ms FROM fusiform.subject";
pub(super) const EXAMPLE: &str = "SELECT id, subject, model, record FROM fusiform.example";

impl Session<'_> {
    pub(super) fn query_opt(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Error> {
        self.connections.wait(CALL_TIMEOUT, async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().query_opt(&statement, values).await
        })
    }

    pub(super) fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        self.connections.wait(CALL_TIMEOUT, async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().query(&statement, values).await
        })
    }

    /// How many rows a statement changed.
    pub(super) fn change(&self, sql: &str, values: Values<'_>) -> Result<i64, Error> {
        let n = self.connections.wait(CALL_TIMEOUT, async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().execute(&statement, values).await
        })?;
        Ok(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The one value of a query without parameters.
    pub(super) fn one<T: for<'b> FromSql<'b>>(&self, sql: &str) -> Result<T, Error> {
        let row = self.query_opt(sql, &[])?;
        let row = row.ok_or_else(|| Error::Database("a query without an answer".into()))?;
        self.value(&row, 0)
    }

    pub(super) fn value<T: for<'b> FromSql<'b>>(&self, row: &Row, at: usize) -> Result<T, Error> {
        row.try_get(at).map_err(|e| unreadable(&e))
    }

    /// Hands rows on as they come, until `each` says `false`.
    pub(super) fn stream(
        &self,
        sql: &str,
        values: Values<'_>,
        each: &mut dyn FnMut(&Row) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let rows: RowStream = self.connections.wait(CALL_TIMEOUT, async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client()
                .query_raw(&statement, values.iter().copied())
                .await
        })?;
        pin_mut!(rows);
        loop {
            let next = async { rows.next().await.transpose() };
            match self.connections.wait(CALL_TIMEOUT, next)? {
                Some(row) if each(&row)? => {}
                _ => return Ok(()),
            }
        }
    }
}

fn unreadable(error: &pg::Error) -> Error {
    altered(format_args!("a row in PostgreSQL ({error})"))
}

fn service(row: &Row) -> Result<ServiceRow, pg::Error> {
    Ok(ServiceRow {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        key_hash: row.try_get(2)?,
        terms: row.try_get(3)?,
        keep_days: row.try_get(4)?,
    })
}

pub(super) fn subject(row: &Row) -> Result<SubjectRow, pg::Error> {
    Ok(SubjectRow {
        id: row.try_get(0)?,
        service: row.try_get(1)?,
        name: row.try_get(2)?,
        consent: row.try_get(3)?,
        expires_at_ms: row.try_get(4)?,
    })
}

pub(super) fn example(row: &Row) -> Result<ExampleRow, pg::Error> {
    Ok(ExampleRow {
        id: row.try_get::<_, Uuid>(0)?.into_bytes(),
        subject: row.try_get(1)?,
        model: row.try_get(2)?,
        record: row.try_get(3)?,
    })
}

fn with_image(row: &Row) -> Result<(ExampleRow, Vec<u8>), pg::Error> {
    Ok((example(row)?, row.try_get(4)?))
}

fn entry(row: &Row) -> Result<AuditRow, pg::Error> {
    Ok(AuditRow {
        seq: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        sealed: row.try_get(2)?,
        hash: row.try_get(3)?,
    })
}

impl Session<'_> {
    fn all<T>(
        &self,
        sql: &str,
        read: fn(&Row) -> Result<T, pg::Error>,
        each: Each<'_, T>,
    ) -> Result<(), Error> {
        self.stream(sql, &[], &mut |row| {
            each(read(row).map_err(|e| unreadable(&e))?)?;
            Ok(true)
        })
    }

    /// Rows of a query, all in memory.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        read: fn(&Row) -> Result<T, pg::Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self.query(sql, values)?;
        let rows: Result<Vec<T>, pg::Error> = rows.iter().map(read).collect();
        rows.map_err(|e| unreadable(&e))
    }

    fn row<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        read: fn(&Row) -> Result<T, pg::Error>,
    ) -> Result<Option<T>, Error> {
        Ok(self.rows(sql, values, read)?.pop())
    }
}

impl Tables for Session<'_> {
    fn read_head(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT value FROM fusiform.head WHERE name = $1";
        self.row(sql, &[&name], |row| row.try_get(0))
    }

    fn write_head(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.head VALUES ($1, $2)
                   ON CONFLICT (name) DO UPDATE SET value = $2";
        self.change(sql, &[&name, &value]).map(drop)
    }

    fn services(&self, each: Each<'_, ServiceRow>) -> Result<(), Error> {
        self.all(&format!("{SERVICE} ORDER BY id"), service, each)
    }

    fn service(&self, id: i64) -> Result<Option<ServiceRow>, Error> {
        self.row(&format!("{SERVICE} WHERE id = $1"), &[&id], service)
    }

    fn add_service(
        &self,
        kind: i64,
        key_hash: &[u8; 32],
        keep_days: Option<i64>,
    ) -> Result<i64, Error> {
        let sql = "INSERT INTO fusiform.service (kind, key_hash, terms, keep_days)
                   VALUES ($1, $2, '', $3) RETURNING id";
        let id = self.row(sql, &[&kind, &&key_hash[..], &keep_days], |row| {
            row.try_get(0)
        })?;
        id.ok_or(Error::Damaged)
    }

    fn set_terms(&self, id: i64, terms: &[u8]) -> Result<(), Error> {
        let sql = "UPDATE fusiform.service SET terms = $2 WHERE id = $1";
        self.change(sql, &[&id, &terms]).map(drop)
    }

    fn remove_service(&self, id: i64) -> Result<(), Error> {
        let sql = "DELETE FROM fusiform.service WHERE id = $1";
        self.change(sql, &[&id]).map(drop)
    }

    fn people(&self, each: Each<'_, SubjectRow>) -> Result<(), Error> {
        self.all(&format!("{SUBJECT} ORDER BY id"), subject, each)
    }

    fn person(&self, number: i64) -> Result<Option<SubjectRow>, Error> {
        self.row(&format!("{SUBJECT} WHERE id = $1"), &[&number], subject)
    }

    fn numbers_of(&self, service: i64) -> Result<Vec<i64>, Error> {
        let sql = "SELECT id FROM fusiform.subject WHERE service = $1";
        self.rows(sql, &[&service], |row| row.try_get(0))
    }

    fn add_person(&self, service: i64) -> Result<i64, Error> {
        let sql = "INSERT INTO fusiform.subject (service, name, consent)
                   VALUES ($1, '', '') RETURNING id";
        let id = self.row(sql, &[&service], |row| row.try_get(0))?;
        id.ok_or(Error::Damaged)
    }

    fn set_person(&self, row: &SubjectRow) -> Result<(), Error> {
        let sql = "UPDATE fusiform.subject SET name = $2, consent = $3, expires_at_ms = $4
                   WHERE id = $1";
        let values: Values<'_> = &[&row.id, &row.name, &row.consent, &row.expires_at_ms];
        self.change(sql, values).map(drop)
    }

    fn remove_person(&self, number: i64) -> Result<(), Error> {
        let sql = "DELETE FROM fusiform.subject WHERE id = $1";
        self.change(sql, &[&number]).map(drop)
    }

    fn examples(&self, each: Each<'_, (ExampleRow, Option<i64>)>) -> Result<(), Error> {
        let sql = "SELECT id, subject, model, record, octet_length(image)::bigint
                   FROM fusiform.example ORDER BY n";
        self.all(sql, |row| Ok((example(row)?, row.try_get(4)?)), each)
    }

    fn example(&self, id: &[u8; 16]) -> Result<Option<ExampleRow>, Error> {
        let id = Uuid::from_bytes(*id);
        self.row(&format!("{EXAMPLE} WHERE id = $1"), &[&id], example)
    }

    fn examples_of(&self, number: i64) -> Result<Vec<ExampleRow>, Error> {
        self.rows(
            &format!("{EXAMPLE} WHERE subject = $1"),
            &[&number],
            example,
        )
    }

    fn add_example(&self, row: &ExampleRow, image: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.example (id, subject, model, record, image)
                   VALUES ($1, $2, $3, $4, $5)";
        let id = row.uuid();
        let values: Values<'_> = &[&id, &row.subject, &row.model, &row.record, &image];
        self.change(sql, values).map(drop)
    }

    fn set_example(&self, row: &ExampleRow) -> Result<(), Error> {
        let sql = "UPDATE fusiform.example SET subject = $2, model = $3, record = $4
                   WHERE id = $1";
        let values: Values<'_> = &[&row.uuid(), &row.subject, &row.model, &row.record];
        self.change(sql, values).map(drop)
    }

    fn remove_example(&self, id: &[u8; 16]) -> Result<(), Error> {
        let sql = "DELETE FROM fusiform.example WHERE id = $1";
        self.change(sql, &[&Uuid::from_bytes(*id)]).map(drop)
    }

    fn image(&self, id: &[u8; 16]) -> Result<Option<(ExampleRow, Vec<u8>)>, Error> {
        let sql = "SELECT id, subject, model, record, image FROM fusiform.example WHERE id = $1";
        self.row(sql, &[&Uuid::from_bytes(*id)], with_image)
    }

    fn images(&self, each: Each<'_, (ExampleRow, Vec<u8>)>) -> Result<(), Error> {
        let sql = "SELECT id, subject, model, record, image FROM fusiform.example ORDER BY n";
        self.all(sql, with_image, each)
    }

    fn newest_entry(&self) -> Result<Option<(i64, Vec<u8>)>, Error> {
        let sql = "SELECT seq, hash FROM fusiform.audit ORDER BY seq DESC LIMIT 1";
        self.row(sql, &[], |row| Ok((row.try_get(0)?, row.try_get(1)?)))
    }

    fn entry_hash(&self, seq: i64) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT hash FROM fusiform.audit WHERE seq = $1";
        self.row(sql, &[&seq], |row| row.try_get(0))
    }

    fn entries(&self, after: i64, each: EachEntry<'_>) -> Result<(), Error> {
        let sql = "SELECT seq, at_ms, entry, hash FROM fusiform.audit WHERE seq > $1 ORDER BY seq";
        self.stream(sql, &[&after], &mut |row| each(entry(row).ok()))
    }

    fn add_entry(&self, entry: &AuditRow) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.audit VALUES ($1, $2, $3, $4)";
        let values: Values<'_> = &[&entry.seq, &entry.at_ms, &entry.sealed, &entry.hash];
        self.change(sql, values).map(drop)
    }

    fn remove_entries(&self, until: i64) -> Result<i64, Error> {
        self.change("DELETE FROM fusiform.audit WHERE seq <= $1", &[&until])
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let sql = "SELECT id FROM fusiform.subject UNION SELECT subject FROM fusiform.example";
        let people: Vec<i64> = self.rows(sql, &[], |row| row.try_get(0))?;
        let count = |table: &str| -> Result<usize, Error> {
            let n: i64 = self.one(&format!("SELECT count(*) FROM fusiform.{table}"))?;
            Ok(usize::try_from(n).unwrap_or_default())
        };
        Ok(Inventory {
            people: people.into_iter().collect(),
            n_people: count("subject")?,
            n_examples: count("example")?,
            unscrubbed_bytes: 0,
        })
    }
}

impl Copied for Session<'_> {
    fn heads(&self, each: Each<'_, (String, Vec<u8>)>) -> Result<(), Error> {
        let sql = "SELECT name, value FROM fusiform.head ORDER BY name";
        self.all(sql, |row| Ok((row.try_get(0)?, row.try_get(1)?)), each)
    }

    fn put_service(&self, row: &ServiceRow) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.service VALUES ($1, $2, $3, $4, $5)";
        let values: Values<'_> = &[
            &row.id,
            &row.kind,
            &row.key_hash,
            &row.terms,
            &row.keep_days,
        ];
        self.change(sql, values).map(drop)
    }

    fn put_person(&self, row: &SubjectRow) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.subject VALUES ($1, $2, $3, $4, $5)";
        let values: Values<'_> = &[
            &row.id,
            &row.service,
            &row.name,
            &row.consent,
            &row.expires_at_ms,
        ];
        self.change(sql, values).map(drop)
    }

    fn put_examples(&self, rows: &[(ExampleRow, Vec<u8>)]) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.example (id, subject, model, record, image)
                   SELECT id, subject, model, record, image
                   FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[])
                       WITH ORDINALITY AS t(id, subject, model, record, image, n) ORDER BY n";
        let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.uuid()).collect();
        let people: Vec<i64> = rows.iter().map(|(row, _)| row.subject).collect();
        let models: Vec<&str> = rows.iter().map(|(row, _)| &row.model[..]).collect();
        let records: Vec<&[u8]> = rows.iter().map(|(row, _)| &row.record[..]).collect();
        let images: Vec<&[u8]> = rows.iter().map(|(_, image)| &image[..]).collect();
        self.change(sql, &[&ids, &people, &models, &records, &images])
            .map(drop)
    }

    fn put_entries(&self, entries: &[AuditRow]) -> Result<(), Error> {
        let sql = "INSERT INTO fusiform.audit
                   SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[])";
        let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
        let times: Vec<i64> = entries.iter().map(|entry| entry.at_ms).collect();
        let sealed: Vec<&[u8]> = entries.iter().map(|entry| &entry.sealed[..]).collect();
        let hashes: Vec<&[u8]> = entries.iter().map(|entry| &entry.hash[..]).collect();
        self.change(sql, &[&seqs, &times, &sealed, &hashes])
            .map(drop)
    }

    fn last_numbers(&self) -> Result<[i64; 2], Error> {
        let last = |table: &str| {
            let sql = format!(
                "SELECT coalesce(pg_sequence_last_value(
                    pg_get_serial_sequence('fusiform.{table}', 'id')), 0)"
            );
            self.one(&sql)
        };
        Ok([last("service")?, last("subject")?])
    }

    fn set_last_numbers(&self, numbers: [i64; 2]) -> Result<(), Error> {
        for (table, number) in ["service", "subject"].into_iter().zip(numbers) {
            let sql =
                format!("SELECT setval(pg_get_serial_sequence('fusiform.{table}', 'id'), $1)");
            // A sequence that was never used has no last value.
            if number > 0 {
                self.query_opt(&sql, &[&number])?;
            }
        }
        Ok(())
    }
}
