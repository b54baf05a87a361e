//! Why a request is not answered as asked. In: a code and words. Out: one [`Problem`], which each
//! contract renders in its format through [`render_problems`]. Knows no contract: CompreFace's
//! numbers, problem+json and HTML are elsewhere.

use std::any::Any;
use std::fmt;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

/// Seconds after which a client that was refused for load may try again.
const RETRY_AFTER_S: u64 = 1;

/// What went wrong, for programs. [`Code::name`] is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// No API key was sent.
    MissingKey,
    /// The API key is not a UUID.
    MalformedKey,
    /// No service has this key, or one of another kind.
    UnknownKey,
    /// The pages need a login first.
    NotSignedIn,
    /// The request has no `Host`.
    MissingHost,
    /// `Host` names another machine.
    ForeignHost,
    /// Another site sent the request, or the form's token is wrong.
    ForeignOrigin,
    /// No route has this path, or not with this method.
    UnknownRoute,
    /// A part of a multipart body is missing.
    MissingPart,
    /// A parameter is missing.
    MissingParameter,
    /// A field is absent, null or empty.
    EmptyField,
    /// A value is out of its range, or cannot be used.
    InvalidValue,
    /// A name holds a character that names cannot have.
    ForbiddenCharacter,
    /// The request does not parse.
    Malformed,
    /// A file has another extension than images have, or is not base64.
    UnsupportedFile,
    /// The body has another media type than the route takes.
    UnsupportedMediaType,
    /// The body is larger than the route takes, or the picture than memory is allowed for.
    TooLarge,
    /// The body arrives too slowly.
    TooSlow,
    /// The bytes are no image, or one beyond the limits.
    UnreadableImage,
    /// No face is in the image.
    NoFace,
    /// More than one face is in the image.
    ManyFaces,
    /// What the request names does not exist.
    NotFound,
    /// No person has this name.
    UnknownSubject,
    /// No enrolled example has this id.
    UnknownExample,
    /// A person has this name already.
    SubjectExists,
    /// The key makes more requests than its rate allows.
    RateLimited,
    /// Too many requests wait, or no memory is left for bodies.
    Busy,
    /// The request took longer than the time limit.
    TimedOut,
    /// The server that this one forwards to cannot be reached.
    Upstream,
    /// The database that holds the people does not answer, or takes no changes.
    DatabaseAway,
    /// No room is left on a disk; nothing was changed.
    DiskFull,
    /// A disk cannot be written; nothing was changed.
    DiskFails,
    /// The audit log is broken: nothing is done that would have to be recorded.
    LogBroken,
    /// The server failed.
    Internal,
}

impl Code {
    /// HTTP status and stable name.
    fn row(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Code::MissingKey => (S::UNAUTHORIZED, "missing_key"),
            Code::MalformedKey => (S::UNAUTHORIZED, "malformed_key"),
            Code::UnknownKey => (S::UNAUTHORIZED, "unknown_key"),
            Code::NotSignedIn => (S::UNAUTHORIZED, "not_signed_in"),
            Code::MissingHost => (S::BAD_REQUEST, "missing_host"),
            Code::ForeignHost => (S::MISDIRECTED_REQUEST, "foreign_host"),
            Code::ForeignOrigin => (S::FORBIDDEN, "foreign_origin"),
            Code::UnknownRoute => (S::NOT_FOUND, "unknown_route"),
            Code::MissingPart => (S::UNPROCESSABLE_ENTITY, "missing_part"),
            Code::MissingParameter => (S::UNPROCESSABLE_ENTITY, "missing_parameter"),
            Code::EmptyField => (S::UNPROCESSABLE_ENTITY, "empty_field"),
            Code::InvalidValue => (S::UNPROCESSABLE_ENTITY, "invalid_value"),
            Code::ForbiddenCharacter => (S::UNPROCESSABLE_ENTITY, "forbidden_character"),
            Code::Malformed => (S::UNPROCESSABLE_ENTITY, "malformed"),
            Code::UnsupportedFile => (S::UNPROCESSABLE_ENTITY, "unsupported_file"),
            Code::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Code::TooLarge => (S::PAYLOAD_TOO_LARGE, "too_large"),
            Code::TooSlow => (S::REQUEST_TIMEOUT, "too_slow"),
            Code::UnreadableImage => (S::UNPROCESSABLE_ENTITY, "unreadable_image"),
            Code::NoFace => (S::UNPROCESSABLE_ENTITY, "no_face"),
            Code::ManyFaces => (S::UNPROCESSABLE_ENTITY, "many_faces"),
            Code::NotFound => (S::NOT_FOUND, "not_found"),
            Code::UnknownSubject => (S::NOT_FOUND, "unknown_subject"),
            Code::UnknownExample => (S::NOT_FOUND, "unknown_example"),
            Code::SubjectExists => (S::CONFLICT, "subject_exists"),
            Code::RateLimited => (S::TOO_MANY_REQUESTS, "rate_limited"),
            Code::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
            Code::TimedOut => (S::SERVICE_UNAVAILABLE, "timed_out"),
            Code::Upstream => (S::BAD_GATEWAY, "upstream"),
            Code::DatabaseAway => (S::SERVICE_UNAVAILABLE, "database_away"),
            Code::DiskFull => (S::INSUFFICIENT_STORAGE, "disk_full"),
            Code::DiskFails => (S::SERVICE_UNAVAILABLE, "disk_fails"),
            Code::LogBroken => (S::SERVICE_UNAVAILABLE, "log_broken"),
            Code::Internal => (S::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// A stable word, `snake_case`.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }
}

/// Why a request is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// What is wrong with this request, for people. For [`Code::Internal`] it may name files: show
    /// it only to those whom the contract trusts with that.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
        }
    }

    /// A value cannot be used; the detail says which and why.
    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(Code::InvalidValue, detail)
    }

    /// What the request names does not exist, or no longer.
    pub(crate) fn not_found(what: &str) -> Problem {
        Problem::new(Code::NotFound, format!("{what} is not there"))
    }

    pub(crate) fn busy() -> Problem {
        let detail = "Too many requests wait already, please try again";
        Problem::new(Code::Busy, detail)
    }

    pub(crate) fn rate_limited() -> Problem {
        let detail = "Too many requests with this key, please wait";
        Problem::new(Code::RateLimited, detail)
    }

    pub(crate) fn timed_out() -> Problem {
        let detail = "The request took too long, please try again";
        Problem::new(Code::TimedOut, detail)
    }

    /// The server failed; the cause goes to the log here, once.
    pub(crate) fn internal(cause: impl Into<String>) -> Problem {
        let detail = cause.into();
        tracing::error!("{detail}");
        Problem::new(Code::Internal, detail)
    }

    /// The server cannot do it until somebody has looked after it; the cause goes to the log here.
    fn unable(code: Code, cause: &dyn fmt::Display, detail: impl Into<String>) -> Problem {
        tracing::error!("{cause}");
        Problem::new(code, detail)
    }

    /// A panic that was caught. Its message goes to the log alone.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Problem {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!("a request panicked: {}", text.unwrap_or("no message"));
        Problem::new(Code::Internal, "stopped")
    }

    /// The HTTP status for contracts that have no table of their own.
    pub(crate) fn status(&self) -> StatusCode {
        self.code.row().0
    }

    /// The kind of problem in a few words, the same for each of its kind.
    pub(crate) fn title(&self) -> &'static str {
        match self.status() {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::TOO_MANY_REQUESTS => "Too many requests",
            StatusCode::INSUFFICIENT_STORAGE => "The disk is full",
            StatusCode::SERVICE_UNAVAILABLE if self.retry_after_s().is_none() => "Out of order",
            StatusCode::SERVICE_UNAVAILABLE => "Busy",
            status if status.is_server_error() => "That went wrong",
            _ => "That cannot be done",
        }
    }

    /// Seconds to wait before the same request has a chance; `None` where waiting changes nothing.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        use Code::{Busy, DatabaseAway, RateLimited, TimedOut};
        let may_pass = matches!(self.code, RateLimited | Busy | TimedOut | DatabaseAway);
        may_pass.then_some(RETRY_AFTER_S)
    }
}

impl From<fusiform_gallery::Error> for Problem {
    fn from(error: fusiform_gallery::Error) -> Problem {
        use fusiform_gallery::Error;
        match error {
            Error::Name(_) | Error::ConsentEnded(_) | Error::ConsentUnit(_) => {
                Problem::invalid(error.to_string())
            }
            Error::UnknownPerson(_) => Problem::new(Code::UnknownSubject, error.to_string()),
            Error::DiskFull => Problem::unable(Code::DiskFull, &error, error.to_string()),
            Error::Chain { .. } => Problem::unable(Code::LogBroken, &error, error.to_string()),
            Error::Unreachable { .. } | Error::ReadOnly(_) | Error::WentBack(_) => {
                let detail = "the database that holds the people cannot be used just now; the \
                              server's log says why";
                Problem::unable(Code::DatabaseAway, &error, detail)
            }
            Error::Busy(_) => Problem::new(Code::Busy, error.to_string()),
            Error::DiskFails(why) => {
                let what = "the disk that holds the vault cannot be written";
                let cause = format!("{what}: {why}");
                let detail = format!("{what}; the server's log says why");
                Problem::unable(Code::DiskFails, &cause, detail)
            }
            _ => Problem::internal(error.to_string()),
        }
    }
}

impl From<fusiform::Error> for Problem {
    fn from(error: fusiform::Error) -> Problem {
        match error {
            fusiform::Error::Image(why) => Problem::new(Code::UnreadableImage, why.to_string()),
            fusiform::Error::Album(why) => why.into(),
            other => Problem::internal(other.to_string()),
        }
    }
}

impl From<fusiform::NotOneFace> for Problem {
    fn from(why: fusiform::NotOneFace) -> Problem {
        let code = match why.n_clear {
            0 => Code::NoFace,
            _ => Code::ManyFaces,
        };
        Problem::new(code, why.to_string())
    }
}

impl From<fusiform::AlbumError> for Problem {
    fn from(error: fusiform::AlbumError) -> Problem {
        use fusiform::{AlbumError as Error, AlbumErrorKind as Kind};
        let code = match (&error, error.kind()) {
            (Error::DiskFull { .. }, _) => {
                let detail = "the disk that holds the album is full; nothing was changed";
                return Problem::unable(Code::DiskFull, &error, detail);
            }
            (Error::NoSuchPerson(_) | Error::NoSuchFace(_) | Error::NoSuchPhoto(_), _) => {
                Code::NotFound
            }
            (Error::NameTaken { .. }, _) => Code::SubjectExists,
            (Error::Busy { .. }, _) => Code::Busy,
            (_, Kind::Request) => Code::InvalidValue,
            _ => return Problem::internal(error.to_string()),
        };
        Problem::new(code, error.to_string())
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Problem {
        Problem::internal(format!("{error:#}"))
    }
}

impl From<BytesRejection> for Problem {
    fn from(why: BytesRejection) -> Problem {
        match why.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::TooLarge, "the body is larger than is taken here")
            }
            _ => Problem::new(
                Code::Malformed,
                "the body did not arrive whole; send it again",
            ),
        }
    }
}

impl IntoResponse for Problem {
    /// Status and plain text, with the problem as an extension for [`render_problems`].
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.title()).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Renders every problem that the routes answer with, a panic in a handler too, and tells clients
/// when to retry.
pub(crate) fn render_problems<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    render: fn(&Problem) -> Response,
) -> Router<S> {
    let rendered = move |mut response: Response| async move {
        let Some(problem) = response.extensions_mut().remove::<Problem>() else {
            return response;
        };
        let mut rendered = render(&problem);
        let headers = rendered.headers_mut();
        // What inner layers have set, a cookie for example.
        for (name, value) in response.headers() {
            if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
                headers.append(name, value.clone());
            }
        }
        if let Some(seconds) = problem.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        rendered
    };
    let panicked = |payload: Box<dyn Any + Send>| Problem::panicked(&*payload).into_response();
    routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(rendered))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn answer(path: &str) -> Response {
        async fn breaks() -> &'static str {
            panic!("on purpose")
        }
        let routes = Router::new()
            .route("/panics", get(breaks))
            .route("/busy", get(async || Problem::busy()));
        let render =
            |p: &Problem| (p.status(), format!("rendered {}", p.code.name())).into_response();
        let request = Request::get(path).body(Body::empty()).unwrap();
        render_problems(routes, render)
            .oneshot(request)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_contract_renders_problems_and_panics_and_says_when_to_retry() {
        for (path, status, text, retry) in [
            ("/busy", 503, "rendered busy", Some("1")),
            ("/panics", 500, "rendered internal", None),
        ] {
            let answer = answer(path).await;
            assert_eq!(answer.status().as_u16(), status);
            let after = answer.headers().get(header::RETRY_AFTER);
            assert_eq!(after.map(|v| v.to_str().unwrap()), retry);
            let body = axum::body::to_bytes(answer.into_body(), 1000)
                .await
                .unwrap();
            assert_eq!(body, text);
        }
    }
}
