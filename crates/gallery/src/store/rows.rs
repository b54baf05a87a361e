//! Rows as they are in the file. In: rows of the three tables. Out: their keyed hashes, for the sum
//! over all rows, and the names of their sealed fields. A field is sealed together with everything
//! that stands in the clear beside it (owner, collection, kind, model, end), so that none of that
//! can be changed or exchanged without the key.

use crate::service::Kind;

/// The tables whose rows are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Service,
    Subject,
    Example,
}

pub(super) const TABLES: [Table; 3] = [Table::Service, Table::Subject, Table::Example];

impl Table {
    /// What its rows are, for messages.
    pub(super) fn rows(self) -> &'static str {
        match self {
            Table::Service => "the collections and keys",
            Table::Subject => "the people",
            Table::Example => "the faces",
        }
    }
}

/// A row of `service`.
pub(super) struct ServiceRow {
    pub(super) id: i64,
    pub(super) kind: i64,
    pub(super) key_hash: Vec<u8>,
    pub(super) terms: Vec<u8>,
    pub(super) keep_days: Option<i64>,
}

/// A row of `subject`.
pub(super) struct SubjectRow {
    pub(super) id: i64,
    pub(super) service: i64,
    pub(super) name: Vec<u8>,
    pub(super) consent: Vec<u8>,
    pub(super) expires_at_ms: Option<i64>,
}

/// A row of `example` but its image, which is bound to it by the sealed record.
pub(super) struct ExampleRow {
    pub(super) id: [u8; 16],
    pub(super) subject: i64,
    pub(super) model: String,
    pub(super) record: Vec<u8>,
}

/// Hashes rows under a key of the file.
pub(super) struct RowHasher {
    pub(super) key: [u8; 32],
}

impl RowHasher {
    fn hash(&self, table: Table, columns: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[table as u8]);
        for column in columns {
            hasher.update(&(column.len() as u64).to_le_bytes());
            hasher.update(column);
        }
        *hasher.finalize().as_bytes()
    }

    /// Of the sealed API keys.
    pub(super) fn key_ring(&self, sealed: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // The tables are numbered below it.
        hasher.update(&[u8::MAX]).update(sealed);
        *hasher.finalize().as_bytes()
    }

    pub(super) fn service(&self, row: &ServiceRow) -> [u8; 32] {
        let columns: [&[u8]; 5] = [
            &row.id.to_le_bytes(),
            &row.kind.to_le_bytes(),
            &row.key_hash,
            &row.terms,
            &optional(row.keep_days),
        ];
        self.hash(Table::Service, &columns)
    }

    pub(super) fn subject(&self, row: &SubjectRow) -> [u8; 32] {
        let columns: [&[u8]; 5] = [
            &row.id.to_le_bytes(),
            &row.service.to_le_bytes(),
            &row.name,
            &row.consent,
            &optional(row.expires_at_ms),
        ];
        self.hash(Table::Subject, &columns)
    }

    pub(super) fn example(&self, row: &ExampleRow) -> [u8; 32] {
        let columns: [&[u8]; 4] = [
            &row.id,
            &row.subject.to_le_bytes(),
            row.model.as_bytes(),
            &row.record,
        ];
        self.hash(Table::Example, &columns)
    }
}

fn optional(number: Option<i64>) -> Vec<u8> {
    number.map_or_else(Vec::new, |n| n.to_le_bytes().to_vec())
}

impl ServiceRow {
    /// The name of the sealed terms.
    pub(super) fn field(&self) -> String {
        let key_hash = hex::encode(&self.key_hash);
        let kind = Kind::of(self.kind).map_or("unknown".into(), |kind| format!("{kind:?}"));
        let days = self.keep_days;
        format!("service {} {kind} {key_hash} {days:?}", self.id)
    }
}

impl SubjectRow {
    /// The name of the sealed name, or of the sealed consent.
    pub(super) fn field(&self, of: &str) -> String {
        let (id, service, end) = (self.id, self.service, self.expires_at_ms);
        format!("{of} {id} of {service} until {end:?}")
    }
}

impl ExampleRow {
    pub(super) fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_bytes(self.id)
    }

    /// The name of the sealed record.
    pub(super) fn field(&self) -> String {
        format!(
            "example {} of {} by {}",
            self.uuid(),
            self.subject,
            self.model
        )
    }
}
