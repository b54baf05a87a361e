//! Figures of cameras for `/metrics`. In: what happened. Out: counters without names or addresses.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use fusiform::video::live::LiveCounts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BOUNDS_S: [f64; 9] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: &'static str,
}

type Fates = Family<Fate, Counter>;

/// All figures.
#[derive(Debug)]
pub(super) struct Counts {
    pictures: Fates,
    webhook: Fates,
    connections: Counter,
    receiving: Gauge<i64, AtomicI64>,
    answer_s: Histogram,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            pictures: Fates::default(),
            webhook: Fates::default(),
            connections: Counter::default(),
            receiving: Gauge::default(),
            answer_s: Histogram::new(BOUNDS_S),
        }
    }
}

impl Counts {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Pictures of cameras, by what became of them";
        registry.register("fusiform_camera_pictures", help, self.pictures.clone());
        let help = "Messages to the webhook, by what became of them";
        registry.register("fusiform_camera_webhook", help, self.webhook.clone());
        let help = "Connections to cameras on which a picture came";
        registry.register(
            "fusiform_camera_connections",
            help,
            self.connections.clone(),
        );
        let help = "Cameras of which pictures come now";
        registry.register("fusiform_cameras_receiving", help, self.receiving.clone());
        let help = "Seconds from a picture to the message about who is in it";
        registry.register(
            "fusiform_camera_answer_seconds",
            help,
            self.answer_s.clone(),
        );
    }

    /// What became of a picture that was decoded: `looked`, `at_rest` or `failed`.
    pub(super) fn picture(&self, fate: &'static str) {
        self.pictures.get_or_create(&Fate { fate }).inc();
    }

    /// What became of a message: `delivered`, `refused`, `dropped`, or one attempt `failed`.
    pub(super) fn webhook(&self, fate: &'static str) {
        self.webhook.get_or_create(&Fate { fate }).inc();
    }

    /// What a stream counted since it was looked at last.
    pub(super) fn stream(&self, before: LiveCounts, now: LiveCounts) {
        let add = |fate, before: u64, now: u64| {
            let counter = self.pictures.get_or_create(&Fate { fate });
            counter.inc_by(now.saturating_sub(before));
        };
        add("received", before.received, now.received);
        add("dropped", before.dropped, now.dropped);
        add("damaged", before.damaged, now.damaged);
        let connections = now.connections.saturating_sub(before.connections);
        self.connections.inc_by(connections);
    }

    /// A camera begins or ends to send pictures.
    pub(super) fn receiving(&self, begins: bool) {
        match begins {
            true => self.receiving.inc(),
            false => self.receiving.dec(),
        };
    }

    pub(super) fn answered_after(&self, time: Duration) {
        self.answer_s.observe(time.as_secs_f64());
    }
}
