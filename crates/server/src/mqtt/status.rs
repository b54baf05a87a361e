//! How broker and Frigate are. In: successes and failures as they come. Out: lines for `/readyz`,
//! and the log's lines, one for each change and not one for each attempt.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log repeats that somebody is still away.
const REPEAT: Duration = Duration::from_secs(600);

/// Broker, Frigate and the key.
#[derive(Debug)]
pub(crate) struct Status {
    broker: Mutex<Peer>,
    frigate: Option<Mutex<Peer>>,
    /// Whether the key opens a collection.
    key: Mutex<bool>,
}

/// Somebody who may be away.
#[derive(Debug)]
struct Peer {
    /// For messages: `the broker mqtt://host:1883`.
    name: String,
    away: Option<Away>,
    /// Whether it was ever there.
    seen: bool,
}

#[derive(Debug)]
struct Away {
    why: String,
    since: Instant,
    said_at: Instant,
}

impl Status {
    pub(super) fn new(broker: &str, frigate: Option<&str>) -> Status {
        let peer = |name: String| {
            Mutex::new(Peer {
                name,
                away: None,
                seen: false,
            })
        };
        Status {
            broker: peer(format!("the broker {broker}")),
            frigate: frigate.map(|url| peer(format!("Frigate {url}"))),
            key: Mutex::new(true),
        }
    }

    pub(super) fn broker_is_there(&self) {
        lock(&self.broker).is_there();
    }

    pub(super) fn broker_is_away(&self, why: &str) {
        lock(&self.broker).is_away(why);
    }

    pub(super) fn frigate_is_there(&self) {
        if let Some(frigate) = &self.frigate {
            lock(frigate).is_there();
        }
    }

    pub(super) fn frigate_is_away(&self, why: &str) {
        if let Some(frigate) = &self.frigate {
            lock(frigate).is_away(why);
        }
    }

    /// Whether the key opens a collection of people; a change is logged.
    pub(super) fn key_opens(&self, opens: bool) {
        let mut known = lock(&self.key);
        match (*known, opens) {
            (true, false) => tracing::error!("mqtt: the key opens nothing any more"),
            (false, true) => tracing::warn!("mqtt: the key opens a collection again"),
            _ => {}
        }
        *known = opens;
    }

    /// A line for each: whether it is there, and if not, why and for how long.
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("mqtt: {}\n", lock(&self.broker).line("connected to"));
        if let Some(frigate) = &self.frigate {
            lines.push_str(&format!("mqtt: {}\n", lock(frigate).line("asking")));
        }
        if !*lock(&self.key) {
            lines.push_str("mqtt: the recognition key opens nothing, so nobody is recognised\n");
        }
        lines
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    fn is_there(&mut self) {
        if let Some(away) = self.away.take() {
            let seconds = away.since.elapsed().as_secs();
            tracing::warn!("mqtt: {} is back after {seconds} s", self.name);
        } else if !self.seen {
            tracing::info!("mqtt: {} is there", self.name);
        }
        self.seen = true;
    }

    fn is_away(&mut self, why: &str) {
        let now = Instant::now();
        let away = self.away.get_or_insert_with(|| Away {
            why: String::new(),
            since: now,
            said_at: now,
        });
        if away.why.is_empty() || now.duration_since(away.said_at) >= REPEAT {
            away.said_at = now;
            tracing::warn!("mqtt: waiting for {}: {why}", self.name);
        }
        why.clone_into(&mut away.why);
    }

    fn line(&self, when_there: &str) -> String {
        match &self.away {
            Some(away) => {
                let seconds = away.since.elapsed().as_secs();
                format!("waiting for {} since {seconds} s: {}", self.name, away.why)
            }
            None if self.seen => format!("{when_there} {}", self.name),
            None => format!("not yet heard of {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_say_who_is_awaited_and_why() {
        let status = Status::new("mqtt://a:1883", Some("http://f:5000"));
        assert!(
            status
                .lines()
                .contains("not yet heard of the broker mqtt://a:1883")
        );
        status.broker_is_away("connection refused");
        status.frigate_is_there();
        let lines = status.lines();
        let waits = "mqtt: waiting for the broker mqtt://a:1883 since 0 s: connection refused";
        assert!(lines.contains(waits), "{lines}");
        assert!(
            lines.contains("mqtt: asking Frigate http://f:5000"),
            "{lines}"
        );
        status.broker_is_there();
        status.key_opens(false);
        let lines = status.lines();
        assert!(lines.contains("connected to the broker") && lines.contains("opens nothing"));
    }
}
