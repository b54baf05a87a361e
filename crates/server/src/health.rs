//! Probes for supervisors. In: nothing. Out: 200 while the server is alive, and while it takes
//! work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

/// What the probes answer.
#[derive(Debug)]
pub(crate) struct Health {
    pack: String,
    ready: AtomicBool,
}

impl Health {
    pub(crate) fn new(pack: &str) -> Health {
        Health {
            pack: pack.to_owned(),
            ready: AtomicBool::new(true),
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
    if health.ready.load(Ordering::SeqCst) {
        (StatusCode::OK, format!("ready, pack {}\n", health.pack))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
    }
}
