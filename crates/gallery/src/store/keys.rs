//! The keys of one store, derived from its data key. In: rows. Out: what they say, or which of them
//! is not as it was written.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::StoredService;
use super::records::{ExampleRecord, ImageSeal, parse_consent};
use super::rows::{ExampleRow, RowHasher, ServiceRow, SubjectRow};
use super::state::{KEY_RING, State};
use super::tables::Tables;
use crate::audit::Chain;
use crate::consent::Consent;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::seal::Sealer;
use crate::service::{Kind, Service, Terms};

/// What opens and proves the rows of one store.
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) chain: Chain,
    pub(super) rows: RowHasher,
}

/// An error about something that is named.
pub(super) fn altered(what: impl std::fmt::Display) -> Error {
    Error::Tampered(format!("{what} is not as it was written"))
}

/// Key of the hashes of API keys.
pub(super) fn pepper(data_key: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("fusiform vault 2026 api keys", data_key)
}

impl Keys {
    pub(super) fn of(data_key: &[u8; 32]) -> Keys {
        let derived = |context| blake3::derive_key(context, data_key);
        Keys {
            sealer: Sealer::new(data_key),
            chain: Chain {
                key: derived("fusiform vault 2026 audit chain"),
            },
            rows: RowHasher {
                key: derived("fusiform vault 2026 rows"),
            },
        }
    }

    pub(super) fn open_service(&self, row: &ServiceRow) -> Result<StoredService, Error> {
        let wrong = || altered(format_args!("collection {} or its key", row.id));
        let kind = Kind::of(row.kind).ok_or_else(wrong)?;
        let plain = self.sealer.open(&row.field(), &row.terms);
        let plain = plain.map_err(|_| wrong())?;
        let keep_days = row.keep_days.map(u32::try_from).transpose();
        let keep_days = keep_days.map_err(|_| wrong())?;
        Ok(StoredService {
            service: Service { id: row.id, kind },
            key_hash: row.key_hash[..].try_into().map_err(|_| wrong())?,
            terms: Terms::from_bytes(&plain, keep_days).ok_or_else(wrong)?,
        })
    }

    /// Name, consent and revision of a person.
    pub(super) fn open_subject(&self, row: &SubjectRow) -> Result<(String, Consent, i64), Error> {
        let wrong = || altered(format_args!("person {}", row.id));
        let name = self.sealer.open(&row.field("subject"), &row.name);
        let name = name.map_err(|_| wrong())?;
        let name = std::str::from_utf8(&name).map_err(|_| wrong())?.to_owned();
        let consent = self.sealer.open(&row.field("consent"), &row.consent);
        let consent = consent.map_err(|_| wrong())?;
        let parsed = parse_consent(&consent, row.expires_at_ms);
        let (consent, revision) = parsed.ok_or_else(wrong)?;
        Ok((name, consent, revision))
    }

    pub(super) fn open_example(&self, row: &ExampleRow) -> Result<ExampleRecord, Error> {
        let wrong = || {
            altered(format_args!(
                "face {} of person {}",
                row.uuid(),
                row.subject
            ))
        };
        let plain = self.sealer.open(&row.field(), &row.record);
        let plain = plain.map_err(|_| wrong())?;
        ExampleRecord::from_bytes(&plain).ok_or_else(wrong)
    }

    /// The API keys that belong to a state.
    pub(super) fn read_key_ring(
        &self,
        tables: &dyn Tables,
        state: &State,
    ) -> Result<KeyRing, Error> {
        let wrong = || altered("what is kept of the API keys");
        let Some(sealed) = tables.read_head(KEY_RING)? else {
            let none_kept = state.keys == [0; 32];
            return none_kept.then(KeyRing::default).ok_or_else(wrong);
        };
        if self.rows.key_ring(&sealed) != state.keys {
            return Err(wrong());
        }
        let plain = self.sealer.open(KEY_RING, &sealed).map_err(|_| wrong())?;
        KeyRing::from_bytes(&plain).ok_or_else(wrong)
    }

    /// The bytes of an image that belongs to a record.
    pub(super) fn open_image(
        &self,
        id: &Uuid,
        record: &ExampleRecord,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let wrong = || altered(format_args!("the image of face {id}"));
        if ImageSeal::of(sealed) != Some(record.image) {
            return Err(wrong());
        }
        let plain = self.sealer.open(&format!("image {id}"), sealed);
        plain.map_err(|_| wrong())
    }
}
