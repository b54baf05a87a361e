//! What stands in front of the server. In: a request as it arrives, and who sent it. Out: the same
//! as the client meant it, and an answer that fits where the client sees the server. Knows no
//! route.
//!
//! A proxy that the settings name is believed about the client's address (`Forwarded`,
//! `X-Forwarded-For`), the scheme, the host, and the path below which it shows the server
//! (`X-Forwarded-Prefix`, or `base_path`). Nobody else is.

mod base_path;
mod forwarded;

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use ipnet::IpNet;
use tower::ServiceExt;

use crate::problem::Problem;
use base_path::BasePath;
use forwarded::Forwarded;

/// Who sent a request, an extension of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether the client speaks TLS, with this server or a proxy.
    pub(crate) https: bool,
}

impl Client {
    /// Who sent this request.
    ///
    /// # Errors
    /// If it did not come through [`Front::answer`].
    pub(crate) fn of(request: &Request) -> Result<Client, Problem> {
        let client = request.extensions().get::<Client>().copied();
        client.ok_or_else(|| Problem::internal("the request has no client"))
    }
}

/// What is in front of the routes.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) base_path: String,
    pub(crate) tls: bool,
}

impl Front {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies.iter().any(|net| net.contains(&address))
    }

    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        peer: IpAddr,
        router: Router,
        mut request: Request,
    ) -> Response {
        let mut client = Client {
            address: peer.to_canonical(),
            https: self.tls,
        };
        let mut base_path = BasePath::new(&self.base_path);
        if self.trusts(peer) {
            let said = Forwarded::read(request.headers());
            let mut hops = said.addresses.iter().rev();
            if let Some(address) = hops.find(|address| !self.trusts(**address)) {
                client.address = address.to_canonical();
            }
            client.https |= said.https;
            base_path = base_path.or_else(|| BasePath::new(&said.prefix));
            set_host(request.headers_mut(), said.host);
        }
        if let Some(base_path) = &base_path {
            base_path.strip(&mut request);
        }
        request.extensions_mut().insert(client);
        let answer = router.oneshot(request).await;
        let response = answer.unwrap_or_else(|never| match never {});
        match base_path {
            Some(base_path) => base_path.add(response).await,
            None => response,
        }
    }
}

/// Whether a server can be shown below this path: `/faces`, no quotes, no `..`.
pub fn is_base_path(path: &str) -> bool {
    BasePath::new(path).is_some()
}

fn set_host(headers: &mut HeaderMap, host: Option<String>) {
    if let Some(host) = host.and_then(|host| HeaderValue::try_from(host).ok()) {
        headers.insert(header::HOST, host);
    }
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::body::Body;
    use axum::routing::get;

    use super::*;

    async fn seen(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let front = Front {
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
            base_path: String::new(),
            tls: false,
        };
        let show = async |Extension(client): Extension<Client>, headers: HeaderMap| {
            let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
            format!(
                "{} {} {}",
                client.address,
                client.https,
                host.unwrap_or_default()
            )
        };
        let router = Router::new().route("/", get(show));
        let mut request = Request::get("/").header("host", "inside:8000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = front.answer(peer.parse().unwrap(), router, request).await;
        let body = axum::body::to_bytes(answer.into_body(), 999).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_trusted_proxy_is_believed_and_nobody_else() {
        let said = [
            ("x-forwarded-for", "203.0.113.9, 198.51.100.7, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "faces.example"),
        ];
        assert_eq!(
            seen("10.1.2.3", &said).await,
            "198.51.100.7 true faces.example"
        );
        assert_eq!(
            seen("192.0.2.1", &said).await,
            "192.0.2.1 false inside:8000"
        );
        let standard = [(
            "forwarded",
            "for=\"[2001:db8::1]:99\";proto=https;host=a.example",
        )];
        assert_eq!(
            seen("::ffff:10.0.0.1", &standard).await,
            "2001:db8::1 true a.example"
        );
        assert_eq!(seen("10.0.0.1", &[]).await, "10.0.0.1 false inside:8000");
    }
}
