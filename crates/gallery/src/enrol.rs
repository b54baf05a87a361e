//! Enrolment: a face of a person, on a stated or assumed ground. In: names, templates, images. Out:
//! examples, each stored with its audit entry in one transaction of the store.

use std::sync::Arc;

use uuid::Uuid;

use crate::audit::Action;
use crate::consent::Consent;
use crate::error::Error;
use crate::gallery::Gallery;
use crate::names::checked;
use crate::person::Person;
use crate::seal::random;
use crate::service::Service;
use crate::store::NewExample;

/// On what a person is enrolled who may not be there yet.
struct Ground {
    consent: Consent,
    /// What the log says of a person who is made.
    noted_as: Action,
    /// Whether an example keeps this consent where its person's own is wider.
    is_kept: bool,
}

impl Ground {
    /// The terms of the service, since nothing was stated.
    fn assumed(consent: Consent, is_kept: bool) -> Ground {
        Ground {
            consent,
            noted_as: Action::Assume,
            is_kept,
        }
    }
}

impl Gallery {
    /// Enrols a face of a person who is there and whose consent has not ended. Stored when this
    /// returns.
    ///
    /// # Shapes
    /// `vector` has unit length and as many values as those enrolled before.
    ///
    /// # Errors
    /// [`Error::UnknownPerson`]: no call makes a person but those that state on what ground;
    /// [`Error::ConsentEnded`]; [`Error::Search`] for a vector of another length;
    /// [`Error::Database`].
    pub fn enrol(
        &self,
        service: Service,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<Uuid, Error> {
        self.add_new(service, subject, vector, image, None)
    }

    /// As [`Gallery::enrol`]; a person who is not there is made on the service's own terms, which
    /// the log records.
    ///
    /// # Errors
    /// As [`Gallery::enrol`], but for [`Error::UnknownPerson`]; [`Error::Name`].
    pub fn enrol_on_terms(
        &self,
        service: Service,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<Uuid, Error> {
        let ground = Ground::assumed(self.usual_consent(service)?, false);
        self.add_new(service, subject, vector, image, Some(ground))
    }

    /// As [`Gallery::enrol_on_terms`], under an id that another server gave; `false` if an example
    /// has it already. Where the person is kept on other grounds, or for longer, than the service's
    /// terms allow, the example keeps the service's.
    ///
    /// # Errors
    /// As [`Gallery::enrol_on_terms`].
    pub fn enrol_as(
        &self,
        service: Service,
        id: Uuid,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<bool, Error> {
        let ground = Ground::assumed(self.usual_consent(service)?, true);
        self.add(service, id, subject, vector, image, Some(ground))
    }

    /// Enrols on a stated consent, under an id such as [`Gallery::picture_id`] gives; `false` if an
    /// example has it already. A person who is not there is made on that consent. A person who is
    /// there keeps their own, and the example the stated one where theirs is wider.
    ///
    /// # Errors
    /// As [`Gallery::enrol`], but for [`Error::UnknownPerson`]; [`Error::Name`];
    /// [`Error::ConsentUnit`].
    pub fn enrol_stated(
        &self,
        service: Service,
        id: Uuid,
        subject: &str,
        (vector, image): (&[f32], &[u8]),
        consent: Consent,
    ) -> Result<bool, Error> {
        consent.check()?;
        if consent.has_ended_by(self.clock.now_ms()) {
            return Err(Error::ConsentEnded(subject.to_owned()));
        }
        let ground = Ground {
            consent,
            noted_as: Action::Enrol,
            is_kept: true,
        };
        self.add(service, id, subject, vector, image, Some(ground))
    }

    /// The id of an example of a picture: the same one each time, so that nothing is enrolled
    /// twice. It depends on the store's secret: nobody can tell from an id whether a picture that
    /// they have is enrolled.
    pub fn picture_id(&self, service: Service, picture: &[u8]) -> Uuid {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"a picture of a service");
        hasher.update(&service.id.to_le_bytes());
        hasher.update(picture);
        let keyed = self
            .store
            .key_hash(&first_bytes(hasher.finalize().as_bytes()));
        first_bytes(&keyed)
    }

    /// As [`Gallery::add`], under a new id.
    fn add_new(
        &self,
        service: Service,
        subject: &str,
        vector: &[f32],
        image: &[u8],
        ground: Option<Ground>,
    ) -> Result<Uuid, Error> {
        let id = uuid::Builder::from_random_bytes(random::<16>()?).into_uuid();
        self.add(service, id, subject, vector, image, ground)?;
        Ok(id)
    }

    /// Enrols; without a ground only a person who is there.
    fn add(
        &self,
        service: Service,
        id: Uuid,
        subject: &str,
        vector: &[f32],
        image: &[u8],
        ground: Option<Ground>,
    ) -> Result<bool, Error> {
        let Some(model) = &self.model else {
            return Err(Error::Unsupported("the vault is open without a model"));
        };
        let subject = checked(subject)?;
        let now_ms = self.clock.now_ms();
        let _writer = self.writer()?;
        let columns = self.columns(service);
        let expected = columns.dimensions().unwrap_or(vector.len());
        if expected != vector.len() || vector.is_empty() {
            let found = vector.len();
            return Err(fusiform_search::Error::Dimensions { expected, found }.into());
        }
        let known = columns.find(&subject);
        let known = known.and_then(|number| columns.person(number));
        let known = known.map(|(person, _)| (person.number, person.consent.clone()));
        drop(columns);
        let (mut made, mut own) = (None, None);
        match (&known, ground) {
            (Some((_, consent)), ground) => {
                if consent.has_ended_by(now_ms) {
                    return Err(Error::ConsentEnded(subject));
                }
                let narrower = |ground: &Ground| ground.is_kept && !ground.consent.covers(consent);
                own = ground.filter(narrower).map(|ground| ground.consent);
            }
            (None, Some(ground)) => made = Some((ground.consent, ground.noted_as)),
            (None, None) => return Err(Error::UnknownPerson(subject)),
        }
        let (mut number, mut added) = (0, false);
        self.transact(&mut |t| {
            number = match (&known, &made) {
                (Some((number, _)), _) => *number,
                (None, Some((consent, _))) => t.add_person(service.id, &subject, consent)?,
                (None, None) => return Err(Error::UnknownPerson(subject.clone())),
            };
            added = t.add_example(&NewExample {
                id,
                person: number,
                model,
                vector,
                image,
                consent: own.as_ref(),
            })?;
            if !added {
                return if known.is_none() {
                    t.remove_person(number)
                } else {
                    Ok(())
                };
            }
            if let Some((_, action)) = &made {
                t.note(&self.noted(*action, service.id, number, 0))?;
            }
            t.note(&self.noted(Action::Enrol, service.id, number, 1))
        })?;
        if added {
            self.publish(service, |columns| {
                if let Some((consent, _)) = made {
                    columns.set_person(Person {
                        number,
                        name: subject,
                        consent,
                    });
                }
                columns.add_example(id, number, vector, own.map(Arc::new))
            })?;
        }
        Ok(added)
    }
}

/// An id of the first bytes of a hash.
fn first_bytes(hash: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
