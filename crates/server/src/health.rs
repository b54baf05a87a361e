//! Probes for supervisors. In: what the gallery says of itself. Out: 200 while the server is alive,
//! and while it takes work; 503 with the reason if it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::service::Recognition;

/// What the probes answer.
#[derive(Debug)]
pub(crate) struct Health {
    pack: String,
    ready: AtomicBool,
    recognition: Option<Arc<Recognition>>,
}

impl Health {
    pub(crate) fn new(pack: &str, recognition: Option<Arc<Recognition>>) -> Health {
        Health {
            pack: pack.to_owned(),
            ready: AtomicBool::new(true),
            recognition,
        }
    }

    /// From now on the server takes no new work.
    pub(crate) fn stopping(&self) {
        self.ready.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn router(health: &Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(health))
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let fault = health.recognition.as_ref();
    let fault = fault.and_then(|recognition| recognition.gallery().health().fault());
    match fault {
        _ if !health.ready.load(Ordering::SeqCst) => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
        }
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
        None => (StatusCode::OK, format!("ready, pack {}\n", health.pack)),
    }
}
