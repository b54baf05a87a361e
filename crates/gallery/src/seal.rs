//! Sealing of records. In: plain bytes and the name of their field. Out: sealed bytes, and back.
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with random nonces; Argon2id (RFC 9106) for
//! passphrases.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::Error;

const NONCE_BYTES: usize = 24;

/// Where the key that opens a sealed store comes from.
pub enum Secret {
    /// 64 hexadecimal digits.
    Hex(Zeroizing<String>),
    /// A passphrase, stretched by Argon2id with the store's salt.
    Passphrase(Zeroizing<String>),
}

/// The key that wraps a store's data key.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Characters of a passphrase at least.
const MIN_PASSPHRASE_CHARS: usize = 8;

impl Secret {
    /// Refuses a secret that anybody would guess. A store that was sealed with one still opens, so
    /// that it can be sealed with another.
    pub(crate) fn check_strength(&self) -> Result<(), Error> {
        match self {
            Secret::Hex(text) => {
                let mut bytes = text.trim().bytes();
                let first = bytes.next();
                if first.is_some() && bytes.all(|b| Some(b) == first) {
                    let why = "a vault key of one digit repeated protects nothing; \
                               take one made at random";
                    return Err(Error::WeakSecret(why));
                }
            }
            Secret::Passphrase(text) => {
                if text.trim().chars().count() < MIN_PASSPHRASE_CHARS {
                    let why = "a passphrase of at least 8 characters is wanted";
                    return Err(Error::WeakSecret(why));
                }
            }
        }
        Ok(())
    }

    /// The key of this secret for a store with this salt.
    ///
    /// # Errors
    /// [`Error::BadKey`].
    pub fn key(&self, salt: &[u8]) -> Result<MasterKey, Error> {
        let mut key = Zeroizing::new([0u8; 32]);
        match self {
            Secret::Hex(text) => {
                let text = text.trim();
                hex::decode_to_slice(text, &mut key[..])
                    .map_err(|_| Error::BadKey(format!("{} characters were given", text.len())))?;
            }
            Secret::Passphrase(text) => {
                // RFC 9106, second recommended choice: 64 MiB, 3 passes.
                let params = Params::new(64 * 1024, 3, 1, Some(32))
                    .map_err(|e| Error::BadKey(e.to_string()))?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(text.as_bytes(), salt, key.as_mut())
                    .map_err(|e| Error::BadKey(e.to_string()))?;
            }
        }
        Ok(MasterKey(key))
    }
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// A new key for a store: 64 hexadecimal digits.
///
/// # Example
/// ```
/// let key = fusiform_gallery::new_key()?;
/// assert_eq!(key.len(), 64);
/// # Ok::<(), fusiform_gallery::Error>(())
/// ```
///
/// # Errors
/// [`Error::Random`].
pub fn new_key() -> Result<Zeroizing<String>, Error> {
    let key = Zeroizing::new(random::<32>()?);
    Ok(Zeroizing::new(hex::encode(*key)))
}

/// Encrypts and authenticates fields of records.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    pub(crate) fn new(key: &[u8; 32]) -> Sealer {
        Sealer(XChaCha20Poly1305::new(Key::from_slice(key)))
    }

    pub(crate) fn of(master: &MasterKey) -> Sealer {
        Sealer::new(&master.0)
    }

    /// `field` is authenticated with the bytes and names the field and its row with all that stands
    /// in the clear beside it, so that no sealed field can stand for another and none of the clear
    /// values can be changed. The names are part of the file format.
    pub(crate) fn seal(&self, field: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: plain,
            aad: field.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| Error::Damaged)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, field: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, body) = sealed.split_at_checked(NONCE_BYTES).ok_or(Error::Damaged)?;
        let payload = Payload {
            msg: body,
            aad: field.as_bytes(),
        };
        let plain = self.0.decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| Error::Damaged)
    }
}
