//! Fusiform's own API. In: images, names and consents. Out: who it is, or "unknown", with the false-match rate.
//! The document at `/api/fusiform/v1/openapi.json` is made of the same types and routes.

mod answer;
mod collections;
mod jobs;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Extension, Json};
use fusiform::pipeline::DescribedFace;
use fusiform::verify::SAME_FMR;
use fusiform_gallery::{Action, Consent, Kind, Service, Uuid};
use serde::Deserialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi};

use super::Recognition;
use answer::{
    Audited, Bounds, ConsentGiven, Enrolled, Erased, Failure, Identified, Known, Log, Match,
    People, Person,
};
pub(super) use jobs::Jobs;

const MAX_IMAGE_BYTES: usize = 20 << 20;
/// A batch is held in memory until it is worked through.
const MAX_BATCH_BYTES: usize = 64 << 20;
const MAX_NAME_CHARS: usize = 50;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fusiform",
        description = "Each API key has a collection of people: enrol with consent, identify, group, erase, audit. \
An admin key makes and removes collections and copies the vault."
    ),
    paths(
        people, person, set_person, erase_person, enrol, identify, audit, jobs::show, jobs::enrol, jobs::group,
        jobs::backup, collections::list, collections::make, collections::remove
    ),
    components(schemas(answer::Problem)),
    security(("key" = [])),
    modifiers(&KeyInHeader)
)]
struct Document;

struct KeyInHeader;

impl Modify for KeyInHeader {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKey::Header(ApiKeyValue::new("x-api-key"));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::ApiKey(key));
    }
}

pub(super) fn router(served: &Arc<Recognition>) -> Router {
    let of_people = Router::new()
        .route("/people", get(people))
        .route(
            "/people/{name}",
            put(set_person).get(person).delete(erase_person),
        )
        .route("/people/{name}/faces", post(enrol))
        .route("/identify", post(identify))
        .route("/audit", get(audit))
        .layer(DefaultBodyLimit::max(MAX_IMAGE_BYTES));
    let of_jobs = Router::new()
        .route("/jobs/enrol", post(jobs::enrol))
        .route("/jobs/cluster", post(jobs::group))
        .layer(DefaultBodyLimit::max(MAX_BATCH_BYTES));
    let of_admins = Router::new()
        .route(
            "/collections",
            get(collections::list).post(collections::make),
        )
        .route("/collections/{number}", delete(collections::remove))
        .route("/jobs/backup", post(jobs::backup));
    let lets_in = |kinds: &'static [Kind], routes: Router<Arc<Recognition>>| {
        let admit = move |served, request, next| admit(kinds, served, request, next);
        routes.layer(from_fn_with_state(served.clone(), admit))
    };
    let either = Router::new().route("/jobs/{id}", get(jobs::show));
    let with_key = lets_in(&[Kind::Recognition], of_people.merge(of_jobs))
        .merge(lets_in(&[Kind::Admin], of_admins))
        .merge(lets_in(&[Kind::Recognition, Kind::Admin], either))
        .with_state(served.clone());
    let open = Router::new()
        .route("/openapi.json", get(async || Json(Document::openapi())))
        .route("/page.js", get(page::script));
    Router::new()
        .nest("/api/fusiform/v1", with_key.merge(open))
        .route("/api/fusiform/v1/", get(page::show))
}

/// Lets requests with a key of one of these kinds in, as many as its rate allows, for as long as a request may take.
async fn admit(
    kinds: &'static [Kind],
    State(served): State<Arc<Recognition>>,
    mut request: Request,
    next: Next,
) -> Response {
    let key = request
        .headers()
        .get("x-api-key")
        .and_then(|k| k.to_str().ok())
        .and_then(|k| Uuid::parse_str(k).ok());
    let service = match key {
        Some(key) => served.service(kinds, &key).await,
        None => None,
    };
    let Some(service) = service else {
        return Failure::NoKey.into_response();
    };
    if !served.may_ask(service) {
        return Failure::TooMany.into_response();
    }
    let Some(_room) = served.room(request.headers(), MAX_BATCH_BYTES) else {
        return Failure::Busy.into_response();
    };
    request.extensions_mut().insert(service);
    tokio::time::timeout(served.timeout, next.run(request))
        .await
        .unwrap_or_else(|_| Failure::Busy.into_response())
}

type Answer<T> = Result<Json<T>, Failure>;

/// Runs work that waits for the disk away from the threads that serve connections.
async fn stored<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, fusiform_gallery::Error> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| Failure::Inside("the work was stopped".into()))?;
    done.map_err(|e| Failure::Inside(e.to_string()))
}

fn good_name(name: &str) -> Result<(), Failure> {
    let n = name.chars().count();
    if name.trim().is_empty() || n > MAX_NAME_CHARS || name.contains(';') {
        let why = "a name has 1 to 50 characters, not all blank, and no ';'";
        return Err(Failure::Wrong(why.into()));
    }
    Ok(())
}

/// Everybody enrolled with this key.
#[utoipa::path(get, path = "/api/fusiform/v1/people", responses((status = 200, body = People), Failure))]
async fn people(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
) -> Json<People> {
    let people = served.vault.people(service).into_iter();
    Json(People {
        people: people.map(Known::from).collect(),
    })
}

/// One person: consent and how many faces are enrolled.
#[utoipa::path(get, path = "/api/fusiform/v1/people/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Person), Failure))]
async fn person(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Answer<Person> {
    let Path(name) = name?;
    let (person, n_faces) = served
        .vault
        .person(service, &name)
        .ok_or(Failure::Missing)?;
    Ok(Json(Person {
        person: person.into(),
        n_faces,
    }))
}

/// Enters a person with a stated consent, or gives a known one another.
#[utoipa::path(put, path = "/api/fusiform/v1/people/{name}", params(("name" = String, Path)),
    request_body = ConsentGiven, responses((status = 200, body = Person), Failure))]
async fn set_person(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
    given: Result<Json<ConsentGiven>, axum::extract::rejection::JsonRejection>,
) -> Answer<Person> {
    let (Path(name), Json(given)) = (name?, given?);
    good_name(&name)?;
    given.check()?;
    let consent = Consent {
        basis: given.basis,
        purpose: given.purpose,
        expires_at_ms: given.expires_at_ms,
    };
    let vault = Arc::clone(&served.vault);
    let found = stored(move || {
        if !vault.set_consent(service, &name, consent.clone())? {
            vault.add_subject(service, &name, Some(consent))?;
        }
        Ok(vault.person(service, &name))
    });
    let (person, n_faces) = found.await?.ok_or(Failure::Missing)?;
    Ok(Json(Person {
        person: person.into(),
        n_faces,
    }))
}

/// Erases a person: name, consent, templates, images. Copies made by a backup before are not reached.
#[utoipa::path(delete, path = "/api/fusiform/v1/people/{name}", params(("name" = String, Path)),
    responses((status = 200, body = Erased), Failure))]
async fn erase_person(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Answer<Erased> {
    let Path(name) = name?;
    let vault = Arc::clone(&served.vault);
    let gone = stored(move || vault.erase_subject(service, &name)).await?;
    let (name, n_faces) = gone.ok_or(Failure::Missing)?;
    Ok(Json(Erased { name, n_faces }))
}

/// Enrols the one face of an image. The person must have been entered with a consent that has not ended.
#[utoipa::path(post, path = "/api/fusiform/v1/people/{name}/faces", params(("name" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Enrolled), Failure))]
async fn enrol(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
    image: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Answer<Enrolled> {
    let (Path(name), image) = (name?, image?);
    may_be_enrolled(&served, service, &name)?;
    let (faces, _) = served.look(image.clone()).await?;
    let vector = only_face(&faces)?;
    let vault = Arc::clone(&served.vault);
    let id = stored(move || vault.enrol(service, &name, &vector, &image)).await?;
    Ok(Json(Enrolled { id: id.to_string() }))
}

/// Whether a person was entered and the consent has not ended.
fn may_be_enrolled(served: &Recognition, service: Service, name: &str) -> Result<(), Failure> {
    let found = served.vault.person(service, name);
    let (person, _) = found.ok_or(Failure::Missing)?;
    if person.consent.has_ended() {
        return Err(Failure::Wrong("the person's consent has ended".into()));
    }
    Ok(())
}

fn only_face(faces: &[DescribedFace]) -> Result<Vec<f32>, Failure> {
    match faces {
        [face] => embedding_of(face),
        _ => {
            let why = format!("one face is wanted, {} are in the image", faces.len());
            Err(Failure::Wrong(why))
        }
    }
}

fn embedding_of(face: &DescribedFace) -> Result<Vec<f32>, Failure> {
    let embedding = face.embedding.as_ref();
    let embedding = embedding.ok_or_else(|| Failure::Inside("no embedding".into()))?;
    Ok(embedding.0.clone())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Strictness {
    /// False-match rate of one comparison with a stranger at which a match is called one; one that the pack states.
    fmr: Option<f64>,
}

/// Who is in the image; whoever is not near enough to anybody is unknown.
#[utoipa::path(post, path = "/api/fusiform/v1/identify", params(Strictness),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Identified), Failure))]
async fn identify(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    strictness: Result<Query<Strictness>, axum::extract::rejection::QueryRejection>,
    image: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Answer<Identified> {
    let (Query(strictness), image) = (strictness?, image?);
    let thresholds = served.engine.thresholds();
    let threshold = thresholds
        .and_then(|t| t.at_fmr(strictness.fmr.unwrap_or(SAME_FMR)))
        .map_err(|e| Failure::Wrong(e.to_string()))?;
    let (faces, _) = served.look(image).await?;
    let probes: Result<Vec<_>, _> = faces.iter().map(embedding_of).collect();
    let found = served.nearest(service, probes?, 1).await?;
    let mut matches = Vec::new();
    for (face, mut found) in faces.iter().zip(found) {
        let near = found.pop().filter(|m| m.similarity >= threshold.similarity);
        matches.push(Match {
            bounds: Bounds::from(&face.face),
            detection_score: face.face.score,
            person: near.as_ref().map(|m| m.subject.clone()),
            similarity: near.map(|m| m.similarity),
        });
    }
    let (n_examples, _) = served.vault.examples(service, None, 0, 0);
    let (vault, n) = (Arc::clone(&served.vault), faces.len());
    stored(move || vault.record(Action::Identify, Some(service), None, n)).await?;
    Ok(Json(Identified {
        faces: matches,
        threshold: threshold.similarity,
        fmr: threshold.fmr,
        n_examples,
        fpir_at_most: (threshold.fmr * n_examples as f64).min(1.0),
    }))
}

/// This key's entries of the audit log, after the whole log was proved whole.
#[utoipa::path(get, path = "/api/fusiform/v1/audit", responses((status = 200, body = Log), Failure))]
async fn audit(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
) -> Answer<Log> {
    let vault = Arc::clone(&served.vault);
    let read = move || {
        let mut entries = Vec::new();
        let verified = vault.verify_audit(|e| {
            if e.service == service.id {
                entries.push(Audited::from(e));
            }
        })?;
        Ok(Log {
            entries,
            newest: verified.newest,
        })
    };
    Ok(Json(stored(read).await?))
}

impl From<axum::extract::rejection::PathRejection> for Failure {
    fn from(why: axum::extract::rejection::PathRejection) -> Failure {
        Failure::Wrong(why.body_text())
    }
}

impl From<axum::extract::rejection::QueryRejection> for Failure {
    fn from(why: axum::extract::rejection::QueryRejection) -> Failure {
        Failure::Wrong(why.body_text())
    }
}

impl From<axum::extract::rejection::JsonRejection> for Failure {
    fn from(why: axum::extract::rejection::JsonRejection) -> Failure {
        Failure::Wrong(why.body_text())
    }
}

impl From<axum::extract::rejection::BytesRejection> for Failure {
    fn from(why: axum::extract::rejection::BytesRejection) -> Failure {
        match why.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
            _ => Failure::Wrong(why.body_text()),
        }
    }
}
