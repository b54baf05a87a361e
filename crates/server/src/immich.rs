//! Immich's machine learning, for faces. In: requests of Immich's server. Out: faces with
//! embeddings, as its database takes them; every other task goes to another server, or is refused
//! so that Immich asks its next one. No key: Immich has none, so the settings say who can reach it.

mod entries;
mod faces;
mod upstream;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fusiform::Engine;
use serde_json::json;

use crate::admission::{BodyLimit, Held, Holder, blocking};
use crate::analysis::{Analyser, library_threshold};
use crate::multipart::{self, Part};
use crate::problem::{Code, Problem, render_problems};
use crate::settings::ImmichSettings;
use entries::{Entries, Task};
use faces::EMBEDDING_LENGTH;
use upstream::Upstream;

/// Immich keeps as much of a request in memory.
const MAX_BODY_BYTES: usize = 64 << 20;

/// The faces of one engine, and where everything else goes.
#[derive(Debug)]
struct Immich {
    analyser: Analyser,
    upstream: Option<Upstream>,
}

/// The routes.
///
/// # Errors
/// If the pack's embeddings do not fit Immich's table, or the address to forward to is none.
pub(crate) fn router(analyser: &Analyser, settings: &ImmichSettings) -> Result<Router> {
    let n = analyser.engine().dimensions();
    ensure!(
        (1..=EMBEDDING_LENGTH).contains(&n),
        "the pack's embeddings have {n} values, and Immich stores up to {EMBEDDING_LENGTH}; use \
         another pack"
    );
    let upstream = settings.forward.as_deref().map(Upstream::new);
    let immich = Immich {
        analyser: analyser.clone(),
        upstream: upstream.transpose().context("the server to forward to")?,
    };
    let routes = Router::new()
        .route(
            "/",
            get(async || axum::Json(json!({"message": "Immich ML"}))),
        )
        .route("/ping", get(async || "pong"))
        .route("/predict", post(predict))
        .fallback(async || Problem::new(Code::UnknownRoute, "Not Found"))
        .with_state(Arc::new(immich));
    Ok(render_problems(routes, render))
}

/// What to type into Immich's settings as "maximum recognition distance" for a pack, and the
/// false-match rate of one comparison that it stands for; `None` if the pack states no thresholds.
/// Rounded down, so that the rate is not exceeded.
pub fn immich_distance(engine: &Engine) -> Option<(f64, f64)> {
    let threshold = library_threshold(engine)?;
    let distance = 1.0 - f64::from(threshold.similarity);
    Some(((distance * 100.0).floor() / 100.0, threshold.fmr))
}

async fn predict(State(immich): State<Arc<Immich>>, request: Request) -> Result<Response, Problem> {
    let admission = immich.analyser.admission();
    let (head, body) = request.into_parts();
    let limit = BodyLimit {
        max_bytes: MAX_BODY_BYTES,
        parsed: 0,
    };
    let received = admission.receive(Holder::IMMICH, body, limit);
    let (bytes, held) = admission.in_time(received).await?;
    let media_type = multipart::media_type(&head.headers);
    let parse = |bytes: Bytes| blocking(move || Asked::parse(bytes, &media_type));
    match parse(bytes.clone()).await? {
        Asked::Faces { task, image } => {
            let answer = immich.faces(task, image);
            admission.in_time(answer).await
        }
        Asked::Other(task) => immich.forward(&task, &head, bytes, held).await,
    }
}

/// What a request is about.
#[derive(Debug)]
enum Asked {
    Faces {
        task: Task,
        image: Bytes,
    },
    /// Not ours: the name of its task.
    Other(String),
}

impl Asked {
    fn parse(body: Bytes, media_type: &str) -> Result<Asked, Problem> {
        let malformed = || Problem::new(Code::Malformed, "Invalid request format.");
        let parts = multipart::parts(body, media_type).map_err(|_| malformed())?;
        let named = |name: &str| parts.iter().find(|part| part.name == name);
        let entries = named("entries").ok_or_else(malformed)?;
        match Entries::parse(&entries.bytes).ok_or_else(malformed)? {
            Entries::Other(task) => Ok(Asked::Other(task)),
            Entries::Faces(task) => {
                let image = named("image").filter(|part: &&Part| part.file_name.is_some());
                let missing = "Either image or text must be provided";
                let image = image.ok_or_else(|| Problem::new(Code::MissingPart, missing))?;
                Ok(Asked::Faces {
                    task,
                    image: image.bytes.clone(),
                })
            }
        }
    }
}

impl Immich {
    async fn faces(&self, task: Task, image: Bytes) -> Result<Response, Problem> {
        let found = self.analyser.analyse(Holder::IMMICH, image).await?;
        Ok(axum::Json(faces::answer(&found, task)?).into_response())
    }

    async fn forward(
        &self,
        task: &str,
        head: &Parts,
        body: Bytes,
        held: Held,
    ) -> Result<Response, Problem> {
        let Some(upstream) = &self.upstream else {
            let detail =
                format!("Task {task} is not done here, and there is no server to forward to");
            return Err(Problem::new(Code::InvalidValue, detail));
        };
        let answer = upstream.send(head, body).await;
        drop(held);
        answer
    }
}

/// A problem in the form of Immich's own server.
fn render(problem: &Problem) -> Response {
    let status = match problem.code {
        Code::Malformed => StatusCode::UNPROCESSABLE_ENTITY,
        Code::MissingPart | Code::InvalidValue | Code::UnreadableImage => StatusCode::BAD_REQUEST,
        _ => problem.status(),
    };
    let detail = match problem.code {
        // It may name files.
        Code::Internal => "Internal Server Error",
        _ => &*problem.detail,
    };
    (status, axum::Json(json!({"detail": detail}))).into_response()
}
