//! What Double Take publishes, for automations that rely on it: its topics, keys in its order, its
//! types, its retained flags, QoS 0. One key is ours: `false_match_rate` beside `confidence`. In:
//! sightings. Out: messages.

use axum::body::Bytes;
use fusiform_gallery::Uuid;
use serde::Serialize;

use super::outbox::Message;
use super::own_messages::json;
use super::sighting::{Recognised, Shown, Sighting};
use super::timestamp::iso_ms;
use super::topics::double_take_level;

/// Below it, in percent, Double Take gives a face no name.
const UNKNOWN_CONFIDENCE: f64 = 40.0;
const UNKNOWN: &str = "unknown";

/// What all its messages begin with.
#[derive(Debug, Clone, Serialize)]
struct Head {
    id: String,
    duration: f64,
    timestamp: String,
    attempts: u32,
    camera: String,
    zones: Vec<String>,
}

#[derive(Serialize)]
struct MatchMessage<'a> {
    #[serde(flatten)]
    head: &'a Head,
    r#match: &'a Found,
}

#[derive(Serialize)]
struct UnknownMessage<'a> {
    #[serde(flatten)]
    head: &'a Head,
    unknown: &'a Found,
    unknowns: &'a [Found],
}

/// What is said of a camera.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CameraMessage {
    #[serde(flatten)]
    head: Head,
    matches: Vec<Found>,
    misses: Vec<Found>,
    unknowns: Vec<Found>,
    #[serde(rename = "personCount")]
    person_count: usize,
    counts: Counts,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Counts {
    person: usize,
    r#match: usize,
    miss: usize,
    unknown: usize,
}

/// One face.
#[derive(Debug, Clone, Serialize)]
struct Found {
    name: String,
    confidence: f64,
    false_match_rate: Option<f64>,
    r#match: bool,
    r#box: Box,
    r#type: &'static str,
    duration: f64,
    detector: &'static str,
    filename: String,
    base64: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Box {
    top: i64,
    left: i64,
    width: i64,
    height: i64,
}

/// One answer of Double Take's: those recognised now, and the other faces of the picture.
#[derive(Debug)]
pub(super) struct Answer {
    head: Head,
    matches: Vec<Found>,
    misses: Vec<Found>,
    unknowns: Vec<Found>,
}

impl Answer {
    pub(super) fn new(
        sighting: &Sighting,
        matches: &[Recognised],
        others: &[Shown],
        now_ms: i64,
    ) -> Answer {
        let head = Head {
            id: sighting.id.clone(),
            duration: hundredths(sighting.begun.elapsed().as_secs_f64()),
            timestamp: iso_ms(now_ms),
            attempts: sighting.n_pictures,
            camera: sighting.camera.to_lowercase(),
            zones: sighting.current_zones.clone(),
        };
        let matches = matches.iter().map(|person| found(&person.best));
        let others = others.iter().map(found);
        let (unknowns, misses) = others.partition(|found| found.name == UNKNOWN);
        Answer {
            head,
            matches: matches.collect(),
            misses,
            unknowns,
        }
    }

    /// Whether a face is among them to which nobody is near.
    pub(super) fn has_unknown(&self) -> bool {
        !self.unknowns.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.misses.is_empty() && self.unknowns.is_empty()
    }

    fn camera_message(&self) -> CameraMessage {
        let [matches, misses, unknowns] = [&self.matches, &self.misses, &self.unknowns];
        let counts = Counts {
            person: matches.len() + misses.len() + unknowns.len(),
            r#match: matches.len(),
            miss: misses.len(),
            unknown: unknowns.len(),
        };
        CameraMessage {
            head: self.head.clone(),
            matches: matches.clone(),
            misses: misses.clone(),
            unknowns: unknowns.clone(),
            person_count: counts.person,
            counts,
        }
    }

    /// All that Double Take publishes of it, with its states for Home Assistant where they have a
    /// prefix; and what it says of the camera.
    pub(super) fn messages(&self, home_assistant: Option<&str>) -> (Vec<Message>, CameraMessage) {
        let (camera, mut all) = (self.camera_message(), Vec::new());
        let state = |entity: &str| Some(format!("{}/{entity}/state", sensors(home_assistant?)));
        all.push(person_count(&self.head.camera, camera.counts.person));
        if let Some(unknown) = self.unknowns.first() {
            let payload = json(&UnknownMessage {
                head: &self.head,
                unknown,
                unknowns: &self.unknowns,
            });
            all.push(message(
                "double-take/matches/unknown",
                false,
                payload.clone(),
                &[],
            ));
            let kept = state(UNKNOWN).map(|topic| message(topic, true, payload, &[]));
            all.extend(kept);
        }
        for found in &self.matches {
            let level = double_take_level(&found.name);
            let about = [found.name.clone()];
            let payload = json(&MatchMessage {
                head: &self.head,
                r#match: found,
            });
            let topic = format!("double-take/matches/{level}");
            all.push(message(topic, false, payload.clone(), &about));
            let kept = state(&level).map(|topic| message(topic, true, payload, &about));
            all.extend(kept);
        }
        if !self.is_empty() {
            let payload = json(&camera);
            let (names, name) = (camera.names(), &self.head.camera);
            let topic = format!("double-take/cameras/{name}");
            all.push(message(topic, false, payload.clone(), &names));
            let kept = state(name).map(|topic| message(topic, true, payload, &names));
            all.extend(kept);
        }
        (all, camera)
    }
}

impl CameraMessage {
    /// The camera, in small letters.
    pub(super) fn camera(&self) -> &str {
        &self.head.camera
    }

    /// People whom it names.
    pub(super) fn names(&self) -> Vec<String> {
        let found = self.matches.iter().chain(&self.misses);
        found.map(|found| found.name.clone()).collect()
    }

    /// Whether it is said in Home Assistant's state: Double Take says nothing there of a picture
    /// without faces.
    pub(super) fn has_faces(&self) -> bool {
        self.counts.person > 0
    }

    /// Takes out a person.
    pub(super) fn forget(&mut self, name: &str) {
        self.matches.retain(|found| found.name != name);
        self.misses.retain(|found| found.name != name);
    }

    /// The same with nobody there any more.
    pub(super) fn reset(&mut self) {
        self.person_count = 0;
        self.counts = Counts::default();
    }

    /// What Home Assistant is told of the camera.
    pub(super) fn state(&self, home_assistant: &str) -> Message {
        let topic = format!("{}/{}/state", sensors(home_assistant), self.head.camera);
        message(topic, true, json(self), &self.names())
    }
}

/// Where its sensors are.
pub(super) fn sensors(home_assistant: &str) -> String {
    format!("{home_assistant}/sensor/double-take")
}

/// Where its trackers are.
pub(super) fn trackers(home_assistant: &str) -> String {
    format!("{home_assistant}/device_tracker/double-take")
}

/// Whether somebody is at home.
pub(super) fn tracked(home_assistant: &str, name: &str, is_home: bool) -> Message {
    let level = double_take_level(name);
    let topic = format!("{}/{level}/state", trackers(home_assistant));
    let word: &[u8] = if is_home { b"home" } else { b"not_home" };
    message(topic, true, Bytes::from_static(word), &[name.to_owned()])
}

pub(super) fn online(is_online: bool) -> Message {
    let word: &[u8] = if is_online { b"online" } else { b"offline" };
    message("double-take/available", true, Bytes::from_static(word), &[])
}

/// How many people a camera sees.
pub(super) fn person_count(camera: &str, n: usize) -> Message {
    let topic = format!("double-take/cameras/{camera}/person");
    message(topic, true, Bytes::from(n.to_string()), &[])
}

pub(super) fn message(
    topic: impl Into<String>,
    retain: bool,
    payload: Bytes,
    about: &[String],
) -> Message {
    Message {
        topic: topic.into(),
        payload,
        retain,
        confirmed: false,
        about: about.to_vec(),
    }
}

fn found(shown: &Shown) -> Found {
    let near = shown.nearest.as_ref();
    let confidence = near.map_or(0.0, |near| hundredths(near.confidence * 100.0));
    let named = near.filter(|near| near.is_match || confidence >= UNKNOWN_CONFIDENCE);
    let [x_min, y_min, x_max, y_max] = shown.bbox.as_array().map(|v| v.round() as i64);
    Found {
        name: named.map_or(UNKNOWN, |near| &near.name).to_owned(),
        confidence,
        false_match_rate: near.and_then(|near| near.fmr),
        r#match: near.is_some_and(|near| near.is_match),
        r#box: Box {
            top: y_min,
            left: x_min,
            width: x_max - x_min,
            height: y_max - y_min,
        },
        r#type: shown.source.word(),
        duration: hundredths(shown.took_s),
        detector: "compreface",
        // Double Take's name of a file that it keeps; nothing is kept here.
        filename: format!("{}.jpg", Uuid::new_v4()),
        base64: None,
    }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::Value;

    use super::super::event::EventKind;
    use super::super::sighting::Source;
    use super::super::sighting::tests::{event, seen};
    use super::*;

    /// Keys in the order in which they stand in the text.
    fn keys(json: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            let (word, after) = rest[start + 1..].split_once('"').unwrap();
            if after.starts_with(':') {
                keys.push(word.to_owned());
            }
            rest = after;
        }
        keys
    }

    fn text(message: &Message) -> &str {
        std::str::from_utf8(&message.payload).unwrap()
    }

    const HEAD: [&str; 6] = ["id", "duration", "timestamp", "attempts", "camera", "zones"];
    const FOUND: [&str; 14] = [
        "name",
        "confidence",
        "false_match_rate",
        "match",
        "box",
        "top",
        "left",
        "width",
        "height",
        "type",
        "duration",
        "detector",
        "filename",
        "base64",
    ];

    #[test]
    fn messages_have_double_takes_keys_in_its_order_types_topics_and_flags() {
        let mut event = event("1623906078.684285-5l9hw6", EventKind::New, 1);
        event.camera = "Living-Room".into();
        let mut sighting = Sighting::new(event, Instant::now());
        let faces = [("David", 0.6607), ("Max", 0.45), ("Eva", 0.1)];
        let news = sighting.take(seen(&faces), Source::Latest, 1_623_906_096_030);
        let answer = Answer::new(&sighting, &news.first, &news.others, 1_623_906_096_030);
        let (messages, _) = answer.messages(Some("homeassistant"));
        let sent: Vec<(&str, bool)> = messages.iter().map(|m| (&*m.topic, m.retain)).collect();
        assert_eq!(
            sent,
            [
                ("double-take/cameras/living-room/person", true),
                ("double-take/matches/unknown", false),
                ("homeassistant/sensor/double-take/unknown/state", true),
                ("double-take/matches/David", false),
                ("homeassistant/sensor/double-take/David/state", true),
                ("double-take/cameras/living-room", false),
                ("homeassistant/sensor/double-take/living-room/state", true),
            ]
        );
        assert!(messages.iter().all(|m| !m.confirmed), "QoS 0");
        assert_eq!(text(&messages[0]), "3");

        let (matched, unknown, camera) = (&messages[3], &messages[1], &messages[5]);
        assert_eq!(
            keys(text(matched)),
            [&HEAD[..], &["match"], &FOUND].concat()
        );
        let expected = [&HEAD[..], &["unknown"], &FOUND, &["unknowns"], &FOUND].concat();
        assert_eq!(keys(text(unknown)), expected);
        let counts = [
            "personCount",
            "counts",
            "person",
            "match",
            "miss",
            "unknown",
        ];
        let three: &[&[&str]] = &[
            &HEAD,
            &["matches"],
            &FOUND,
            &["misses"],
            &FOUND,
            &["unknowns"],
            &FOUND,
            &counts,
        ];
        assert_eq!(keys(text(camera)), three.concat());

        let json: Value = serde_json::from_str(text(matched)).unwrap();
        assert_eq!(json["id"], "1623906078.684285-5l9hw6");
        assert_eq!(json["timestamp"], "2021-06-17T05:01:36.030Z");
        assert_eq!(json["camera"], "living-room");
        assert_eq!(
            (&json["attempts"], &json["zones"]),
            (&1.into(), &Value::Array(vec![]))
        );
        let found = &json["match"];
        assert_eq!(
            (&found["name"], &found["match"]),
            (&"David".into(), &true.into())
        );
        assert_eq!(found["confidence"], 66.07);
        assert_eq!(found["false_match_rate"], 1e-4);
        let wanted = serde_json::json!({"top": 308, "left": 1018, "width": 164, "height": 177});
        assert_eq!(found["box"], wanted);
        assert_eq!(
            (&found["type"], &found["detector"]),
            (&"latest".into(), &"compreface".into())
        );
        assert_eq!(
            (&found["duration"], &found["base64"]),
            (&0.28.into(), &Value::Null)
        );
        assert!(found["filename"].as_str().unwrap().ends_with(".jpg"));
        let json: Value = serde_json::from_str(text(camera)).unwrap();
        assert_eq!(
            (&json["misses"][0]["name"], &json["misses"][0]["match"]),
            (&"Max".into(), &false.into())
        );
        let counts = serde_json::json!({"person": 3, "match": 1, "miss": 1, "unknown": 1});
        assert_eq!(
            (&json["counts"], &json["personCount"]),
            (&counts, &3.into())
        );
    }
}
