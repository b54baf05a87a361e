//! What a proxy says of a request. In: headers. Out: addresses, scheme, host, path. `Forwarded`
//! (RFC 7239) goes before `X-Forwarded-*`.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// Hops that are read; each proxy adds one.
const MAX_HOPS: usize = 32;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// The client first, then each proxy.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) https: bool,
    pub(super) host: Option<String>,
    /// The path below which the nearest proxy shows the server; may be empty.
    pub(super) prefix: String,
}

impl Forwarded {
    pub(super) fn read(headers: &HeaderMap) -> Forwarded {
        let mut found = Forwarded {
            prefix: latest(headers, "x-forwarded-prefix").unwrap_or_default(),
            ..Forwarded::default()
        };
        let hops = list(headers, "forwarded");
        if hops.is_empty() {
            let named = list(headers, "x-forwarded-for");
            found.addresses = named.iter().filter_map(|text| address(text)).collect();
            let scheme = latest(headers, "x-forwarded-proto");
            found.https = scheme.is_some_and(|s| s.eq_ignore_ascii_case("https"));
            found.host = latest(headers, "x-forwarded-host");
            return found;
        }
        // Each hop states its own; the nearest proxy's is the one that is believed.
        for hop in &hops {
            (found.https, found.host) = (false, None);
            for pair in hop.split(';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = value.trim().trim_matches('"');
                match &*name.trim().to_ascii_lowercase() {
                    "for" => found.addresses.extend(address(value)),
                    "proto" => found.https = value.eq_ignore_ascii_case("https"),
                    "host" => found.host = Some(value.to_owned()),
                    _ => {}
                }
            }
        }
        found
    }
}

/// The parts of a header that lists, over all its lines; the last ones if there are too many.
fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
    let parts = lines.flat_map(|line| line.split(','));
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    let mut parts: Vec<String> = parts.map(str::to_owned).collect();
    parts.split_off(parts.len().saturating_sub(MAX_HOPS))
}

fn latest(headers: &HeaderMap, name: &str) -> Option<String> {
    list(headers, name).pop()
}

/// An address with or without brackets and port; `None` for `unknown` and hidden names.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let socket = || text.parse::<SocketAddr>().ok().map(|s| s.ip());
    bare.parse().ok().or_else(socket)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Forwarded {
        let pair = |(name, value): &(&'static str, &'static str)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        };
        Forwarded::read(&lines.iter().map(pair).collect())
    }

    #[test]
    fn both_kinds_of_header_say_the_same() {
        let client: Vec<IpAddr> = vec!["192.0.2.60".parse().unwrap()];
        let standard = read(&[(
            "forwarded",
            "For=192.0.2.60:4711;Proto=HTTPS;host=\"a.example:1\"",
        )]);
        assert_eq!(standard.addresses, client);
        assert!(standard.https && standard.host.as_deref() == Some("a.example:1"));
        let usual = read(&[
            ("x-forwarded-for", "192.0.2.60"),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-host", "a.example:1"),
            ("x-forwarded-prefix", "/faces"),
        ]);
        let prefix = "/faces".to_owned();
        assert_eq!(usual, Forwarded { prefix, ..standard });
    }

    #[test]
    fn odd_values_are_passed_over() {
        for value in [
            "",
            ",;=,",
            "for",
            "for=unknown;proto",
            "for=_a;by=x",
            "for=\"[::1\";host",
        ] {
            let found = read(&[("forwarded", value)]);
            assert!(found.addresses.len() <= 1 && !found.https, "{value}");
        }
    }
}
