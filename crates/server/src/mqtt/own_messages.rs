//! What Fusiform publishes of itself. In: sightings. Out: messages below its own prefix, all of
//! QoS 1. Of unknown people there is a count, and nothing by which two events could be linked.
//!
//! | topic below the prefix | retained | payload |
//! |---|---|---|
//! | `available` | yes | `online`, `offline` |
//! | `events` | no | [`Match`] as soon as somebody is recognised, or better; [`End`] once |
//! | `matches/<name>` | no | the same [`Match`] |
//! | `people/<name>/state` | yes | the last [`Match`] of a person |
//! | `people/<name>/image` | yes | JPEG of the last recognition, other faces covered |
//! | `cameras/<camera>` | no | [`CameraNow`] when it changes |
//! | `cameras/<camera>/people` | yes | number of people recognised there now |
//! | `cameras/<camera>/unknown` | yes | number of unknown faces there now |

use axum::body::Bytes;
use fusiform::geometry::BoundingBox;
use fusiform::models::Threshold;
use serde::Serialize;

use super::dispatch::InCamera;
use super::outbox::Message;
use super::sighting::{Recognised, Shown, Sighting};
use super::timestamp::{iso_ms, iso_s};
use super::topics::level;

/// Somebody recognised.
#[derive(Serialize)]
struct Match<'a> {
    r#type: &'static str,
    name: &'a str,
    similarity: f32,
    threshold: f32,
    false_match_rate: f64,
    /// At most so often a stranger's face is taken for any of those enrolled.
    false_positive_rate_at_most: f64,
    camera: &'a str,
    zones: &'a [String],
    event: &'a str,
    r#box: Box,
    picture: Picture,
    quality: f32,
    started_at: String,
    recognised_at: String,
    seen_at: String,
}

/// An event that is over.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    camera: &'a str,
    zones: &'a [String],
    event: &'a str,
    people: Vec<InEvent<'a>>,
    unknown: usize,
    pictures: u32,
    started_at: String,
    ended_at: Option<String>,
}

#[derive(Serialize)]
struct InEvent<'a> {
    name: &'a str,
    similarity: f32,
    threshold: f32,
    false_match_rate: f64,
    recognised_at: String,
    seen_at: String,
}

#[derive(Serialize)]
struct Box {
    x_min: i64,
    y_min: i64,
    x_max: i64,
    y_max: i64,
}

#[derive(Serialize)]
struct Picture {
    width_px: u32,
    height_px: u32,
    source: &'static str,
}

/// Who is at a camera.
#[derive(Serialize)]
struct CameraNow<'a> {
    camera: &'a str,
    people: &'a [String],
    unknown: usize,
    events: usize,
    at: String,
}

/// Topics below one prefix.
#[derive(Debug, Clone)]
pub(super) struct OwnTopics {
    pub(super) prefix: String,
}

impl OwnTopics {
    pub(super) fn available(&self) -> String {
        format!("{}/available", self.prefix)
    }

    pub(super) fn state(&self, name: &str) -> String {
        format!("{}/people/{}/state", self.prefix, level(name))
    }

    pub(super) fn image(&self, name: &str) -> String {
        format!("{}/people/{}/image", self.prefix, level(name))
    }

    pub(super) fn camera(&self, camera: &str) -> String {
        format!("{}/cameras/{camera}", self.prefix)
    }

    /// What the broker keeps, for subscriptions.
    pub(super) fn kept(&self) -> [String; 2] {
        [
            format!("{}/people/+/+", self.prefix),
            format!("{}/cameras/+/+", self.prefix),
        ]
    }

    pub(super) fn online(&self, is_online: bool) -> Message {
        let word: &[u8] = if is_online { b"online" } else { b"offline" };
        message(self.available(), Bytes::from_static(word), true, &[])
    }

    /// Somebody recognised, for the first time in an event or better than before.
    pub(super) fn matched(
        &self,
        sighting: &Sighting,
        person: &Recognised,
        threshold: Threshold,
        n_examples: usize,
    ) -> Vec<Message> {
        let best = &person.best;
        let payload = json(&Match {
            r#type: "match",
            name: &person.name,
            similarity: person.similarity(),
            threshold: threshold.similarity,
            false_match_rate: threshold.fmr,
            false_positive_rate_at_most: (threshold.fmr * n_examples as f64).min(1.0),
            camera: &sighting.camera,
            zones: &sighting.entered_zones,
            event: &sighting.id,
            r#box: pixels(&best.bbox),
            picture: picture(best),
            quality: best.quality,
            started_at: iso_s(sighting.start_s),
            recognised_at: iso_ms(person.first_ms),
            seen_at: iso_ms(best.at_ms),
        });
        let about = [person.name.clone()];
        let said = |topic: String| message(topic, payload.clone(), false, &about);
        let kept = message(self.state(&person.name), payload.clone(), true, &about);
        vec![
            said(format!("{}/matches/{}", self.prefix, level(&person.name))),
            said(format!("{}/events", self.prefix)),
            kept,
        ]
    }

    /// What came of an event.
    pub(super) fn ended(&self, sighting: &Sighting, threshold: Threshold) -> Message {
        let payload = json(&End {
            r#type: "end",
            camera: &sighting.camera,
            zones: &sighting.entered_zones,
            event: &sighting.id,
            people: sighting
                .people
                .iter()
                .map(|p| in_event(p, threshold))
                .collect(),
            unknown: sighting.n_unknown(),
            pictures: sighting.n_pictures,
            started_at: iso_s(sighting.start_s),
            ended_at: sighting.end_s.map(iso_s),
        });
        let about = sighting.people.iter().map(|person| person.name.clone());
        let about: Vec<String> = about.collect();
        message(format!("{}/events", self.prefix), payload, false, &about)
    }

    /// Who is at a camera now.
    pub(super) fn camera_now(&self, camera: &str, now: &InCamera, at_ms: i64) -> Vec<Message> {
        let payload = json(&CameraNow {
            camera,
            people: &now.people,
            unknown: now.n_unknown,
            events: now.n_events,
            at: iso_ms(at_ms),
        });
        let number = |topic, n: usize| message(topic, n.to_string().into(), true, &[]);
        let [people, unknown] = self.camera_counts(camera);
        vec![
            message(self.camera(camera), payload, false, &now.people),
            number(people, now.people.len()),
            number(unknown, now.n_unknown),
        ]
    }

    /// Where the numbers of a camera are kept.
    pub(super) fn camera_counts(&self, camera: &str) -> [String; 2] {
        ["people", "unknown"].map(|what| format!("{}/{what}", self.camera(camera)))
    }

    /// The picture of a recognition.
    pub(super) fn head(&self, name: &str, jpeg: Vec<u8>) -> Message {
        message(self.image(name), jpeg.into(), true, &[name.to_owned()])
    }
}

pub(super) fn message(topic: String, payload: Bytes, retain: bool, about: &[String]) -> Message {
    Message {
        topic,
        payload,
        retain,
        confirmed: true,
        about: about.to_vec(),
    }
}

/// Takes out what the broker has kept under a topic.
pub(super) fn cleared(topic: String) -> Message {
    message(topic, Bytes::new(), true, &[])
}

/// The payload of a message; our messages hold nothing that JSON cannot.
pub(super) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn in_event(person: &Recognised, threshold: Threshold) -> InEvent<'_> {
    InEvent {
        name: &person.name,
        similarity: person.similarity(),
        threshold: threshold.similarity,
        false_match_rate: threshold.fmr,
        recognised_at: iso_ms(person.first_ms),
        seen_at: iso_ms(person.best.at_ms),
    }
}

fn pixels(bbox: &BoundingBox) -> Box {
    let [x_min, y_min, x_max, y_max] = bbox.as_array().map(|v| v.round() as i64);
    Box {
        x_min,
        y_min,
        x_max,
        y_max,
    }
}

fn picture(shown: &Shown) -> Picture {
    Picture {
        width_px: shown.size.width_px,
        height_px: shown.size.height_px,
        source: shown.source.word(),
    }
}
