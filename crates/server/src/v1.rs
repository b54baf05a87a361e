//! The v1 API of Fusiform. In: images, names and consents. Out: who it is, or "unknown", with the
//! false-match rate. The document at `/api/fusiform/v1/openapi.json` is made of the same types and
//! routes.

mod audit;
mod body;
mod collections;
mod identify;
mod jobs;
mod page;
mod people;
mod problem_json;
mod schema;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use fusiform_gallery::{Kind, Uuid};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::admission::BodyLimit;
use crate::front::Client;
use crate::problem::{Code, Problem, render_problems};
use crate::security_headers::no_store;
use crate::service::Recognition;
use crate::settings::Settings;
use jobs::Jobs;

/// Unless a setting says otherwise.
const MAX_IMAGE_MIB: u32 = 20;
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
    servers((url = "/", description = "This server")),
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

/// The routes.
pub(crate) fn router(recognition: &Arc<Recognition>, settings: &Settings) -> Router {
    let backup_dir = settings.backup_dir.clone();
    let max_image_bytes = (settings.max_upload_mib.unwrap_or(MAX_IMAGE_MIB) as usize) << 20;
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
    let admitted = |kinds, body: BodyLimit, routes: Router| {
        let access = Access {
            recognition: Arc::clone(recognition),
            kinds,
            body,
        };
        routes
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(access, admit))
    };
    let either: &[Kind] = &[Kind::Recognition, Kind::Admin];
    let of = |max_bytes, parsed| BodyLimit { max_bytes, parsed };
    // A batch becomes text and the bytes of its images, and they are there together.
    let (image, batch, small) = (
        of(max_image_bytes, 0),
        of(MAX_BATCH_BYTES, 2),
        of(MAX_SMALL_BYTES, 2),
    );
    let routes = admitted(&[Kind::Recognition], image, people)
        .merge(admitted(&[Kind::Recognition], batch, batches))
        .merge(admitted(&[Kind::Admin], small, collections.merge(backups)))
        .merge(admitted(either, small, progress))
        .route("/openapi.json", get(async || Json(Document::openapi())))
        .fallback(async || Problem::new(Code::UnknownRoute, "There is no such path"));
    let routes = Router::new().nest("/api/fusiform/v1", routes);
    no_store(render_problems(routes, problem_json::response)).merge(page::router())
}

/// Which requests some routes take.
#[derive(Debug, Clone)]
struct Access {
    recognition: Arc<Recognition>,
    /// The kinds of key.
    kinds: &'static [Kind],
    body: BodyLimit,
}

/// Admits requests with a right key, as many as its rate and the memory allow, for as long as one
/// may take.
async fn admit(
    State(access): State<Access>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let admission = access.recognition.admission();
    let answer = async {
        let key = request.headers().get("x-api-key");
        let key = key.and_then(|k| Uuid::parse_str(k.to_str().ok()?).ok());
        let service = match key {
            Some(key) => {
                let (client, recognition) = (Client::of(&request)?, &access.recognition);
                recognition.service(client, access.kinds, &key).await?
            }
            None => None,
        };
        let service = service.ok_or_else(|| {
            let detail = "The key that x-api-key needs for this is missing or unknown";
            Problem::new(Code::UnknownKey, detail)
        })?;
        admission.count_request(service)?;
        let (mut parts, body) = request.into_parts();
        let (bytes, held) = admission.receive(service, body, access.body).await?;
        // A job keeps it for longer than the request.
        let held = Arc::new(held);
        parts.extensions.insert(Arc::clone(&held));
        parts.extensions.insert(service);
        let answer = next
            .run(Request::from_parts(parts, Body::from(bytes)))
            .await;
        drop(held);
        Ok(answer)
    };
    admission.in_time(answer).await
}
