//! The path below which a proxy shows the server. In: requests with or without it. Out: requests
//! without it, and answers whose links have it. Pages are written as if they stood at the root:
//! `maud` escapes every quote in text, so the pattern `href="/` is a link of ours and nothing else.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;

/// A page is held in memory while its links are changed; one is far smaller.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// A path without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BasePath(String);

impl BasePath {
    /// `None` for the root, and for what is no plain path: it will stand in HTML.
    pub(super) fn new(path: &str) -> Option<BasePath> {
        let path = path.trim_end_matches('/');
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_.~-".contains(&b);
        let is_path = path.starts_with('/') && path.bytes().all(plain);
        let is_safe = !path.contains("//") && !path.split('/').any(|part| part == "..");
        (is_path && is_safe).then(|| BasePath(path.to_owned()))
    }

    /// Takes the path off a request, if the proxy has not done it.
    pub(super) fn strip(&self, request: &mut Request) {
        let uri = request.uri();
        let Some(rest) = uri.path().strip_prefix(&self.0) else {
            return;
        };
        if !rest.is_empty() && !rest.starts_with('/') {
            return;
        }
        let rest = if rest.is_empty() { "/" } else { rest };
        let target = match uri.query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(target).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }

    /// Puts the path into redirects, cookies and the links of a page.
    pub(super) async fn add(&self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        let base = &self.0;
        let location = parts.headers.get(header::LOCATION);
        let location = location.and_then(|l| l.to_str().ok());
        if let Some(to) = location.filter(|to| to.starts_with('/') && !to.starts_with("//"))
            && let Ok(to) = HeaderValue::try_from(format!("{base}{to}"))
        {
            parts.headers.insert(header::LOCATION, to);
        }
        if let header::Entry::Occupied(mut cookies) = parts.headers.entry(header::SET_COOKIE) {
            for cookie in cookies.iter_mut() {
                let text = cookie.to_str().unwrap_or_default();
                let moved = text.replace("Path=/", &format!("Path={base}/"));
                if let Ok(moved) = HeaderValue::try_from(moved) {
                    *cookie = moved;
                }
            }
        }
        let kind = parts.headers.get(header::CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
            return Response::from_parts(parts, body);
        }
        let Ok(page) = axum::body::to_bytes(body, MAX_PAGE_BYTES).await else {
            return Response::from_parts(parts, Body::empty());
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(self.in_links(&page)))
    }

    fn in_links(&self, page: &Bytes) -> String {
        let mut page = String::from_utf8_lossy(page).into_owned();
        for attribute in ["href", "src", "action"] {
            let of_root = format!(" {attribute}=\"/");
            page = page.replace(&of_root, &format!(" {attribute}=\"{}/", self.0));
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_taken() {
        for (path, taken) in [
            ("/faces", Some("/faces")),
            ("/a/b/", Some("/a/b")),
            ("", None),
            ("/", None),
            ("faces", None),
            ("/a\"b", None),
            ("//evil.example", None),
            ("/a/../b", None),
        ] {
            assert_eq!(
                BasePath::new(path),
                taken.map(|p| BasePath(p.to_owned())),
                "{path}"
            );
        }
    }

    #[test]
    fn a_request_may_come_with_or_without_it() {
        let base = BasePath::new("/faces").unwrap();
        for (given, taken) in [
            ("/faces/people?a=1", "/people?a=1"),
            ("/faces", "/"),
            ("/faces/", "/"),
            ("/people", "/people"),
            ("/faces2/people", "/faces2/people"),
        ] {
            let mut request = Request::get(given).body(Body::empty()).unwrap();
            base.strip(&mut request);
            assert_eq!(request.uri().to_string(), taken);
        }
    }

    #[tokio::test]
    async fn links_redirects_and_cookies_have_it() {
        let base = BasePath::new("/faces").unwrap();
        let page = "<a href=\"/people\">x</a><img src=\"/a.jpg\"><form action=\"/name\">\
                    <input value=\"/home/ida\"><a href=\"page.css\">";
        let response = Response::builder()
            .header("content-type", "text/html; charset=utf-8")
            .header("location", "/login")
            .header("set-cookie", "fusiform_page=1; Path=/; HttpOnly")
            .body(Body::from(page))
            .unwrap();
        let response = base.add(response).await;
        assert_eq!(response.headers()["location"], "/faces/login");
        let cookie = &response.headers()["set-cookie"];
        assert_eq!(cookie, "fusiform_page=1; Path=/faces/; HttpOnly");
        let body = axum::body::to_bytes(response.into_body(), 9999)
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&body),
            "<a href=\"/faces/people\">x</a><img src=\"/faces/a.jpg\"><form action=\"/faces/name\">\
             <input value=\"/home/ida\"><a href=\"page.css\">"
        );
    }
}
