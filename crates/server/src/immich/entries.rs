//! The field `entries` of a request: which models are to look at the picture. In: its text. Out:
//! whether it is about faces, and how sure a detection must be. Model names are not looked at:
//! whatever Immich calls the model, the pack in use does the work.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

const FACES: &str = "facial-recognition";
/// Immich's own, where the request says nothing.
const MIN_SCORE: f64 = 0.7;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entries {
    Faces(Task),
    /// The name of the first task that is not about faces.
    Other(String),
}

/// What is wanted of faces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Task {
    pub(super) min_score: f64,
    /// Whether embeddings are wanted and not only boxes.
    pub(super) embeds: bool,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "modelName")]
    _model_name: String,
    #[serde(default)]
    options: Option<Map<String, Value>>,
}

impl Entries {
    /// `None` if it is not of Immich's form.
    pub(super) fn parse(text: &[u8]) -> Option<Entries> {
        let tasks: BTreeMap<String, BTreeMap<String, Entry>> = serde_json::from_slice(text).ok()?;
        // Immich's server puts one task into a request. Two together are refused: another server
        // would find the faces too, with vectors of another model.
        if let Some(other) = tasks.keys().find(|task| *task != FACES) {
            let alone = !tasks.contains_key(FACES);
            return alone.then(|| Entries::Other(other.clone()));
        }
        let types = tasks.get(FACES)?;
        // Recognition works on what the detection of the same request has found.
        let detection = types.get("detection")?;
        let known = |name: &String| matches!(&**name, "detection" | "recognition");
        if !types.keys().all(known) {
            return None;
        }
        let options = detection.options.as_ref();
        let min_score = match options.and_then(|options| options.get("minScore")) {
            None | Some(Value::Null) => MIN_SCORE,
            Some(given) => given.as_f64()?,
        };
        Some(Entries::Faces(Task {
            min_score,
            embeds: types.contains_key("recognition"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_ours_whatever_the_model_is_called() {
        let faces = |min_score, embeds| Some(Entries::Faces(Task { min_score, embeds }));
        for (text, wanted) in [
            (
                r#"{"facial-recognition": {"detection": {"modelName": "buffalo_l",
                    "options": {"minScore": 0.6, "later": [1]}},
                    "recognition": {"modelName": "buffalo_l"}}}"#,
                faces(0.6, true),
            ),
            (
                r#"{"facial-recognition": {"detection": {"modelName": "x", "new": 1}}}"#,
                faces(0.7, false),
            ),
            (
                r#"{"facial-recognition": {"recognition": {"modelName": "x"}}}"#,
                None,
            ),
            (
                r#"{"clip": {"textual": {"modelName": "ViT-B-32", "options": {"to": "de"}}}}"#,
                Some(Entries::Other("clip".into())),
            ),
            (
                r#"{"facial-recognition": {"detection": {"modelName": "x",
                    "options": {"minScore": "high"}}}}"#,
                None,
            ),
            (r#"{"facial-recognition": {"detection": {}}}"#, None),
            (
                r#"{"facial-recognition": {"detection": {"modelName": "x"}},
                    "clip": {"visual": {"modelName": "y"}}}"#,
                None,
            ),
            (r#"{"facial-recognition": []}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(Entries::parse(text.as_bytes()), wanted, "{text}");
        }
    }
}
