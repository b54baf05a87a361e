//! Why a server cannot start. Plain data; the program adds the remedy.

use std::net::SocketAddr;

/// Why a server cannot start, where the program knows the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{address}: cannot listen there")]
    Listen {
        /// From the settings.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Of certificate and key, only one is set.
    #[error("TLS needs both a certificate and its key; one of the two is not set")]
    HalfTls,
    /// The pages are off and no key opens the service.
    #[error("without pages and without an API key there is nothing to serve")]
    NothingToServe,
    /// The key that a program's people are those of opens no collection.
    #[error("{program}: the key in {file} opens no collection of people")]
    UnknownKey {
        /// Which program.
        program: &'static str,
        /// The file that holds the key.
        file: String,
    },
    /// A contract that names people is on, and there is no vault.
    #[error("{0} names people, and there is no vault and no API key yet")]
    NobodyToRecognise(&'static str),
    /// MQTT is on, and no recognition key is set.
    #[error("mqtt names people, and no `key_file` says whose")]
    NoMqttKey,
}
