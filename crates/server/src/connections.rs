//! Connections. In: a listening socket, limits, perhaps a certificate. Out: requests for the
//! router, until a stop. Knows nothing of routes. A client with a slow head is dropped; beyond the
//! limit those give way that have sent no request (`open_connections`). None costs a thread.

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::front::Front;
use crate::open_connections::{OpenConnection, OpenConnections};
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
    pub(crate) tls: Option<Arc<ArcSwap<ServerConfig>>>,
    pub(crate) open: Arc<OpenConnections>,
    pub(crate) front: Arc<Front>,
    /// How long a request may take, its head too.
    pub(crate) timeout: Duration,
}

impl Connections {
    /// Serves until `stop` is true, then lets requests under way end.
    pub(crate) async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.timeout.min(HEAD_TIMEOUT));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|on| *on) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!("a connection was not accepted: {e}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let (peer, front) = (peer.ip(), Arc::clone(&self.front));
            let entered = tokio::select! {
                entered = self.open.enter(peer, front.trusts(peer)) => entered,
                _ = stop.wait_for(|on| *on) => break,
            };
            let Some(open) = entered else {
                continue;
            };
            let acceptor = self
                .tls
                .as_ref()
                .map(|tls| TlsAcceptor::from(tls.load_full()));
            let (router, http) = (router.clone(), http.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                let close = Arc::clone(&open.close);
                let requests = Requests {
                    front,
                    router,
                    peer,
                    open,
                };
                // Answers are small; waiting to fill a packet would only delay them.
                drop(stream.set_nodelay(true));
                let answered = async {
                    if let Some(acceptor) = acceptor {
                        let shaken =
                            tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                        if let Ok(Ok(stream)) = shaken {
                            requests.answer(&http, stream, watcher).await;
                        }
                    } else {
                        requests.answer(&http, stream, watcher).await;
                    }
                };
                tokio::select! {
                    () = answered => {}
                    () = close.notified() => {}
                }
            });
        }
        drop(self.listener);
        drop(tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await);
    }
}

/// The requests of one connection.
struct Requests {
    front: Arc<Front>,
    router: Router,
    peer: IpAddr,
    open: OpenConnection,
}

impl Requests {
    async fn answer<S>(self, http: &http1::Builder, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = Arc::new(self);
        let service = service_fn(move |request: Request<Incoming>| {
            let requests = Arc::clone(&requests);
            async move {
                requests.open.set_answering(true);
                let (front, router) = (&requests.front, requests.router.clone());
                let request = request.map(Body::new);
                let answer = front.answer(requests.peer, router, request).await;
                requests.open.set_answering(false);
                Ok::<_, Infallible>(answer)
            }
        });
        let stream = TokioIo::new(EscapedLine::new(stream));
        let connection = http.serve_connection(stream, service);
        // A client that breaks off is not the server's error.
        drop(watcher.watch(connection).await);
    }
}

/// Says so if everybody on the machine can read a secret file.
fn warn_of_readers(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(file).map_or(0, |m| m.permissions().mode());
        if mode & 0o007 != 0 {
            tracing::warn!(
                "{}: every user of this machine can read this key (mode {:04o}); give it mode 0600",
                file.display(),
                mode & 0o7777
            );
        }
    }
    #[cfg(not(unix))]
    let _ = file;
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
    warn_of_readers(key);
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
