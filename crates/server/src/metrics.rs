//! What was asked and how long it took. In: answers. Out: Prometheus text. No names, keys or paths in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Recognition;

const BOUNDS_S: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// What a path is counted as: the first of these words in it.
const KINDS: [&str; 13] = [
    "jobs",
    "collections",
    "embeddings",
    "recognize",
    "detect",
    "verify",
    "subjects",
    "faces",
    "identify",
    "people",
    "audit",
    "static",
    "other",
];

/// Requests by kind.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<&'static str, Kind>>);

#[derive(Debug, Default)]
struct Kind {
    by_status: BTreeMap<u16, u64>,
    /// How many took at most each bound.
    within: [u64; BOUNDS_S.len()],
    sum_s: f64,
    count: u64,
}

pub(super) fn router(served: &Arc<Recognition>) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .with_state(served.clone())
}

pub(super) async fn measure(
    State(served): State<Arc<Recognition>>,
    request: Request,
    next: Next,
) -> Response {
    let kind = kind_of(request.uri().path());
    let started = Instant::now();
    let response = next.run(request).await;
    let took_s = started.elapsed().as_secs_f64();
    let mut all = served
        .metrics
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let of = all.entry(kind).or_default();
    *of.by_status.entry(response.status().as_u16()).or_default() += 1;
    for (bound, n) in BOUNDS_S.iter().zip(&mut of.within) {
        *n += u64::from(took_s <= *bound);
    }
    of.sum_s += took_s;
    of.count += 1;
    response
}

fn kind_of(path: &str) -> &'static str {
    let has = |kind: &&&str| path.split('/').any(|word| word == **kind);
    KINDS.iter().find(has).copied().unwrap_or("other")
}

async fn show(State(served): State<Arc<Recognition>>) -> Response {
    let mut text = String::from("# TYPE fusiform_requests_total counter\n");
    let all = served
        .metrics
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // Writing to a String does not fail.
    for (kind, of) in all.iter() {
        for (status, n) in &of.by_status {
            let _ = writeln!(
                text,
                "fusiform_requests_total{{kind=\"{kind}\",status=\"{status}\"}} {n}"
            );
        }
    }
    text.push_str("# TYPE fusiform_request_seconds histogram\n");
    for (kind, of) in all.iter() {
        for (bound, n) in BOUNDS_S.iter().zip(&of.within) {
            let _ = writeln!(
                text,
                "fusiform_request_seconds_bucket{{kind=\"{kind}\",le=\"{bound}\"}} {n}"
            );
        }
        let (sum_s, count) = (of.sum_s, of.count);
        let _ = write!(
            text,
            "fusiform_request_seconds_bucket{{kind=\"{kind}\",le=\"+Inf\"}} {count}\n\
             fusiform_request_seconds_sum{{kind=\"{kind}\"}} {sum_s}\n\
             fusiform_request_seconds_count{{kind=\"{kind}\"}} {count}\n"
        );
    }
    drop(all);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
