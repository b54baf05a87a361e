//! What an address asks for. In: the path and the query of a request. Out: typed values, or a
//! problem that names the parameter, its value and what is wanted: axum's extractors, our words.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

/// Characters of a value that a message repeats.
const SHOWN_CHARS: usize = 60;

/// The variable parts of a path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

/// The parameters behind the `?`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        let found = extract::Path::<T>::from_request_parts(parts, state).await;
        found
            .map(|extract::Path(value)| Path(value))
            .map_err(|why| Problem::new(Code::Malformed, of_path(&why)))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let read = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(read)
            .map(Query)
            .map_err(|why| Problem::new(Code::Malformed, of_query(query, &why)))
    }
}

fn of_path(why: &PathRejection) -> String {
    let unreadable = "the address cannot be read".to_owned();
    let PathRejection::FailedToDeserializePathParams(why) = why else {
        return unreadable;
    };
    match why.kind() {
        ErrorKind::ParseError { value, .. }
        | ErrorKind::ParseErrorAtKey { value, .. }
        | ErrorKind::ParseErrorAtIndex { value, .. } => {
            format!("the address has {} where a number is wanted", shown(value))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            format!("the {key} in the address is not UTF-8 text; encode it as UTF-8")
        }
        ErrorKind::DeserializeError { value, message, .. } => {
            format!("the address has {}: {}", shown(value), plain(message))
        }
        _ => unreadable,
    }
}

fn of_query(query: &str, why: &serde_path_to_error::Error<serde::de::value::Error>) -> String {
    let name = why.path().to_string();
    let said = plain(&why.inner().to_string());
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    match pairs.find(|(key, _)| *key == name) {
        // What is unknown or missing is named in what serde says.
        Some((_, value)) if !said.starts_with("there is no") => {
            format!("the parameter {name} is {}: {said}", shown(&value))
        }
        _ => format!("the parameters of the address cannot be used: {said}"),
    }
}

/// The beginning of a value, as a message repeats it.
pub(crate) fn shown(value: &str) -> String {
    let start: String = value.chars().take(SHOWN_CHARS).collect();
    match start.len() < value.len() {
        true => format!("{start:?}…"),
        false => format!("{start:?}"),
    }
}

/// What serde says, in words for people.
pub(crate) fn plain(said: &str) -> String {
    if let Some(field) = said.strip_prefix("missing field ") {
        return format!("the field {field} is missing");
    }
    if let Some(rest) = said.strip_prefix("unknown field ") {
        let (field, known) = rest.split_once(", ").unwrap_or((rest, ""));
        let known = known
            .strip_prefix("expected one of ")
            .or(known.strip_prefix("expected "))
            .unwrap_or("none");
        return format!("there is no {field}; what there is: {known}");
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        return format!(
            "{} is wanted",
            rest.replacen(", expected", " is not known:", 1)
        );
    }
    if let Some(rest) = said.strip_prefix("duplicate field ") {
        return format!("{rest} is there twice");
    }
    for mistaken in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((given, wanted)) = said
            .strip_prefix(mistaken)
            .and_then(|rest| rest.split_once(", expected "))
        {
            return format!("{wanted} is wanted, and not {given}");
        }
    }
    match said {
        "invalid digit found in string" | "number too large to fit in target type" => {
            "a whole number is wanted".into()
        }
        "number too small to fit in target type" => "a larger number is wanted".into(),
        "cannot parse integer from empty string" | "cannot parse float from empty string" => {
            "a number is wanted; leave the parameter out if you have none".into()
        }
        "invalid float literal" => "a number is wanted, such as 0.001".into(),
        "provided string was not `true` or `false`" => "true or false is wanted".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[allow(dead_code)]
        fmr: Option<f64>,
        #[allow(dead_code)]
        page: Option<u32>,
        #[allow(dead_code)]
        only: Option<bool>,
    }

    async fn said(query: &str) -> String {
        let request = Request::get(format!("/x?{query}")).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let asked = Query::<Asked>::from_request_parts(&mut parts, &()).await;
        asked.map_or_else(|problem| problem.detail, |_| "good".into())
    }

    #[tokio::test]
    async fn a_parameter_that_cannot_be_used_is_named_with_its_value_and_what_is_wanted() {
        assert_eq!(said("fmr=0.1&page=2&only=true").await, "good");
        for (query, words) in [
            (
                "fmr=abc",
                "the parameter fmr is \"abc\": a number is wanted",
            ),
            (
                "fmr=",
                "the parameter fmr is \"\": a number is wanted; leave",
            ),
            (
                "page=-1",
                "the parameter page is \"-1\": a whole number is wanted",
            ),
            ("page=99999999999", "a whole number is wanted"),
            (
                "only=maybe",
                "the parameter only is \"maybe\": true or false is wanted",
            ),
            (
                "frm=0.1",
                "there is no `frm`; what there is: `fmr`, `page`, `only`",
            ),
            ("fmr=1&fmr=2", "`fmr` is there twice"),
        ] {
            let said = said(query).await;
            assert!(said.contains(words), "{query}: {said}");
        }
        let long = said(&format!("page={}", "x".repeat(500))).await;
        assert!(long.len() < 200 && long.contains('…'), "{long}");
    }
}
