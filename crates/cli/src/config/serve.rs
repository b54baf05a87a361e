//! Settings of the server. In: one layer each of file, environment and flags. Out: [`Settings`].
//! Knows nothing of HTTP.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use fusiform_server::Settings;
use serde::Deserialize;

use super::error::ConfigError;

/// One layer of the server's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServeLayer {
    /// See [`Settings::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Settings::vault`].
    pub vault: Option<PathBuf>,
    /// See [`Settings::key_file`].
    pub key_file: Option<PathBuf>,
    /// See [`Settings::queue`].
    pub queue: Option<usize>,
    /// See [`Settings::timeout_ms`].
    pub timeout_ms: Option<u64>,
    /// See [`Settings::rate_per_s`].
    pub rate_per_s: Option<u32>,
    /// See [`Settings::tls_cert`].
    pub tls_cert: Option<PathBuf>,
    /// See [`Settings::tls_key`].
    pub tls_key: Option<PathBuf>,
    /// See [`Settings::pages`].
    pub pages: Option<bool>,
    /// See [`Settings::connections`].
    pub connections: Option<usize>,
    /// See [`Settings::backup_dir`].
    pub backup_dir: Option<PathBuf>,
}

impl ServeLayer {
    pub(super) fn over(self, below: ServeLayer) -> ServeLayer {
        ServeLayer {
            listen: self.listen.or(below.listen),
            vault: self.vault.or(below.vault),
            key_file: self.key_file.or(below.key_file),
            queue: self.queue.or(below.queue),
            timeout_ms: self.timeout_ms.or(below.timeout_ms),
            rate_per_s: self.rate_per_s.or(below.rate_per_s),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            pages: self.pages.or(below.pages),
            connections: self.connections.or(below.connections),
            backup_dir: self.backup_dir.or(below.backup_dir),
        }
    }

    pub(super) fn resolve(self, home: Option<&Path>) -> Result<Settings, ConfigError> {
        let vault = self.vault.or_else(|| home.map(|h| h.join("vault.db")));
        let beside = |vault: &PathBuf| vault.with_extension("key");
        Ok(Settings {
            // 8000 is the port that CompreFace's clients have in their settings.
            listen: self
                .listen
                .unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8000).into()),
            key_file: self.key_file.or_else(|| vault.as_ref().map(beside)),
            vault,
            queue: self.queue.unwrap_or(64).clamp(1, 4096),
            timeout_ms: self.timeout_ms.unwrap_or(60_000).max(100),
            rate_per_s: self.rate_per_s.unwrap_or(0),
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            pages: self.pages.unwrap_or(true),
            connections: self.connections.unwrap_or(1024).clamp(1, 65_536),
            backup_dir: self.backup_dir,
        })
    }
}

/// The vault's key and passphrase, where the environment gives one: `FUSIFORM_VAULT_KEY` (64
/// hexadecimal digits) and `FUSIFORM_VAULT_PASSPHRASE`. They are kept out of [`Settings`], which
/// may be printed.
pub(crate) fn vault_secrets() -> (Option<String>, Option<String>) {
    (
        env::var("FUSIFORM_VAULT_KEY").ok(),
        env::var("FUSIFORM_VAULT_PASSPHRASE").ok(),
    )
}

/// Variables: `FUSIFORM_LISTEN`, `FUSIFORM_VAULT`, `FUSIFORM_VAULT_KEY_FILE`, `FUSIFORM_QUEUE`,
/// `FUSIFORM_TIMEOUT_MS`, `FUSIFORM_RATE_PER_S`, `FUSIFORM_TLS_CERT`, `FUSIFORM_TLS_KEY`,
/// `FUSIFORM_PAGES`, `FUSIFORM_CONNECTIONS`, `FUSIFORM_BACKUP_DIR`.
pub(super) fn environment(
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<ServeLayer, ConfigError> {
    Ok(ServeLayer {
        listen: parsed(text, "FUSIFORM_LISTEN", "an address and port")?,
        vault: env::var_os("FUSIFORM_VAULT").map(PathBuf::from),
        key_file: env::var_os("FUSIFORM_VAULT_KEY_FILE").map(PathBuf::from),
        queue: parsed(text, "FUSIFORM_QUEUE", "a whole number")?,
        timeout_ms: parsed(text, "FUSIFORM_TIMEOUT_MS", "a whole number")?,
        rate_per_s: parsed(text, "FUSIFORM_RATE_PER_S", "a whole number")?,
        tls_cert: env::var_os("FUSIFORM_TLS_CERT").map(PathBuf::from),
        tls_key: env::var_os("FUSIFORM_TLS_KEY").map(PathBuf::from),
        pages: parsed(text, "FUSIFORM_PAGES", "true or false")?,
        connections: parsed(text, "FUSIFORM_CONNECTIONS", "a whole number")?,
        backup_dir: env::var_os("FUSIFORM_BACKUP_DIR").map(PathBuf::from),
    })
}

fn parsed<T: std::str::FromStr>(
    text: &impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    let wrong = |_| ConfigError::Variable {
        name,
        value: value.clone().into(),
        wanted,
    };
    value.parse().map(Some).map_err(wrong)
}
