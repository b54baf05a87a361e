//! Frigate over HTTP. In: ids of events and names of cameras. Out: pictures; names for its events.
//! Knows nothing of faces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;

use super::backoff::Backoff;
use super::status::Status;
use crate::peer_address::http_address;

/// Largest picture that is taken.
const MAX_PICTURE_BYTES: usize = 16 << 20;
/// Largest answer to a name, which is not looked at.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Frigate's own limit.
const MAX_SUB_LABEL_CHARS: usize = 100;

/// Which picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picture<'a> {
    /// The best frame of an event so far, its object alone.
    Snapshot(&'a str),
    /// The newest frame of a camera.
    Latest(&'a str),
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// Frigate has none.
    NotThere,
    /// Frigate is away; worth another try after the pause.
    Away,
}

/// A Frigate to ask.
#[derive(Debug)]
pub(super) struct Frigate {
    client: Client<HttpConnector, Body>,
    /// Without a slash at its end.
    base: String,
    status: Arc<Status>,
    away: Mutex<AwayUntil>,
}

#[derive(Debug)]
struct AwayUntil {
    backoff: Backoff,
    until: Option<Instant>,
}

#[derive(Serialize)]
struct SubLabel<'a> {
    #[serde(rename = "subLabel")]
    name: &'a str,
    #[serde(rename = "subLabelScore")]
    score: f64,
}

impl Frigate {
    /// # Errors
    /// As [`http_address`].
    pub(super) fn new(url: &str, status: Arc<Status>) -> Result<Frigate> {
        http_address(url, "http://frigate:5000")?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Ok(Frigate {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: url.trim_end_matches('/').to_owned(),
            status,
            away: Mutex::new(AwayUntil {
                backoff: Backoff::new(LONGEST_PAUSE),
                until: None,
            }),
        })
    }

    /// A picture; names and ids are those that [`super::event`] lets in.
    pub(super) async fn picture(&self, picture: Picture<'_>) -> Result<Bytes, Missing> {
        let path = match picture {
            Picture::Snapshot(id) => {
                format!("events/{id}/snapshot.jpg?crop=1&bbox=0&timestamp=0&quality=90")
            }
            Picture::Latest(camera) => {
                format!("{camera}/latest.jpg?bbox=0&timestamp=0&quality=90")
            }
        };
        let request = Request::get(format!("{}/api/{path}", self.base)).body(Body::empty());
        let (status, body) = self.ask(request, MAX_PICTURE_BYTES).await?;
        match status {
            StatusCode::OK if !body.is_empty() => Ok(body),
            _ => Err(Missing::NotThere),
        }
    }

    /// Gives an event a name; whether Frigate has taken it.
    pub(super) async fn set_sub_label(&self, id: &str, name: &str, score: f64) -> bool {
        let body = serde_json::to_vec(&SubLabel { name, score }).unwrap_or_default();
        let request = Request::post(format!("{}/api/events/{id}/sub_label", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        match self.ask(request, MAX_ANSWER_BYTES).await {
            Ok((status, _)) if status.is_success() => true,
            Ok((status, _)) => {
                tracing::warn!("mqtt: Frigate does not take the name of an event: {status}");
                false
            }
            Err(_) => false,
        }
    }

    /// How long to wait before it is asked again; `None` if it answers.
    pub(super) fn pause(&self) -> Option<Duration> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let left = away.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    async fn ask(
        &self,
        request: Result<Request<Body>, axum::http::Error>,
        max_bytes: usize,
    ) -> Result<(StatusCode, Bytes), Missing> {
        let Ok(request) = request else {
            return Err(Missing::NotThere);
        };
        let asked = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            let body = Body::new(answer.into_body());
            anyhow::Ok((status, axum::body::to_bytes(body, max_bytes).await))
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
            Err(_) => Err(self.is_away("it does not answer")),
            Ok(Err(why)) => Err(self.is_away(&format!("{why:#}"))),
            Ok(Ok((status, _))) if status.is_server_error() && status.as_u16() > 501 => {
                Err(self.is_away(&format!("it answers {status}")))
            }
            Ok(Ok((status, body))) => {
                self.is_there();
                // What is too large, or breaks off, is no picture.
                let body = body.map_err(|_| Missing::NotThere)?;
                Ok((status, body))
            }
        }
    }

    fn is_there(&self) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.backoff.reset();
        away.until = None;
        drop(away);
        self.status.frigate_is_there();
    }

    fn is_away(&self, why: &str) -> Missing {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Requests under way that fail together are one failure.
        if away.until.is_none_or(|until| until <= now) {
            away.until = Some(now + away.backoff.pause());
        }
        drop(away);
        self.status.frigate_is_away(why);
        Missing::Away
    }
}

/// Names as Frigate shows them, separated by commas; those that find no room are left out.
pub(super) fn sub_label<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut label = String::new();
    let mut n_chars = 0;
    for name in names {
        let separator = if label.is_empty() { "" } else { ", " };
        let n = separator.len() + name.chars().count();
        if n_chars + n <= MAX_SUB_LABEL_CHARS {
            label.push_str(separator);
            label.push_str(name);
            n_chars += n;
        } else if label.is_empty() {
            return name.chars().take(MAX_SUB_LABEL_CHARS).collect();
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_at_most_a_hundred_characters() {
        assert_eq!(sub_label(["Ida", "Max"].into_iter()), "Ida, Max");
        let long = "ü".repeat(150);
        assert_eq!(sub_label([&*long].into_iter()).chars().count(), 100);
        let names = ["a".repeat(60), "b".repeat(60), "c".repeat(10)];
        let label = sub_label(names.iter().map(String::as_str));
        assert_eq!(label, format!("{}, {}", names[0], names[2]));
        assert_eq!(sub_label(std::iter::empty()), "");
    }
}
