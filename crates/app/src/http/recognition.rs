//! What recognition works with. In: an engine, a vault, limits. Out: faces of images, never more at once than allowed.
//! Knows nothing of a contract's requests and answers.

use std::sync::Arc;

use anyhow::{Context, Result};
use fusiform::config::Serve;
use fusiform::engine::Engine;
use fusiform_vault::Vault;
use tokio::sync::Semaphore;

use super::compreface::Scale;

/// The recognition service.
#[derive(Debug)]
pub(crate) struct Recognition {
    /// Detector and embedder; runs from many threads at once, but never on the threads that serve connections.
    pub(super) engine: Arc<Engine>,
    /// Enrolled people, encrypted on disk.
    pub(super) vault: Arc<Vault>,
    /// Similarities as CompreFace's clients expect them.
    pub(super) scale: Scale,
    /// One place per core for work on images.
    pub(super) looking: Arc<Semaphore>,
    /// Places for requests that work on images or wait to; without a free one the answer is 503.
    pub(super) waiting: Arc<Semaphore>,
}

impl Recognition {
    /// A service over an open vault.
    ///
    /// # Errors
    /// If the pack states no thresholds.
    pub(crate) fn new(
        engine: Arc<Engine>,
        vault: Vault,
        settings: &Serve,
        threads: usize,
    ) -> Result<Recognition> {
        let scale = Scale::fit(engine.thresholds()?)
            .context("the pack cannot serve recognition; calibrate it first")?;
        Ok(Recognition {
            engine,
            vault: Arc::new(vault),
            scale,
            looking: Arc::new(Semaphore::new(threads)),
            waiting: Arc::new(Semaphore::new(settings.queue)),
        })
    }
}
