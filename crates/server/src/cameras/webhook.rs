//! A webhook. In: entries of the diary. Out: each as a signed POST, tried again until it is taken.
//!
//! The body is JSON; `X-Fusiform-Signature` is `sha256=` and, in hexadecimal, the HMAC-SHA256 (RFC
//! 2104) of `X-Fusiform-Timestamp`, a full stop and the body, by the secret. A delivery that is
//! repeated has the same `X-Fusiform-Delivery`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, Uri, header};
use hmac::{Hmac, KeyInit, Mac};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::counts::Counts;
use super::diary::Entry;
use crate::mqtt::{Backoff, iso_ms, now_ms};
use crate::peer_address::is_web_address;

/// Messages that wait while the receiver is away; more are dropped and counted.
const MAX_WAITING: usize = 1000;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends entries in their order.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    to: mpsc::Sender<Entry>,
    /// Whether the log has it that messages are dropped.
    is_full: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

/// The receiving end of a [`Webhook`], before it runs.
pub(super) struct Sender {
    from: mpsc::Receiver<Entry>,
    counts: Arc<Counts>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    url: Uri,
    secret: String,
}

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    camera: &'a str,
    name: &'a str,
    at: String,
    similarity: f32,
    threshold: f32,
    false_match_rate: f64,
}

impl Webhook {
    /// # Errors
    /// If it is no `http` or `https` address, or it has a login, which belongs nowhere in a log.
    pub(super) fn new(url: &str, secret: &str, counts: &Arc<Counts>) -> Result<(Webhook, Sender)> {
        let uri: Uri = url.parse().context("the webhook's url")?;
        ensure!(
            is_web_address(url),
            "the webhook's url is not an address such as https://home.example/faces, without a \
             login"
        );
        ensure!(!secret.is_empty(), "the webhook's secret is empty");
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(ANSWER_TIMEOUT));
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let (to, from) = mpsc::channel(MAX_WAITING);
        let sender = Sender {
            from,
            counts: Arc::clone(counts),
            client: Client::builder(TokioExecutor::new()).build(https),
            url: uri,
            secret: secret.to_owned(),
        };
        let webhook = Webhook {
            to,
            counts: Arc::clone(counts),
            is_full: Arc::default(),
        };
        Ok((webhook, sender))
    }

    pub(super) fn say(&self, entry: Entry) {
        let is_full = self.to.try_send(entry).is_err();
        if is_full {
            self.counts.webhook("dropped");
        }
        if is_full && !self.is_full.swap(is_full, Ordering::Relaxed) {
            tracing::error!("webhook: {MAX_WAITING} messages wait; those after are dropped");
        }
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl Sender {
    /// Sends until it is dropped. `is_enrolled` is asked before each attempt: nothing is told of
    /// people who were erased meanwhile.
    pub(super) async fn run(mut self, is_enrolled: impl Fn(&Entry) -> bool) {
        while let Some(entry) = self.from.recv().await {
            let body = Bytes::from(payload(&entry));
            let delivery = Uuid::new_v4();
            let mut backoff = Backoff::new(LONGEST_PAUSE);
            let mut is_first = true;
            while is_enrolled(&entry) {
                match self.attempt(delivery, &body).await {
                    Ok(status) if status.is_success() => {
                        self.counts.webhook("delivered");
                        break;
                    }
                    Ok(status) if is_final(status) => {
                        self.counts.webhook("refused");
                        tracing::error!("webhook: {} answers {status}; dropped", self.url);
                        break;
                    }
                    result => {
                        self.counts.webhook("failed");
                        if is_first {
                            let why = result.map_or_else(|e| format!("{e:#}"), |s| s.to_string());
                            tracing::warn!("webhook: {}: {why}; tried again", self.url);
                        }
                        is_first = false;
                        tokio::time::sleep(backoff.pause()).await;
                    }
                }
            }
        }
    }

    async fn attempt(&self, delivery: Uuid, body: &Bytes) -> Result<StatusCode> {
        let timestamp = (now_ms() / 1000).to_string();
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "fusiform")
            .header("x-fusiform-event", "person")
            .header("x-fusiform-delivery", delivery.to_string())
            .header("x-fusiform-timestamp", &timestamp)
            .header(
                "x-fusiform-signature",
                signature(&self.secret, &timestamp, body)?,
            )
            .body(Body::from(body.clone()))?;
        let answered = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            // Read, so that the connection can be used again.
            drop(axum::body::to_bytes(Body::new(answer.into_body()), MAX_ANSWER_BYTES).await);
            anyhow::Ok(status)
        };
        tokio::time::timeout(ANSWER_TIMEOUT, answered)
            .await
            .context("it does not answer")?
    }
}

fn payload(entry: &Entry) -> Vec<u8> {
    let payload = Payload {
        r#type: "person",
        camera: &entry.camera,
        name: &entry.name,
        at: iso_ms(entry.first_ms),
        similarity: entry.similarity,
        threshold: entry.threshold,
        false_match_rate: entry.false_match_rate,
    };
    serde_json::to_vec(&payload).unwrap_or_default()
}

fn signature(secret: &str, timestamp: &str, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    Ok(format!(
        "sha256={}",
        hex::encode(mac.finalize().into_bytes())
    ))
}

/// Whether the same message again would be refused again.
fn is_final(status: StatusCode) -> bool {
    let again = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::NOT_FOUND,
    ];
    status.is_client_error() && !again.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_and_addresses_have_no_login() {
        // Computed with Python's hmac.
        assert_eq!(
            signature("secret", "1700000000", b"{\"a\":1}").unwrap(),
            "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
        for (url, good) in [
            ("https://home.example/faces", true),
            ("http://127.0.0.1:8123/api/webhook/x", true),
            ("http://ida:secret@home.example/", false),
            ("ftp://home.example", false),
            ("home.example", false),
        ] {
            let made = Webhook::new(url, "s", &Arc::default());
            assert_eq!(made.is_ok(), good, "{url}");
            let said = made.err().map(|e| format!("{e:#}")).unwrap_or_default();
            assert!(!said.contains("secret@"), "{said}");
        }
        assert!(Webhook::new("http://a/", "", &Arc::default()).is_err());
    }
}
