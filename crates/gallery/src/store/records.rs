//! Sealed records. In: what is stored of a person or an example. Out: its plain bytes before
//! sealing, and back. An example's record also has the image's nonce, tag and length: an image
//! belongs to its row, and to the newest state of that.

use zeroize::{Zeroize, Zeroizing};

use super::state::take;
use crate::consent::Consent;

const VERSION: u8 = 2;
const ASIDE: u8 = 1;
const OWN_CONSENT: u8 = 2;
/// Nonce and tag of a sealed image.
pub(super) const IMAGE_SEAL_BYTES: usize = 24 + 16;

/// What proves an image: nonce, tag, and the length of its sealed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageSeal {
    pub(super) seal: [u8; IMAGE_SEAL_BYTES],
    pub(super) n_bytes: i64,
}

impl ImageSeal {
    pub(super) fn of(sealed: &[u8]) -> Option<ImageSeal> {
        let nonce = sealed.first_chunk::<24>()?;
        let tag = sealed[24..].last_chunk::<16>()?;
        let mut seal = [0; IMAGE_SEAL_BYTES];
        seal[..24].copy_from_slice(nonce);
        seal[24..].copy_from_slice(tag);
        Some(ImageSeal {
            seal,
            n_bytes: i64::try_from(sealed.len()).ok()?,
        })
    }
}

/// What is sealed of an example.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ExampleRecord {
    pub(super) vector: Vec<f32>,
    pub(super) image: ImageSeal,
    pub(super) consent: Option<Consent>,
    pub(super) aside: bool,
}

impl Drop for ExampleRecord {
    fn drop(&mut self) {
        self.vector.zeroize();
    }
}

impl ExampleRecord {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // No growing, which would leave copies of the vector behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(512 + 4 * self.vector.len()));
        let own = self.consent.as_ref();
        let flags = u8::from(self.aside) * ASIDE + u8::from(own.is_some()) * OWN_CONSENT;
        bytes.extend([VERSION, flags]);
        bytes.extend(self.image.seal);
        bytes.extend(self.image.n_bytes.to_le_bytes());
        bytes.extend((self.vector.len() as u32).to_le_bytes());
        for value in &self.vector {
            bytes.extend(value.to_le_bytes());
        }
        if let Some(consent) = own {
            let end = consent.expires_at_ms.unwrap_or(i64::MIN);
            bytes.extend(end.to_le_bytes());
            bytes.extend(consent.to_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(mut rest: &[u8]) -> Option<ExampleRecord> {
        let [version, flags] = take(&mut rest)?;
        if version != VERSION {
            return None;
        }
        let image = ImageSeal {
            seal: take(&mut rest)?,
            n_bytes: i64::from_le_bytes(take(&mut rest)?),
        };
        let n = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        let (numbers, after) = rest.split_at_checked(n.checked_mul(4)?)?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let vector = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        rest = after;
        let consent = match flags & OWN_CONSENT {
            0 => None,
            _ => {
                let end = i64::from_le_bytes(take(&mut rest)?);
                let end = Some(end).filter(|end| *end != i64::MIN);
                Some(Consent::from_bytes(rest, end)?)
            }
        };
        Some(ExampleRecord {
            vector,
            image,
            consent,
            aside: flags & ASIDE != 0,
        })
    }
}

/// What is sealed as a person's consent: basis, purpose, and how often the person was changed.
pub(super) fn consent_bytes(consent: &Consent, revision: i64) -> Vec<u8> {
    [&revision.to_le_bytes()[..], &consent.to_bytes()].concat()
}

/// As [`consent_bytes`], back.
pub(super) fn parse_consent(mut plain: &[u8], end: Option<i64>) -> Option<(Consent, i64)> {
    let revision = i64::from_le_bytes(take(&mut plain)?);
    Some((Consent::from_bytes(plain, end)?, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let consent = |expires_at_ms| Consent {
            basis: "contract".into(),
            purpose: "Zwölf".into(),
            expires_at_ms,
        };
        for own in [None, Some(consent(None)), Some(consent(Some(-7)))] {
            let record = ExampleRecord {
                vector: vec![0.25, f32::MIN_POSITIVE],
                image: ImageSeal::of(&[3; 90]).unwrap(),
                consent: own,
                aside: true,
            };
            let bytes = record.to_bytes();
            assert_eq!(ExampleRecord::from_bytes(&bytes), Some(record));
            for end in 0..50 {
                assert_eq!(ExampleRecord::from_bytes(&bytes[..end]), None);
            }
        }
        assert_eq!(ImageSeal::of(&[3; 30]), None);
    }
}
