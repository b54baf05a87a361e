//! Who may ask, and from where. In: a request. Out: the same with its session and checked form, or a refusal.
//! Knows nothing of photos and people.
//!
//! Four independent locks stand before a change: the cookie is `SameSite=Strict`, the form carries a token made from
//! that cookie, the browser's `Origin` must be the page's own, and on loopback `Host` must be a loopback name, so that a
//! foreign name pointed at this machine (DNS rebinding) opens nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Web;
use super::failure::Failure;
use super::fields::Fields;

const COOKIE: &str = "fusiform_page";
/// A form that selects every face of a page has some 20 bytes for each.
const MAX_FORM_BYTES: usize = 1 << 20;
const FORM_PATIENCE: Duration = Duration::from_secs(30);
const SESSION_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const MAX_SESSIONS: usize = 1000;
/// Wrong passwords allowed in a row before everybody waits.
const FREE_TRIES: u32 = 5;
const WAIT_AFTER: Duration = Duration::from_secs(30);

/// Nothing is fetched from elsewhere, nothing runs that is not a file of ours, and no other page frames this one.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What protects the pages.
#[derive(Debug)]
pub struct Guard {
    /// Makes tokens of cookies; new with every start.
    secret: [u8; 32],
    /// Only names of this machine are answered to.
    loopback: bool,
    /// The browser comes by TLS.
    secure: bool,
    /// The password's keyed hash.
    password: Option<blake3::Hash>,
    /// Who gave the password, by the cookie's keyed hash, and until when that holds.
    sessions: Mutex<HashMap<blake3::Hash, Instant>>,
    tries: Mutex<(u32, Instant)>,
}

/// The session of one request.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// What every form has to carry.
    pub token: String,
    /// Whether there is something to sign out of.
    pub signed_in: bool,
    cookie: String,
}

impl Guard {
    /// Guards pages that listen on `address`.
    ///
    /// # Errors
    /// When others could reach the pages and no password is set.
    pub fn new(address: IpAddr, password: Option<&str>, secure: bool) -> Result<Guard> {
        let loopback = address.is_loopback();
        anyhow::ensure!(
            loopback || password.is_some(),
            "{address} can be reached from other machines; set a password, or listen on 127.0.0.1"
        );
        let secret = random()?;
        Ok(Guard {
            loopback,
            secure,
            password: password.map(|text| blake3::keyed_hash(&secret, text.as_bytes())),
            sessions: Mutex::default(),
            tries: Mutex::new((0, Instant::now())),
            secret,
        })
    }

    fn mark(&self, purpose: &str, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.secret, format!("{purpose}:{text}").as_bytes())
    }

    /// The session of the cookie sent; a new one if there is none.
    fn session(&self, headers: &HeaderMap) -> Result<(Session, bool)> {
        let sent = cookie(headers).filter(|c| c.len() == 64);
        let is_new = sent.is_none();
        let cookie = match sent {
            Some(cookie) => cookie,
            None => blake3::Hash::from_bytes(random()?).to_hex().to_string(),
        };
        let known = || {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|_, until| *until > Instant::now());
            sessions.contains_key(&self.mark("session", &cookie))
        };
        let session = Session {
            token: self.mark("token", &cookie).to_hex().to_string(),
            signed_in: self.password.is_some() && known(),
            cookie,
        };
        Ok((session, is_new))
    }

    /// Checks a password; on success the answer is the cookie of a new session.
    ///
    /// # Errors
    /// Words for the person at the keyboard.
    pub(super) fn sign_in(&self, password: &str) -> Result<HeaderValue> {
        let Some(right) = &self.password else {
            return Err(anyhow!("no password is set"));
        };
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.1.elapsed() > WAIT_AFTER {
            *tries = (0, Instant::now());
        }
        if tries.0 >= FREE_TRIES {
            return Err(anyhow!("too many wrong passwords; wait half a minute"));
        }
        // `Hash` compares in constant time.
        if blake3::keyed_hash(&self.secret, password.as_bytes()) != *right {
            *tries = (tries.0 + 1, Instant::now());
            return Err(anyhow!("that is not the password"));
        }
        *tries = (0, Instant::now());
        // A new cookie, so that one planted before the login is worth nothing.
        let cookie = blake3::Hash::from_bytes(random()?).to_hex().to_string();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(
            sessions.len() < MAX_SESSIONS,
            "too many sessions; restart the server"
        );
        sessions.insert(self.mark("session", &cookie), Instant::now() + SESSION_AGE);
        self.set_cookie(&cookie)
    }

    /// Forgets a session.
    pub(super) fn sign_out(&self, session: &Session) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.mark("session", &session.cookie));
    }

    fn set_cookie(&self, cookie: &str) -> Result<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict{secure}");
        Ok(HeaderValue::try_from(text)?)
    }

    /// Whether a browser that obeys the web's rules may send this from the page it is on.
    fn refuse(&self, method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let Some(host) = text(header::HOST) else {
            return Some((StatusCode::BAD_REQUEST, "the request names no host"));
        };
        if self.loopback && !is_loopback_name(host) {
            let why = "this server answers to localhost, 127.0.0.1 and [::1] only";
            return Some((StatusCode::MISDIRECTED_REQUEST, why));
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let fetch = |name: &'static str| text(HeaderName::from_static(name));
        let site = fetch("sec-fetch-site");
        if matches!(site, Some("cross-site" | "same-site")) {
            // A link on another page may lead here; nothing of ours may be built into it.
            let link = reads && fetch("sec-fetch-mode") == Some("navigate");
            if !link || fetch("sec-fetch-dest") != Some("document") {
                return Some((StatusCode::FORBIDDEN, "another site asked for this"));
            }
        }
        if !reads {
            let own = |origin: &str| {
                origin.strip_prefix("http://") == Some(host)
                    || origin.strip_prefix("https://") == Some(host)
            };
            let allowed = match text(header::ORIGIN) {
                Some(origin) => own(origin),
                None => site == Some("same-origin"),
            };
            if !allowed {
                return Some((StatusCode::FORBIDDEN, "the form is not from this page"));
            }
        }
        None
    }
}

/// Lets through what may pass, with `Session` and, for forms, `Fields` as extensions; adds the headers of safety.
pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let mut response = match admit(&web, request).await {
        Ok((request, None)) => next.run(request).await,
        Ok((request, Some(cookie))) => {
            let mut response = next.run(request).await;
            // A login sets its own.
            if !response.headers().contains_key(header::SET_COOKIE) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(refused) => *refused,
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(
    web: &Web,
    mut request: Request,
) -> Result<(Request, Option<HeaderValue>), Box<Response>> {
    let guard = Arc::clone(web.guard());
    let refusal = |status, why: &str| Box::new(Failure::new(status, why).into_response());
    let broken = |e: anyhow::Error| Box::new(Failure::from(e).into_response());
    if let Some((status, why)) = guard.refuse(request.method(), request.headers()) {
        return Err(refusal(status, why));
    }
    let path = request.uri().path().to_owned();
    if path.starts_with("/assets/") {
        return Ok((request, None));
    }
    let (session, is_new) = guard.session(request.headers()).map_err(broken)?;
    if guard.password.is_some() && !session.signed_in && path != "/login" {
        let page = matches!(*request.method(), Method::GET | Method::HEAD)
            && !path.ends_with(".jpg")
            && !path.ends_with("/events");
        return Err(if page {
            Box::new(super::see_other("/login"))
        } else {
            refusal(StatusCode::UNAUTHORIZED, "sign in first")
        });
    }
    let cookie = if is_new {
        Some(guard.set_cookie(&session.cookie).map_err(broken)?)
    } else {
        None
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let (parts, body) = request.into_parts();
        let read = tokio::time::timeout(FORM_PATIENCE, axum::body::to_bytes(body, MAX_FORM_BYTES));
        let Ok(Ok(bytes)) = read.await else {
            let why = "the form is too large or too slow, or broke off";
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
        };
        let fields = Fields::parse(&bytes);
        let token = fields.first("token").unwrap_or_default();
        let right = guard.mark("token", &session.cookie);
        // Parsed first: two hashes compare in constant time, two texts do not.
        if is_new || blake3::Hash::from_hex(token).map_or(true, |sent| sent != right) {
            let why = "the page this form is from is too old; go back, reload it and try again";
            return Err(refusal(StatusCode::FORBIDDEN, why));
        }
        request = Request::from_parts(parts, Body::empty());
        request.extensions_mut().insert(fields);
    }
    request.extensions_mut().insert(session);
    Ok((request, cookie))
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE);
    let mut pairs = all
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.to_owned())
    })
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow!("no random numbers from the system: {e}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn only_names_of_this_machine_are_answered_to_on_loopback() {
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.3.2.1",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_loopback_name(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "",
            "[::2]",
        ] {
            assert!(!is_loopback_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_change_needs_the_pages_own_origin() {
        let guard = Guard::new("127.0.0.1".parse().unwrap(), None, false).unwrap();
        let host = ("host", "localhost:7000");
        let cases: [(&[(&str, &str)], bool); 6] = [
            (&[("origin", "http://localhost:7000")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://localhost:7001")], false),
            (
                &[
                    ("origin", "http://localhost:7000"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
        ];
        for (more, allowed) in cases {
            let mut pairs = vec![host];
            pairs.extend(more.iter().copied());
            let refused = guard.refuse(&Method::POST, &headers(&pairs));
            assert_eq!(refused.is_none(), allowed, "{more:?}");
        }
    }

    #[test]
    fn a_link_from_elsewhere_opens_a_page_but_no_picture() {
        let guard = Guard::new("::1".parse().unwrap(), None, false).unwrap();
        let from = |mode, dest| {
            let pairs = [
                ("host", "[::1]:7000"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            guard.refuse(&Method::GET, &headers(&pairs)).is_none()
        };
        assert!(from("navigate", "document"));
        assert!(!from("navigate", "iframe") && !from("no-cors", "image"));
    }

    #[test]
    fn beyond_loopback_a_password_is_needed_and_guessing_is_slowed() {
        let outside: IpAddr = "0.0.0.0".parse().unwrap();
        assert!(Guard::new(outside, None, false).is_err());
        let guard = Guard::new(outside, Some("right"), false).unwrap();
        assert!(guard.sign_in("right").is_ok());
        for _ in 0..FREE_TRIES {
            assert!(guard.sign_in("wrong").is_err());
        }
        assert!(guard.sign_in("right").is_err());
    }
}
