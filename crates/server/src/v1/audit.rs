//! The audit log of a collection. In: a key. Out: its entries, after the whole log was verified.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fusiform_gallery::Service;

use super::problem_json::Problems;
use super::schema::{Audited, Log};
use crate::problem::Problem;
use crate::service::Recognition;

/// This key's entries of the audit log, after the whole log was proved whole.
#[utoipa::path(get, path = "/api/fusiform/v1/audit", operation_id = "audit",
    responses((status = 200, body = Log), Problems))]
pub(super) async fn show(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
) -> Result<Json<Log>, Problem> {
    let read = recognition.stored(move |gallery| {
        let mut entries = Vec::new();
        let verified = gallery.verify_audit(|e| {
            if e.service == service.id {
                entries.push(Audited::from(e));
            }
        })?;
        Ok(Log {
            entries,
            newest: verified.newest,
        })
    });
    Ok(Json(read.await?))
}
