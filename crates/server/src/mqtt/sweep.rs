//! What a broker has kept from an earlier time. In: retained messages, who is enrolled now. Out:
//! messages that take out whatever is of people who left, also while nobody was connected, and
//! counts of cameras at which nobody is any more. What others published is left alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use axum::body::Bytes;
use serde_json::Value;

use super::dispatch::InCamera;
use super::double_take;
use super::home_assistant::{CAMERA_ICON, Discovery, ORIGIN, state_of};
use super::outbox::Message;
use super::own_messages::{OwnTopics, cleared, message};
use super::topics::{double_take_level, level};

/// Who is enrolled, by each word that stands for them in topics: thousands of messages that the
/// broker kept are looked up in it.
#[derive(Debug, Default)]
pub(super) struct Enrolled {
    names: BTreeSet<String>,
    /// Levels of our own topics.
    levels: HashSet<String>,
    /// Topics at which Home Assistant is told of them.
    configs: HashSet<String>,
    /// Levels of Double Take's topics, each with one of the names that have it.
    double_take: HashMap<String, String>,
}

impl Enrolled {
    pub(super) fn new(names: BTreeSet<String>, discovery: Option<&Discovery>) -> Enrolled {
        let mut enrolled = Enrolled::default();
        names.iter().for_each(|name| enrolled.add(name, discovery));
        enrolled
    }

    pub(super) fn add(&mut self, name: &str, discovery: Option<&Discovery>) {
        if self.names.insert(name.to_owned()) {
            self.levels.insert(level(name));
            let configs = discovery.map(|d| d.person_configs(name));
            self.configs.extend(configs.into_iter().flatten());
            let level = double_take_level(name);
            self.double_take.entry(level).or_insert(name.to_owned());
        }
    }

    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Somebody whom Double Take's topics call so.
    pub(super) fn of_double_take(&self, level: &str) -> Option<&str> {
        self.double_take.get(level).map(String::as_str)
    }
}

/// What is true now.
pub(super) struct Present<'a> {
    pub(super) own: &'a OwnTopics,
    pub(super) discovery: Option<&'a Discovery>,
    pub(super) people: &'a Enrolled,
    /// Cameras that were heard of since the start.
    pub(super) cameras: &'a BTreeMap<String, InCamera>,
}

impl Present<'_> {
    /// What to publish about a message that the broker had kept.
    pub(super) fn stale(&self, topic: &str, payload: &Bytes) -> Vec<Message> {
        if payload.is_empty() {
            return Vec::new();
        }
        if let Some(rest) = below(topic, &format!("{}/people", self.own.prefix)) {
            let person = rest.split('/').next().unwrap_or_default();
            return match self.people.levels.contains(person) {
                true => vec![],
                false => vec![cleared(topic.to_owned())],
            };
        }
        let is_count = |what: &str| topic.ends_with(&format!("/{what}")) && &payload[..] != b"0";
        if let Some(rest) = below(topic, &format!("{}/cameras", self.own.prefix)) {
            let stale = (is_count("people") || is_count("unknown")) && !self.is_alive(rest);
            return if stale { vec![zero(topic)] } else { vec![] };
        }
        if let Some(rest) = below(topic, "double-take/cameras") {
            let stale = is_count("person") && !self.is_alive(rest);
            return if stale { vec![zero(topic)] } else { vec![] };
        }
        let discovery = self.discovery.map(|d| self.stale_entity(d, topic, payload));
        discovery.unwrap_or_default()
    }

    fn is_alive(&self, below_cameras: &str) -> bool {
        let camera = below_cameras.split('/').next().unwrap_or_default();
        let camera = camera.to_lowercase();
        self.cameras
            .keys()
            .any(|known| known.to_lowercase() == camera)
    }

    fn stale_entity(&self, discovery: &Discovery, topic: &str, payload: &[u8]) -> Vec<Message> {
        let said: Value = serde_json::from_slice(payload).unwrap_or_default();
        let is_ours = said["origin"]["name"] == ORIGIN;
        let of_double_take = [double_take::sensors, double_take::trackers]
            .into_iter()
            .find_map(|at| below(topic, &at(discovery.prefix())));
        let clear = |topics: &[&str]| {
            let topics = topics.iter().map(|topic| (*topic).to_owned());
            topics.map(cleared).collect()
        };
        let Some(rest) = of_double_take else {
            let is_known = self.people.configs.contains(topic);
            let stale = is_ours && !discovery.is_of_a_camera(topic) && !is_known;
            return if stale { clear(&[topic]) } else { vec![] };
        };
        let (entity, what) = rest.split_once('/').unwrap_or((rest, ""));
        match what {
            "config" => {
                let of_nobody = said["icon"] == CAMERA_ICON || entity == "unknown";
                let is_known = self.people.of_double_take(entity).is_some();
                match is_ours && !of_nobody && !is_known {
                    true => clear(&[&state_of(topic), topic]),
                    false => vec![],
                }
            }
            "state" => {
                let found = [&said["matches"], &said["misses"]].into_iter();
                let found = found.filter_map(Value::as_array).flatten();
                let found = found.chain([&said["match"]]);
                // Double Take itself states no rate.
                let ours = found.filter(|found| found.get("false_match_rate").is_some());
                let mut names = ours.filter_map(|found| found["name"].as_str());
                match names.any(|name| !self.people.names.contains(name)) {
                    true => clear(&[topic]),
                    false => vec![],
                }
            }
            _ => vec![],
        }
    }
}

/// What stands below a topic.
fn below<'a>(topic: &'a str, parent: &str) -> Option<&'a str> {
    topic.strip_prefix(parent)?.strip_prefix('/')
}

fn zero(topic: &str) -> Message {
    message(topic.to_owned(), Bytes::from_static(b"0"), true, &[])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_of_people_who_left_goes_and_what_is_of_others_stays() {
        let own = OwnTopics {
            prefix: "fusiform".into(),
        };
        let discovery = Discovery::new("ha", &own, true);
        let people = BTreeSet::from(["Zoë".to_owned()]);
        let people = Enrolled::new(people, Some(&discovery));
        let cameras = BTreeMap::from([("Door".to_owned(), InCamera::default())]);
        let present = Present {
            own: &own,
            discovery: Some(&discovery),
            people: &people,
            cameras: &cameras,
        };
        let stale = |topic: &str, payload: &str| -> Vec<(String, String)> {
            let messages = present.stale(topic, &Bytes::from(payload.to_owned()));
            let shown = |m: Message| (m.topic, String::from_utf8(m.payload.to_vec()).unwrap());
            assert!(messages.iter().all(|m| m.retain));
            messages.into_iter().map(shown).collect()
        };
        let gone = |topic: &str| vec![(topic.to_owned(), String::new())];
        let zero = |topic: &str| vec![(topic.to_owned(), "0".to_owned())];
        for (topic, payload, expected) in [
            (
                "fusiform/people/Ida/image",
                "jpeg",
                gone("fusiform/people/Ida/image"),
            ),
            ("fusiform/people/Ida/image", "", vec![]),
            ("fusiform/people/Zoë/state", "{}", vec![]),
            (
                "fusiform/cameras/gate/people",
                "2",
                zero("fusiform/cameras/gate/people"),
            ),
            ("fusiform/cameras/gate/people", "0", vec![]),
            ("fusiform/cameras/door/people", "2", vec![]),
            ("fusiform/available", "online", vec![]),
            (
                "double-take/cameras/gate/person",
                "1",
                zero("double-take/cameras/gate/person"),
            ),
        ] {
            assert_eq!(stale(topic, payload), expected, "{topic}");
        }
        let ours = json!({"origin": {"name": "fusiform"}}).to_string();
        for name in ["Zoë", "Ida"] {
            for topic in discovery.person_configs(name) {
                let expected = if name == "Zoë" { vec![] } else { gone(&topic) };
                assert_eq!(stale(&topic, &ours), expected);
                assert_eq!(stale(&topic, "{}"), [], "somebody else's");
            }
        }
        let config = "ha/sensor/double-take/Ida/config";
        let expected = [gone("ha/sensor/double-take/Ida/state"), gone(config)].concat();
        assert_eq!(stale(config, &ours), expected);
        assert_eq!(stale(config, r#"{"name": "Ida"}"#), [], "Double Take's own");
        let camera = json!({"origin": {"name": "fusiform"}, "icon": "mdi:camera"}).to_string();
        for (topic, payload) in [
            ("ha/sensor/double-take/Zoe/config", &ours),
            ("ha/sensor/double-take/gate/config", &camera),
            ("ha/sensor/double-take/unknown/config", &ours),
        ] {
            assert_eq!(stale(topic, payload), [], "{topic}");
        }
        let state = "ha/sensor/double-take/gate/state";
        let of = |name: &str| json!({"matches": [{"name": name, "false_match_rate": 1e-4}]});
        assert_eq!(stale(state, &of("Ida").to_string()), gone(state));
        assert_eq!(stale(state, &of("Zoë").to_string()), []);
        assert_eq!(
            stale(state, r#"{"match": {"name": "Ida"}}"#),
            [],
            "Double Take's own"
        );
    }
}
