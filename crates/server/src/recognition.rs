//! What recognition works with. In: an engine, a vault, limits. Out: faces of images, never more at once than allowed.
//! Knows nothing of a contract's requests and answers.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Settings;
use anyhow::{Context, Result};
use axum::http::{HeaderMap, header};
use fusiform::detect::{DetectOptions, DetectedFace};
use fusiform::engine::Engine;
use fusiform::geometry::BoundingBox;
use fusiform::pipeline::DescribedFace;
use fusiform_gallery::{Gallery, Kind, Match, Service, Uuid};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::compreface::Scale;
use super::metrics::Metrics;
use super::v1::Jobs;

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

/// Memory for the bodies of all requests under way; who finds none left is answered 503.
const BODIES_KIB: usize = 256 << 10;
const ERASE_EVERY: Duration = Duration::from_secs(10);

/// The recognition service.
#[derive(Debug)]
pub struct Recognition {
    /// Detector and embedder; runs from many threads at once, but never on the threads that serve connections.
    pub(super) engine: Arc<Engine>,
    /// As many as may look at images: one image alone has all of them, many have one each.
    threads: Arc<ThreadPool>,
    /// Enrolled people, encrypted on disk.
    pub(super) vault: Arc<Gallery>,
    /// Similarities as CompreFace's clients expect them.
    pub(super) scale: Scale,
    /// One place per core for work on images.
    looking: Arc<Semaphore>,
    /// Places for requests that work on images or wait to; without a free one the answer is 503.
    waiting: Arc<Semaphore>,
    /// Memory for bodies, in KiB.
    bodies: Arc<Semaphore>,
    /// Long work under way.
    pub(super) jobs: Jobs,
    /// Where copies of the vault go that an admin asks for.
    pub(super) backup_dir: Option<PathBuf>,
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
    pub fn new(
        engine: Arc<Engine>,
        vault: Gallery,
        settings: &Settings,
        threads: usize,
    ) -> Result<Recognition> {
        let scale = Scale::fit(engine.thresholds()?)
            .context("the pack cannot serve recognition; calibrate it first")?;
        Ok(Recognition {
            engine,
            threads: Arc::new(ThreadPoolBuilder::new().num_threads(threads).build()?),
            vault: Arc::new(vault),
            scale,
            looking: Arc::new(Semaphore::new(threads)),
            waiting: Arc::new(Semaphore::new(settings.queue)),
            bodies: Arc::new(Semaphore::new(BODIES_KIB)),
            jobs: Jobs::default(),
            backup_dir: settings.backup_dir.clone(),
            metrics: Metrics::default(),
            timeout: Duration::from_millis(settings.timeout_ms),
            rate: f64::from(settings.rate_per_s),
            left: Mutex::default(),
        })
    }

    /// Does work once a core is free; refuses when too many wait.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine, &Gallery) -> Result<T, NotSeen> + Send + 'static,
    ) -> Result<T, NotSeen> {
        let place = Arc::clone(&self.waiting).try_acquire_owned();
        let place = place.map_err(|_| NotSeen::Busy)?;
        let core = Arc::clone(&self.looking).acquire_owned().await;
        let core = core.map_err(|_| NotSeen::Busy)?;
        let (engine, vault) = (Arc::clone(&self.engine), Arc::clone(&self.vault));
        let threads = Arc::clone(&self.threads);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, core);
            threads.install(|| work(&engine, &vault))
        });
        done.await
            .unwrap_or_else(|_| Err(NotSeen::Failed("the work was stopped".into())))
    }

    /// The faces of an image, largest first, and milliseconds.
    pub(super) async fn look(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
    ) -> Result<(Vec<DescribedFace>, f64), NotSeen> {
        let look = move |engine: &Engine, _: &Gallery| {
            let started = Instant::now();
            Ok((
                faces_of(engine, bytes.as_ref())?,
                started.elapsed().as_secs_f64() * 1e3,
            ))
        };
        self.work(look).await
    }

    /// An image taken as one face that fills it: the box, and the embedding.
    pub(super) async fn look_at_whole(
        &self,
        bytes: Vec<u8>,
    ) -> Result<(BoundingBox, Vec<f32>), NotSeen> {
        let look = move |engine: &Engine, _: &Gallery| {
            let image = engine.decode(&bytes);
            let image = image.map_err(|e| NotSeen::Unreadable(e.to_string()))?.image;
            let bbox = BoundingBox {
                x_min: 0.0,
                y_min: 0.0,
                x_max: image.width() as f32,
                y_max: image.height() as f32,
            };
            let face = DetectedFace {
                bbox,
                score: 1.0,
                landmarks: None,
            };
            let vector = engine.embed_at(&image, &face);
            Ok((bbox, vector.map_err(|e| NotSeen::Failed(e.to_string()))?))
        };
        self.work(look).await
    }

    /// The `top` nearest examples of each probe.
    pub(super) async fn nearest(
        &self,
        service: Service,
        probes: Vec<Vec<f32>>,
        top: usize,
    ) -> Result<Vec<Vec<Match>>, NotSeen> {
        let search = move |_: &Engine, vault: &Gallery| {
            let probes: Vec<&[f32]> = probes.iter().map(|probe| &probe[..]).collect();
            Ok(vault.nearest(service, &probes, top))
        };
        self.work(search).await
    }

    /// Memory for a request's body of at most `most` bytes, if there is some left; held until the answer.
    pub(super) fn room(&self, headers: &HeaderMap, most: usize) -> Option<OwnedSemaphorePermit> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|l| l.to_str().ok()?.parse().ok());
        let unsaid = usize::from(headers.contains_key(header::TRANSFER_ENCODING)) * most;
        let kib = length.unwrap_or(unsaid).min(most).div_ceil(1024);
        let bodies = Arc::clone(&self.bodies);
        bodies
            .try_acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX))
            .ok()
    }

    /// The service of a key of one of these kinds; one that was made since the start is looked for in the file.
    pub(super) async fn service(&self, kinds: &[Kind], key: &Uuid) -> Option<Service> {
        let known = || kinds.iter().find_map(|kind| self.vault.service(*kind, key));
        if let Some(service) = known() {
            return Some(service);
        }
        let vault = Arc::clone(&self.vault);
        match tokio::task::spawn_blocking(move || vault.learn_services()).await {
            Ok(Ok(true)) => known(),
            Ok(Ok(false)) | Err(_) => None,
            Ok(Err(e)) => {
                tracing::error!("new keys cannot be read: {e}");
                None
            }
        }
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
    pub async fn erase_ended(self: Arc<Self>) {
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

/// The faces of an image, largest first.
fn faces_of(engine: &Engine, bytes: &[u8]) -> Result<Vec<DescribedFace>, NotSeen> {
    let image = engine.decode(bytes);
    let image = image.map_err(|e| NotSeen::Unreadable(e.to_string()))?.image;
    let mut faces = engine
        .describe(&image, &DetectOptions::default())
        .map_err(|e| NotSeen::Failed(e.to_string()))?;
    faces.sort_by(|a, b| b.face.bbox.area().total_cmp(&a.face.bbox.area()));
    Ok(faces)
}
