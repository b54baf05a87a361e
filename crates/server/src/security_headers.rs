//! Headers that keep other sites away from pages, and answers out of caches. In: routes. Out: the
//! same with the headers.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tower_http::set_header::SetResponseHeaderLayer;

/// Nothing is loaded from elsewhere, no script runs but the server's files, and no other page
/// frames this one.
const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; \
                      script-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

const FIXED: [(HeaderName, &str); 6] = [
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

/// Keeps every answer out of caches that says nothing else, and apart for each key where a cache
/// keeps it nevertheless.
pub(crate) fn no_store<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let (private, key) = ("private, no-store", "x-api-key");
    routes
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static(private),
        ))
        .layer(SetResponseHeaderLayer::appending(
            header::VARY,
            HeaderValue::from_static(key),
        ))
}

/// Adds the headers to every answer of these routes; what sets no cache rule is not kept by the
/// browser.
pub(crate) fn with_security_headers<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
) -> Router<S> {
    let no_store = HeaderValue::from_static("no-store");
    let routes = routes.layer(SetResponseHeaderLayer::if_not_present(
        header::CACHE_CONTROL,
        no_store,
    ));
    FIXED.into_iter().fold(routes, |routes, (name, value)| {
        let value = HeaderValue::from_static(value);
        routes.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}
