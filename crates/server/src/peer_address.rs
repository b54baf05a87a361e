//! Addresses of other programs. In: text of the settings. Out: what is connected to, or what is
//! wrong with it. A login in an address is refused and never repeated: addresses are in messages
//! and logs.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};
use axum::http::Uri;

/// As in the broker's own documentation.
const MQTT_PORT: u16 = 1883;
const MQTT_TLS_PORT: u16 = 8883;

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// A name, or an IP address; IPv6 in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

impl BrokerAddress {
    /// Reads `mqtt://host`, or `mqtts://host:8884`.
    ///
    /// # Errors
    /// If it is none, or holds a user; names the value without its password.
    pub fn parse(address: &str) -> Result<BrokerAddress> {
        let wanted = || {
            let given = without_login(address);
            format!("{given:?} is no address such as mqtt://host:1883")
        };
        ensure!(
            !has_login(address),
            "the address of the broker holds a user; put it into `user`, and the password into a \
             file"
        );
        let uri: Uri = address.parse().with_context(wanted)?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.with_context(wanted)?.to_owned();
        let tls = match uri.scheme_str() {
            Some("mqtt" | "tcp") => false,
            Some("mqtts" | "ssl") => true,
            _ => bail!(wanted()),
        };
        ensure!(matches!(uri.path(), "" | "/"), wanted());
        let usual = if tls { MQTT_TLS_PORT } else { MQTT_PORT };
        let port = uri.port_u16().unwrap_or(usual);
        Ok(BrokerAddress { host, port, tls })
    }
}

impl std::fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The address of a program that is asked over plain HTTP, such as `example`, without a slash at
/// its end.
///
/// # Errors
/// If it is another one, or holds a login; names the value without the login.
pub fn http_address(address: &str, example: &str) -> Result<Uri> {
    let wanted = || {
        let given = without_login(address);
        format!("{given:?} is not an address such as {example} (plain HTTP, without a login)")
    };
    let uri: Uri = address.trim_end_matches('/').parse().with_context(wanted)?;
    let is_plain = uri.scheme_str() == Some("http") && uri.host().is_some_and(|h| !h.is_empty());
    ensure!(
        is_plain && uri.query().is_none() && !has_login(address),
        wanted()
    );
    Ok(uri)
}

/// Whether it is an `http` or `https` address without a login.
pub fn is_web_address(address: &str) -> bool {
    let of = |scheme: &str| address.starts_with(scheme);
    (of("http://") || of("https://")) && !has_login(address)
}

fn has_login(address: &str) -> bool {
    matches!(without_login(address), Cow::Owned(_))
}

/// An address as messages may show it: user and password are left out, and a query, which may hold
/// them, too.
pub fn without_login(address: &str) -> Cow<'_, str> {
    let is_scheme = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+.-".contains(&b);
        !text.is_empty() && text.bytes().all(plain)
    };
    // What stands before another `://` is part of a login.
    let (scheme, rest) = match address.find("://") {
        Some(at) if is_scheme(&address[..at]) => address.split_at(at + 3),
        _ => ("", address),
    };
    fn plain(text: &str) -> &str {
        text.split('?').next().unwrap_or_default()
    }
    // A password may hold a slash that nobody has encoded.
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{}", plain(host)).into(),
        None => plain(address).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_named_with_scheme_and_port() {
        for (given, expected) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtt://10.0.0.2:1884/", "mqtt://10.0.0.2:1884"),
            ("mqtt://[::1]:1883", "mqtt://[::1]:1883"),
            ("ssl://broker", "mqtts://broker:8883"),
            ("tcp://broker:1", "mqtt://broker:1"),
        ] {
            let parsed = BrokerAddress::parse(given).unwrap();
            assert_eq!(parsed.to_string(), expected);
        }
        for given in [
            "broker:1883",
            "http://broker",
            "mqtt://",
            "",
            "mqtt://broker/path",
        ] {
            assert!(BrokerAddress::parse(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn only_addresses_of_plain_http_servers_are_taken() {
        for (address, good) in [
            ("http://immich-machine-learning:3003", true),
            ("http://[::1]:5000/frigate/", true),
            ("https://frigate:8971", false),
            ("frigate:5000", false),
            ("http://a/?x=1", false),
            ("", false),
            ("http://", false),
        ] {
            let taken = http_address(address, "http://frigate:5000");
            assert_eq!(taken.is_ok(), good, "{address:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for address in [
            "http://ida:secret@host",
            "http://ida:sec ret@host:1",
            "http://ida:s/ecret@host",
            "mqtt://ida:secret@host",
            "ida:secret@host",
            "ida:a://secret@host",
            "http://host/?password=secret",
        ] {
            let http = http_address(address, "http://frigate:5000").unwrap_err();
            let broker = BrokerAddress::parse(address).unwrap_err();
            for why in [http, broker] {
                let why = format!("{why:#}");
                assert!(!why.contains("ret") && !why.contains("ida"), "{why}");
            }
        }
    }
}
