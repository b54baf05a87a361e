//! What a page says when it cannot do what was asked. In: errors. Out: a status and a short page.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::frame;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Failure {
        Failure {
            status,
            text: text.into(),
        }
    }

    /// What was asked for makes no sense; the text says why.
    pub(super) fn bad(text: impl Into<String>) -> Failure {
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }

    /// It is not, or no longer, there.
    pub(super) fn missing(what: &str) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, format!("{what} is not there"))
    }
}

impl From<fusiform::AlbumError> for Failure {
    fn from(error: fusiform::AlbumError) -> Failure {
        use fusiform::{AlbumError as Error, AlbumErrorKind as ErrorKind};
        let status = match (&error, error.kind()) {
            (Error::NoSuchPerson(_) | Error::NoSuchFace(_) | Error::NoSuchPhoto(_), _) => {
                StatusCode::NOT_FOUND
            }
            (Error::NameTaken { .. }, _) => StatusCode::CONFLICT,
            (Error::Busy { .. }, _) => StatusCode::SERVICE_UNAVAILABLE,
            (_, ErrorKind::Request) => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::error!("{error}");
        }
        Failure::new(status, error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        tracing::error!("{error:#}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::SERVICE_UNAVAILABLE => "Busy",
            status if status.is_server_error() => "That went wrong",
            _ => "That cannot be done",
        };
        let page = frame::bare(
            title,
            html! {
                h1 { (title) }
                p role="alert" { (self.text) "." }
                p { a href="/people" { "To the people" } }
            },
        );
        (self.status, page).into_response()
    }
}
