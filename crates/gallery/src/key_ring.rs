//! API keys. In: keys that are made, named, taken back. Out: which service a key opens now. A
//! service may have several keys, so that one can take another's place while both work. Plain data;
//! a store keeps the whole ring as one sealed record.

use subtle::ConstantTimeEq;

use crate::error::Error;

const VERSION: u8 = 1;
const REVOKED: u8 = 1;
/// Longest name of a key, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Keys of one gallery: the ring is written as a whole.
const MAX_KEYS: usize = 10_000;
/// The time of use is kept to the minute.
const USE_STEP_MS: i64 = 60_000;

/// What is known of a key, but not the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its number, never used for another.
    pub number: i64,
    /// The number of the service that it opens.
    pub service: i64,
    /// What its owner calls it; may be empty.
    pub name: String,
    /// When it was made, in milliseconds since 1970; `None` if that was not kept.
    pub made_at_ms: Option<i64>,
    /// When it ends; `None` is never.
    pub expires_at_ms: Option<i64>,
    /// When it was used last, to the minute; `None` if it was not.
    pub used_at_ms: Option<i64>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// How a new key is called, and when it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyLabel {
    /// May be empty.
    pub name: String,
    /// In milliseconds since 1970; `None` is never.
    pub expires_at_ms: Option<i64>,
}

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    last_number: i64,
    /// Each with the keyed hash of the key.
    keys: Vec<(ApiKey, [u8; 32])>,
}

impl KeyRing {
    /// The keys and their hashes, in the order of their numbers.
    pub fn keys(&self) -> &[(ApiKey, [u8; 32])] {
        &self.keys
    }

    /// Takes in the key that each service was made with where it is not here yet, and leaves out
    /// keys of services that are no more. `services` has the number of each and that key's hash.
    pub(crate) fn complete(&mut self, services: &[(i64, [u8; 32])]) {
        let there = |number| services.iter().any(|(service, _)| *service == number);
        self.keys.retain(|(key, _)| there(key.service));
        for (service, first_key) in services {
            if !self.keys.iter().any(|(_, hash)| hash == first_key) {
                self.push(*service, *first_key, &KeyLabel::default(), None);
            }
        }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`Error::KeyTaken`]; [`Error::Unsupported`] for a longer name or more keys than are kept.
    pub(crate) fn add(
        &mut self,
        service: i64,
        hash: [u8; 32],
        label: &KeyLabel,
        now_ms: i64,
    ) -> Result<ApiKey, Error> {
        if self.keys.iter().any(|(_, taken)| *taken == hash) {
            return Err(Error::KeyTaken);
        }
        if label.name.len() > MAX_NAME_BYTES {
            return Err(Error::Unsupported("a key's name has at most 200 bytes"));
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(Error::Unsupported("a gallery has at most 10,000 keys"));
        }
        Ok(self.push(service, hash, label, Some(now_ms)))
    }

    fn push(
        &mut self,
        service: i64,
        hash: [u8; 32],
        label: &KeyLabel,
        made_at_ms: Option<i64>,
    ) -> ApiKey {
        self.last_number += 1;
        let key = ApiKey {
            number: self.last_number,
            service,
            name: label.name.clone(),
            made_at_ms,
            expires_at_ms: label.expires_at_ms,
            used_at_ms: None,
            revoked: false,
        };
        self.keys.push((key.clone(), hash));
        key
    }

    /// A key, to be changed.
    pub(crate) fn key(&mut self, number: i64) -> Option<&mut ApiKey> {
        let mut keys = self.keys.iter_mut();
        keys.find(|(key, _)| key.number == number)
            .map(|(key, _)| key)
    }

    /// The key with this hash, if it opens its service now. Every hash is compared, in constant
    /// time.
    pub(crate) fn opening(&self, hash: &[u8; 32], now_ms: i64) -> Option<&ApiKey> {
        let mut found = None;
        for (key, of) in &self.keys {
            let ended = key.expires_at_ms.is_some_and(|end| end <= now_ms);
            if bool::from(of.ct_eq(hash)) && !key.revoked && !ended {
                found = Some(key);
            }
        }
        found
    }

    /// Notes that a key was used; `false` if that is known to the minute.
    pub(crate) fn note_use(&mut self, number: i64, at_ms: i64) -> bool {
        let Some(key) = self.key(number) else {
            return false;
        };
        let known = key
            .used_at_ms
            .is_some_and(|used| at_ms - used < USE_STEP_MS);
        if !known {
            key.used_at_ms = Some(at_ms);
        }
        !known
    }

    /// As it is stored, before sealing.
    pub fn to_bytes(&self) -> Vec<u8> {
        let time = |at: Option<i64>| at.unwrap_or(i64::MIN).to_le_bytes();
        let mut bytes = vec![VERSION];
        bytes.extend(self.last_number.to_le_bytes());
        for (key, hash) in &self.keys {
            bytes.extend(key.number.to_le_bytes());
            bytes.extend(key.service.to_le_bytes());
            bytes.extend(hash);
            for at in [key.made_at_ms, key.expires_at_ms, key.used_at_ms] {
                bytes.extend(time(at));
            }
            let name = key.name.as_bytes();
            bytes.extend([u8::from(key.revoked) * REVOKED, name.len() as u8]);
            bytes.extend(name);
        }
        bytes
    }

    /// What [`KeyRing::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<KeyRing> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut ring = KeyRing {
            last_number: i64::from_le_bytes(take(&mut rest)?),
            keys: Vec::new(),
        };
        while !rest.is_empty() {
            let number = i64::from_le_bytes(take(&mut rest)?);
            let service = i64::from_le_bytes(take(&mut rest)?);
            let hash = take(&mut rest)?;
            let mut time = || {
                let at = i64::from_le_bytes(take(&mut rest)?);
                Some(Some(at).filter(|at| *at != i64::MIN))
            };
            let (made_at_ms, expires_at_ms, used_at_ms) = (time()?, time()?, time()?);
            let [flags, name_bytes] = take(&mut rest)?;
            let (name, after) = rest.split_at_checked(usize::from(name_bytes))?;
            rest = after;
            let key = ApiKey {
                number,
                service,
                name: std::str::from_utf8(name).ok()?.to_owned(),
                made_at_ms,
                expires_at_ms,
                used_at_ms,
                revoked: flags & REVOKED != 0,
            };
            ring.keys.push((key, hash));
        }
        Some(ring)
    }
}

/// The next bytes of a record.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_as_it_was_written_and_says_who_may_enter() {
        let mut ring = KeyRing::default();
        let named = KeyLabel {
            name: "Türkamera".into(),
            expires_at_ms: Some(100),
        };
        let first = ring.add(3, [1; 32], &named, 5).unwrap();
        let second = ring.add(3, [2; 32], &KeyLabel::default(), 6).unwrap();
        assert!(matches!(
            ring.add(4, [1; 32], &named, 7),
            Err(Error::KeyTaken)
        ));
        assert!(ring.note_use(second.number, 1_000_000));
        assert!(!ring.note_use(second.number, 1_000_001));
        let back = KeyRing::from_bytes(&ring.to_bytes()).unwrap();
        assert_eq!(back, ring);
        assert_eq!(KeyRing::from_bytes(&ring.to_bytes()[..40]), None);
        let opens = |ring: &KeyRing, byte, now| ring.opening(&[byte; 32], now).map(|k| k.number);
        assert_eq!(opens(&ring, 1, 99), Some(first.number));
        assert_eq!(opens(&ring, 1, 100), None, "it has ended");
        ring.key(second.number).unwrap().revoked = true;
        assert_eq!(opens(&ring, 2, 0), None, "it was taken back");
        assert_eq!(opens(&ring, 9, 0), None);
    }
}
