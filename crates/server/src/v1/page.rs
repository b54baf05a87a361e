//! The API as a page to try it on. In: nothing. Out: HTML, style and script, which read the OpenAPI
//! document. The key typed into it stays in the page's memory and is sent to this server only.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::security_headers::with_security_headers;

/// The routes; complete paths.
pub(super) fn router() -> Router {
    let html = async || {
        let page = include_str!("../../web/api.html");
        asset("text/html; charset=utf-8", page)
    };
    let style = async || {
        let style = include_str!("../../web/api.css");
        asset("text/css; charset=utf-8", style)
    };
    let script = async || {
        let script = include_str!("../../web/api.js");
        asset("text/javascript; charset=utf-8", script)
    };
    let routes = Router::new()
        .route("/api/fusiform/v1/", get(html))
        .route("/api/fusiform/v1/page.css", get(style))
        .route("/api/fusiform/v1/page.js", get(script));
    with_security_headers(routes)
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
