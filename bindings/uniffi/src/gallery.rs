//! Enrolled people. In: names, faces, consent. Out: who a face is.

use std::sync::{Arc, PoisonError, RwLock};

use fusiform::Fmr;
use fusiform::gallery::Secret;

use crate::engine::{Engine, Threshold};
use crate::error::{FusiformError, closed};
use crate::face::Face;

/// People who are recognised: names, consents and faces, sealed in a file or in memory.
#[derive(uniffi::Object)]
pub struct Gallery(RwLock<Option<fusiform::Gallery>>);

/// On what ground a person is enrolled.
#[derive(uniffi::Record)]
pub struct Consent {
    /// The legal ground: consent, contract, household and the like.
    pub basis: String,
    /// What the enrolment is for.
    pub purpose: String,
    /// When it ends, in UTC milliseconds since 1970; nobody is found by it afterwards.
    pub expires_at_ms: Option<i64>,
}

/// Somebody who is enrolled.
#[derive(uniffi::Record)]
pub struct Person {
    /// Name.
    pub name: String,
    /// On what ground.
    pub consent: Consent,
}

/// Who a face is, and what the answer rests on.
#[derive(uniffi::Record)]
pub struct Identification {
    /// None is a person who is not enrolled.
    pub name: Option<String>,
    /// To the nearest enrolled face, named or not; none if nobody is enrolled.
    pub similarity: Option<f32>,
    /// From which on a face is named.
    pub threshold: Threshold,
}

#[uniffi::export]
impl Gallery {
    /// Keeps people in memory.
    #[uniffi::constructor]
    pub fn in_memory(engine: &Engine) -> Result<Arc<Gallery>, FusiformError> {
        Ok(holding(fusiform::Gallery::in_memory(&engine.0)?))
    }

    /// Opens the people in a file, or makes it; the key lies beside the file.
    #[uniffi::constructor]
    pub fn open(path: String, engine: &Engine) -> Result<Arc<Gallery>, FusiformError> {
        Ok(holding(fusiform::Gallery::open(path, &engine.0)?))
    }

    /// Opens the people in a file, or makes it, with a key of 64 hexadecimal digits that the
    /// program keeps: in the keystore of Android or the keychain of iOS.
    #[uniffi::constructor]
    pub fn open_with_key(
        path: String,
        key: String,
        engine: &Engine,
    ) -> Result<Arc<Gallery>, FusiformError> {
        let secret = Secret::Hex(key.into());
        Ok(holding(fusiform::Gallery::open_with(
            path, &secret, &engine.0,
        )?))
    }

    /// Enrols a face under a name; a person may have several. On disk when this returns. A consent
    /// replaces an earlier one. Gives the id of the enrolled face.
    #[uniffi::method(default(consent = None))]
    pub fn enrol(
        &self,
        name: String,
        face: &Face,
        consent: Option<Consent>,
    ) -> Result<String, FusiformError> {
        let mut people = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let people = people.as_mut().ok_or_else(|| closed("Gallery"))?;
        let id = match consent {
            Some(Consent {
                basis,
                purpose,
                expires_at_ms,
            }) => {
                let consent = fusiform::gallery::Consent {
                    basis,
                    purpose,
                    expires_at_ms,
                };
                people.enrol_with(&name, &face.0, consent)
            }
            None => people.enrol(&name, &face.0),
        };
        Ok(id?.to_string())
    }

    /// Who a face is, at a false-match rate that the pack states.
    #[uniffi::method(default(fmr = 0.001))]
    pub fn identify(&self, face: &Face, fmr: f64) -> Result<Identification, FusiformError> {
        let found = self.read(|people| Ok(people.identify(&face.0, Fmr(fmr))?))?;
        Ok(Identification {
            name: found.name,
            similarity: found.similarity.map(|s| s.0),
            threshold: (&found.threshold).into(),
        })
    }

    /// Everybody enrolled, in the order in which they came.
    pub fn people(&self) -> Result<Vec<Person>, FusiformError> {
        let people = self.read(|people| Ok(people.people()))?;
        let person = |person: fusiform::gallery::Person| Person {
            name: person.name,
            consent: Consent {
                basis: person.consent.basis,
                purpose: person.consent.purpose,
                expires_at_ms: person.consent.expires_at_ms,
            },
        };
        Ok(people.into_iter().map(person).collect())
    }

    /// Erases a person with all faces; false if nobody has that name.
    pub fn erase(&self, name: String) -> Result<bool, FusiformError> {
        let mut people = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let people = people.as_mut().ok_or_else(|| closed("Gallery"))?;
        Ok(people.erase(&name)?)
    }

    /// Erases everybody whose consent has ended: how many they were.
    pub fn erase_ended(&self) -> Result<u64, FusiformError> {
        let mut people = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let people = people.as_mut().ok_or_else(|| closed("Gallery"))?;
        Ok(people.erase_ended()? as u64)
    }

    /// Closes the file now, whoever still holds this. Twice changes nothing.
    pub fn shut(&self) {
        drop(
            self.0
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Gallery {
    fn read<T>(
        &self,
        task: impl FnOnce(&fusiform::Gallery) -> Result<T, FusiformError>,
    ) -> Result<T, FusiformError> {
        let people = self.0.read().unwrap_or_else(PoisonError::into_inner);
        task(people.as_ref().ok_or_else(|| closed("Gallery"))?)
    }
}

fn holding(people: fusiform::Gallery) -> Arc<Gallery> {
    Arc::new(Gallery(RwLock::new(Some(people))))
}
