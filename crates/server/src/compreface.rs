//! CompreFace 1.2's REST contract. In: its requests, well or badly formed. Out: its answers and
//! error numbers. The order of checks is the contract's: key, size, parts, values, ranges, file
//! name, faces, stored image.

mod body;
mod faces;
mod render;
mod request;
mod scale;
mod subjects;

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use fusiform_gallery::{Kind, Service, Uuid};
use serde_json::json;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::admission::blocking;
use crate::front::Client;
use crate::problem::{Code, Problem, render_problems};
use crate::security_headers::no_store;
use crate::service::Recognition;
use crate::settings::Settings;
use body::{RawRequest, Received, Sizes};
use faces::Faces;
use request::Call;
pub(crate) use scale::Scale;

/// Browsers on other sites may call; the key is what protects.
const CORS: [(header::HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, POST, OPTIONS, PUT, DELETE",
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,\
         x-api-key",
    ),
];

/// The routes.
///
/// # Errors
/// If the pack states no thresholds.
pub(crate) fn router(recognition: &Arc<Recognition>, settings: &Settings) -> Result<Router> {
    let thresholds = recognition.engine().thresholds()?;
    let scale =
        Scale::fit(thresholds).context("the pack cannot serve recognition; calibrate it first")?;
    let faces = Faces {
        recognition: Arc::clone(recognition),
        scale,
        sizes: Sizes::of(settings.max_upload_mib),
        image_cache: image_cache(settings.image_cache_s),
    };
    let routes = Router::new()
        .route("/api/v1/{*rest}", any(answer))
        .with_state(Arc::new(faces));
    let mut routes = render_problems(routes, render::problem);
    routes = no_store(routes);
    for (name, value) in CORS {
        let value = HeaderValue::from_static(value);
        routes = routes.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    Ok(routes.layer(from_fn(close_after_axios_0)))
}

/// What the answer with an image says to caches. Shared ones never keep it: they would show a face
/// without a key, and after it was erased.
fn image_cache(seconds: u32) -> HeaderValue {
    let kept = HeaderValue::try_from(format!("private, max-age={seconds}"));
    match (seconds, kept) {
        (1.., Ok(kept)) => kept,
        _ => HeaderValue::from_static("private, no-store"),
    }
}

/// CompreFace's JavaScript client sends raw Latin-1 in request lines, which `request_line` escapes
/// in the first line of a connection only; so that client gets a new connection each time.
async fn close_after_axios_0(request: Request, next: Next) -> Response {
    let agent = request.headers().get(header::USER_AGENT);
    let closes = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"axios/0."));
    let mut response = next.run(request).await;
    if closes {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn answer(State(faces): State<Arc<Faces>>, request: Request) -> Result<Response, Problem> {
    if request.method() == Method::OPTIONS {
        let age = [(header::ACCESS_CONTROL_MAX_AGE, "1728000")];
        return Ok((StatusCode::NO_CONTENT, age).into_response());
    }
    let admission = faces.recognition.admission();
    admission.in_time(route(&faces, request)).await
}

async fn route(faces: &Faces, request: Request) -> Result<Response, Problem> {
    let recognition = &*faces.recognition;
    let path = body::decoded(request.uri().path());
    let path = path.strip_prefix("/api/v1/").unwrap_or_default();
    let path = segments(path, request.method());
    let method = request.method().clone();
    let client = Client::of(&request)?;
    match (&method, &path[..]) {
        (&Method::GET, ["static", key, "images", id]) => {
            let service = match Uuid::parse_str(key) {
                Ok(key) => {
                    recognition
                        .service(client, &[Kind::Recognition], &key)
                        .await?
                }
                Err(_) => None,
            };
            return subjects::image(faces, service, id).await;
        }
        (&Method::GET, ["config"]) => {
            let sizes = json!({"clientMaxFileSize": faces.sizes.max_file_bytes,
                "clientMaxBodySize": faces.sizes.max_body_bytes});
            return Ok(axum::Json(sizes).into_response());
        }
        (&Method::GET, ["consistence", "status"]) => {
            let status = json!({"demoFaceCollectionIsInconsistent": false, "saveImagesToDB": true,
                "dbIsInconsistent": false, "status": "OK"});
            return Ok(axum::Json(status).into_response());
        }
        _ => {}
    }
    let (kind, name) = match path[0] {
        "recognition" => (Kind::Recognition, "Recognition"),
        "detection" => (Kind::Detection, "Detection"),
        "verification" => (Kind::Verification, "Verification"),
        _ => return Err(request::unknown_route("No such path")),
    };
    let service = authorised(recognition, client, (kind, name), request.headers()).await?;
    let admission = recognition.admission();
    admission.count_request(service)?;
    let sizes = faces.sizes;
    let (received, _held) = Received::wait(admission, service, sizes, request).await?;
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    let parse = move || {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        Call::parse(&method, &path, RawRequest::parse(received, sizes)?)
    };
    let call = blocking(parse).await?;
    dispatch(faces, service, call).await
}

/// The parts of a path. `/path` and `/path/` are the same, except for a deletion: `/subjects/` is
/// what clients send for the subject without a name, and `/subjects` erases everybody.
fn segments<'a>(path: &'a str, method: &Method) -> Vec<&'a str> {
    let mut parts: Vec<&str> = path.split('/').collect();
    let keeps = |parts: &[&str]| {
        let collection = matches!(parts, ["recognition", "subjects" | "faces", ..]);
        *method == Method::DELETE && collection && parts.len() <= 3
    };
    while parts.len() > 1 && parts.last() == Some(&"") && !keeps(&parts) {
        parts.pop();
    }
    parts
}

async fn dispatch(faces: &Faces, service: Service, call: Call) -> Result<Response, Problem> {
    let recognition = &*faces.recognition;
    let body = match call {
        Call::AddSubject { name } => return subjects::add(recognition, service, name).await,
        Call::ListSubjects => json!({"subjects": recognition.gallery().subjects(service)}),
        Call::EraseSubjects => subjects::erase_all(recognition, service).await?,
        Call::RenameSubject { old, new } => {
            subjects::rename(recognition, service, old, new).await?
        }
        Call::EraseSubject { name } => subjects::erase(recognition, service, name).await?,
        Call::ListExamples(request) => subjects::list_examples(recognition, service, &request),
        Call::EraseExamples { subject } => {
            subjects::erase_examples(recognition, service, subject).await?
        }
        Call::EraseExamplesById(ids) => {
            subjects::erase_examples_by_id(recognition, service, ids).await?
        }
        Call::EraseExample(id) => subjects::erase_example(recognition, service, id).await?,
        Call::ExampleImage { id } => {
            return subjects::image(faces, Some(service), &id).await;
        }
        Call::Enrol(request) => return faces.enrol(service, request).await,
        Call::Recognise(request) => faces.recognise(service, request).await?,
        Call::Detect(request) => faces.detect(service, request).await?,
        Call::Verify(request) => faces.verify(service, request).await?,
        Call::VerifyExample { id, photo } => faces.verify_example(service, id, photo).await?,
        Call::RecogniseEmbeddings(request) => faces.recognise_embeddings(service, request).await?,
        Call::VerifyEmbeddings { id, embeddings } => {
            faces.verify_embeddings(service, id, &embeddings).await?
        }
        Call::CompareEmbeddings(request) => faces.compare_embeddings(&request)?,
    };
    Ok(axum::Json(body).into_response())
}

async fn authorised(
    recognition: &Recognition,
    client: Client,
    (kind, name): (Kind, &str),
    headers: &HeaderMap,
) -> Result<Service, Problem> {
    let missing = || Problem::new(Code::MissingKey, "Missing header: x-api-key");
    let given = headers.get("x-api-key").ok_or_else(missing)?;
    let malformed = || Problem::new(Code::MalformedKey, "Service API key should be UUID");
    let key = given
        .to_str()
        .ok()
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::parse_str(text).ok())
        .ok_or_else(malformed)?;
    let service = recognition.service(client, &[kind], &key).await?;
    service.ok_or_else(|| {
        let detail = format!("{name} service with API Key {key} not found");
        Problem::new(Code::UnknownKey, detail)
    })
}
