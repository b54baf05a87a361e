//! The JSON of DeepStack and CodeProject.AI, the fields of both. In: faces, problems. Out: answers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fusiform::Face;
use fusiform::geometry::Size;
use serde_json::{Value, json};

use crate::problem::{Code, Problem};

/// An answer that succeeded, with what it is about.
pub(super) fn done(command: &str, about: Value) -> Value {
    let mut answer = json!({"success": true, "duration": 0.0, "code": 200, "command": command,
        "moduleId": "FaceProcessing", "moduleName": "Fusiform"});
    if let (Value::Object(answer), Value::Object(about)) = (&mut answer, about) {
        answer.extend(about);
    }
    answer
}

/// Faces that were found.
pub(super) fn predictions(command: &str, faces: Vec<Value>, took_ms: f64) -> Value {
    let n = faces.len();
    let message = match n {
        0 => "No faces found".to_owned(),
        1 => "1 face found".to_owned(),
        _ => format!("{n} faces found"),
    };
    let ms = took_ms.round() as i64;
    let about = json!({"predictions": faces, "count": n, "message": message,
        "duration": took_ms / 1e3, "inferenceMs": ms, "processMs": ms, "analysisRoundTripMs": ms});
    done(command, about)
}

/// One face; who it is, if that was asked.
pub(super) fn face(face: &Face, photo: Size, confidence: f64, name: Option<&str>) -> Value {
    let px = |v: f32| v.round() as i64;
    let [x_min, y_min, x_max, y_max] = face.bbox.clipped(photo).as_array().map(px);
    let mut shown = json!({"confidence": confidence,
        "x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max});
    if let Some(name) = name {
        shown["userid"] = name.into();
    }
    shown
}

/// A problem with DeepStack's status.
pub(super) fn problem(problem: &Problem) -> Response {
    let status = match problem.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    let unreadable;
    let error = match problem.code {
        Code::Internal => "error occured on the server",
        Code::UnreadableImage => {
            unreadable = format!("invalid image: {}", problem.detail);
            &unreadable
        }
        _ => &*problem.detail,
    };
    let body = json!({"success": false, "error": error, "duration": 0.0, "code": status.as_u16()});
    (status, axum::Json(body)).into_response()
}
