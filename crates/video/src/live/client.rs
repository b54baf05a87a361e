//! HTTP to cameras. In: requests, a login. Out: answers; a login is given to who asks for one, as a
//! digest if they can.

use std::time::Duration;

use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::{Position, Url};

use super::address::Login;
use super::error::LiveError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks one camera.
pub(super) struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    login: Option<Login>,
    auth: Option<PasswordClient>,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(login: Option<Login>, timeout: Duration) -> Result<Client, LiveError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|e| LiveError::Connect(e.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Client {
            inner: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https),
            login,
            auth: None,
            timeout,
        })
    }

    /// GET, or POST of a body with its media type. Asks once more if the camera wants a login.
    pub(super) async fn ask(
        &mut self,
        url: &Url,
        body: Option<(&str, &str)>,
    ) -> Result<Response<Incoming>, LiveError> {
        let answer = self.ask_once(url, body).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if self.login.is_none() {
            return Err(LiveError::Login);
        }
        // New for each refusal: a digest's nonce may have grown old.
        let mut wanted = PasswordClient::builder();
        for challenge in answer.headers().get_all(WWW_AUTHENTICATE) {
            wanted = wanted.challenges(challenge.to_str().unwrap_or_default());
        }
        self.auth = Some(wanted.build().map_err(LiveError::Protocol)?);
        let answer = self.ask_once(url, body).await?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Err(LiveError::Login),
            _ => Ok(answer),
        }
    }

    async fn ask_once(
        &mut self,
        url: &Url,
        body: Option<(&str, &str)>,
    ) -> Result<Response<Incoming>, LiveError> {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let (kind, content) = body.unwrap_or_default();
        let mut request = Request::builder()
            .method(&method)
            .uri(url.as_str())
            .header(USER_AGENT, "fusiform");
        if body.is_some() {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let (Some(auth), Some(login)) = (&mut self.auth, &self.login) {
            let said = auth.respond(&PasswordParams {
                username: &login.user,
                password: &login.password,
                uri: &url[Position::BeforePath..Position::AfterQuery],
                method: method.as_str(),
                body: Some(content.as_bytes()),
            });
            request = request.header(AUTHORIZATION, said.map_err(LiveError::Protocol)?);
        }
        let request = request.body(Full::from(content.to_owned()));
        let request = request.map_err(|e| LiveError::Connect(e.to_string()))?;
        let answer = tokio::time::timeout(self.timeout, self.inner.request(request)).await;
        let answer = answer.map_err(|_| LiveError::Stalled(self.timeout))?;
        answer.map_err(|e| LiveError::Connect(cause(&e)))
    }

    /// All of an answer.
    pub(super) async fn whole(
        &self,
        answer: Response<Incoming>,
        max_bytes: usize,
    ) -> Result<Bytes, LiveError> {
        let body = Limited::new(answer.into_body(), max_bytes).collect();
        let body = tokio::time::timeout(self.timeout, body).await;
        let body = body.map_err(|_| LiveError::Stalled(self.timeout))?;
        let body = body.map_err(|e| LiveError::Protocol(cause(&*e)))?;
        Ok(body.to_bytes())
    }
}

/// The cause of an error; what is around it names parts of libraries.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
