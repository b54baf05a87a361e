//! Connections. In: a listening socket, limits, perhaps a certificate. Out: requests for the
//! router, until a stop. Knows nothing of routes. A client with a slow head is dropped and one
//! beyond the limit waits; neither costs a thread.

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

use crate::request_line::EscapedLine;

/// Longest time for the head of a request to arrive; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for requests to end after a stop; a page that watches a scan would never end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// Wait after the system refused a connection (too many open files).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A listening socket and its limits.
pub(crate) struct Connections {
    pub(crate) listener: TcpListener,
    /// Certificate and key, for TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Connections open at once; more wait in the system's queue.
    pub(crate) max_open: usize,
    /// How long a request may take, its head too.
    pub(crate) timeout: Duration,
}

impl Connections {
    /// Serves until `stop` is true, then lets requests under way end.
    pub(crate) async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let permits = Arc::new(Semaphore::new(self.max_open));
        let acceptor = self.tls.map(TlsAcceptor::from);
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.timeout.min(HEAD_TIMEOUT));
        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (self.listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                next = next => next,
                _ = stop.wait_for(|on| *on) => break,
            };
            let (stream, _) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!("a connection was not accepted: {e}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let (acceptor, router, http) = (acceptor.clone(), router.clone(), http.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                let _permit = permit;
                // Answers are small; waiting to fill a packet would only delay them.
                drop(stream.set_nodelay(true));
                if let Some(acceptor) = acceptor {
                    let shaken =
                        tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        answer_requests(&http, EscapedLine::new(stream), router, watcher).await;
                    }
                } else {
                    answer_requests(&http, EscapedLine::new(stream), router, watcher).await;
                }
            });
        }
        drop(self.listener);
        drop(tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await);
    }
}

async fn answer_requests<S>(
    http: &http1::Builder,
    stream: EscapedLine<S>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // A client that breaks off is not the server's error.
    drop(watcher.watch(connection).await);
}

/// Reads a certificate chain and its key, both PEM.
///
/// # Errors
/// If a file cannot be read or the two do not belong together; names the file.
pub(crate) fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let with_file = |file: &Path| format!("{}: PEM is wanted", file.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| with_file(certificate))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "{}: no certificate is in it; give the full chain as PEM",
        certificate.display()
    );
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| with_file(key))?;
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
