//! The v1 API of Fusiform. In: images, names and consents. Out: who it is, or "unknown", with the
//! false-match rate. The document at `/api/fusiform/v1/openapi.json` is made of the same types and
//! routes.

mod audit;
mod collections;
mod identify;
mod jobs;
mod page;
mod people;
mod problem_json;
mod schema;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use fusiform_gallery::{Kind, Uuid};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::problem::{Code, Problem, render_problems};
use crate::service::Recognition;
use jobs::Jobs;

const MAX_IMAGE_BYTES: usize = 20 << 20;
/// A batch is held in memory until it is done.
const MAX_BATCH_BYTES: usize = 64 << 20;
const MAX_SMALL_BYTES: usize = 2 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fusiform",
        description = "Each API key has a collection of people: enrol with consent, identify, \
            group, erase, audit. \
An admin key makes and removes collections and copies the vault."
    ),
    paths(
        people::list, people::show, people::set, people::erase, people::enrol, identify::identify,
        audit::show, jobs::show, jobs::enrol, jobs::group, jobs::backup,
        collections::list, collections::make, collections::remove
    ),
    components(schemas(problem_json::ProblemDetails)),
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

/// The routes. Copies of the vault that an admin asks for go to `backup_dir`.
pub(crate) fn router(recognition: &Arc<Recognition>, backup_dir: Option<PathBuf>) -> Router {
    let jobs = Arc::new(Jobs::new(Arc::clone(recognition), backup_dir));
    let people = Router::new()
        .route("/people", get(people::list))
        .route(
            "/people/{name}",
            put(people::set).get(people::show).delete(people::erase),
        )
        .route("/people/{name}/faces", post(people::enrol))
        .route("/identify", post(identify::identify))
        .route("/audit", get(audit::show))
        .with_state(Arc::clone(recognition));
    let batches = Router::new()
        .route("/jobs/enrol", post(jobs::enrol))
        .route("/jobs/cluster", post(jobs::group))
        .with_state(Arc::clone(&jobs));
    let collections = Router::new()
        .route(
            "/collections",
            get(collections::list).post(collections::make),
        )
        .route("/collections/{number}", delete(collections::remove))
        .with_state(Arc::clone(recognition));
    let backups = Router::new()
        .route("/jobs/backup", post(jobs::backup))
        .with_state(Arc::clone(&jobs));
    let progress = Router::new()
        .route("/jobs/{id}", get(jobs::show))
        .with_state(jobs);
    let admitted = |kinds, max_body_bytes, routes: Router| {
        let access = Access {
            recognition: Arc::clone(recognition),
            kinds,
            max_body_bytes,
        };
        routes
            .layer(DefaultBodyLimit::max(max_body_bytes))
            .layer(from_fn_with_state(access, admit))
    };
    let either: &[Kind] = &[Kind::Recognition, Kind::Admin];
    let routes = admitted(&[Kind::Recognition], MAX_IMAGE_BYTES, people)
        .merge(admitted(&[Kind::Recognition], MAX_BATCH_BYTES, batches))
        .merge(admitted(
            &[Kind::Admin],
            MAX_SMALL_BYTES,
            collections.merge(backups),
        ))
        .merge(admitted(either, MAX_SMALL_BYTES, progress))
        .route("/openapi.json", get(async || Json(Document::openapi())));
    let routes = Router::new().nest("/api/fusiform/v1", routes);
    render_problems(routes, problem_json::response).merge(page::router())
}

/// Which requests some routes take.
#[derive(Debug, Clone)]
struct Access {
    recognition: Arc<Recognition>,
    /// The kinds of key.
    kinds: &'static [Kind],
    max_body_bytes: usize,
}

/// Admits requests with a right key, as many as its rate and the memory allow, for as long as one
/// may take.
async fn admit(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let admission = access.recognition.admission();
    let answer = async {
        let key = request.headers().get("x-api-key");
        let key = key.and_then(|k| Uuid::parse_str(k.to_str().ok()?).ok());
        let service = match key {
            Some(key) => access.recognition.service(access.kinds, &key).await,
            None => None,
        };
        let service = service.ok_or_else(|| {
            let detail = "The key that x-api-key needs for this is missing or unknown";
            Problem::new(Code::UnknownKey, detail)
        })?;
        admission.count_request(service.id)?;
        let _body = admission.reserve_body(request.headers(), access.max_body_bytes)?;
        request.extensions_mut().insert(service);
        Ok(next.run(request).await)
    };
    admission.in_time(answer).await
}
