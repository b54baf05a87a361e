//! A transaction of the sealed SQLite store. In: changes in the clear. Out: sealed rows.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{NewExample, Transaction, audit_log};
use crate::audit::{Action, Chain, Entry};
use crate::consent::Consent;
use crate::error::Error;
use crate::person::Person;
use crate::seal::Sealer;
use crate::service::{Kind, Terms};

/// Within an open transaction of `db`.
pub(super) struct SqliteTransaction<'a> {
    pub(super) db: &'a Connection,
    pub(super) sealer: &'a Sealer,
    pub(super) chain: &'a Chain,
}

impl Transaction for SqliteTransaction<'_> {
    fn add_service(
        &mut self,
        kind: Kind,
        key_hash: &[u8; 32],
        terms: &Terms,
    ) -> Result<i64, Error> {
        let field = format!("terms {kind:?}");
        let sealed = self.sealer.seal(&field, &terms.consent().to_bytes())?;
        self.db.execute(
            "INSERT INTO service (kind, key_hash, terms, keep_days) VALUES (?1, ?2, ?3, ?4)",
            params![kind as i64, key_hash, sealed, terms.keep_days],
        )?;
        Ok(self.db.last_insert_rowid())
    }

    fn remove_service(&mut self, service: i64) -> Result<(), Error> {
        let sql = "DELETE FROM service WHERE id = ?1";
        Ok(self.db.execute(sql, [service]).map(drop)?)
    }

    fn add_person(&mut self, service: i64, name: &str, consent: &Consent) -> Result<i64, Error> {
        self.db.execute(
            "INSERT INTO subject (service, name, consent) VALUES (?1, x'', x'')",
            [service],
        )?;
        let number = self.db.last_insert_rowid();
        self.set_person(&Person {
            number,
            name: name.to_owned(),
            consent: consent.clone(),
        })?;
        Ok(number)
    }

    fn set_person(&mut self, person: &Person) -> Result<(), Error> {
        let (number, consent) = (person.number, &person.consent);
        let name = person.name.as_bytes();
        let name = self.sealer.seal(&format!("subject {number}"), name)?;
        let plain = consent.to_bytes();
        let sealed = self.sealer.seal(&format!("consent {number}"), &plain)?;
        self.db.execute(
            "UPDATE subject SET name = ?2, consent = ?3, expires_at_ms = ?4 WHERE id = ?1",
            params![number, name, sealed, consent.expires_at_ms],
        )?;
        Ok(())
    }

    fn merge_people(&mut self, from: i64, into: i64) -> Result<(), Error> {
        let sql = "UPDATE example SET subject = ?2 WHERE subject = ?1";
        self.db.execute(sql, [from, into])?;
        self.remove_person(from)
    }

    fn remove_person(&mut self, number: i64) -> Result<(), Error> {
        let sql = "DELETE FROM subject WHERE id = ?1";
        Ok(self.db.execute(sql, [number]).map(drop)?)
    }

    fn remove_people(&mut self, service: i64) -> Result<(), Error> {
        let sql = "DELETE FROM subject WHERE service = ?1";
        Ok(self.db.execute(sql, [service]).map(drop)?)
    }

    fn add_example(&mut self, example: &NewExample<'_>) -> Result<bool, Error> {
        let id = example.id;
        let taken = "SELECT 1 FROM example WHERE id = ?1";
        let taken = self
            .db
            .query_row(taken, [id.as_bytes()], |_| Ok(()))
            .optional()?;
        if taken.is_some() {
            return Ok(false);
        }
        let plain: Vec<u8> = example
            .vector
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let vector = self.sealer.seal(&format!("vector {id}"), &plain)?;
        let image = self.sealer.seal(&format!("image {id}"), example.image)?;
        self.db.execute(
            "INSERT INTO example VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id.as_bytes(), example.person, example.model, vector, image],
        )?;
        Ok(true)
    }

    fn remove_example(&mut self, id: &Uuid) -> Result<(), Error> {
        let sql = "DELETE FROM example WHERE id = ?1";
        Ok(self.db.execute(sql, [id.as_bytes()]).map(drop)?)
    }

    fn log(&mut self, action: Action, service: i64, person: i64, count: i64) -> Result<(), Error> {
        let entry = Entry::text(action, service, person, count);
        audit_log::append(self.chain, self.db, self.sealer, &entry)
    }
}
