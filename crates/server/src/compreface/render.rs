//! CompreFace's JSON. In: faces, examples, problems. Out: what its clients expect, names and
//! numbers included.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fusiform::Face;
use fusiform::geometry::BoundingBox;
use fusiform_gallery::Example;
use serde::Serialize;
use serde_json::{Value, json};

use super::request::Plugins;
use super::scale::rounded;
use crate::problem::{Code, Problem};
use crate::service::embedding;

const NO_FACE: &str = "No face is found in the given image";

/// In the order in which CompreFace writes them.
#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    code: u16,
}

pub(super) fn no_face() -> Problem {
    Problem::new(Code::NoFace, NO_FACE)
}

/// CompreFace's message for no face, and why those found do not count.
pub(super) fn unclear_face(why: &str) -> Problem {
    Problem::new(Code::NoFace, format!("{NO_FACE}: {why}"))
}

/// A problem with CompreFace's status, number and message.
pub(super) fn problem(problem: &Problem) -> Response {
    let (status, code) = numbers(problem.code);
    let (synchronization, unreadable);
    let message = match problem.code {
        // CompreFace does not tell the two apart; clients look at the number.
        Code::UnreadableImage => {
            unreadable = format!("{NO_FACE}: {}", problem.detail);
            &unreadable
        }
        Code::Internal => {
            let detail = &problem.detail;
            synchronization = format!("Error during synchronization between servers: {detail}");
            &synchronization
        }
        _ => &problem.detail,
    };
    let body = axum::Json(ErrorBody { message, code });
    (status, body).into_response()
}

/// HTTP status and CompreFace's error number.
fn numbers(code: Code) -> (StatusCode, u16) {
    use StatusCode as S;
    match code {
        Code::EmptyField => (S::BAD_REQUEST, 5),
        Code::UnknownKey => (S::NOT_FOUND, 10),
        Code::MissingKey => (S::BAD_REQUEST, 20),
        Code::UnsupportedFile => (S::BAD_REQUEST, 21),
        Code::MalformedKey | Code::InvalidValue => (S::BAD_REQUEST, 26),
        Code::UnreadableImage | Code::NoFace => (S::BAD_REQUEST, 28),
        Code::ManyFaces => (S::BAD_REQUEST, 31),
        Code::MissingParameter => (S::BAD_REQUEST, 33),
        Code::MissingPart => (S::BAD_REQUEST, 34),
        Code::ForbiddenCharacter => (S::BAD_REQUEST, 36),
        Code::Internal => (S::INTERNAL_SERVER_ERROR, 41),
        Code::UnknownSubject => (S::NOT_FOUND, 42),
        Code::SubjectExists => (S::BAD_REQUEST, 43),
        Code::UnknownExample => (S::NOT_FOUND, 44),
        Code::UnknownRoute | Code::NotFound => (S::NOT_FOUND, 0),
        Code::TooLarge => (S::PAYLOAD_TOO_LARGE, 0),
        Code::TooSlow => (S::REQUEST_TIMEOUT, 0),
        Code::UnsupportedMediaType => (S::UNSUPPORTED_MEDIA_TYPE, 0),
        Code::RateLimited => (S::TOO_MANY_REQUESTS, 0),
        Code::Busy | Code::TimedOut | Code::DiskFails | Code::LogBroken => {
            (S::SERVICE_UNAVAILABLE, 0)
        }
        Code::DiskFull => (S::INSUFFICIENT_STORAGE, 0),
        Code::Upstream => (S::BAD_GATEWAY, 0),
        Code::DatabaseAway => (S::SERVICE_UNAVAILABLE, 0),
        Code::Malformed
        | Code::NotSignedIn
        | Code::MissingHost
        | Code::ForeignHost
        | Code::ForeignOrigin => (S::BAD_REQUEST, 0),
    }
}

/// An enrolled example.
pub(super) fn example(example: &Example) -> Value {
    json!({"image_id": example.id.to_string(), "subject": example.subject})
}

/// A face that fills its image.
pub(super) fn cropped_face(b: &BoundingBox, vector: &[f32], plugins: Plugins) -> Value {
    let mut shown = json!({"box": bounds(b, 1.0)});
    if plugins.embedding {
        shown["embedding"] = json!(vector);
    }
    shown
}

fn px(v: f32) -> i64 {
    v.round() as i64
}

fn bounds(b: &BoundingBox, probability: f64) -> Value {
    json!({"probability": probability,
        "x_max": px(b.x_max), "y_max": px(b.y_max), "x_min": px(b.x_min), "y_min": px(b.y_min)})
}

/// Box and the plugins asked for.
pub(super) fn face(face: &Face, plugins: Plugins) -> Value {
    let probability = rounded(f64::from(face.score));
    let mut shown = json!({"box": bounds(&face.bbox, probability)});
    if let (true, Some(l)) = (plugins.landmarks, &face.landmarks) {
        // CompreFace's left is the viewer's.
        let order = [
            &l.subject_right_eye,
            &l.subject_left_eye,
            &l.nose_tip,
            &l.subject_right_mouth,
            &l.subject_left_mouth,
        ];
        shown["landmarks"] = json!(order.map(|p| [px(p.x), px(p.y)]));
    }
    if plugins.pose {
        let p = &face.quality.pose;
        shown["pose"] = json!({"pitch": p.pitch_deg, "roll": p.roll_deg, "yaw": p.yaw_deg});
    }
    if plugins.embedding && face.template.is_some() {
        shown["embedding"] = json!(embedding(face).unwrap_or_default());
    }
    shown
}
