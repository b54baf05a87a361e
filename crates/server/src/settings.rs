//! How the server runs. In: nothing. Out: plain data, filled by the program from file, environment
//! and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The encrypted file that holds enrolled people; `None` if no folder for it is known.
    pub vault: Option<PathBuf>,
    /// File that holds the vault's key, 64 hexadecimal digits.
    pub key_file: Option<PathBuf>,
    /// Requests that may compute, or wait for a core, at once; more are answered 503.
    pub queue: usize,
    /// Milliseconds that one request may take.
    pub timeout_ms: u64,
    /// Requests a second of each API key, in bursts of twice as many; more are answered 429. 0 is
    /// no limit.
    pub rate_per_s: u32,
    /// Certificate chain (PEM) for TLS.
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether the album's pages are served beside the service for programs.
    pub pages: bool,
    /// Connections open at once; more wait.
    pub connections: usize,
    /// Folder for copies of the vault that an admin key asks for; `None` refuses them.
    pub backup_dir: Option<PathBuf>,
}
