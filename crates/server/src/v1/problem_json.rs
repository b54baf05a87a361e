//! Problems as RFC 9457 `application/problem+json`. In: a [`Problem`]. Out: its JSON, and its
//! OpenAPI responses.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{self, Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::{Code, Problem};

const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not answered as asked (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// `urn:fusiform:problem:` and a stable word for the kind of problem.
    r#type: String,
    /// The kind of problem, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, for people.
    detail: String,
}

/// Every status that an operation may answer beside its usual one, and when.
const STATUSES: [(u16, &str); 10] = [
    (
        401,
        "The key that x-api-key needs for this is missing or unknown",
    ),
    (404, "There is no such person, job or collection"),
    (408, "The request arrives too slowly"),
    (
        413,
        "The image is larger than 20 MiB or what a setting says, or the batch than 64; or decoding \
         it would take more memory than one key may have",
    ),
    (415, "The body is not of the media type that is wanted"),
    (422, "The request cannot be used; the detail says why"),
    (
        429,
        "Too many requests with this key; wait as Retry-After says",
    ),
    (500, "The server failed; its log says how"),
    (
        503,
        "Too many requests wait already, or this one took too long; without Retry-After: the vault \
         cannot be written, see /readyz",
    ),
    (507, "The disk is full; nothing was changed"),
];

/// The problem responses of every operation, for the OpenAPI document.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let one = |(status, when): (u16, &str)| {
            let body = Content::new(Some(Ref::from_schema_name("ProblemDetails")));
            let response = ResponseBuilder::new()
                .description(when)
                .content(MEDIA_TYPE, body);
            (status.to_string(), RefOr::T(response.build()))
        };
        STATUSES.into_iter().map(one).collect()
    }
}

/// The words for a client; what failed inside stays in the log.
pub(super) fn detail(problem: &Problem) -> String {
    match problem.code {
        Code::Internal => "The server failed; its log says how".into(),
        _ => problem.detail.clone(),
    }
}

/// The HTTP response.
pub(super) fn response(problem: &Problem) -> Response {
    let status = problem.status();
    let body = ProblemDetails {
        r#type: format!("urn:fusiform:problem:{}", problem.code.name()),
        title: problem.title(),
        status: status.as_u16(),
        detail: detail(problem),
    };
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE)];
    // The headers come last, or `Json` would set its own media type.
    (status, headers, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_has_its_media_type_and_keeps_what_failed_inside() {
        let response = response(&Problem::internal("/secret/path is gone"));
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = axum::body::to_bytes(response.into_body(), 1000).await;
        let body: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body["type"], "urn:fusiform:problem:internal");
        assert_eq!(body["status"], 500);
        assert!(!body.to_string().contains("secret"));
    }
}
