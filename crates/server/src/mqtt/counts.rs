//! Figures of MQTT for `/metrics`. In: what happened. Out: counters without names, cameras or ids.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BOUNDS_S: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: &'static str,
}

type Fates = Family<Fate, Counter>;

/// All figures.
#[derive(Debug)]
pub(crate) struct Counts {
    messages: Fates,
    events: Fates,
    pictures: Fates,
    waiting: Gauge<i64, AtomicI64>,
    connected: Gauge<i64, AtomicI64>,
    answer_s: Histogram,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            messages: Fates::default(),
            events: Fates::default(),
            pictures: Fates::default(),
            waiting: Gauge::default(),
            connected: Gauge::default(),
            answer_s: Histogram::new(BOUNDS_S),
        }
    }
}

impl Counts {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, fates: &Fates| {
            registry.register(name, help, fates.clone());
        };
        let help = "Messages to the broker, by what became of them";
        add("fusiform_mqtt_messages", help, &self.messages);
        let help = "Messages about events, by what became of them";
        add("fusiform_mqtt_events", help, &self.events);
        let help = "Pictures of events, by what became of them";
        add("fusiform_mqtt_pictures", help, &self.pictures);
        let help = "Messages that the broker has not confirmed";
        registry.register("fusiform_mqtt_waiting", help, self.waiting.clone());
        let help = "Whether there is a connection to the broker";
        registry.register("fusiform_mqtt_connected", help, self.connected.clone());
        let help = "Seconds from a message about an event to the name that is published";
        registry.register("fusiform_mqtt_answer_seconds", help, self.answer_s.clone());
    }

    pub(super) fn published_message(&self) {
        count(&self.messages, "published");
    }

    pub(super) fn lost_message(&self) {
        count(&self.messages, "lost");
    }

    pub(super) fn waiting(&self, n: usize) {
        self.waiting.set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    pub(super) fn connected(&self, is_connected: bool) {
        self.connected.set(is_connected.into());
    }

    /// `taken`, `malformed`, `passed_over`, `evicted`.
    pub(super) fn event(&self, fate: &'static str) {
        count(&self.events, fate);
    }

    /// `analysed`, `same`, `dropped`, `failed`, `unreadable`.
    pub(super) fn picture(&self, fate: &'static str) {
        count(&self.pictures, fate);
    }

    pub(super) fn answered_after(&self, time: Duration) {
        self.answer_s.observe(time.as_secs_f64());
    }
}

fn count(fates: &Fates, fate: &'static str) {
    fates.get_or_create(&Fate { fate }).inc();
}
