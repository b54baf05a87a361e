//! The server. In: an engine and the files it works on. Out: one router made of independent route trees.
//! Knows which trees there are, not what they answer.

mod album;
mod compreface;
mod health;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use fusiform::engine::Engine;
use fusiform_vault::Vault;
use tokio::sync::Semaphore;

pub(crate) use compreface::Scale;

/// What every route tree may use.
#[derive(Debug)]
pub(crate) struct Served {
    /// Detector and embedder; runs from many threads at once, but never on the threads that serve connections.
    pub(crate) engine: Arc<Engine>,
    /// The album's catalogue, which need not exist yet.
    pub(crate) catalogue: PathBuf,
    /// Enrolled people, encrypted on disk.
    pub(crate) vault: Arc<Vault>,
    /// Similarities as CompreFace's clients expect them.
    pub(crate) scale: Scale,
    /// Numbers in an embedding.
    pub(crate) dimensions: usize,
    /// One place per core for work on images.
    pub(crate) looking: Arc<Semaphore>,
    /// Places for requests that work on images or wait to; without a free one the answer is 503.
    pub(crate) waiting: Arc<Semaphore>,
    /// Whether new work is taken; false once the server is stopping.
    pub(crate) ready: AtomicBool,
}

/// All routes. A tree that is to be served is merged here.
pub(crate) fn router(served: &Arc<Served>) -> Router {
    Router::new()
        .merge(health::router(served))
        .merge(compreface::router(served))
        .merge(album::router(served))
}

/// Resolves on Ctrl-C, and on SIGTERM where there is one.
pub(crate) async fn stop_signal(served: Arc<Served>) {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    futures_util::pin_mut!(interrupted, terminated);
    futures_util::future::select(interrupted, terminated).await;
    served.ready.store(false, Ordering::SeqCst);
}
