//! The external model of Nextcloud's "Face Recognition". In: photos that the app has scaled down.
//! Out: faces with descriptors for its clustering.
//!
//! The app takes whatever it cannot read for "no face in this photo", for good. So a photo that
//! finds the queue full is tried again, and what fails is answered with a body that breaks off:
//! PHP's client reports an error, and the app keeps the photo for another time.

mod render;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fusiform::geometry::BoundingBox;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use crate::admission::{BodyLimit, Held, Holder, blocking, pixels};
use crate::analysis::{Analysed, Analyser, library_threshold};
use crate::attempts::Attempts;
use crate::front::Client;
use crate::multipart::{self, Part};
use crate::problem::{Code, Problem, render_problems};
use render::Scale;

/// Pixels to which the app scales photos down.
const MAX_AREA_PX: u64 = 3840 * 2160;
const MAX_BODY_BYTES: usize = 64 << 20;
/// Text of a face that the app sends back.
const MAX_FACE_BYTES: usize = 64 << 10;
/// While the queue is full, a request is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long after its text an answer breaks off.
const BREAK_AFTER: Duration = Duration::from_millis(50);
/// Shared area over joint area from which on a face is the one that the app means.
const SAME_IOU: f32 = 0.4;
/// Version of the contract.
const VERSION: &str = "1.0.0";

/// Wrong keys of one address in a row before it has to wait.
const FREE_WRONG_KEYS: u32 = 20;
const WRONG_KEYS_WAIT: Duration = Duration::from_secs(10);

struct Nextcloud {
    analyser: Analyser,
    scale: Scale,
    key_hash: blake3::Hash,
    wrong_keys: Attempts,
}

/// The routes; `key` opens them.
///
/// # Errors
/// If the pack states no thresholds, or the key is empty.
pub(crate) fn router(analyser: &Analyser, key: &str) -> Result<Router> {
    let threshold = library_threshold(analyser.engine());
    let threshold = threshold.context("the pack states no thresholds; calibrate it first")?;
    ensure!(!key.is_empty(), "the key for Nextcloud is empty");
    let nextcloud = Nextcloud {
        analyser: analyser.clone(),
        scale: Scale::fit(threshold.similarity),
        key_hash: blake3::hash(key.as_bytes()),
        wrong_keys: Attempts::new(FREE_WRONG_KEYS, WRONG_KEYS_WAIT),
    };
    let welcome = json!({"facerecognition-external-model": "welcome", "version": VERSION,
        "model": 4});
    let routes = Router::new()
        .route("/health", get(async || "ok"))
        .route("/welcome", get(async move || axum::Json(welcome)))
        .route("/open", get(open))
        .route("/detect", post(detect))
        .route("/compute", post(compute))
        .fallback(async || Problem::new(Code::UnknownRoute, "There is no such path"))
        .with_state(Arc::new(nextcloud));
    Ok(render_problems(routes, render_problem))
}

type Shared = State<Arc<Nextcloud>>;

async fn open(State(nextcloud): Shared, request: Request) -> Result<Response, Problem> {
    nextcloud.check_key(Client::of(&request)?, request.headers())?;
    let terms = json!({"preferred_mimetype": "image/jpeg", "maximum_area": MAX_AREA_PX});
    Ok(axum::Json(terms).into_response())
}

async fn detect(State(nextcloud): Shared, request: Request) -> Result<Response, Problem> {
    let admission = nextcloud.analyser.admission();
    admission.in_time(nextcloud.detected(request)).await
}

async fn compute(State(nextcloud): Shared, request: Request) -> Result<Response, Problem> {
    let admission = nextcloud.analyser.admission();
    admission.in_time(nextcloud.computed(request)).await
}

/// What a request holds.
struct Sent {
    file_name: String,
    image: Bytes,
    parts: Vec<Part>,
}

impl Sent {
    fn field(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl Nextcloud {
    fn check_key(&self, client: Client, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get("x-api-key").map(HeaderValue::as_bytes);
        // Hashes compare in constant time.
        if given.is_some_and(|given| blake3::hash(given) == self.key_hash) {
            self.wrong_keys.succeeded(client.address);
            return Ok(());
        }
        if self.wrong_keys.must_wait(client.address) {
            return Err(Problem::new(
                Code::RateLimited,
                "Too many wrong keys, please wait",
            ));
        }
        let n = self.wrong_keys.failed(client.address);
        if n == 1 || n == FREE_WRONG_KEYS {
            let address = client.address;
            tracing::warn!("nextcloud: wrong key from {address}, {n} in a row");
        }
        Err(Problem::new(
            Code::UnknownKey,
            "the key in x-api-key is missing or wrong",
        ))
    }

    async fn receive(&self, request: Request) -> Result<(Sent, Held), Problem> {
        self.check_key(Client::of(&request)?, request.headers())?;
        let media_type = multipart::media_type(request.headers());
        let limit = BodyLimit {
            max_bytes: MAX_BODY_BYTES,
            parsed: 0,
        };
        let admission = self.analyser.admission();
        let (bytes, held) = admission
            .receive(Holder::NEXTCLOUD, request.into_body(), limit)
            .await?;
        let parse = move || {
            let parts = multipart::parts(bytes, &media_type);
            let parts = parts.map_err(|_| Problem::new(Code::Malformed, "a form is wanted"))?;
            let file = parts.iter().find(|part| part.name == "file");
            let file = file.filter(|part| part.file_name.is_some());
            let missing = || Problem::new(Code::MissingPart, "the part \"file\" is missing");
            let file = file.ok_or_else(missing)?;
            let path = file.file_name.clone().unwrap_or_default();
            let sent = Sent {
                file_name: path.rsplit(['/', '\\']).next().unwrap_or_default().into(),
                image: file.bytes.clone(),
                parts,
            };
            match pixels(&sent.image) > MAX_AREA_PX {
                true => {
                    let detail = format!("the picture has more than {MAX_AREA_PX} pixels");
                    Err(Problem::new(Code::TooLarge, detail))
                }
                false => Ok(sent),
            }
        };
        Ok((blocking(parse).await?, held))
    }

    /// Does it again while too many requests wait.
    async fn patiently<T, F>(&self, work: impl Fn() -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        loop {
            match work().await {
                Err(problem) if problem.code == Code::Busy => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                done => return done,
            }
        }
    }

    async fn analyse(&self, image: &Bytes) -> Result<Analysed, Problem> {
        let analyse = || self.analyser.analyse(Holder::NEXTCLOUD, image.clone());
        self.patiently(analyse).await
    }

    async fn detected(&self, request: Request) -> Result<Response, Problem> {
        let (sent, _held) = self.receive(request).await?;
        let found = self.analyse(&sent.image).await?;
        let faces = found
            .faces
            .iter()
            .map(|face| self.scale.face(face, found.size));
        let faces: Vec<Value> = faces.collect::<Result<_, Problem>>()?;
        let answer = json!({"filename": sent.file_name, "faces-count": faces.len(),
            "faces": faces});
        Ok(axum::Json(answer).into_response())
    }

    async fn computed(&self, request: Request) -> Result<Response, Problem> {
        let (sent, _held) = self.receive(request).await?;
        let missing = || Problem::new(Code::MissingPart, "the part \"face\" is missing");
        let text = sent.field("face").ok_or_else(missing)?;
        let wrong = || {
            let detail = "\"face\" wants a JSON object with left, top, right and bottom";
            Problem::new(Code::Malformed, detail)
        };
        if text.bytes.len() > MAX_FACE_BYTES {
            return Err(wrong());
        }
        let mut face: Map<String, Value> =
            serde_json::from_slice(&text.bytes).map_err(|_| wrong())?;
        let bbox = stated_box(&face).ok_or_else(wrong)?;
        let image = &sent.image;
        let found = self.analyse(image).await?;
        let nearest = found.faces.iter().max_by(|a, b| {
            let iou = |face: &fusiform::Face| face.bbox.iou(&bbox);
            iou(a).total_cmp(&iou(b))
        });
        match nearest.filter(|near| near.bbox.iou(&bbox) >= SAME_IOU) {
            Some(near) => {
                face.insert("landmarks".into(), render::landmarks(near));
                face.insert("descriptor".into(), self.scale.of_face(near)?);
            }
            // A face that only the app knows: somebody has drawn its box.
            None => {
                let embed = || {
                    self.analyser
                        .embed_at(Holder::NEXTCLOUD, image.clone(), bbox)
                };
                let vector = self.patiently(embed).await?;
                face.insert("landmarks".into(), json!([]));
                face.insert("descriptor".into(), self.scale.descriptor(&vector));
            }
        }
        let answer = json!({"filename": sent.file_name, "face": face});
        Ok(axum::Json(answer).into_response())
    }
}

fn stated_box(face: &Map<String, Value>) -> Option<BoundingBox> {
    let side = |name: &str| {
        let value = face.get(name)?.as_f64()? as f32;
        value.is_finite().then_some(value)
    };
    let bbox = BoundingBox {
        x_min: side("left")?,
        y_min: side("top")?,
        x_max: side("right")?,
        y_max: side("bottom")?,
    };
    (bbox.width() >= 1.0 && bbox.height() >= 1.0).then_some(bbox)
}

/// A problem with the contract's status. What is not the client's mistake breaks off, so that it is
/// not taken for a photo without faces.
fn render_problem(problem: &Problem) -> Response {
    let status = match problem.code {
        Code::Malformed | Code::MissingPart => StatusCode::BAD_REQUEST,
        Code::TooLarge => StatusCode::PRECONDITION_FAILED,
        _ => problem.status(),
    };
    let text = match problem.code {
        Code::Internal => "the server failed; its log says how".to_owned(),
        _ => problem.detail.clone(),
    };
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
        return (status, text).into_response();
    }
    tracing::warn!("nextcloud: {} {text}", status.as_u16());
    let promised = text.len() + 1;
    let begun = stream::once(async { Ok(Bytes::from(text)) });
    let broken = stream::once(async {
        // Meanwhile head and text are sent: whoever looks at them is told.
        tokio::time::sleep(BREAK_AFTER).await;
        Err(std::io::Error::other("broken off on purpose"))
    });
    let mut response = (status, Body::from_stream(begun.chain(broken))).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(promised));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    response
}
