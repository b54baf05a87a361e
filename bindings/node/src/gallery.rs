//! Enrolled people. In: names, faces, consent. Out: who a face is. Knows nothing of pixels.

use std::sync::{Arc, PoisonError, RwLock};

use fusiform::Fmr;
use fusiform::gallery::{Consent, Person, Secret};
use napi_derive::napi;

use crate::answer::{Failure, Promised, promise};
use crate::engine::NativeEngine;
use crate::face::FaceFields;
use crate::results::IdentificationFields;

/// People who are recognised; `None` once closed.
#[napi]
pub struct NativeGallery {
    people: Arc<RwLock<Option<fusiform::Gallery>>>,
    engine: Arc<fusiform::Engine>,
}

#[napi(object, use_nullable = true)]
pub struct ConsentFields {
    pub basis: String,
    pub purpose: String,
    /// UTC in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
}

#[napi(object)]
pub struct PersonFields {
    pub number: i64,
    pub name: String,
    pub consent: ConsentFields,
}

#[napi]
impl NativeGallery {
    /// Without a path it is in memory.
    #[napi]
    pub fn open(
        path: Option<String>,
        engine: &NativeEngine,
        key: Option<String>,
        passphrase: Option<String>,
    ) -> Promised<NativeGallery> {
        let engine = engine.inner.clone();
        promise(move || {
            let secret = match (key, passphrase) {
                (None, None) => None,
                (Some(key), None) => Some(Secret::Hex(key.into())),
                (None, Some(passphrase)) => Some(Secret::Passphrase(passphrase.into())),
                (Some(_), Some(_)) => {
                    let message = "give either key or passphrase, not both";
                    return Err(Failure::bad_option(message.into()));
                }
            };
            let people = match (path, secret) {
                (None, None) => fusiform::Gallery::in_memory(&engine)?,
                (Some(path), None) => fusiform::Gallery::open(path, &engine)?,
                (Some(path), Some(secret)) => fusiform::Gallery::open_with(path, &secret, &engine)?,
                (None, Some(_)) => {
                    let message = "people in memory are not sealed: a key has no use";
                    return Err(Failure::bad_option(message.into()));
                }
            };
            let people = Arc::new(RwLock::new(Some(people)));
            Ok(NativeGallery { people, engine })
        })
    }

    #[napi]
    pub fn enrol(
        &self,
        name: String,
        face: FaceFields,
        consent: Option<ConsentFields>,
    ) -> Promised<String> {
        let engine = self.engine.clone();
        self.change(move |people| {
            let face = face.read(&engine)?;
            let id = match consent {
                Some(consent) => people.enrol_with(&name, &face, consent.into()),
                None => people.enrol(&name, &face),
            };
            Ok(id?.to_string())
        })
    }

    #[napi]
    pub fn identify_all(
        &self,
        faces: Vec<FaceFields>,
        fmr: f64,
    ) -> Promised<Vec<IdentificationFields>> {
        let engine = self.engine.clone();
        self.read(move |people| {
            let faces = faces.into_iter().map(|face| face.read(&engine));
            let faces = faces.collect::<Result<Vec<_>, _>>()?;
            let probes: Vec<&fusiform::Face> = faces.iter().collect();
            let found = people.identify_all(&probes, Fmr(fmr))?;
            Ok(found.into_iter().map(IdentificationFields::from).collect())
        })
    }

    #[napi]
    pub fn people(&self) -> Promised<Vec<PersonFields>> {
        self.read(|people| {
            Ok(people
                .people()
                .into_iter()
                .map(PersonFields::from)
                .collect())
        })
    }

    #[napi]
    pub fn erase(&self, name: String) -> Promised<bool> {
        self.change(move |people| Ok(people.erase(&name)?))
    }

    #[napi]
    pub fn erase_ended(&self) -> Promised<u32> {
        self.change(|people| Ok(u32::try_from(people.erase_ended()?).unwrap_or(u32::MAX)))
    }

    /// Whether it was open.
    #[napi]
    pub fn close(&self) -> Promised<bool> {
        let people = self.people.clone();
        promise(move || {
            let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
            Ok(people.take().is_some())
        })
    }
}

impl NativeGallery {
    fn read<T, F>(&self, task: F) -> Promised<T>
    where
        T: Send + 'static + napi::bindgen_prelude::ToNapiValue + napi::bindgen_prelude::TypeName,
        F: FnOnce(&fusiform::Gallery) -> Result<T, Failure> + Send + 'static,
    {
        let people = self.people.clone();
        promise(move || {
            let people = people.read().unwrap_or_else(PoisonError::into_inner);
            task(people.as_ref().ok_or_else(|| Failure::closed("Gallery"))?)
        })
    }

    fn change<T, F>(&self, task: F) -> Promised<T>
    where
        T: Send + 'static + napi::bindgen_prelude::ToNapiValue + napi::bindgen_prelude::TypeName,
        F: FnOnce(&mut fusiform::Gallery) -> Result<T, Failure> + Send + 'static,
    {
        let people = self.people.clone();
        promise(move || {
            let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
            task(people.as_mut().ok_or_else(|| Failure::closed("Gallery"))?)
        })
    }
}

impl From<ConsentFields> for Consent {
    fn from(of: ConsentFields) -> Consent {
        Consent {
            basis: of.basis,
            purpose: of.purpose,
            expires_at_ms: of.expires_at_ms,
        }
    }
}

impl From<Person> for PersonFields {
    fn from(of: Person) -> PersonFields {
        PersonFields {
            number: of.number,
            name: of.name,
            consent: ConsentFields {
                basis: of.consent.basis,
                purpose: of.consent.purpose,
                expires_at_ms: of.consent.expires_at_ms,
            },
        }
    }
}
