//! What recognition works with. In: an engine, a vault, limits. Out: faces of images, never more at once than allowed.
//! Knows nothing of a contract's requests and answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fusiform::config::Serve;
use fusiform::detect::DetectOptions;
use fusiform::engine::Engine;
use fusiform::pipeline::DescribedFace;
use fusiform_vault::{Service, Vault};
use tokio::sync::Semaphore;

use super::compreface::Scale;
use super::metrics::Metrics;

/// Why no faces can be told of.
#[derive(Debug)]
pub(super) enum NotSeen {
    /// Too many requests wait already.
    Busy,
    /// The bytes are no image, or one beyond the limits.
    Unreadable(String),
    /// The networks failed.
    Failed(String),
}

const ERASE_EVERY: Duration = Duration::from_secs(10);

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
    looking: Arc<Semaphore>,
    /// Places for requests that work on images or wait to; without a free one the answer is 503.
    waiting: Arc<Semaphore>,
    /// What was asked and how long answers took.
    pub(super) metrics: Metrics,
    /// How long one request may take.
    pub(super) timeout: Duration,
    /// Requests that each key may make in a second, with twice as many at once; 0 is no limit.
    rate: f64,
    /// What is left to each key, and when that was so.
    left: Mutex<HashMap<i64, (f64, Instant)>>,
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
            metrics: Metrics::default(),
            timeout: Duration::from_millis(settings.timeout_ms),
            rate: f64::from(settings.rate_per_s),
            left: Mutex::default(),
        })
    }

    /// The faces of an image, largest first, and milliseconds. Waits for a free core; refuses when too many wait.
    pub(super) async fn look(&self, bytes: Vec<u8>) -> Result<(Vec<DescribedFace>, f64), NotSeen> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| NotSeen::Busy)?;
        let core = Arc::clone(&self.looking).acquire_owned().await;
        let core = core.map_err(|_| NotSeen::Busy)?;
        let engine = Arc::clone(&self.engine);
        let work = move || {
            let _held = (place, core);
            let started = Instant::now();
            let image = engine.decode(&bytes);
            let image = image.map_err(|e| NotSeen::Unreadable(e.to_string()))?.image;
            let mut faces = engine
                .describe(&image, &DetectOptions::default())
                .map_err(|e| NotSeen::Failed(e.to_string()))?;
            faces.sort_by(|a, b| b.face.bbox.area().total_cmp(&a.face.bbox.area()));
            Ok((faces, started.elapsed().as_secs_f64() * 1e3))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(NotSeen::Failed("the work was stopped".into())))
    }

    /// Whether a key may make one more request now.
    pub(super) fn may_ask(&self, service: Service) -> bool {
        if self.rate <= 0.0 {
            return true;
        }
        let most = self.rate * 2.0;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = left.entry(service.id).or_insert((most, Instant::now()));
        let earned = since.elapsed().as_secs_f64() * self.rate;
        (*tokens, *since) = ((*tokens + earned).min(most), Instant::now());
        let may = *tokens >= 1.0;
        if may {
            *tokens -= 1.0;
        }
        may
    }

    /// Erases people whose consent has ended, again and again. They stop matching at once, without this.
    pub(crate) async fn erase_ended(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(ERASE_EVERY);
        loop {
            ticks.tick().await;
            let vault = Arc::clone(&self.vault);
            match tokio::task::spawn_blocking(move || vault.erase_ended()).await {
                Ok(Ok(0)) => {}
                Ok(Ok(n)) => tracing::info!("{n} people erased whose consent ended"),
                Ok(Err(e)) => tracing::error!("people whose consent ended are not erased: {e}"),
                Err(_) => return,
            }
        }
    }
}
