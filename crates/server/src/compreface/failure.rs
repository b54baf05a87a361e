//! An answer that is an error. In: status, CompreFace's code and message. Out: its JSON.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::recognition::NotSeen;

/// In the order in which CompreFace writes them.
#[derive(Serialize)]
struct Body {
    message: String,
    code: u16,
}

#[derive(Debug)]
pub(super) struct Failure {
    status: u16,
    code: u16,
    message: String,
}

impl Failure {
    pub(super) fn new(status: u16, code: u16, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn unforeseen() -> Failure {
        Failure::new(400, 0, "Something went wrong, please try again")
    }

    pub(super) fn no_such_path() -> Failure {
        Failure::new(404, 0, "No such path")
    }

    pub(super) fn no_face() -> Failure {
        Failure::new(400, 28, "No face is found in the given image")
    }

    pub(super) fn many_faces() -> Failure {
        Failure::new(400, 31, "More than one face in the source image")
    }

    pub(super) fn empty_field(name: &str) -> Failure {
        Failure::new(400, 5, format!("Field {name} cannot be empty"))
    }

    pub(super) fn busy() -> Failure {
        Failure::new(503, 0, "Too many requests wait already, please try again")
    }

    pub(super) fn too_many() -> Failure {
        Failure::new(429, 0, "Too many requests with this key, please wait")
    }

    pub(super) fn too_slow() -> Failure {
        Failure::new(503, 0, "The request took too long, please try again")
    }

    pub(super) fn inside(detail: &str) -> Failure {
        Failure::new(
            500,
            41,
            format!("Error during synchronization between servers: {detail}"),
        )
    }
}

impl From<NotSeen> for Failure {
    fn from(why: NotSeen) -> Failure {
        match why {
            NotSeen::Busy => Failure::busy(),
            NotSeen::Unreadable(_) => Failure::no_face(),
            NotSeen::Failed(why) => Failure::inside(&why),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = Body {
            message: self.message,
            code: self.code,
        };
        let mut response = (status, axum::Json(body)).into_response();
        if matches!(self.status, 429 | 503) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
