//! Counts of requests and their times. In: answers. Out: text for Prometheus, or OpenMetrics for
//! those who ask for it. No names, keys or paths in it.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::problem::Problem;

const BOUNDS_S: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// A path counts as the first of these words that is a segment of it, else as `other`.
const KINDS: [&str; 17] = [
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
    "predict",
    "compute",
    "register",
    "face",
    "static",
    "other",
];
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    kind: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    kind: &'static str,
}

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Timed, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::default();
        let requests = Family::<Answered, Counter>::default();
        // The encoder appends `_total` to the name of a counter.
        registry.register(
            "fusiform_requests",
            "Requests answered, by kind and HTTP status",
            requests.clone(),
        );
        let histogram: fn() -> Histogram = || Histogram::new(BOUNDS_S);
        let seconds = Family::new_with_constructor(histogram);
        registry.register(
            "fusiform_request_seconds",
            "Seconds from the head of a request to its answer, by kind",
            seconds.clone(),
        );
        Metrics {
            registry,
            requests,
            seconds,
        }
    }

    /// For figures of other parts.
    pub(crate) fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    fn count(&self, kind: &'static str, status: u16, seconds: f64) {
        self.requests
            .get_or_create(&Answered { kind, status })
            .inc();
        self.seconds.get_or_create(&Timed { kind }).observe(seconds);
    }
}

pub(crate) fn router(metrics: &Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .with_state(Arc::clone(metrics))
}

/// Middleware that counts and times what it wraps.
pub(crate) async fn measure(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let kind = kind_of(request.uri().path());
    let started = Instant::now();
    let response = next.run(request).await;
    let seconds = started.elapsed().as_secs_f64();
    metrics.count(kind, response.status().as_u16(), seconds);
    response
}

fn kind_of(path: &str) -> &'static str {
    let has = |kind: &&&str| path.split('/').any(|segment| segment == **kind);
    KINDS.iter().find(has).copied().unwrap_or("other")
}

async fn show(
    State(metrics): State<Arc<Metrics>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut out = String::new();
    text::encode(&mut out, &metrics.registry).map_err(|e| Problem::internal(e.to_string()))?;
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let open = accepted.any(|a| a.to_str().is_ok_and(|a| a.contains(OPEN_METRICS)));
    let (kind, out) = match open {
        true => (OPEN_METRICS_TYPE, out),
        false => (PLAIN_TYPE, plain(&out)),
    };
    Ok(([(header::CONTENT_TYPE, kind)], out).into_response())
}

/// OpenMetrics as Prometheus' older text format: there a counter's HELP and TYPE have the name that
/// its samples have.
fn plain(open_metrics: &str) -> String {
    let counters: Vec<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what @ ("HELP" | "TYPE"), name, rest] if counters.contains(&name) => {
                out.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_help_and_type_and_keeps_its_name() {
        let metrics = Metrics::new();
        metrics.count(kind_of("/api/v1/recognition/recognize"), 200, 0.02);
        metrics.count(kind_of("/api/v1/a/b"), 404, 0.001);
        let mut out = String::new();
        text::encode(&mut out, &metrics.registry).unwrap();
        for line in [
            "# HELP fusiform_requests Requests answered, by kind and HTTP status.",
            "# TYPE fusiform_requests counter",
            "fusiform_requests_total{kind=\"recognize\",status=\"200\"} 1",
            "fusiform_requests_total{kind=\"other\",status=\"404\"} 1",
            "# TYPE fusiform_request_seconds histogram",
            "fusiform_request_seconds_count{kind=\"recognize\"} 1",
            "# EOF",
        ] {
            assert!(out.lines().any(|l| l == line), "{line} is not in\n{out}");
        }
    }

    /// What `promtool check metrics` wants: HELP and TYPE before the samples of each name.
    #[test]
    fn the_plain_format_describes_every_sample_by_its_name() {
        let metrics = Metrics::new();
        metrics.count(kind_of("/api/v1/recognition/recognize"), 200, 0.02);
        let mut out = String::new();
        text::encode(&mut out, &metrics.registry).unwrap();
        let out = plain(&out);
        let mut described = Vec::new();
        for line in out.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["#", what, name, ..] = words[..] {
                described.push((what, name));
                continue;
            }
            let name = words[0].split('{').next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count", ""];
            let mut families = suffixes.iter().filter_map(|s| name.strip_suffix(s));
            let whole =
                |f: &str| described.contains(&("HELP", f)) && described.contains(&("TYPE", f));
            assert!(families.any(whole), "{line} is not described in\n{out}");
        }
        assert!(
            out.contains("# TYPE fusiform_requests_total counter\n"),
            "{out}"
        );
        assert!(!out.contains("EOF"), "{out}");
    }
}
