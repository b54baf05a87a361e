//! How the server runs. In: nothing. Out: plain data that the command fills from file, environment and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How the server runs, after every layer has spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port; loopback unless somebody says otherwise.
    pub listen: SocketAddr,
    /// The encrypted file that holds enrolled people; `None` if no home folder is known.
    pub vault: Option<PathBuf>,
    /// File that holds the vault's key, 64 hexadecimal digits; made if it is not there.
    pub key_file: Option<PathBuf>,
    /// Requests that may look at images at once or wait for it; more are answered 503.
    pub queue: usize,
    /// Milliseconds that one request may take.
    pub timeout_ms: u64,
    /// Requests a second for each API key; more are answered 429. 0 is no limit.
    pub rate_per_s: u32,
    /// Certificate chain (PEM) to speak TLS with.
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    pub tls_key: Option<PathBuf>,
    /// Whether the album's pages are served beside the service for programs.
    pub pages: bool,
    /// Connections open at once; more wait.
    pub connections: usize,
    /// Folder for copies of the vault that an admin key asks for; `None` is no copies that way.
    pub backup_dir: Option<PathBuf>,
}
