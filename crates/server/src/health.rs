//! Is the server alive, and does it take work? In: nothing. Out: 200 or 503 for whoever supervises it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Served;

pub(crate) fn router(served: &Arc<Served>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(served.clone())
}

async fn ready(State(served): State<Arc<Served>>) -> (StatusCode, String) {
    if served.ready.load(Ordering::SeqCst) {
        let pack = served.engine.pack();
        (StatusCode::OK, format!("ready, pack {pack}\n"))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
    }
}
