//! Settings of MQTT: the broker, what is published, and Frigate, whose events are looked at. In: a
//! table of the file, variables. Out: settings; `None` if neither names a broker.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;

use fusiform_server::{FrigateSettings, MqttSettings};
use serde::Deserialize;

use super::error::ConfigError;

/// `[serve.mqtt]`; each is described with its field of [`MqttSettings`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MqttLayer {
    broker: Option<String>,
    user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    client_id: Option<String>,
    topic_prefix: Option<String>,
    compat: Option<String>,
    home_assistant: Option<String>,
    pub(super) key_file: Option<PathBuf>,
    fmr: Option<f64>,
    #[serde(default)]
    frigate: FrigateLayer,
}

/// `[serve.mqtt.frigate]`; each is described with its field of [`FrigateSettings`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrigateLayer {
    url: Option<String>,
    topic_prefix: Option<String>,
    cameras: Option<Vec<String>>,
    zones: Option<Vec<String>>,
    min_area: Option<u64>,
    sub_labels: Option<bool>,
    attempts: Option<u32>,
}

impl MqttLayer {
    pub(super) fn over(self, below: MqttLayer) -> MqttLayer {
        MqttLayer {
            broker: self.broker.or(below.broker),
            user: self.user.or(below.user),
            password_file: self.password_file.or(below.password_file),
            ca_file: self.ca_file.or(below.ca_file),
            client_id: self.client_id.or(below.client_id),
            topic_prefix: self.topic_prefix.or(below.topic_prefix),
            compat: self.compat.or(below.compat),
            home_assistant: self.home_assistant.or(below.home_assistant),
            key_file: self.key_file.or(below.key_file),
            fmr: self.fmr.or(below.fmr),
            frigate: self.frigate.over(below.frigate),
        }
    }

    /// Files that the settings name, in which `~` may stand.
    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let files = [
            &mut self.password_file,
            &mut self.ca_file,
            &mut self.key_file,
        ];
        files.into_iter().flatten()
    }

    pub(super) fn resolve(self) -> Result<MqttSettings, ConfigError> {
        let usual = MqttSettings::default();
        let double_take = match self.compat.as_deref() {
            None | Some("") => false,
            Some("double-take") => true,
            Some(other) => {
                let (name, wanted) = ("serve.mqtt.compat", "\"double-take\"");
                return Err(ConfigError::setting(name, other, wanted));
            }
        };
        let fmr = fmr("serve.mqtt.fmr", self.fmr, usual.fmr)?;
        Ok(MqttSettings {
            broker: self.broker.unwrap_or(usual.broker),
            user: self.user.filter(|user| !user.is_empty()),
            password_file: self.password_file,
            ca_file: self.ca_file,
            client_id: self.client_id.unwrap_or(usual.client_id),
            topic_prefix: self.topic_prefix.unwrap_or(usual.topic_prefix),
            double_take,
            home_assistant: match self.home_assistant {
                None => usual.home_assistant,
                Some(prefix) => Some(prefix).filter(|prefix| !prefix.is_empty()),
            },
            key_file: self.key_file,
            fmr,
            frigate: self.frigate.resolve(),
        })
    }
}

impl FrigateLayer {
    fn over(self, below: FrigateLayer) -> FrigateLayer {
        FrigateLayer {
            url: self.url.or(below.url),
            topic_prefix: self.topic_prefix.or(below.topic_prefix),
            cameras: self.cameras.or(below.cameras),
            zones: self.zones.or(below.zones),
            min_area: self.min_area.or(below.min_area),
            sub_labels: self.sub_labels.or(below.sub_labels),
            attempts: self.attempts.or(below.attempts),
        }
    }

    fn resolve(self) -> FrigateSettings {
        let usual = FrigateSettings::default();
        FrigateSettings {
            url: self.url.filter(|url| !url.is_empty()),
            topic_prefix: self.topic_prefix.unwrap_or(usual.topic_prefix),
            cameras: self.cameras.unwrap_or_default(),
            zones: self.zones.unwrap_or_default(),
            min_area: self.min_area.unwrap_or(usual.min_area),
            sub_labels: self.sub_labels.unwrap_or(usual.sub_labels),
            attempts: self.attempts.unwrap_or(usual.attempts).clamp(1, 100),
        }
    }
}

/// A false-match rate, `usual` if none is given.
pub(super) fn fmr(
    name: impl Into<Cow<'static, str>>,
    given: Option<f64>,
    usual: f64,
) -> Result<f64, ConfigError> {
    let fmr = given.unwrap_or(usual);
    match fmr > 0.0 && fmr < 1.0 {
        true => Ok(fmr),
        false => Err(ConfigError::setting(
            name,
            fmr.to_string(),
            "a rate between 0 and 1",
        )),
    }
}

/// Whole numbers, rates and yes or no of the variables, which the caller reads.
pub(super) struct Values {
    pub(super) fmr: Option<f64>,
    pub(super) min_area: Option<u64>,
    pub(super) sub_labels: Option<bool>,
    pub(super) attempts: Option<u32>,
    /// Cameras and zones.
    pub(super) lists: [Option<Vec<String>>; 2],
}

/// MQTT by its variables, `FUSIFORM_MQTT_` and `FUSIFORM_FRIGATE_` with the name of the setting in
/// capitals, if one of them is set.
pub(super) fn mqtt(
    values: Values,
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<Option<MqttLayer>, ConfigError> {
    let file = |name: &str| env::var_os(name).map(PathBuf::from);
    let [cameras, zones] = values.lists;
    let layer = MqttLayer {
        broker: text("FUSIFORM_MQTT_BROKER")?,
        user: text("FUSIFORM_MQTT_USER")?,
        password_file: file("FUSIFORM_MQTT_PASSWORD_FILE"),
        ca_file: file("FUSIFORM_MQTT_CA_FILE"),
        client_id: text("FUSIFORM_MQTT_CLIENT_ID")?,
        topic_prefix: text("FUSIFORM_MQTT_TOPIC_PREFIX")?,
        compat: text("FUSIFORM_MQTT_COMPAT")?,
        home_assistant: text("FUSIFORM_MQTT_HOME_ASSISTANT")?,
        key_file: file("FUSIFORM_MQTT_KEY_FILE"),
        fmr: values.fmr,
        frigate: FrigateLayer {
            url: text("FUSIFORM_FRIGATE_URL")?,
            topic_prefix: text("FUSIFORM_FRIGATE_TOPIC_PREFIX")?,
            cameras,
            zones,
            min_area: values.min_area,
            sub_labels: values.sub_labels,
            attempts: values.attempts,
        },
    };
    Ok(Some(layer).filter(|layer| *layer != MqttLayer::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<MqttSettings, ConfigError> {
        let layer: MqttLayer = toml::from_str(text).unwrap();
        layer.resolve()
    }

    #[test]
    fn a_table_says_what_differs_from_the_usual() {
        let settings = resolve(
            "broker = \"mqtts://host:8883\"\nuser = \"fusiform\"\npassword_file = \"/p\"\n\
             ca_file = \"/ca.pem\"\nclient_id = \"fusiform\"\ntopic_prefix = \"faces\"\n\
             compat = \"double-take\"\nhome_assistant = \"\"\nkey_file = \"/k\"\n\
             [frigate]\nurl = \"http://frigate:5000\"\ntopic_prefix = \"frigate\"\n\
             cameras = [\"front_door\"]\nzones = []\nmin_area = 5\nsub_labels = false\n\
             attempts = 0\n",
        )
        .unwrap();
        assert!(settings.double_take && settings.home_assistant.is_none());
        assert_eq!(settings.ca_file, Some("/ca.pem".into()));
        let frigate = &settings.frigate;
        assert_eq!((frigate.attempts, frigate.sub_labels), (1, false));
        assert_eq!(frigate.cameras, ["front_door"]);
        let usual = resolve("").unwrap();
        assert_eq!(usual, MqttSettings::default());
        assert_eq!(usual.home_assistant.as_deref(), Some("homeassistant"));
        assert!(usual.frigate.sub_labels && usual.frigate.url.is_none());
        for wrong in ["compat = \"doubletake\"", "fmr = 0.0", "fmr = 1.5"] {
            assert!(resolve(wrong).is_err(), "{wrong}");
        }
        let misspelt = toml::from_str::<MqttLayer>("[frigate]\nuser = \"admin\"\n");
        assert!(misspelt.unwrap_err().to_string().contains("user"));
    }
}
