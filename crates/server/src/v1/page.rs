//! The API as a page to try it on. In: nothing. Out: HTML and a script that read the OpenAPI document.
//! The key typed into it stays in the page's memory and goes to this server only.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Nothing is fetched from elsewhere, and no other page frames this one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

pub(super) async fn show() -> Response {
    answer(
        "text/html; charset=utf-8",
        include_str!("../../web/api.html"),
    )
}

pub(super) async fn script() -> Response {
    answer(
        "text/javascript; charset=utf-8",
        include_str!("../../web/api.js"),
    )
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(header::CONTENT_TYPE, kind),
        fixed(header::CONTENT_SECURITY_POLICY, POLICY),
        fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(header::REFERRER_POLICY, "no-referrer"),
        fixed(header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
