//! The data key of a store. In: a secret. Out: the key that everything else is sealed with, which
//! is stored sealed with the secret.

use std::path::Path;

use zeroize::Zeroizing;

use super::keys::altered;
use super::state::STATE;
use super::tables::Tables;
use crate::error::Error;
use crate::seal::{MasterKey, Sealer, Secret, random};

/// The salt, and the data key sealed with the secret.
pub(super) fn wrapped_key(tables: &dyn Tables) -> Result<[Vec<u8>; 2], Error> {
    let read = |name: &str| {
        let found = tables.read_head(name)?;
        found.ok_or_else(|| altered("the key in the vault's head"))
    };
    Ok([read("salt")?, read("data key")?])
}

pub(super) fn unwrap_key(
    tables: &dyn Tables,
    path: &Path,
    secret: &Secret,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    let [salt, sealed] = wrapped_key(tables)?;
    let master = secret.key(&salt)?;
    let sealer = Sealer::of(&master);
    let opened = match sealer.open(&wrapping_field(&salt), &sealed) {
        // The first version did not bind the salt.
        Err(_) if tables.read_head(STATE)?.is_none() => sealer.open("data key", &sealed),
        opened => opened,
    };
    let opened = opened.map_err(|_| Error::WrongKey(path.into()))?;
    let key = opened.as_slice().try_into().map_err(|_| Error::Damaged)?;
    Ok(Zeroizing::new(key))
}

/// What the sealed data key is bound to.
fn wrapping_field(salt: &[u8]) -> String {
    format!("data key with {}", hex::encode(salt))
}

/// A secret, stretched with a new salt, that seals the data key.
pub(super) struct Wrapping {
    salt: [u8; 16],
    master: MasterKey,
}

impl Wrapping {
    pub(super) fn new(secret: &Secret) -> Result<Wrapping, Error> {
        secret.check_strength()?;
        Wrapping::again(secret)
    }

    /// Of a secret that a file has already, however weak it is.
    pub(super) fn again(secret: &Secret) -> Result<Wrapping, Error> {
        let salt = random::<16>()?;
        let master = secret.key(&salt)?;
        Ok(Wrapping { salt, master })
    }

    pub(super) fn write(&self, tables: &dyn Tables, key: &[u8; 32]) -> Result<(), Error> {
        let field = wrapping_field(&self.salt);
        let sealed = Sealer::of(&self.master).seal(&field, key)?;
        tables.write_head("salt", &self.salt)?;
        tables.write_head("data key", &sealed)
    }
}
