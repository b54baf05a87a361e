//! Which requests the pages take. In: a request. Out: the same with its login and checked form, or
//! a problem. Knows nothing of photos and people.
//!
//! A change passes four independent checks: the cookie is `SameSite=Strict`, the form carries a
//! token made from that cookie, the browser's `Origin` must be the page's, and on loopback `Host`
//! must be a loopback name, so that a foreign name that resolves to this machine (DNS rebinding) is
//! refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};

use super::fields::Fields;
use crate::admission::{Admission, BodyLimit, Holder};
use crate::attempts::Attempts;
use crate::front::Client;
use crate::problem::{Code, Problem};

const COOKIE: &str = "fusiform_page";
/// A form that selects every face of a page has some 20 bytes for each.
const MAX_FORM_BYTES: usize = 1 << 20;
const FORM_TIMEOUT: Duration = Duration::from_secs(30);
/// Wrong passwords of one address in a row before it has to wait.
const FREE_TRIES: u32 = 5;
const WAIT_AFTER: Duration = Duration::from_secs(30);
const LOGIN_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
const MAX_LOGINS: usize = 1000;

/// What protects the pages.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Makes tokens of cookies; new with every start.
    secret: [u8; 32],
    /// `Host` must be a name of this machine.
    loopback: bool,
    /// Names beside this machine's own by which the pages may be asked for; also what `Origin` may
    /// name where a proxy changes `Host`.
    allowed_hosts: Vec<String>,
    /// The password's keyed hash.
    password: Option<blake3::Hash>,
    /// Cookies with which the password was given, by keyed hash, and when each expires.
    logins: Mutex<HashMap<blake3::Hash, Instant>>,
    tries: Attempts,
}

/// The login that a request's cookie stands for; without a password it only ties forms to pages.
#[derive(Debug, Clone)]
pub(super) struct Login {
    /// Every form must send it back.
    pub token: String,
    /// Whether the password was given.
    pub signed_in: bool,
    cookie: String,
    /// Who sent the request.
    pub client: Client,
}

impl Guard {
    /// Guards pages that listen on `address`.
    ///
    /// # Errors
    /// If other machines could reach the pages and no password is set.
    pub(crate) fn new(
        address: IpAddr,
        password: Option<&str>,
        allowed_hosts: &[String],
    ) -> Result<Guard> {
        let loopback = address.is_loopback();
        anyhow::ensure!(
            loopback || password.is_some(),
            "{address} can be reached from other machines; set a password, or listen on 127.0.0.1"
        );
        let secret = random()?;
        Ok(Guard {
            loopback,
            allowed_hosts: allowed_hosts.to_vec(),
            password: password.map(|text| blake3::keyed_hash(&secret, text.as_bytes())),
            logins: Mutex::default(),
            tries: Attempts::new(FREE_TRIES, WAIT_AFTER),
            secret,
        })
    }

    fn keyed_hash(&self, purpose: &str, text: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.secret, format!("{purpose}:{text}").as_bytes())
    }

    /// The login of the cookie that was sent, or a new one; and whether it is new.
    fn login(&self, client: Client, headers: &HeaderMap) -> Result<(Login, bool)> {
        let sent = cookie(headers).filter(|c| c.len() == 64);
        let is_new = sent.is_none();
        let cookie = match sent {
            Some(cookie) => cookie,
            None => blake3::Hash::from_bytes(random()?).to_hex().to_string(),
        };
        let known = || {
            let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
            logins.retain(|_, until| *until > Instant::now());
            logins.contains_key(&self.keyed_hash("login", &cookie))
        };
        let login = Login {
            token: self.keyed_hash("token", &cookie).to_hex().to_string(),
            signed_in: self.password.is_some() && known(),
            cookie,
            client,
        };
        Ok((login, is_new))
    }

    /// Checks a password; on success gives the cookie of a new login.
    ///
    /// # Errors
    /// In words for the login form.
    pub(super) fn sign_in(&self, client: Client, password: &str) -> Result<HeaderValue> {
        let Some(right) = &self.password else {
            return Err(anyhow!("no password is set"));
        };
        if self.tries.must_wait(client.address) {
            return Err(anyhow!("too many wrong passwords; wait half a minute"));
        }
        // `Hash` compares in constant time.
        if blake3::keyed_hash(&self.secret, password.as_bytes()) != *right {
            let n = self.tries.failed(client.address);
            tracing::warn!("wrong password from {}, {n} in a row", client.address);
            return Err(anyhow!("that is not the password"));
        }
        self.tries.succeeded(client.address);
        // A new cookie, so that one planted before the login is worth nothing.
        let cookie = blake3::Hash::from_bytes(random()?).to_hex().to_string();
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(
            logins.len() < MAX_LOGINS,
            "too many logins; restart the server"
        );
        logins.insert(
            self.keyed_hash("login", &cookie),
            Instant::now() + LOGIN_AGE,
        );
        self.set_cookie(client, &cookie)
    }

    /// Forgets a login.
    pub(super) fn sign_out(&self, login: &Login) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.remove(&self.keyed_hash("login", &login.cookie));
    }

    fn set_cookie(&self, client: Client, value: &str) -> Result<HeaderValue> {
        let cookie = Cookie::build((COOKIE, value))
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(client.https)
            .path("/");
        Ok(HeaderValue::try_from(cookie.to_string())?)
    }

    /// Whether the settings name this host, with or without its port.
    fn is_allowed(&self, host: &str) -> bool {
        let (name, _) = host.rsplit_once(':').unwrap_or((host, ""));
        let mut names = self.allowed_hosts.iter();
        names
            .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(name))
    }

    fn answers_to(&self, host: &str) -> bool {
        // Beyond this machine every name is answered to unless the settings name some.
        let any = !self.loopback && self.allowed_hosts.is_empty();
        any || is_loopback_name(host) || self.is_allowed(host)
    }

    /// Why this request may not come from one of the pages, by the headers that browsers set.
    pub(super) fn refuse(&self, method: &Method, headers: &HeaderMap) -> Option<Problem> {
        let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let Some(host) = text(header::HOST) else {
            let detail = "the request names no host";
            return Some(Problem::new(Code::MissingHost, detail));
        };
        if !self.answers_to(host) {
            let detail = "this server answers to the names of its settings only (allowed_hosts), \
                          and on this machine to localhost, 127.0.0.1 and [::1]";
            return Some(Problem::new(Code::ForeignHost, detail));
        }
        let reads = is_read(method);
        let fetch = |name: &'static str| text(HeaderName::from_static(name));
        let site = fetch("sec-fetch-site");
        if matches!(site, Some("cross-site" | "same-site")) {
            // A link on another page may lead here; another page may not embed or request anything.
            let link = reads && fetch("sec-fetch-mode") == Some("navigate");
            if !link || fetch("sec-fetch-dest") != Some("document") {
                let detail = "another site asked for this";
                return Some(Problem::new(Code::ForeignOrigin, detail));
            }
        }
        if !reads {
            let is_ours = |origin: &str| {
                let plain = origin.strip_prefix("http://");
                let from = plain.or_else(|| origin.strip_prefix("https://"));
                from.is_some_and(|from| from == host || self.is_allowed(from))
            };
            let allowed = match text(header::ORIGIN) {
                Some(origin) => is_ours(origin),
                None => site == Some("same-origin"),
            };
            if !allowed {
                let detail = "the form is not from this page";
                return Some(Problem::new(Code::ForeignOrigin, detail));
            }
        }
        None
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What the middleware works with.
#[derive(Debug, Clone)]
pub(super) struct GuardState {
    pub(super) guard: Arc<Guard>,
    pub(super) admission: Arc<Admission>,
}

/// Middleware that lets requests through with a [`Login`] and, for forms, [`Fields`] as extensions.
pub(super) async fn guard(
    State(state): State<GuardState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let GuardState { guard, admission } = state;
    if let Some(problem) = guard.refuse(request.method(), request.headers()) {
        return Err(problem);
    }
    let path = request.uri().path();
    if path.starts_with("/assets/") {
        return Ok(next.run(request).await);
    }
    let client = Client::of(&request)?;
    let (login, is_new) = guard.login(client, request.headers())?;
    if guard.password.is_some() && !login.signed_in && path != "/login" {
        let is_page =
            is_read(request.method()) && !path.ends_with(".jpg") && !path.ends_with("/events");
        return if is_page {
            Ok(Redirect::to("/login").into_response())
        } else {
            Err(Problem::new(Code::NotSignedIn, "sign in first"))
        };
    }
    let cookie = match is_new {
        true => Some(guard.set_cookie(client, &login.cookie)?),
        false => None,
    };
    let mut request = if is_read(request.method()) {
        request
    } else {
        let request = read_form(&admission, request).await?;
        let fields = request.extensions().get::<Fields>();
        let sent = fields.and_then(|f| f.first("token")).unwrap_or_default();
        let right = guard.keyed_hash("token", &login.cookie);
        // Parsed first: two hashes compare in constant time, two strings do not.
        if is_new || blake3::Hash::from_hex(sent).map_or(true, |sent| sent != right) {
            let detail = "the page this form is from is too old; go back, reload it and try again";
            return Err(Problem::new(Code::ForeignOrigin, detail));
        }
        request
    };
    request.extensions_mut().insert(login);
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie {
        // A login sets a cookie itself.
        let headers = response.headers_mut();
        headers.entry(header::SET_COOKIE).or_insert(cookie);
    }
    Ok(response)
}

/// Replaces the body by [`Fields`].
async fn read_form(admission: &Admission, request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let limit = BodyLimit {
        max_bytes: MAX_FORM_BYTES,
        parsed: 1,
    };
    let received = admission.receive(Holder::PAGES, body, limit);
    let too_slow = |_| Problem::new(Code::TooSlow, "the form arrives too slowly");
    let (bytes, _held) = tokio::time::timeout(FORM_TIMEOUT, received)
        .await
        .map_err(too_slow)??;
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(Fields::parse(&bytes));
    Ok(request)
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The value of the pages' cookie.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .flatten()
        .find(|cookie| cookie.name() == COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

/// 256 bits that nobody can guess.
pub(super) fn random() -> Result<[u8; 32]> {
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
        let guard = Guard::new("127.0.0.1".parse().unwrap(), None, &[]).unwrap();
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
        let guard = Guard::new("::1".parse().unwrap(), None, &[]).unwrap();
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
        assert!(Guard::new(outside, None, &[]).is_err());
        let guard = Guard::new(outside, Some("right"), &[]).unwrap();
        let [thief, owner] = ["192.0.2.1", "192.0.2.2"].map(|address| Client {
            address: address.parse().unwrap(),
            https: false,
        });
        assert!(guard.sign_in(thief, "right").is_ok());
        for _ in 0..FREE_TRIES {
            assert!(guard.sign_in(thief, "wrong").is_err());
        }
        assert!(guard.sign_in(thief, "right").is_err());
        assert!(
            guard.sign_in(owner, "right").is_ok(),
            "another address does not wait"
        );
    }

    #[test]
    fn the_names_of_the_settings_are_answered_to_behind_a_proxy() {
        let names = ["photos.example".to_owned()];
        let guard = Guard::new("127.0.0.1".parse().unwrap(), None, &names).unwrap();
        let refused = |host: &'static str, origin: &'static str| {
            let pairs = headers(&[("host", host), ("origin", origin)]);
            guard.refuse(&Method::POST, &pairs).map(|p| p.code)
        };
        let ours = "https://photos.example";
        assert_eq!(refused("photos.example", ours), None);
        assert_eq!(
            refused("Photos.Example:443", "https://Photos.Example:443"),
            None
        );
        assert_eq!(
            refused("127.0.0.1:8000", ours),
            None,
            "the proxy wrote its own Host"
        );
        let foreign = Some(Code::ForeignOrigin);
        assert_eq!(refused("photos.example", "https://evil.example"), foreign);
        assert_eq!(
            refused("evil.example", "http://evil.example"),
            Some(Code::ForeignHost)
        );
        assert_eq!(refused("xphotos.example", ours), Some(Code::ForeignHost));
    }
}
