//! JPEG over HTTP. In: an address. Out: pictures into a [`Sink`]: parts of one answer that does not
//! end (`multipart/x-mixed-replace`), or one picture of each of many answers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::LiveOptions;
use super::address::Address;
use super::error::LiveError;
use super::parts::Parts;
use super::sink::Sink;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Receives until the stream ends.
pub(super) async fn receive(
    address: &Address,
    options: &LiveOptions,
    mut sink: Sink,
) -> Result<Infallible, LiveError> {
    let mut camera = Camera::new(address, options)?;
    loop {
        let begun = Instant::now();
        let answer = camera.ask().await?;
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
                return camera.parts(answer, boundary, &mut sink).await;
            }
            "image/jpeg" | "image/jpg" | "application/octet-stream" | "" => {
                sink.jpeg(camera.whole(answer).await?)?;
            }
            other => return Err(LiveError::NoPictures(other.to_owned())),
        }
        tokio::time::sleep(options.interval.saturating_sub(begun.elapsed())).await;
    }
}

struct Camera<'a> {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    address: &'a Address,
    auth: Option<PasswordClient>,
    stall: Duration,
    max_bytes: usize,
}

impl Camera<'_> {
    fn new<'a>(address: &'a Address, options: &LiveOptions) -> Result<Camera<'a>, LiveError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|e| LiveError::Connect(e.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let max_bytes = usize::try_from(options.limits.max_sample_bytes).unwrap_or(usize::MAX);
        Ok(Camera {
            client: Client::builder(TokioExecutor::new()).build(https),
            address,
            auth: None,
            stall: options.stall,
            max_bytes,
        })
    }

    /// Asks once more if the camera wants a login.
    async fn ask(&mut self) -> Result<Response<Incoming>, LiveError> {
        let answer = self.ask_once().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return good(answer);
        }
        if self.address.login().is_none() {
            return Err(LiveError::Login);
        }
        // New for each refusal: a digest's nonce may have grown old.
        let mut wanted = PasswordClient::builder();
        for challenge in answer.headers().get_all(WWW_AUTHENTICATE) {
            wanted = wanted.challenges(challenge.to_str().unwrap_or_default());
        }
        self.auth = Some(wanted.build().map_err(LiveError::Protocol)?);
        let answer = self.ask_once().await?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(LiveError::Login),
            _ => good(answer),
        }
    }

    async fn ask_once(&mut self) -> Result<Response<Incoming>, LiveError> {
        let url = self.address.url();
        let mut request = Request::get(url.as_str()).header(USER_AGENT, "fusiform");
        if let (Some(auth), Some(login)) = (&mut self.auth, self.address.login()) {
            let uri = &url[url::Position::BeforePath..url::Position::AfterQuery];
            let said = auth.respond(&PasswordParams {
                username: &login.user,
                password: &login.password,
                uri,
                method: "GET",
                body: Some(&[]),
            });
            request = request.header(AUTHORIZATION, said.map_err(LiveError::Protocol)?);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|e| LiveError::Connect(e.to_string()))?;
        let answer = tokio::time::timeout(self.stall, self.client.request(request)).await;
        let answer = answer.map_err(|_| LiveError::Stalled(self.stall))?;
        answer.map_err(|e| LiveError::Connect(chain(&e)))
    }

    /// One picture.
    async fn whole(&self, answer: Response<Incoming>) -> Result<Vec<u8>, LiveError> {
        let body = Limited::new(answer.into_body(), self.max_bytes).collect();
        let body = tokio::time::timeout(self.stall, body).await;
        let body = body.map_err(|_| LiveError::Stalled(self.stall))?;
        let body = body.map_err(|e| LiveError::Protocol(chain(&*e)))?;
        Ok(body.to_bytes().to_vec())
    }

    async fn parts(
        &self,
        answer: Response<Incoming>,
        boundary: &str,
        sink: &mut Sink,
    ) -> Result<Infallible, LiveError> {
        let mut parts = Parts::new(boundary, self.max_bytes)?;
        let mut body = answer.into_body();
        // A picture that comes byte by byte is none, either.
        let mut last = Instant::now();
        loop {
            let left = self.stall.saturating_sub(last.elapsed());
            let frame = tokio::time::timeout(left, body.frame()).await;
            let frame = frame.map_err(|_| LiveError::Stalled(self.stall))?;
            let frame = frame.ok_or(LiveError::Ended)?;
            let frame = frame.map_err(|e| LiveError::Protocol(chain(&e)))?;
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
}

impl From<super::parts::MalformedParts> for LiveError {
    fn from(error: super::parts::MalformedParts) -> LiveError {
        LiveError::Protocol(error.to_string())
    }
}

fn good(answer: Response<Incoming>) -> Result<Response<Incoming>, LiveError> {
    match answer.status() {
        StatusCode::OK => Ok(answer),
        StatusCode::FORBIDDEN => Err(LiveError::Login),
        other => Err(LiveError::Refused(other.to_string())),
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

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
