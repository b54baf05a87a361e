//! A broker's address. In: settings, a password, certificates. Out: options of the client library.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rumqttc::{LastWill, MqttOptions, QoS, TlsConfiguration, Transport};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::peer_address::BrokerAddress;
use crate::settings::MqttSettings;

/// Largest message that is taken: a picture of a camera of many pixels.
pub(super) const MAX_PACKET_BYTES: usize = 16 << 20;
/// Largest message that is sent.
const MAX_SENT_BYTES: usize = 1 << 20;
/// A broker that says nothing for one and a half times as long counts as gone, and so do we to it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A broker to connect to.
pub(super) struct Address {
    pub(super) options: MqttOptions,
    /// `mqtt://host:1883`, for messages.
    pub(super) shown: String,
}

/// As [`reached`]; if the connection breaks, the broker says on `will` that this client is
/// `offline`.
///
/// # Errors
/// As [`reached`].
pub(super) fn address(
    settings: &MqttSettings,
    password: Option<&str>,
    will: &str,
) -> Result<Address> {
    let mut address = reached(settings, password)?;
    let will = LastWill::new(will, "offline", QoS::AtLeastOnce, true);
    address.options.set_last_will(will);
    Ok(address)
}

/// The options with which a broker is reached.
///
/// # Errors
/// If the address is none, or the certificates cannot be read; names the value and the file.
pub(super) fn reached(settings: &MqttSettings, password: Option<&str>) -> Result<Address> {
    let broker = BrokerAddress::parse(&settings.broker)?;
    let host = &*broker.host;
    ensure!(!settings.client_id.is_empty(), "client_id is empty");
    let mut options = MqttOptions::new(&settings.client_id, host, broker.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(MAX_PACKET_BYTES, MAX_SENT_BYTES);
    match (&settings.user, password) {
        (Some(user), password) => {
            options.set_credentials(user, password.unwrap_or_default());
        }
        (None, Some(_)) => bail!("a password for the broker is given and no `user`"),
        (None, None) => {}
    }
    if broker.tls {
        let named = !host.starts_with('[') && ServerName::try_from(host).is_ok();
        ensure!(
            named,
            "{broker}: TLS needs the broker's name, or its IPv4 address"
        );
        let config = TlsConfiguration::Rustls(Arc::new(client_config(settings)?));
        options.set_transport(Transport::tls_with_config(config));
    }
    Ok(Address {
        options,
        shown: broker.to_string(),
    })
}

fn client_config(settings: &MqttSettings) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(file) => {
            let of_file = || format!("{}: PEM certificates are wanted", file.display());
            let all = CertificateDer::pem_file_iter(file).with_context(of_file)?;
            for certificate in all {
                roots.add(certificate.with_context(of_file)?)?;
            }
            ensure!(
                !roots.is_empty(),
                "{}: no certificate is in it",
                file.display()
            );
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            let why = found.errors.first().map(|e| format!(": {e}"));
            ensure!(
                !roots.is_empty(),
                "no certificates of authorities are on this system{}; give the broker's `ca_file`",
                why.unwrap_or_default()
            );
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_needs_a_user_and_tls_a_name() {
        let taken = |broker: &str, user: Option<&str>, password: Option<&str>| {
            let settings = MqttSettings {
                broker: broker.into(),
                user: user.map(str::to_owned),
                ..MqttSettings::default()
            };
            address(&settings, password, "fusiform/available").is_ok()
        };
        assert!(taken("mqtt://a", Some("ida"), Some("secret")));
        assert!(!taken("mqtt://a", None, Some("secret")));
        assert!(!taken("mqtts://[::1]", None, None));
        assert!(taken("mqtt://[::1]", None, None));
    }
}
