//! People of a collection. In: names, consents, photos. Out: who is enrolled, on what terms, with
//! how many faces.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::{Extension, Json};
use fusiform::Face;
use fusiform_gallery::{Consent, Service};

use super::body::Parsed;
use super::problem_json::Problems;
use super::schema::{ConsentGiven, Enrolled, Erased, ErasedBytes, Erasure, Known, People, Person};
use crate::names::{is_dots, normalized};
use crate::params::Path;
use crate::problem::{Code, Problem};
use crate::service::{Recognition, embedding};

const MAX_NAME_CHARS: usize = 50;

/// Everybody enrolled with this key.
#[utoipa::path(get, path = "/api/fusiform/v1/people", operation_id = "people",
    responses((status = 200, body = People), Problems))]
pub(super) async fn list(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
) -> Json<People> {
    let people = recognition.gallery().people(service).into_iter();
    Json(People {
        people: people.map(Known::from).collect(),
    })
}

/// One person: consent and how many faces are enrolled.
#[utoipa::path(get, path = "/api/fusiform/v1/people/{name}", operation_id = "person",
    params(("name" = String, Path)), responses((status = 200, body = Person), Problems))]
pub(super) async fn show(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Path(name): Path<String>,
) -> Result<Json<Person>, Problem> {
    let name = normalized(&name);
    let found = recognition.gallery().person(service, &name);
    let (person, n_faces) = found.ok_or_else(unknown_person)?;
    Ok(Json(Person {
        person: person.into(),
        n_faces,
    }))
}

/// Enters a person with a stated consent, or replaces the consent of a known one.
#[utoipa::path(put, path = "/api/fusiform/v1/people/{name}", operation_id = "set_person",
    params(("name" = String, Path)), request_body = ConsentGiven,
    responses((status = 200, body = Person), Problems))]
pub(super) async fn set(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Path(name): Path<String>,
    Parsed(given): Parsed<ConsentGiven>,
) -> Result<Json<Person>, Problem> {
    let name = normalized(&name);
    check_name(&name)?;
    given.check()?;
    let consent = Consent {
        basis: given.basis,
        purpose: given.purpose,
        expires_at_ms: given.expires_at_ms,
    };
    let set = recognition.stored(move |gallery| {
        if !gallery.set_consent(service, &name, consent.clone())? {
            gallery.add_subject(service, &name, Some(consent))?;
        }
        Ok(gallery.person(service, &name))
    });
    let (person, n_faces) = set.await?.ok_or_else(unknown_person)?;
    Ok(Json(Person {
        person: person.into(),
        n_faces,
    }))
}

/// Erases a person: name, consent, templates, images.
///
/// The person does not match any more when this is answered; `bytes` says whether what was stored
/// is overwritten already. Copies made by a backup before are not reached.
#[utoipa::path(delete, path = "/api/fusiform/v1/people/{name}", operation_id = "erase_person",
    params(("name" = String, Path)), responses((status = 200, body = Erased), Problems))]
pub(super) async fn erase(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Path(name): Path<String>,
) -> Result<Json<Erased>, Problem> {
    let name = normalized(&name);
    let erase = recognition.stored(move |gallery| {
        let erased = gallery.erase_subject(service, &name)?;
        Ok(erased.map(|(name, n_faces)| Erased {
            name,
            n_faces,
            erased: Erasure::MatchingStopped,
            bytes: ErasedBytes::of(gallery),
        }))
    });
    erase.await?.map(Json).ok_or_else(unknown_person)
}

/// Enrols the one face of an image.
///
/// The person must have been entered with a consent that has not ended.
#[utoipa::path(post, path = "/api/fusiform/v1/people/{name}/faces", operation_id = "enrol",
    params(("name" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Enrolled), Problems))]
pub(super) async fn enrol(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Path(name): Path<String>,
    image: Result<Bytes, BytesRejection>,
) -> Result<Json<Enrolled>, Problem> {
    let (name, image) = (normalized(&name), image?);
    check_consent(&recognition, service, &name)?;
    let found = recognition.analyse(service, image.clone()).await?;
    let vector = enrolled_embedding(&recognition, &found.faces)?.to_vec();
    let enrol = recognition.stored(move |gallery| gallery.enrol(service, &name, &vector, &image));
    let id = enrol.await?.to_string();
    Ok(Json(Enrolled { id }))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let n = name.chars().count();
    let forbidden = |c: char| c == ';' || c.is_control();
    if name.trim().is_empty() || n > MAX_NAME_CHARS || name.contains(forbidden) || is_dots(name) {
        let detail = "a name has 1 to 50 characters, not all blank, no ';' and no control \
                      characters, and is not '.' or '..'";
        return Err(Problem::invalid(format!("{name:?}: {detail}")));
    }
    Ok(())
}

fn unknown_person() -> Problem {
    Problem::new(Code::UnknownSubject, "There is no such person")
}

/// Fails unless the person was entered and the consent has not ended.
pub(super) fn check_consent(
    recognition: &Recognition,
    service: Service,
    name: &str,
) -> Result<(), Problem> {
    let found = recognition.gallery().person(service, name);
    let (person, _) = found.ok_or_else(unknown_person)?;
    if person.consent.has_ended() {
        return Err(Problem::invalid("the person's consent has ended"));
    }
    Ok(())
}

/// The embedding of the face that an enrolment's photo shows.
pub(super) fn enrolled_embedding<'a>(
    recognition: &Recognition,
    faces: &'a [Face],
) -> Result<&'a [f32], Problem> {
    embedding(recognition.enrolled_face(faces)?)
}
