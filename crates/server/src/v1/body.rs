//! JSON bodies. In: a request whose body has arrived. Out: a typed value, parsed where a large body
//! delays nobody.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::admission::blocking;
use crate::params::plain;
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
        blocking(move || parsed(&bytes)).await.map(Parsed)
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut read = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut read);
    let value = value.map_err(|why| {
        let (path, inner) = (why.path().to_string(), why.into_inner());
        let (line, column) = (inner.line(), inner.column());
        let said = inner.to_string();
        // Where it is stands at the end, if it is known.
        let said = said.split(" at line ").next().unwrap_or_default();
        match inner.classify() {
            Category::Data if path == "." => format!("the body cannot be used: {}", plain(said)),
            Category::Data => format!("{path} in the body cannot be used: {}", plain(said)),
            _ => format!("the body is no JSON: {said} (line {line}, column {column})"),
        }
    });
    let whole = value.and_then(|value| match read.end() {
        Ok(()) => Ok(value),
        Err(_) => Err("the body goes on after its JSON; send one value".to_owned()),
    });
    whole.map_err(|detail| Problem::new(Code::Malformed, detail))
}

#[cfg(test)]
mod tests {
    use super::super::schema::ConsentGiven;
    use super::*;

    #[test]
    fn a_body_that_cannot_be_used_names_field_value_and_what_is_wanted() {
        let said = |body: &str| {
            let read = parsed::<ConsentGiven>(body.as_bytes());
            read.map_or_else(|problem| problem.detail, |_| "good".into())
        };
        let good = r#"{"basis": "b", "purpose": "p", "expires_at_ms": null}"#;
        assert_eq!(said(good), "good");
        for (body, words) in [
            ("{}", "the field `basis` is missing"),
            (
                r#"{"basis": 3}"#,
                "basis in the body cannot be used: a string is wanted, and not",
            ),
            (
                r#"{"basis": "b", "purpose": "p", "expires_at_ms": "soon"}"#,
                "expires_at_ms in the",
            ),
            (
                r#"{"base": "b"}"#,
                "there is no `base`; what there is: `basis`, `purpose`",
            ),
            ("[1", "the body"),
            ("{\"basis\": ", "the body is no JSON"),
            ("", "the body is no JSON"),
            (&format!("{good} x"), "goes on after"),
        ] {
            assert!(said(body).contains(words), "{body}: {}", said(body));
        }
    }
}
