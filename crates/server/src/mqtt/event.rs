//! Frigate's events. In: the payload of a message, from whoever may publish. Out: the few fields
//! that matter, each within limits. Knows nothing of brokers or faces.

use serde::Deserialize;

/// Longest payload that is parsed; Frigate's are a few kilobytes.
pub const MAX_EVENT_BYTES: usize = 1 << 20;
/// Frigate's ids have 24 characters.
const MAX_NAME_BYTES: usize = 64;
/// Zones of one event.
const MAX_ZONES: usize = 64;
/// Frigate's own limit is 100 characters.
const MAX_SUB_LABEL_CHARS: usize = 200;

/// What has become of a tracked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It appeared.
    New,
    /// Something about it changed.
    Update,
    /// It is gone.
    End,
}

/// One message of Frigate's topic `events`.
#[derive(Debug, Clone, PartialEq)]
pub struct FrigateEvent {
    /// What has become of the object.
    pub kind: EventKind,
    /// Frigate's id, of letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// The camera's name, of letters, digits, `_` and `-`.
    pub camera: String,
    /// What the object is: `person`.
    pub label: String,
    /// The name that Frigate shows, whoever gave it.
    pub sub_label: Option<String>,
    /// The name that it showed before this message.
    pub sub_label_before: Option<String>,
    /// Zones that it is in.
    pub current_zones: Vec<String>,
    /// Zones that it has been in.
    pub entered_zones: Vec<String>,
    /// Pixels of its box.
    pub area: f64,
    /// Whether Frigate no longer believes it.
    pub false_positive: bool,
    /// Seconds since 1970.
    pub start_time: f64,
    /// Seconds since 1970; `None` while it lasts.
    pub end_time: Option<f64>,
    /// Changes with everything but the name: an update that changed the name alone has the mark of
    /// the message before.
    pub mark: u64,
}

/// Why a message is no event. No text of the message is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// More bytes than [`MAX_EVENT_BYTES`].
    #[error("an event of more than {MAX_EVENT_BYTES} bytes")]
    TooLarge,
    /// No JSON, or not of the form that Frigate documents.
    #[error("an event that is not of Frigate's form")]
    Form,
    /// An id, a camera or a zone that cannot be one.
    #[error("an event whose id, camera or zone is no name")]
    Name,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: EventKind,
    before: Option<Object>,
    after: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    id: String,
    camera: String,
    label: String,
    #[serde(default)]
    sub_label: Option<SubLabel>,
    #[serde(default)]
    current_zones: Vec<String>,
    #[serde(default)]
    entered_zones: Vec<String>,
    #[serde(default)]
    area: Option<f64>,
    #[serde(default)]
    r#box: Option<Vec<f64>>,
    #[serde(default)]
    frame_time: Option<f64>,
    #[serde(default)]
    top_score: Option<f64>,
    #[serde(default)]
    false_positive: Option<bool>,
    start_time: f64,
    #[serde(default)]
    end_time: Option<f64>,
}

/// A name, or a name with its score.
#[derive(Deserialize)]
#[serde(untagged)]
enum SubLabel {
    Name(String),
    Scored(Option<String>, #[allow(dead_code)] Option<f64>),
}

impl SubLabel {
    fn name(self) -> Option<String> {
        let name = match self {
            SubLabel::Name(name) => Some(name),
            SubLabel::Scored(name, _) => name,
        };
        name.filter(|name| !name.is_empty())
            .map(|name| name.chars().take(MAX_SUB_LABEL_CHARS).collect())
    }
}

impl FrigateEvent {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MalformedEvent`].
    ///
    /// # Example
    /// ```
    /// use fusiform_server::{EventKind, FrigateEvent};
    ///
    /// let message = br#"{"type": "new", "after": {"id": "1607123955.475377-mxklsc",
    ///     "camera": "front_door", "label": "person", "start_time": 1607123955.475377}}"#;
    /// let event = FrigateEvent::parse(message)?;
    /// assert_eq!((event.kind, &*event.camera), (EventKind::New, "front_door"));
    /// # Ok::<(), fusiform_server::MalformedEvent>(())
    /// ```
    pub fn parse(payload: &[u8]) -> Result<FrigateEvent, MalformedEvent> {
        if payload.len() > MAX_EVENT_BYTES {
            return Err(MalformedEvent::TooLarge);
        }
        // The parser goes 128 levels deep and no further.
        let payload: Payload = serde_json::from_slice(payload).map_err(|_| MalformedEvent::Form)?;
        let (mut before, after) = (payload.before, payload.after);
        let sub_label_before = before.as_mut().and_then(|b| b.sub_label.take());
        let object = after.or(before).ok_or(MalformedEvent::Form)?;
        let mark = object.mark();
        let zones = [&object.current_zones, &object.entered_zones];
        let all_short = |zones: &&Vec<String>| {
            zones.len() <= MAX_ZONES && zones.iter().all(|zone| zone.len() <= MAX_NAME_BYTES)
        };
        let is_named = is_event_id(&object.id)
            && is_camera_name(&object.camera)
            && object.label.len() <= MAX_NAME_BYTES
            && zones.iter().all(all_short);
        if !is_named {
            return Err(MalformedEvent::Name);
        }
        let times = [Some(object.start_time), object.end_time];
        if !times.into_iter().flatten().all(is_time) {
            return Err(MalformedEvent::Form);
        }
        Ok(FrigateEvent {
            kind: payload.kind,
            id: object.id,
            camera: object.camera,
            label: object.label,
            sub_label: object.sub_label.and_then(SubLabel::name),
            sub_label_before: sub_label_before.and_then(SubLabel::name),
            current_zones: object.current_zones,
            entered_zones: object.entered_zones,
            area: object.area.unwrap_or(0.0),
            false_positive: object.false_positive.unwrap_or(false),
            start_time: object.start_time,
            end_time: object.end_time,
            mark,
        })
    }
}

impl Object {
    fn mark(&self) -> u64 {
        let numbers = [self.frame_time, self.top_score, self.area, self.end_time];
        let of_box = self.r#box.iter().flatten();
        let numbers = numbers.iter().flatten().chain(of_box.take(4));
        let mut hash = blake3::Hasher::new();
        for number in numbers {
            hash.update(&number.to_le_bytes());
        }
        for zone in self.current_zones.iter().chain(&self.entered_zones) {
            hash.update(zone.as_bytes()).update(b"\0");
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// Before the year 5000: no arithmetic of milliseconds overflows.
fn is_time(seconds: f64) -> bool {
    (0.0..1e11).contains(&seconds)
}

/// Whether it can stand in an address as one segment.
fn is_event_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let dots = id.chars().all(|c| c == '.');
    (1..=MAX_NAME_BYTES).contains(&id.len()) && id.chars().all(plain) && !dots
}

/// Whether Frigate takes it as a camera's name; it can stand in a topic and in an address.
pub(super) fn is_camera_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object() -> Value {
        json!({"id": "1607123955.475377-mxklsc", "camera": "front_door", "label": "person",
            "frame_time": 1607123962.08, "area": 40096, "box": [432, 496, 544, 854],
            "current_zones": ["yard"], "entered_zones": ["yard", "driveway"], "sub_label": null,
            "start_time": 1607123955.47, "end_time": null, "false_positive": false})
    }

    fn parse(kind: &str, before: &Value, after: &Value) -> Result<FrigateEvent, MalformedEvent> {
        let message = json!({"type": kind, "before": before, "after": after});
        FrigateEvent::parse(message.to_string().as_bytes())
    }

    #[test]
    fn the_documented_fields_are_read_and_a_new_name_alone_leaves_the_mark() {
        let before = object();
        let first = parse("update", &before, &before).unwrap();
        assert_eq!(first.kind, EventKind::Update);
        assert_eq!((first.area, first.end_time), (40096.0, None));
        let mut named = object();
        named["sub_label"] = json!(["Ida, Max", 0.93]);
        let told = parse("update", &before, &named).unwrap();
        assert_eq!(told.sub_label.as_deref(), Some("Ida, Max"));
        assert_eq!((told.sub_label_before, told.mark), (None, first.mark));
        named["sub_label"] = json!("Ida");
        named["frame_time"] = json!(1607123963.5);
        let moved = parse("end", &before, &named).unwrap();
        assert_eq!(moved.sub_label.as_deref(), Some("Ida"));
        assert!(moved.mark != first.mark && moved.kind == EventKind::End);
    }

    #[test]
    fn what_cannot_stand_in_a_topic_or_an_address_is_no_event() {
        for (field, value) in [
            ("id", json!("../../config")),
            ("id", json!("..")),
            ("id", json!("")),
            ("id", json!("a/b")),
            ("id", json!("x".repeat(65))),
            ("camera", json!("+")),
            ("camera", json!("a/#")),
            ("camera", json!("a b")),
            ("camera", json!("tür")),
            ("entered_zones", json!(vec!["z"; 65])),
            ("current_zones", json!(["z".repeat(65)])),
        ] {
            let mut wrong = object();
            wrong[field] = value;
            let found = parse("new", &Value::Null, &wrong);
            assert_eq!(found, Err(MalformedEvent::Name), "{wrong}");
        }
        for (field, value) in [
            ("id", json!(7)),
            ("start_time", json!(-1)),
            ("start_time", json!(1e300)),
            ("end_time", json!(1e300)),
            ("entered_zones", json!({})),
            ("sub_label", json!({"a": 1})),
            ("label", Value::Null),
        ] {
            let mut wrong = object();
            wrong[field] = value;
            let found = parse("new", &Value::Null, &wrong);
            assert_eq!(found, Err(MalformedEvent::Form), "{wrong}");
        }
        assert!(parse("gone", &object(), &object()).is_err());
        assert!(parse("new", &Value::Null, &Value::Null).is_err());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep = format!("{{\"type\": \"new\", \"after\": {{\"x\": {deep}}}}}");
        assert_eq!(
            FrigateEvent::parse(deep.as_bytes()),
            Err(MalformedEvent::Form)
        );
        let large = vec![b' '; MAX_EVENT_BYTES + 1];
        assert_eq!(FrigateEvent::parse(&large), Err(MalformedEvent::TooLarge));
    }
}
