//! One face of a person into the vault, on a stated consent. In: names, bytes of photos. Out:
//! examples that are there once, or why not.

use anyhow::{Result, ensure};
use fusiform::{Engine, one_clear_face};
use fusiform_gallery::{Consent, Gallery, Lock, Service, Uuid, name_key};

use super::answer::{Answer, Problem, Row, Shown};
use crate::context::Context;
use crate::remedy::explain;

/// What names may hold that the service's own API takes.
const MAX_NAME_CHARS: usize = 50;

/// A picture that shows one face.
pub(super) struct Picture {
    /// None in a dry run.
    pub(super) id: Option<Uuid>,
    pub(super) vector: Vec<f32>,
    /// What is kept.
    pub(super) image: Vec<u8>,
}

/// What became of a picture.
pub(super) enum Looked {
    Shows(Picture),
    /// It is enrolled already, under this name.
    There(String),
}

/// Where people go, and on what consent.
pub(super) struct Enrolment<'a> {
    pub(super) context: &'a Context,
    pub(super) engine: &'a Engine,
    /// None in a dry run.
    pub(super) vault: Option<OpenVault>,
    pub(super) consent: Consent,
    pub(super) renew: bool,
}

pub(super) struct OpenVault {
    pub(super) gallery: Gallery,
    pub(super) service: Service,
    /// A server keeps its people in memory, so both at once would not see each other.
    pub(super) _lock: Option<Lock>,
}

/// A name as it is enrolled, or why nobody can be called so in the service.
fn checked_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    let n = name.chars().count();
    let forbidden = |c: char| c.is_control() || matches!(c, ';' | '/' | '\\');
    if n == 0 || n > MAX_NAME_CHARS || name.contains(forbidden) || matches!(name, "." | "..") {
        return Err(format!(
            "cannot be a name in the service: 1 to {MAX_NAME_CHARS} characters are wanted, without \
             ; / \\ and control characters"
        ));
    }
    Ok(name.to_owned())
}

impl Enrolment<'_> {
    /// Whether a person may be enrolled on the stated consent: the name, as it is kept. Renews the
    /// consent of somebody who is there, if that was asked for.
    pub(super) fn admit(&self, name: &str, answer: &mut Answer) -> Result<Option<String>> {
        let mut refuse = |problem: String| {
            answer.problems.push(Problem {
                person: name.to_owned(),
                picture: None,
                problem,
            });
            Ok(None)
        };
        let name = match checked_name(name) {
            Ok(name) => name,
            Err(why) => return refuse(why),
        };
        let Some(OpenVault {
            gallery, service, ..
        }) = &self.vault
        else {
            return Ok(Some(name));
        };
        let Some((person, _)) = gallery.person(*service, &name) else {
            return Ok(Some(name));
        };
        let there = person.consent;
        if there == self.consent {
            return Ok(Some(person.name));
        }
        if self.renew {
            gallery.set_consent(*service, &name, self.consent.clone())?;
            let note = format!("{}: enrolled before on {}", person.name, Shown(&there));
            answer.notes.push(note + "; that is replaced");
        } else if there.has_ended() {
            return refuse(format!(
                "enrolled before on {}, which has ended; --renew states the new one",
                Shown(&there)
            ));
        } else {
            let note = format!("{}: enrolled before on {}", person.name, Shown(&there));
            answer
                .notes
                .push(note + ", which stays; --renew replaces it");
        }
        Ok(Some(person.name))
    }

    /// Who has the picture already; in a dry run, nobody.
    pub(super) fn holder(&self, picture: &[u8]) -> (Option<Uuid>, Option<String>) {
        let Some(vault) = &self.vault else {
            return (None, None);
        };
        let id = vault.gallery.picture_id(vault.service, picture);
        let example = vault.gallery.named_example(vault.service, &id);
        (Some(id), example.map(|example| example.subject))
    }

    /// The one face of the bytes of a photo, unless the photo is enrolled already.
    pub(super) fn look(&self, bytes: Vec<u8>) -> Result<Looked> {
        let (id, holder) = self.holder(&bytes);
        if let Some(holder) = holder {
            return Ok(Looked::There(holder));
        }
        let options = self.engine.usual_options();
        let photo = self.engine.analyse(&bytes, &options)?;
        let take_largest = self.context.config.serve.enrol_largest;
        let face = one_clear_face(&photo.faces, take_largest)?;
        Ok(Looked::Shows(Picture {
            id,
            vector: face.template()?.vector.clone(),
            image: bytes,
        }))
    }

    /// Stores what was seen and counts it in the person's row; what cannot be stored is a problem
    /// of its picture.
    ///
    /// # Errors
    /// If the vault fails: the picture is not to blame, and the next one would fail alike.
    pub(super) fn record(
        &self,
        row: &mut Row,
        picture: String,
        looked: Result<Looked>,
        answer: &mut Answer,
    ) -> Result<()> {
        match looked.and_then(|looked| self.take(row, &picture, looked)) {
            Ok(()) => Ok(()),
            Err(e) if e.is::<fusiform_gallery::Error>() => Err(e.context(picture)),
            Err(e) => {
                answer.problems.push(Problem {
                    person: row.name.clone(),
                    picture: Some(picture),
                    problem: explain(&e),
                });
                Ok(())
            }
        }
    }

    fn take(&self, row: &mut Row, shown: &str, looked: Looked) -> Result<()> {
        let elsewhere = |name: &str| {
            ensure!(
                name_key(name) == name_key(&row.name),
                "it is enrolled already as a picture of {name}; a picture shows one person, so \
                 take it out of one of the two"
            );
            Ok(())
        };
        let picture = match looked {
            Looked::There(holder) => {
                elsewhere(&holder)?;
                row.there += 1;
                return Ok(());
            }
            Looked::Shows(picture) => picture,
        };
        if let (Some(vault), Some(id)) = (&self.vault, picture.id) {
            let OpenVault {
                gallery, service, ..
            } = vault;
            let face = (&picture.vector[..], &picture.image[..]);
            let consent = self.consent.clone();
            if !gallery.enrol_stated(*service, id, &row.name, face, consent)? {
                if let Some(example) = gallery.named_example(*service, &id) {
                    elsewhere(&example.subject)?;
                }
                row.there += 1;
                return Ok(());
            }
        }
        row.enrolled += 1;
        row.pictures.push(shown.to_owned());
        Ok(())
    }
}
