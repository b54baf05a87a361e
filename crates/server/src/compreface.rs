//! CompreFace 1.2's REST contract. In: its requests, well or badly formed. Out: its answers and error codes.
//! The order of checks is the contract's: key, size, parts, values, ranges, file name, faces, stored image.

mod answer;
mod faces;
mod failure;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use fusiform_gallery::{Kind, Service, Uuid};
use serde_json::json;

use super::Recognition;
pub(crate) use answer::Scale;
use failure::Failure;
use request::Call;

type Answered = Result<Response, Failure>;

pub(crate) fn router(served: &Arc<Recognition>) -> Router {
    Router::new()
        .route("/api/v1/{*rest}", any(handle))
        .with_state(served.clone())
}

async fn handle(State(served): State<Arc<Recognition>>, request: Request) -> Response {
    // See `escaping`: the next request line of this client may need it.
    let closes = request
        .headers()
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"axios/0."));
    let mut response = if request.method() == Method::OPTIONS {
        let mut preflight = StatusCode::NO_CONTENT.into_response();
        let age = HeaderValue::from_static("1728000");
        preflight
            .headers_mut()
            .insert(header::ACCESS_CONTROL_MAX_AGE, age);
        preflight
    } else {
        tokio::time::timeout(served.timeout, route(&served, request))
            .await
            .unwrap_or_else(|_| Err(Failure::too_slow()))
            .unwrap_or_else(IntoResponse::into_response)
    };
    let allow = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, OPTIONS, PUT, DELETE",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "DNT,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,x-api-key",
        ),
    ];
    if closes {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    for (name, value) in allow {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn route(served: &Arc<Recognition>, request: Request) -> Answered {
    let path = request::decoded(request.uri().path(), false);
    let path = path.strip_prefix("/api/v1/").unwrap_or_default();
    let parts: Vec<String> = path
        .trim_end_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = request.method().clone();
    match (&method, &parts[..]) {
        (&Method::GET, ["static", key, "images", id]) => {
            let key = Uuid::parse_str(key).ok();
            let service = key.and_then(|k| served.vault.service(Kind::Recognition, &k));
            return image(served, service, id).await;
        }
        (&Method::GET, ["config"]) => {
            return ok(json!({"clientMaxFileSize": 5_242_880, "clientMaxBodySize": 10_485_760}));
        }
        (&Method::GET, ["consistence", "status"]) => {
            return ok(
                json!({"demoFaceCollectionIsInconsistent": false, "dbIsInconsistent": false,
                "saveImagesToDB": true, "status": "OK"}),
            );
        }
        _ => {}
    }
    let (kind, name) = match parts[0] {
        "recognition" => (Kind::Recognition, "Recognition"),
        "detection" => (Kind::Detection, "Detection"),
        "verification" => (Kind::Verification, "Verification"),
        _ => return Err(Failure::no_such_path()),
    };
    let service = authorised(served, (kind, name), request.headers()).await?;
    let room = served.room(request.headers(), request::MAX_BODY_BYTES);
    let _room = room.ok_or_else(Failure::busy)?;
    let call = Call::read(request).await?;
    match (&method, &parts[..]) {
        (&Method::POST, ["recognition", "subjects"]) => {
            let name = call.subject_of_body()?;
            let (vault, given) = (served.vault.clone(), name.clone());
            if !stored(move || vault.add_subject(service, &given, None)).await? {
                return Err(Failure::new(400, 43, "Subject already exists"));
            }
            Ok((StatusCode::CREATED, axum::Json(json!({"subject": name}))).into_response())
        }
        (&Method::GET, ["recognition", "subjects"]) => {
            ok(json!({"subjects": served.vault.subjects(service)}))
        }
        (&Method::DELETE, ["recognition", "subjects"]) => {
            let vault = served.vault.clone();
            let (subjects, _) = stored(move || vault.erase_all(service)).await?;
            ok(json!({"deleted": subjects}))
        }
        (&Method::PUT, ["recognition", "subjects", old]) => {
            let new = call.subject_of_body()?;
            request::not_blank(old)?;
            if new == *old {
                return ok(json!({"updated": false}));
            }
            let (vault, from) = (served.vault.clone(), (*old).to_owned());
            if !stored(move || vault.rename_subject(service, &from, &new)).await? {
                return Err(Failure::new(404, 42, format!("Subject {old} not found")));
            }
            ok(json!({"updated": true}))
        }
        (&Method::DELETE, ["recognition", "subjects", name]) => {
            request::not_blank(name)?;
            let (vault, given) = (served.vault.clone(), (*name).to_owned());
            match stored(move || vault.erase_subject(service, &given)).await? {
                Some((stored, _)) => ok(json!({"subject": stored})),
                None => Err(Failure::new(404, 42, format!("Subject {name} not found"))),
            }
        }
        (&Method::GET, ["recognition", "faces"]) => list(served, service, &call),
        (&Method::DELETE, ["recognition", "faces"]) => {
            let vault = served.vault.clone();
            let n = match call.query("subject") {
                // The documentation's reading: without a subject, all faces.
                None => stored(move || vault.erase_all(service)).await?.1,
                Some(name) => {
                    request::not_blank(name)?;
                    let name = name.to_owned();
                    stored(move || vault.erase_subject(service, &name))
                        .await?
                        .map_or(0, |(_, n)| n)
                }
            };
            ok(json!({"deleted": n}))
        }
        (&Method::POST, ["recognition", "faces"]) => faces::enrol(served, service, call).await,
        (&Method::POST, ["recognition", "faces", "delete"]) => {
            let body: Vec<String> = call.json()?;
            let body: Vec<Uuid> = body.iter().map(|id| uuid(id)).collect::<Result<_, _>>()?;
            let vault = served.vault.clone();
            let gone = stored(move || {
                let mut gone = Vec::new();
                for id in &body {
                    gone.extend(vault.erase_example(service, id)?);
                }
                Ok(gone)
            });
            let gone: Vec<_> = gone.await?.iter().map(shown).collect();
            ok(json!(gone))
        }
        (&Method::DELETE, ["recognition", "faces", id]) => {
            let id = uuid(id)?;
            let vault = served.vault.clone();
            match stored(move || vault.erase_example(service, &id)).await? {
                Some(example) => ok(shown(&example)),
                None => Err(Failure::new(404, 44, format!("Image {id} not found"))),
            }
        }
        (&Method::GET, ["recognition", "faces", id, "img"]) => {
            image(served, Some(service), id).await
        }
        (&Method::POST, ["recognition", "faces", id, "verify"]) => {
            faces::verify_stored(served, service, uuid(id)?, call).await
        }
        (&Method::POST, ["recognition", "recognize"]) => {
            faces::recognise(served, service, call).await
        }
        (&Method::POST, ["detection", "detect"]) => faces::detect(served, call).await,
        (&Method::POST, ["verification", "verify"]) => faces::verify(served, service, call).await,
        (&Method::POST, ["recognition", "embeddings", "recognize"]) => {
            faces::recognise_embeddings(served, service, &call).await
        }
        (&Method::POST, ["recognition", "embeddings", "faces", id, "verify"]) => {
            faces::verify_embeddings(served, service, uuid(id)?, &call).await
        }
        (&Method::POST, ["verification", "embeddings", "verify"]) => {
            faces::compare_embeddings(served, &call)
        }
        (
            _,
            ["recognition", "subjects" | "faces" | "recognize"]
            | ["recognition", "subjects" | "faces", _]
            | ["recognition", "faces", _, "img" | "verify"]
            | ["detection", "detect"]
            | ["verification", "verify"],
        ) => Err(Failure::new(
            404,
            0,
            format!("Request method '{method}' not supported"),
        )),
        _ => Err(Failure::no_such_path()),
    }
}

async fn authorised(
    served: &Recognition,
    (kind, name): (Kind, &str),
    headers: &HeaderMap,
) -> Result<Service, Failure> {
    let given = headers
        .get("x-api-key")
        .ok_or_else(|| Failure::new(400, 20, "Missing header: x-api-key"))?;
    let key = given
        .to_str()
        .ok()
        .filter(|k| k.len() == 36)
        .and_then(|k| Uuid::parse_str(k).ok())
        .ok_or_else(|| Failure::new(400, 26, "Service API key should be UUID"))?;
    let unknown = || {
        Failure::new(
            404,
            10,
            format!("{name} service with API Key {key} not found"),
        )
    };
    let service = served.service(&[kind], &key).await.ok_or_else(unknown)?;
    if !served.may_ask(service) {
        return Err(Failure::too_many());
    }
    Ok(service)
}

fn list(served: &Recognition, service: Service, call: &Call) -> Answered {
    let number = |name| call.query(name).and_then(|v| v.parse::<usize>().ok());
    let page = number("page").unwrap_or(0);
    let size = number("size").filter(|n| *n > 0).unwrap_or(20).min(2000);
    let skip = page.saturating_mul(size);
    let (n, examples) = served
        .vault
        .examples(service, call.query("subject"), skip, size);
    let faces: Vec<_> = examples.iter().map(shown).collect();
    ok(
        json!({"faces": faces, "total_pages": n.div_ceil(size), "total_elements": n,
        "page_number": page, "page_size": size}),
    )
}

async fn image(served: &Recognition, service: Option<Service>, id: &str) -> Answered {
    let id = Uuid::parse_str(id).ok();
    let bytes = match (service, id) {
        (Some(service), Some(id)) => {
            let vault = served.vault.clone();
            stored(move || vault.image(service, &id))
                .await?
                .unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "public, max-age=31536000"),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

fn shown(example: &fusiform_gallery::Example) -> serde_json::Value {
    json!({"image_id": example.id.to_string(), "subject": example.subject})
}

fn uuid(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(text).map_err(|_| Failure::unforeseen())
}

fn ok(body: serde_json::Value) -> Answered {
    Ok(axum::Json(body).into_response())
}

/// Runs work that waits for the disk away from the threads that serve connections.
async fn stored<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, fusiform_gallery::Error> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Failure::inside("stopped"))?;
    done.map_err(|e| Failure::inside(&e.to_string()))
}
