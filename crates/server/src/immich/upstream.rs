//! The server that does what is not about faces. In: a request as it arrived. Out: its answer, with
//! its status, as it comes.

use std::time::Duration;

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, Request, Uri, header};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::peer_address::http_address;
use crate::problem::{Code, Problem};

/// Immich gives up after as long; the first request may fetch a model.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Marks what was forwarded, so that an address that leads back here does not go round for ever.
const FORWARDED: HeaderName = HeaderName::from_static("x-fusiform-forwarded");

/// An address to forward to.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<HttpConnector, Body>,
    predict: Uri,
}

impl Upstream {
    /// # Errors
    /// As [`http_address`].
    pub(super) fn new(address: &str) -> Result<Upstream> {
        http_address(address, "http://immich-machine-learning:3003")?;
        let predict = format!("{}/predict", address.trim_end_matches('/'));
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Ok(Upstream {
            client: Client::builder(TokioExecutor::new()).build(connector),
            predict: predict.parse()?,
        })
    }

    pub(super) async fn send(&self, head: &Parts, body: Bytes) -> Result<Response, Problem> {
        let unreachable = |why: String| {
            let detail = format!("the server to forward to, {}: {why}", self.predict);
            tracing::warn!("{detail}");
            Problem::new(Code::Upstream, detail)
        };
        if head.headers.contains_key(FORWARDED) {
            return Err(unreachable("it leads back to this server".into()));
        }
        let mut request = Request::post(self.predict.clone()).header(FORWARDED, "1");
        if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body));
        let request = request.map_err(|e| unreachable(e.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(request)).await;
        let answer = answer.map_err(|_| unreachable("it does not answer".into()))?;
        let (from, body) = answer
            .map_err(|e| unreachable(format!("{:#}", anyhow::Error::new(e))))?
            .into_parts();
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = from.status;
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            if let Some(value) = from.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }
}
