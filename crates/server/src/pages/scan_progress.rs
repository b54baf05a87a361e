//! How far the scan of this server is. In: steps of a scan. Out: the newest state, to everybody who
//! watches.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fusiform::scan::LeftOut;
use serde::Serialize;
use tokio::sync::watch;

use crate::problem::Problem;

/// How far a scan is.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Progress {
    pub(super) words: String,
    pub(super) done: usize,
    pub(super) total: usize,
    pub(super) over: bool,
    /// Photos are done, and videos are looked at.
    #[serde(skip)]
    pub(super) in_videos: bool,
    #[serde(skip)]
    pub(super) folders: Vec<PathBuf>,
    /// What was not or not wholly used, by why.
    #[serde(skip)]
    pub(super) left_out: Vec<LeftOut>,
    /// Why it ended early.
    #[serde(skip)]
    pub(super) failed: Option<String>,
}

/// The scan of this server: one at a time, since it uses every core.
#[derive(Debug)]
pub(super) struct Scans {
    progress: watch::Sender<Option<Progress>>,
    stop: Arc<AtomicBool>,
    /// Held while one is started, so that two cannot be.
    starting: Mutex<()>,
}

impl Default for Scans {
    fn default() -> Scans {
        Scans {
            progress: watch::Sender::new(None),
            stop: Arc::default(),
            starting: Mutex::default(),
        }
    }
}

impl Scans {
    /// Asks the running scan to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Set when the scan is to stop.
    pub(super) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }

    pub(super) fn is_running(&self) -> bool {
        self.progress.borrow().as_ref().is_some_and(|p| !p.over)
    }

    /// Whether photos are being recorded, so that a grouping would be out of date at once.
    pub(super) fn is_reading_photos(&self) -> bool {
        let progress = self.progress.borrow();
        progress.as_ref().is_some_and(|p| !p.over && !p.in_videos)
    }

    /// The newest state; `None` before the first scan.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.progress.borrow().clone()
    }

    /// A receiver that sees the newest state at once and every later one.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Progress>> {
        let mut receiver = self.progress.subscribe();
        receiver.mark_changed();
        receiver
    }

    /// Starts the state of a new scan; fails while one is running.
    pub(super) fn begin(&self, folders: &[PathBuf]) -> Result<(), Problem> {
        let starting = self.starting.lock();
        let _starting = starting.unwrap_or_else(PoisonError::into_inner);
        if self.is_running() {
            let detail = "a scan is under way; wait for it, or stop it";
            return Err(Problem::invalid(detail));
        }
        self.stop.store(false, Ordering::Relaxed);
        self.progress.send_replace(Some(Progress {
            words: "Looking for photos …".into(),
            folders: folders.to_vec(),
            ..Progress::default()
        }));
        Ok(())
    }

    /// Ends the state of a scan, with the problem if it ended early.
    pub(super) fn end(&self, failed: Option<Problem>) {
        self.update(|progress| {
            progress.failed = failed.map(|problem| problem.detail);
            progress.over = true;
        });
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.progress
            .send_modify(|progress| change(progress.get_or_insert_default()));
    }
}
