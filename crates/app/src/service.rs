//! The recognition service. In: HTTP requests with API keys. Out: who is in an image; people enrolled and erased.
//! Knows nothing of the album's pages or of sockets.

mod compreface;
mod health;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use fusiform::config::Serve;
use fusiform::engine::Engine;
use fusiform_vault::Vault;
use tokio::sync::Semaphore;

use compreface::Scale;

/// What every route tree may use.
#[derive(Debug)]
pub(crate) struct Served {
    /// Detector and embedder; runs from many threads at once, but never on the threads that serve connections.
    engine: Arc<Engine>,
    /// Enrolled people, encrypted on disk.
    vault: Arc<Vault>,
    /// Similarities as CompreFace's clients expect them.
    scale: Scale,
    /// One place per core for work on images.
    looking: Arc<Semaphore>,
    /// Places for requests that work on images or wait to; without a free one the answer is 503.
    waiting: Arc<Semaphore>,
    /// Whether new work is taken; false once the server is stopping.
    ready: AtomicBool,
}

impl Served {
    /// A service over an open vault.
    ///
    /// # Errors
    /// If the pack states no thresholds.
    pub(crate) fn new(
        engine: Arc<Engine>,
        vault: Vault,
        settings: &Serve,
        threads: usize,
    ) -> Result<Served> {
        let scale = Scale::fit(engine.thresholds()?)
            .context("the pack cannot serve recognition; calibrate it first")?;
        Ok(Served {
            engine,
            vault: Arc::new(vault),
            scale,
            looking: Arc::new(Semaphore::new(threads)),
            waiting: Arc::new(Semaphore::new(settings.queue)),
            ready: AtomicBool::new(true),
        })
    }

    /// Says to whoever asks that no new work is taken.
    pub(crate) fn stop(&self) {
        self.ready.store(false, Ordering::SeqCst);
    }
}

/// All routes of the service.
pub(crate) fn router(served: &Arc<Served>) -> Router {
    Router::new()
        .merge(health::router(served))
        .merge(compreface::router(served))
}
