//! The audit log of a collection. In: a key, and where to begin. Out: a page of its entries.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use fusiform_gallery::Service;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem_json::Problems;
use super::schema::{Audited, Log};
use crate::params::Query;
use crate::problem::Problem;
use crate::service::Recognition;

const USUAL_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Only entries after this one; 0 is from the first.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// At most so many.
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: Option<usize>,
}

/// This key's entries of the audit log, a page of them, in their order.
///
/// Each is compared with its own hash. That none is missing is proved where the vault is:
/// `fusiform audit verify`.
#[utoipa::path(get, path = "/api/fusiform/v1/audit", operation_id = "audit", params(Part),
    responses((status = 200, body = Log), Problems))]
pub(super) async fn show(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Query(part): Query<Part>,
) -> Result<Json<Log>, Problem> {
    let (after, limit) = (part.after.unwrap_or(0), part.limit.unwrap_or(USUAL_LIMIT));
    if !(1..=MAX_LIMIT).contains(&limit) || after < 0 {
        let detail = format!(
            "after is {after} and limit {limit}; 0 or more, and 1 to {MAX_LIMIT}, are wanted"
        );
        return Err(Problem::invalid(detail));
    }
    let read = recognition.stored(move |gallery| gallery.audit_page(after, limit, Some(service)));
    let entries: Vec<Audited> = read.await?.into_iter().map(Audited::from).collect();
    let next_after = (entries.len() == limit).then(|| entries.last().map_or(after, |e| e.seq));
    Ok(Json(Log {
        entries,
        next_after,
    }))
}
