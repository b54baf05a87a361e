//! Connections. In: a listening socket, limits, perhaps a certificate. Out: requests for the router, until told to stop.
//! Knows nothing of routes. A client that is slow with its head, or one too many, is dropped or waits; it costs no thread.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::escaping::Escaped;

/// How long a head may take to arrive at most; also how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections may take this long to end; a page that watches a scan would never.
const GRACE: Duration = Duration::from_secs(3);
/// After the system refuses a connection (too many open files), before the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// What the socket is served with.
pub struct Connections {
    /// Where clients come in.
    pub listener: TcpListener,
    /// Certificate and key, for TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Open at once; more wait in the system's queue.
    pub most: usize,
    /// How long a request may take, its head too.
    pub patience: Duration,
}

impl Connections {
    /// Serves until `stop` says so, then lets requests under way end.
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.most));
        let acceptor = self.tls.map(TlsAcceptor::from);
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.patience.min(HEAD));
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (self.listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                next = next => next,
                _ = stop.wait_for(|on| *on) => break,
            };
            let (stream, _) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!("a connection was not accepted: {e}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (acceptor, router, http) = (acceptor.clone(), router.clone(), http.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                let _place = place;
                // Answers are small; waiting to fill a packet would only delay them.
                drop(stream.set_nodelay(true));
                if let Some(acceptor) = acceptor {
                    let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        talk(&http, Escaped::new(stream), router, watcher).await;
                    }
                } else {
                    talk(&http, Escaped::new(stream), router, watcher).await;
                }
            });
        }
        drop(self.listener);
        drop(tokio::time::timeout(GRACE, graceful.shutdown()).await);
    }
}

async fn talk<S>(
    http: &http1::Builder,
    stream: Escaped<S>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // Clients break off; that is theirs to know.
    drop(watcher.watch(connection).await);
}

/// Reads a certificate chain and its key, both PEM.
///
/// # Errors
/// If a file cannot be read or the two do not belong together; names the file.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let told = |file: &Path| format!("{}: PEM is wanted", file.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| told(certificate))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{}: no certificate is in it; give the full chain as PEM",
        certificate.display()
    );
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| told(key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| {
            format!(
                "{} and {} do not make a TLS identity",
                certificate.display(),
                key.display()
            )
        })?;
    Ok(Arc::new(config))
}
