//! JSON bodies. In: a request whose body has arrived. Out: a typed value, parsed where a large body
//! delays nobody.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;

use crate::admission::blocking;
use crate::problem::{Code, Problem};

/// A body that was `application/json`.
#[derive(Debug)]
pub(super) struct Parsed<T>(pub(super) T);

impl<S, T> FromRequest<S> for Parsed<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + 'static,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Parsed<T>, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|t| t.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail = "application/json is wanted";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = Bytes::from_request(request, state).await?;
        let parse = move || {
            let parsed = serde_json::from_slice(&bytes);
            parsed.map_err(|e| Problem::new(Code::Malformed, format!("the body is not right: {e}")))
        };
        blocking(parse).await.map(Parsed)
    }
}
