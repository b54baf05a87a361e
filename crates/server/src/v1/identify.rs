//! Who is in a photo. In: an image and a false-match rate. Out: a person or "unknown" for each
//! face, with what a match means: similarity, threshold, and the rate at which strangers are
//! mistaken.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::{Extension, Json};
use fusiform::verify::SAME_FMR;
use fusiform_gallery::{Action, Service};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem_json::Problems;
use super::schema::{Bounds, Identified, Match};
use crate::params::Query;
use crate::problem::Problem;
use crate::service::{Recognition, embeddings};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Strictness {
    /// False-match rate of one comparison with a stranger at which a face counts as a match; one
    /// that the pack states.
    fmr: Option<f64>,
}

/// Who is in the image; a face that is not near enough to anybody is unknown.
#[utoipa::path(post, path = "/api/fusiform/v1/identify", operation_id = "identify",
    params(Strictness),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Identified), Problems))]
pub(super) async fn identify(
    State(recognition): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    Query(strictness): Query<Strictness>,
    image: Result<Bytes, BytesRejection>,
) -> Result<Json<Identified>, Problem> {
    let image = image?;
    let fmr = strictness.fmr.unwrap_or(SAME_FMR);
    let threshold = recognition.engine().thresholds();
    let threshold = threshold.and_then(|t| t.at_fmr(fmr));
    let threshold = threshold.map_err(|e| Problem::invalid(e.to_string()))?;
    let faces = recognition.analyse(service, image).await?.faces;
    let probes = embeddings(&faces)?;
    let found = recognition.search(service, service, probes, 1).await?;
    let mut matches = Vec::new();
    for (face, mut found) in faces.iter().zip(found.matches) {
        let near = found.pop().filter(|m| m.similarity >= threshold.similarity);
        matches.push(Match {
            bounds: Bounds::from(&face.bbox),
            detection_score: face.score,
            person: near.as_ref().map(|m| m.subject.clone()),
            similarity: near.map(|m| m.similarity),
        });
    }
    let (n_examples, _) = recognition.gallery().examples(service, None, 0, 0);
    recognition
        .record(Action::Identify, service, faces.len())
        .await?;
    Ok(Json(Identified {
        faces: matches,
        threshold: threshold.similarity,
        fmr: threshold.fmr,
        n_examples,
        recall: found.recall,
        fpir_at_most: (threshold.fmr * n_examples as f64).min(1.0),
    }))
}
