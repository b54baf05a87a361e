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

use crate::problem::{Code, Problem, render_problems};
use crate::service::Recognition;
use body::RawRequest;
use faces::Faces;
use request::Call;
use scale::Scale;

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
pub(crate) fn router(recognition: &Arc<Recognition>) -> Result<Router> {
    let thresholds = recognition.engine().thresholds()?;
    let scale =
        Scale::fit(thresholds).context("the pack cannot serve recognition; calibrate it first")?;
    let faces = Faces {
        recognition: Arc::clone(recognition),
        scale,
    };
    let routes = Router::new()
        .route("/api/v1/{*rest}", any(answer))
        .with_state(Arc::new(faces));
    let mut routes = render_problems(routes, render::problem);
    for (name, value) in CORS {
        let value = HeaderValue::from_static(value);
        routes = routes.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    Ok(routes.layer(from_fn(close_after_axios_0)))
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
    let path: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let method = request.method().clone();
    match (&method, &path[..]) {
        (&Method::GET, ["static", key, "images", id]) => {
            let key = Uuid::parse_str(key).ok();
            let gallery = recognition.gallery();
            let service = key.and_then(|key| gallery.service(Kind::Recognition, &key));
            return subjects::image(recognition, service, id).await;
        }
        (&Method::GET, ["config"]) => {
            let sizes = json!({"clientMaxFileSize": 5_242_880, "clientMaxBodySize": 10_485_760});
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
    let service = authorised(recognition, (kind, name), request.headers()).await?;
    let admission = recognition.admission();
    admission.count_request(service.id)?;
    let _body = admission.reserve_body(request.headers(), body::MAX_BODY_BYTES)?;
    let raw = RawRequest::read(request).await?;
    let call = Call::parse(&method, &path, raw)?;
    dispatch(faces, service, call).await
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
            return subjects::image(recognition, Some(service), &id).await;
        }
        Call::Enrol(request) => return faces.enrol(service, request).await,
        Call::Recognise(request) => faces.recognise(service, request).await?,
        Call::Detect(request) => faces.detect(request).await?,
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
    let service = recognition.service(&[kind], &key).await;
    service.ok_or_else(|| {
        let detail = format!("{name} service with API Key {key} not found");
        Problem::new(Code::UnknownKey, detail)
    })
}
