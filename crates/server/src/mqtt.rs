//! Frigate's events over MQTT. In: settings, a recognition key. Out: names, published for Home
//! Assistant and whoever else listens. Off unless the settings name a broker.
//!
//! A message goes one way: `connection` (the broker, again and again) → `event` (what Frigate says,
//! within limits) → `dispatch` (events and each camera's work, `sighting` and `lane`) → `watch`
//! (pictures from `frigate`, faces from `recognise`) → `announce` (`own_messages`, `double_take`,
//! `home_assistant`) → `outbox`, which keeps each message until the broker has it. What a broker
//! kept of people who left is taken out by `sweep`.

mod address;
mod announce;
mod backoff;
mod connection;
mod counts;
mod dispatch;
mod double_take;
mod event;
mod frigate;
mod home_assistant;
mod lane;
mod outbox;
mod own_messages;
mod recognise;
mod seldom;
mod sighting;
mod status;
mod sweep;
mod timestamp;
mod topics;
mod trial;
mod watch;

use std::sync::{Arc, OnceLock};

use anyhow::{Result, ensure};
use axum::body::Bytes;
use fusiform_gallery::Uuid;
use rumqttc::MqttOptions;
use tokio::sync::watch as watch_channel;

use crate::service::Recognition;
use crate::settings::MqttSettings;
use announce::Announcer;
#[cfg(feature = "cameras")]
pub(crate) use backoff::Backoff;
use connection::{Connection, Listener};
pub(crate) use counts::Counts;
use dispatch::Dispatch;
#[cfg(feature = "cameras")]
use dispatch::InCamera;
pub use event::{EventKind, FrigateEvent, MAX_EVENT_BYTES, MalformedEvent};
use frigate::Frigate;
use home_assistant::Discovery;
use outbox::Outbox;
use own_messages::OwnTopics;
pub(crate) use recognise::Recogniser;
#[cfg(feature = "cameras")]
pub(crate) use recognise::{Nearest, Seen, SeenFace};
use seldom::Seldom;
#[cfg(feature = "cameras")]
pub(crate) use sighting::{News, Sighting, Source};
pub(crate) use status::Status;
#[cfg(feature = "cameras")]
pub(crate) use timestamp::{iso_ms, now_ms};
pub use trial::try_broker;
use watch::Watch;

/// Secrets for the broker and for the collection of people.
#[derive(Clone)]
pub struct MqttKeys {
    /// A recognition key.
    pub key: Uuid,
    /// The broker's password.
    pub password: Option<String>,
}

/// Everything that listens to a broker, before it connects.
pub(crate) struct Mqtt {
    options: MqttOptions,
    outbox: Arc<Outbox>,
    watch: Arc<Watch>,
    shown: String,
}

impl Mqtt {
    /// # Errors
    /// Whatever is wrong with an address, a prefix, a certificate, the key or the pack.
    pub(crate) fn new(
        settings: &MqttSettings,
        keys: &MqttKeys,
        recognition: &Arc<Recognition>,
    ) -> Result<Mqtt> {
        let prefixes = [&settings.topic_prefix, &settings.frigate.topic_prefix];
        for prefix in prefixes.into_iter().chain(&settings.home_assistant) {
            ensure!(
                topics::is_prefix(prefix),
                "{prefix:?} cannot begin a topic: no wildcards, no empty levels"
            );
        }
        let own = OwnTopics {
            prefix: settings.topic_prefix.clone(),
        };
        let address = address::address(settings, keys.password.as_deref(), &own.available())?;
        let status = Status::new(&address.shown, settings.frigate.url.as_deref());
        let status = Arc::new(status);
        let frigate = settings.frigate.url.as_deref();
        let frigate = frigate.map(|url| Frigate::new(url, Arc::clone(&status)));
        let program = ("mqtt", settings.key_file.as_deref());
        let recogniser = Recogniser::open(recognition, keys.key, settings.fmr, program)?;
        let discovery = settings.home_assistant.as_deref();
        let discovery = discovery.map(|at| Discovery::new(at, &own, settings.double_take));
        let counts = Arc::new(Counts::default());
        let outbox = Arc::new(Outbox::new(Arc::clone(&counts)));
        let announcer = Announcer::new(&outbox, own, discovery, settings.double_take);
        let watch = Watch {
            dispatch: Dispatch::new(&settings.frigate, Arc::clone(&counts)),
            settings: settings.frigate.clone(),
            announcer,
            recogniser,
            of_cameras: OnceLock::new(),
            frigate: frigate.transpose()?,
            status,
            counts,
            malformed: Seldom::default(),
        };
        Ok(Mqtt {
            options: address.options,
            outbox,
            watch: Arc::new(watch),
            shown: address.shown,
        })
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.watch.status)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.watch.counts
    }

    /// Publishes what happens at cameras of our own.
    #[cfg(feature = "cameras")]
    pub(crate) fn cameras(&self) -> CameraAnnouncer {
        CameraAnnouncer(Arc::clone(&self.watch))
    }

    /// The broker, for messages.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Listens until `stop` is true.
    pub(crate) async fn serve(self, stop: watch_channel::Receiver<bool>) {
        // Before anything that the broker kept is judged by who is enrolled.
        self.watch.tidy();
        let housekeeping = tokio::spawn(Arc::clone(&self.watch).keep_house());
        let connection = Connection {
            options: self.options,
            outbox: self.outbox,
            status: Arc::clone(&self.watch.status),
            counts: Arc::clone(&self.watch.counts),
            listener: Arc::new(Ears(self.watch)),
        };
        connection.run(stop).await;
        housekeeping.abort();
    }
}

/// Hands on what the broker sends.
struct Ears(Arc<Watch>);

impl Listener for Ears {
    fn topics(&self) -> Vec<String> {
        let frigate = &self.0.settings;
        let prefix = &frigate.topic_prefix;
        let mut topics = vec![format!("{prefix}/available"), format!("{prefix}/events")];
        if frigate.url.is_none() {
            topics.push(format!("{prefix}/+/person/snapshot"));
        }
        topics
    }

    fn kept_topics(&self) -> Vec<String> {
        self.0.announcer.kept_topics()
    }

    fn connected(&self) {
        self.0.announcer.online();
    }

    fn farewell(&self) {
        self.0.announcer.available(false);
    }

    fn hear(&self, topic: &str, payload: Bytes, kept: bool) {
        if kept {
            self.0.announcer.kept(topic, &payload);
        }
        self.0.hear(topic, payload, kept);
    }
}

/// Publishes what happens at cameras of our own, as for Frigate's.
#[cfg(feature = "cameras")]
pub(crate) struct CameraAnnouncer(Arc<Watch>);

#[cfg(feature = "cameras")]
impl CameraAnnouncer {
    /// Whom the cameras know; what the broker keeps of them is taken out when they leave. Called
    /// once, before anything is served.
    pub(crate) fn know(&self, people: Vec<Arc<Recogniser>>) {
        let _ = self.0.of_cameras.set(people);
    }

    /// Somebody was recognised, for the first time in a visit or better than before.
    pub(crate) fn looked(&self, sighting: &Sighting, news: &News, people: &Recogniser) {
        let (threshold, n_examples) = (people.threshold, people.n_examples());
        self.0
            .announcer
            .looked(sighting, news, threshold, n_examples);
    }

    /// A visit is over.
    pub(crate) fn ended(&self, sighting: &Sighting, people: &Recogniser) {
        self.0.announcer.ended(sighting, people.threshold);
    }

    /// Who is in view, and how many others.
    pub(crate) fn camera(&self, name: &str, (people, n_unknown): (Vec<String>, usize)) {
        let now = InCamera {
            n_events: usize::from(!people.is_empty() || n_unknown > 0),
            people,
            n_unknown,
        };
        self.0.announcer.camera(name, now);
    }
}
