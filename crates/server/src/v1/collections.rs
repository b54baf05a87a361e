//! Collections: each API key has separate people. In: an admin key. Out: all collections, new keys,
//! removed ones. An admin sees how many people there are, never who.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fusiform_gallery::{Kind, Service, Terms, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Parsed;
use super::problem_json::Problems;
use super::schema::{ErasedBytes, Erasure};
use crate::params::Path;
use crate::problem::{Code, Problem};
use crate::service::Recognition;

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Use {
    Recognition,
    Detection,
    Verification,
    Admin,
}

impl From<Kind> for Use {
    fn from(kind: Kind) -> Use {
        match kind {
            Kind::Recognition => Use::Recognition,
            Kind::Detection => Use::Detection,
            Kind::Verification => Use::Verification,
            Kind::Admin => Use::Admin,
        }
    }
}

/// A collection to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    kind: Use,
    /// Legal ground on which people are kept who have no consent of their own.
    #[schema(min_length = 1, max_length = 100)]
    basis: String,
    /// What people are enrolled for.
    #[schema(min_length = 1, max_length = 500)]
    purpose: String,
    /// Days until a person ends; left out, until erased.
    #[schema(minimum = 1, maximum = 36500)]
    keep_days: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Collection {
    /// Its number, as the audit log has it.
    number: i64,
    kind: Use,
    basis: String,
    purpose: String,
    keep_days: Option<u32>,
    n_people: usize,
    n_faces: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Collections {
    collections: Vec<Collection>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Made {
    number: i64,
    /// The API key. It is shown this once; only its hash is kept.
    key: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    number: i64,
    n_people: usize,
    n_faces: usize,
    erased: Erasure,
    bytes: ErasedBytes,
}

/// Every collection and how many are in it. Needs an admin key.
#[utoipa::path(get, path = "/api/fusiform/v1/collections", operation_id = "collections",
    responses((status = 200, body = Collections), Problems))]
pub(super) async fn list(State(recognition): State<Arc<Recognition>>) -> Json<Collections> {
    let gallery = recognition.gallery();
    let one = |(service, terms): (Service, Terms)| Collection {
        number: service.id,
        kind: service.kind.into(),
        basis: terms.basis,
        purpose: terms.purpose,
        keep_days: terms.keep_days,
        n_people: gallery.people(service).len(),
        n_faces: gallery.examples(service, None, 0, 0).0,
    };
    let collections = gallery.services().into_iter().map(one).collect();
    Json(Collections { collections })
}

/// Makes a collection and its key. Needs an admin key.
#[utoipa::path(post, path = "/api/fusiform/v1/collections", operation_id = "make_collection",
    request_body = Wanted, responses((status = 200, body = Made), Problems))]
pub(super) async fn make(
    State(recognition): State<Arc<Recognition>>,
    Parsed(wanted): Parsed<Wanted>,
) -> Result<Json<Made>, Problem> {
    super::schema::check_terms(&wanted.basis, &wanted.purpose)?;
    if let Some(days) = wanted.keep_days.filter(|d| !(1..=36_500).contains(d)) {
        let detail = format!("keep_days is {days}, and 1 to 36500 is wanted");
        return Err(Problem::invalid(detail));
    }
    let kind = match wanted.kind {
        Use::Recognition => Kind::Recognition,
        Use::Detection => Kind::Detection,
        Use::Verification => Kind::Verification,
        Use::Admin => {
            let detail = "admin keys are made on the server's machine, not through the network";
            return Err(Problem::invalid(detail));
        }
    };
    let terms = Terms {
        basis: wanted.basis,
        purpose: wanted.purpose,
        keep_days: wanted.keep_days,
    };
    let key = Uuid::new_v4();
    let make = recognition.stored(move |gallery| gallery.add_service(kind, &key, terms));
    Ok(Json(Made {
        number: make.await?.id,
        key: key.to_string(),
    }))
}

/// Erases a collection: its key, people, templates and images. Needs an admin key.
#[utoipa::path(delete, path = "/api/fusiform/v1/collections/{number}",
    operation_id = "remove_collection", params(("number" = i64, Path)),
    responses((status = 200, body = Removed), Problems))]
pub(super) async fn remove(
    State(recognition): State<Arc<Recognition>>,
    Extension(admin): Extension<Service>,
    Path(number): Path<i64>,
) -> Result<Json<Removed>, Problem> {
    let mut all = recognition.gallery().services().into_iter();
    let unknown = || Problem::new(Code::NotFound, "There is no such collection");
    let (service, _) = all.find(|(s, _)| s.id == number).ok_or_else(unknown)?;
    if service == admin {
        return Err(Problem::invalid("an admin key does not remove itself"));
    }
    let erase = recognition.stored(move |gallery| {
        let erased = gallery.erase_all(service)?;
        gallery.remove_service(service)?;
        let (n_people, n_faces) = erased;
        Ok(Removed {
            number,
            n_people,
            n_faces,
            erased: Erasure::MatchingStopped,
            bytes: ErasedBytes::of(gallery),
        })
    });
    erase.await.map(Json)
}
