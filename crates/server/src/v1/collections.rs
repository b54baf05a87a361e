//! Collections: each API key has its own people. In: an admin key. Out: what there is, new keys, removed ones.
//! An admin sees how many people there are, never who.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use fusiform_gallery::{Kind, Service, Terms, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::Failure;
use super::{Answer, Recognition, stored};

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
    /// Legal ground on which people are kept of whom nothing else is said.
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
}

/// Every collection and how many are in it. Wants an admin key.
#[utoipa::path(get, path = "/api/fusiform/v1/collections", responses((status = 200, body = Collections), Failure))]
pub(super) async fn list(State(served): State<Arc<Recognition>>) -> Json<Collections> {
    let one = |(service, terms): (Service, Terms)| Collection {
        number: service.id,
        kind: service.kind.into(),
        basis: terms.basis,
        purpose: terms.purpose,
        keep_days: terms.keep_days,
        n_people: served.vault.people(service).len(),
        n_faces: served.vault.examples(service, None, 0, 0).0,
    };
    let collections = served.vault.services().into_iter().map(one).collect();
    Json(Collections { collections })
}

/// Makes a collection and its key. Wants an admin key.
#[utoipa::path(post, path = "/api/fusiform/v1/collections", request_body = Wanted,
    responses((status = 200, body = Made), Failure))]
pub(super) async fn make(
    State(served): State<Arc<Recognition>>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Answer<Made> {
    let Json(wanted) = wanted?;
    super::answer::check_terms(&wanted.basis, &wanted.purpose)?;
    if wanted.keep_days.is_some_and(|d| !(1..=36_500).contains(&d)) {
        return Err(Failure::Wrong("keep_days is 1 to 36500".into()));
    }
    let kind = match wanted.kind {
        Use::Recognition => Kind::Recognition,
        Use::Detection => Kind::Detection,
        Use::Verification => Kind::Verification,
        Use::Admin => {
            let why = "admin keys are made on the machine itself: fusiform key admin";
            return Err(Failure::Wrong(why.into()));
        }
    };
    let terms = Terms {
        basis: wanted.basis,
        purpose: wanted.purpose,
        keep_days: wanted.keep_days,
    };
    let (vault, key) = (Arc::clone(&served.vault), Uuid::new_v4());
    let made = stored(move || vault.add_service(kind, &key, terms)).await?;
    Ok(Json(Made {
        number: made.id,
        key: key.to_string(),
    }))
}

/// Erases a collection: its key, people, templates and images. Wants an admin key.
#[utoipa::path(delete, path = "/api/fusiform/v1/collections/{number}", params(("number" = i64, Path)),
    responses((status = 200, body = Removed), Failure))]
pub(super) async fn remove(
    State(served): State<Arc<Recognition>>,
    Extension(own): Extension<Service>,
    number: Result<Path<i64>, PathRejection>,
) -> Answer<Removed> {
    let Path(number) = number?;
    let mut all = served.vault.services().into_iter();
    let found = all.find(|(s, _)| s.id == number).ok_or(Failure::Missing)?;
    if found.0 == own {
        return Err(Failure::Wrong("an admin key does not remove itself".into()));
    }
    let vault = Arc::clone(&served.vault);
    let erase = move || {
        let erased = vault.erase_all(found.0)?;
        vault.remove_service(found.0)?;
        Ok(erased)
    };
    let (n_people, n_faces) = stored(erase).await?;
    Ok(Json(Removed {
        number,
        n_people,
        n_faces,
    }))
}
