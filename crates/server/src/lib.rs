//! The server. In: an engine and the files it works on. Out: one router made of independent route trees.
//! Knows which trees there are, not what they answer.
#![forbid(unsafe_code)]

mod compreface;
mod connections;
mod escaping;
mod health;
mod metrics;
pub mod pages;
mod recognition;
mod settings;
mod v1;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;
use fusiform::engine::Engine;

pub use connections::{Connections, tls};
use pages::Web;
pub use recognition::Recognition;
pub use settings::Settings;

/// What every route tree may use.
pub struct Served {
    /// Detector and embedder; runs from many threads at once, but never on the threads that serve connections.
    pub engine: Arc<Engine>,
    /// The album's pages, unless only programs are served.
    pub album: Option<Web>,
    /// The recognition service, if there is a vault.
    pub recognition: Option<Arc<Recognition>>,
    /// Whether new work is taken; false once the server is stopping.
    pub ready: AtomicBool,
}

/// All routes. A tree that is to be served is merged here.
pub fn router(served: &Arc<Served>) -> Router {
    let mut router = Router::new().merge(health::router(served));
    if let Some(album) = &served.album {
        router = router.merge(album.clone().router());
    }
    match &served.recognition {
        Some(recognition) => router.merge(
            compreface::router(recognition)
                .merge(v1::router(recognition))
                .layer(from_fn_with_state(recognition.clone(), metrics::measure))
                .merge(metrics::router(recognition)),
        ),
        None => router,
    }
}

/// Resolves on Ctrl-C, and on SIGTERM where there is one.
pub async fn stop_signal(served: Arc<Served>) {
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
    if let Some(album) = &served.album {
        album.stop();
    }
}
