//! The album's web page. In: the catalogue of a scan. Out: its routes.
//! Its pages are mounted here and nowhere else.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Served;

/// The album's routes.
pub(crate) fn router(served: &Arc<Served>) -> Router {
    Router::new()
        .route("/", get(front))
        .with_state(served.clone())
}

async fn front(State(served): State<Arc<Served>>) -> (StatusCode, String) {
    let state = if served.catalogue.exists() {
        "is there; `fusiform people` lists who is in it"
    } else {
        "is not there yet; `fusiform scan DIR` makes it"
    };
    (
        StatusCode::OK,
        format!("Fusiform serves. The catalogue {state}.\n"),
    )
}
