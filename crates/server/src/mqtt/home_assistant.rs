//! How Home Assistant learns of entities (MQTT discovery). In: people and cameras. Out: retained
//! messages with the keys that it reads; `origin` says that they are ours.
//!
//! | topic below the prefix | entity |
//! |---|---|
//! | `sensor/<node>/person_<person>/config` | the camera where a person was recognised last |
//! | `image/<node>/person_<person>/config` | the picture of that |
//! | `sensor/<node>/camera_<camera>_people/config`, `…_unknown/config` | how many are there now |
//! | `sensor/double-take/…`, `device_tracker/double-take/…` | Double Take's, its keys first |

use serde::Serialize;

use super::double_take::{self, sensors, trackers};
use super::outbox::Message;
use super::own_messages::{OwnTopics, json, message};
use super::topics::{double_take_id, double_take_level, object_id};

/// By this an entity is known as ours.
pub(super) const ORIGIN: &str = "fusiform";
/// Seconds after which Double Take's sensors count as out of date.
const EXPIRE_AFTER_S: u32 = 600;
pub(super) const CAMERA_ICON: &str = "mdi:camera";
const PERSON_ICON: &str = "mdi:account";

#[derive(Serialize)]
struct Origin {
    name: &'static str,
    sw: &'static str,
}

#[derive(Serialize)]
struct Device {
    identifiers: [String; 1],
    name: &'static str,
    manufacturer: &'static str,
    model: &'static str,
    sw_version: &'static str,
}

/// Which keys an entity has; the others are left out.
#[derive(Serialize, Default)]
struct Entity {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_template: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_attributes_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_of_measurement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_topic: Option<String>,
    unique_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after: Option<u32>,
    device: Option<Device>,
    origin: Option<Origin>,
}

/// Entities below one prefix.
#[derive(Debug, Clone)]
pub(super) struct Discovery {
    prefix: String,
    own: OwnTopics,
    /// Tells two servers with one broker apart.
    node: String,
    with_double_take: bool,
}

impl Discovery {
    pub(super) fn new(prefix: &str, own: &OwnTopics, with_double_take: bool) -> Discovery {
        Discovery {
            prefix: prefix.to_owned(),
            node: object_id(&own.prefix),
            own: own.clone(),
            with_double_take,
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the broker keeps of it, for subscriptions.
    pub(super) fn kept(&self) -> Vec<String> {
        let (prefix, node) = (&self.prefix, &self.node);
        let mut topics = vec![format!("{prefix}/+/{node}/+/config")];
        if self.with_double_take {
            topics.push(format!("{prefix}/+/double-take/+/+"));
        }
        topics
    }

    /// A person's entities.
    pub(super) fn person(&self, name: &str) -> Vec<Message> {
        let (id, about) = (object_id(name), [name.to_owned()]);
        let topics = self.person_configs(name);
        let sensor = self.entity(Entity {
            name: name.to_owned(),
            object_id: Some(format!("{}_{id}", self.node)),
            icon: Some(PERSON_ICON),
            value_template: Some("{{ value_json.camera }}"),
            state_topic: Some(self.own.state(name)),
            json_attributes_topic: Some(self.own.state(name)),
            availability_topic: Some(self.own.available()),
            unique_id: format!("{}_person_{id}", self.node),
            ..Entity::default()
        });
        let image = self.entity(Entity {
            name: format!("{name} (picture)"),
            object_id: Some(format!("{}_{id}_picture", self.node)),
            image_topic: Some(self.own.image(name)),
            content_type: Some("image/jpeg"),
            availability_topic: Some(self.own.available()),
            unique_id: format!("{}_person_{id}_picture", self.node),
            ..Entity::default()
        });
        let entities = [sensor, image].into_iter().zip(topics);
        let kept = |(entity, topic)| message(topic, json(&entity), true, &about);
        entities.map(kept).collect()
    }

    /// Where a person's entities are announced.
    pub(super) fn person_configs(&self, name: &str) -> [String; 2] {
        let (prefix, node, id) = (&self.prefix, &self.node, object_id(name));
        ["sensor", "image"].map(|kind| format!("{prefix}/{kind}/{node}/person_{id}/config"))
    }

    /// Whether a topic announces a camera's entity.
    pub(super) fn is_of_a_camera(&self, topic: &str) -> bool {
        let cameras = format!("{}/sensor/{}/camera_", self.prefix, self.node);
        topic.starts_with(&cameras)
    }

    /// Where a camera's entities are announced.
    pub(super) fn camera_configs(&self, camera: &str) -> [String; 2] {
        let (prefix, node, id) = (&self.prefix, &self.node, object_id(camera));
        ["people", "unknown"]
            .map(|what| format!("{prefix}/sensor/{node}/camera_{id}_{what}/config"))
    }

    /// A camera's entities.
    pub(super) fn camera(&self, camera: &str) -> Vec<Message> {
        let node = &self.node;
        let count = |what: &str, counts: String| {
            let id = format!("camera_{}_{what}", object_id(camera));
            self.entity(Entity {
                name: format!("{camera} {what}"),
                object_id: Some(format!("{node}_{id}")),
                icon: Some(CAMERA_ICON),
                state_topic: Some(counts),
                json_attributes_topic: Some(self.own.camera(camera)),
                unit_of_measurement: Some("people"),
                availability_topic: Some(self.own.available()),
                unique_id: format!("{node}_{id}"),
                ..Entity::default()
            })
        };
        let [people, unknown] = self.own.camera_counts(camera);
        let entities = [count("people", people), count("unknown", unknown)];
        let configs = self.camera_configs(camera);
        let kept = |(entity, config)| message(config, json(&entity), true, &[]);
        entities.into_iter().zip(configs).map(kept).collect()
    }

    /// Double Take's entities of a person: a sensor and a tracker.
    pub(super) fn double_take_person(&self, name: &str) -> Vec<Message> {
        let about = [name.to_owned()];
        let id = double_take_id(name);
        let topics = self.double_take_configs(name);
        let tracker = self.entity(Entity {
            name: name.to_owned(),
            object_id: Some(format!("double_take_{id}")),
            icon: Some(PERSON_ICON),
            state_topic: Some(state_of(&topics[1])),
            unique_id: format!("double_take_tracker_{id}"),
            ..Entity::default()
        });
        let sensor = self.entity(self.double_take_sensor(name.to_owned(), &topics[0], &id));
        let entities = [sensor, tracker].into_iter().zip(topics);
        let kept = |(entity, topic): (Entity, String)| {
            double_take::message(topic, true, json(&entity), &about)
        };
        entities.map(kept).collect()
    }

    /// Where Double Take's entities of a person are announced.
    pub(super) fn double_take_configs(&self, name: &str) -> [String; 2] {
        let level = double_take_level(name);
        [sensors(&self.prefix), trackers(&self.prefix)].map(|at| format!("{at}/{level}/config"))
    }

    /// Double Take's entity of everybody unknown.
    pub(super) fn double_take_unknown(&self) -> Message {
        let topic = format!("{}/unknown/config", sensors(&self.prefix));
        let name = "double_take_unknown".to_owned();
        let entity = Entity {
            object_id: None,
            ..self.double_take_sensor(name, &topic, "unknown")
        };
        double_take::message(topic, true, json(&self.entity(entity)), &[])
    }

    /// Where Double Take's entity of a camera is announced.
    pub(super) fn double_take_camera_config(&self, camera: &str) -> String {
        format!("{}/{camera}/config", sensors(&self.prefix))
    }

    /// Double Take's entity of a camera, whose name is in small letters.
    pub(super) fn double_take_camera(&self, camera: &str) -> Message {
        let topic = self.double_take_camera_config(camera);
        let entity = Entity {
            object_id: None,
            icon: Some(CAMERA_ICON),
            value_template: Some("{{ value_json.counts.person }}"),
            expire_after: None,
            ..self.double_take_sensor(format!("double_take_{camera}"), &topic, camera)
        };
        double_take::message(topic, true, json(&self.entity(entity)), &[])
    }

    fn double_take_sensor(&self, name: String, config: &str, id: &str) -> Entity {
        let state = state_of(config);
        Entity {
            name,
            object_id: Some(format!("double_take_{id}")),
            icon: Some(PERSON_ICON),
            value_template: Some("{{ value_json.camera }}"),
            state_topic: Some(state.clone()),
            json_attributes_topic: Some(state),
            availability_topic: Some("double-take/available".into()),
            unique_id: format!("double_take_{id}"),
            expire_after: Some(EXPIRE_AFTER_S),
            ..Entity::default()
        }
    }

    fn entity(&self, entity: Entity) -> Entity {
        let version = env!("CARGO_PKG_VERSION");
        Entity {
            device: Some(Device {
                identifiers: [self.node.clone()],
                name: "Fusiform",
                manufacturer: "Fusiform",
                model: "Face recognition",
                sw_version: version,
            }),
            origin: Some(Origin {
                name: ORIGIN,
                sw: version,
            }),
            ..entity
        }
    }
}

/// Where the state is of an entity that is announced there.
pub(super) fn state_of(config: &str) -> String {
    format!("{}/state", config.strip_suffix("/config").unwrap_or(config))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload(message: &Message) -> Value {
        serde_json::from_slice(&message.payload).unwrap()
    }

    fn discovery() -> Discovery {
        let own = OwnTopics {
            prefix: "fusiform".into(),
        };
        Discovery::new("homeassistant", &own, true)
    }

    #[test]
    fn double_takes_entities_have_its_keys_and_values_and_say_whose_they_are() {
        let all = discovery().double_take_person("David");
        assert!(all.iter().all(|message| message.retain));
        let at = "homeassistant/sensor/double-take/David/state";
        assert_eq!(
            all[0].topic,
            "homeassistant/sensor/double-take/David/config"
        );
        let mut sensor = payload(&all[0]);
        let device = sensor["device"].take();
        assert_eq!(device["identifiers"], json!(["fusiform"]));
        let expected = json!({"name": "David", "object_id": "double_take_David",
            "icon": "mdi:account", "value_template": "{{ value_json.camera }}", "state_topic": at,
            "json_attributes_topic": at, "availability_topic": "double-take/available",
            "unique_id": "double_take_David", "expire_after": 600, "device": null,
            "origin": {"name": "fusiform", "sw": env!("CARGO_PKG_VERSION")}});
        assert_eq!(sensor, expected);
        assert_eq!(
            all[1].topic,
            "homeassistant/device_tracker/double-take/David/config"
        );
        let tracker = payload(&all[1]);
        let state = "homeassistant/device_tracker/double-take/David/state";
        assert_eq!(tracker["state_topic"], state);
        assert_eq!(tracker["unique_id"], "double_take_tracker_David");
        assert!(tracker["availability_topic"].is_null() && tracker["expire_after"].is_null());

        let unknown = payload(&discovery().double_take_unknown());
        assert_eq!(unknown["name"], "double_take_unknown");
        assert!(unknown["object_id"].is_null() && unknown["expire_after"] == 600);
        let camera = discovery().double_take_camera("front_door");
        assert_eq!(
            camera.topic,
            "homeassistant/sensor/double-take/front_door/config"
        );
        let camera = payload(&camera);
        assert_eq!(camera["value_template"], "{{ value_json.counts.person }}");
        assert_eq!(
            (&camera["icon"], &camera["expire_after"]),
            (&json!("mdi:camera"), &Value::Null)
        );
    }

    #[test]
    fn our_entities_say_whether_we_are_there() {
        let all = [discovery().person("Zoë"), discovery().camera("front_door")].concat();
        assert_eq!(all.len(), 4);
        for message in &all {
            let entity = payload(message);
            assert_eq!(
                entity["availability_topic"], "fusiform/available",
                "{entity}"
            );
            assert_eq!(entity["origin"]["name"], "fusiform");
        }
        let image = payload(&all[1]);
        assert_eq!(image["image_topic"], "fusiform/people/Zoë/image");
        assert_eq!(image["content_type"], "image/jpeg");
        assert!(discovery().is_of_a_camera(&all[2].topic));
        assert!(!discovery().is_of_a_camera(&all[0].topic));
    }
}
