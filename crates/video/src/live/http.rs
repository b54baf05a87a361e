//! JPEG over HTTP. In: an address. Out: pictures into a [`Sink`]: parts of one answer that does not
//! end (`multipart/x-mixed-replace`), or one picture of each of many answers.

use std::convert::Infallible;
use std::time::Instant;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};

use super::address::Address;
use super::client::{Client, cause};
use super::error::LiveError;
use super::options::LiveOptions;
use super::parts::{MalformedParts, Parts};
use super::sink::Sink;

/// Receives until the stream ends.
pub(super) async fn receive(
    address: &Address,
    options: &LiveOptions,
    mut sink: Sink,
) -> Result<Infallible, LiveError> {
    let mut client = Client::new(address.login().cloned(), options.stall)?;
    let max_bytes = usize::try_from(options.limits.max_sample_bytes).unwrap_or(usize::MAX);
    loop {
        let begun = Instant::now();
        let answer = client.ask(address.url(), None).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN => return Err(LiveError::Login),
            other => return Err(LiveError::Refused(other.to_string())),
        }
        let kind = answer.headers().get(CONTENT_TYPE);
        let kind = kind
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let main = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match &*main {
            "multipart/x-mixed-replace" | "multipart/mixed" => {
                let boundary = parameter(&kind, "boundary").unwrap_or_default();
                let parts = Parts::new(boundary, max_bytes)?;
                return receive_parts(answer, parts, options, &mut sink).await;
            }
            "image/jpeg" | "image/jpg" | "application/octet-stream" | "" => {
                sink.jpeg(client.whole(answer, max_bytes).await?.to_vec())?;
            }
            other => return Err(LiveError::NoPictures(other.to_owned())),
        }
        tokio::time::sleep(options.interval.saturating_sub(begun.elapsed())).await;
    }
}

async fn receive_parts(
    answer: Response<Incoming>,
    mut parts: Parts,
    options: &LiveOptions,
    sink: &mut Sink,
) -> Result<Infallible, LiveError> {
    let mut body = answer.into_body();
    // A picture that comes byte by byte is none, either.
    let mut last = Instant::now();
    loop {
        let left = options.stall.saturating_sub(last.elapsed());
        let frame = tokio::time::timeout(left, body.frame()).await;
        let frame = frame.map_err(|_| LiveError::Stalled(options.stall))?;
        let frame = frame.ok_or(LiveError::Ended)?;
        let frame = frame.map_err(|e| LiveError::Protocol(cause(&e)))?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        parts.push(&bytes)?;
        while let Some(part) = parts.next()? {
            if !part.is_empty() {
                sink.jpeg(part)?;
                last = Instant::now();
            }
        }
    }
}

impl From<MalformedParts> for LiveError {
    fn from(error: MalformedParts) -> LiveError {
        LiveError::Protocol(error.to_string())
    }
}

/// A parameter of a content type.
fn parameter<'a>(kind: &'a str, name: &str) -> Option<&'a str> {
    kind.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then_some(value.trim())
    })
}
