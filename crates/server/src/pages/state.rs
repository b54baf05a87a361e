//! What the pages work with. In: an engine, an album's file. Out: connections to the album, and
//! decisions that can be undone. Knows nothing of HTML but the [`Frame`] around each page.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, MissingRoot, OpenOptions, Page};
use fusiform::engine::Engine;
use fusiform::scan::Exclude;
use fusiform_gallery::has_room;
use tokio::sync::{Notify, RwLock, RwLockReadGuard};

use super::decisions::in_words;
use super::frame::{Frame, Notice};
use super::guard::{Guard, Login};
use super::pictures::Pictures;
use super::scan_progress::Scans;
use super::visitor_limits::Visitors;
use crate::admission::{Admission, blocking};
#[cfg(feature = "cameras")]
use crate::cameras::Cameras;
use crate::problem::{Code, Problem};

/// Who decided, as the history names it.
const ACTOR: &str = "web page";
/// Faces are grouped again after this long without a decision.
const GROUP_AFTER: Duration = Duration::from_secs(20);
/// Connections to the album kept open.
const MAX_IDLE_CONNECTIONS: usize = 8;
/// How long what was seen of folders is believed.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Decisions among which the one just made is searched.
const RECENT: usize = 50;

/// The state of the pages; clones share it.
#[derive(Clone)]
pub(crate) struct Pages(Arc<Inner>);

struct Inner {
    guard: Arc<Guard>,
    engine: Arc<Engine>,
    admission: Arc<Admission>,
    file: PathBuf,
    idle: Mutex<Vec<Album>>,
    pictures: Arc<Pictures>,
    scans: Scans,
    scanning: Scanning,
    /// Set when the server ends.
    ending: AtomicBool,
    /// Held for reading while a question is answered, for writing while faces are grouped and
    /// questions made anew.
    grouping: RwLock<()>,
    decided: Notify,
    /// A change failed since the disk was full.
    disk_full: AtomicBool,
    /// Folders that were not there when that was looked at.
    missing: tokio::sync::Mutex<Option<(Instant, Vec<MissingRoot>)>>,
    visitors: Visitors,
    /// For which `~` stands in the path of a folder.
    home: Option<PathBuf>,
    #[cfg(feature = "cameras")]
    cameras: std::sync::OnceLock<Arc<Cameras>>,
}

/// How the pages scan.
pub(crate) struct Scanning {
    /// Threads that computing may use.
    pub(crate) threads: usize,
    /// What scans leave out.
    pub(crate) exclude: Exclude,
    /// Whether they look for people in videos.
    #[cfg(feature = "video")]
    pub(crate) with_videos: bool,
}

impl Pages {
    /// Pages over the album in `file`, which must exist.
    pub(crate) fn new(
        engine: Arc<Engine>,
        file: PathBuf,
        scanning: Scanning,
        guard: Guard,
        admission: Arc<Admission>,
        home: Option<PathBuf>,
    ) -> Pages {
        let limits = *engine.limits();
        Pages(Arc::new(Inner {
            guard: Arc::new(guard),
            engine,
            file,
            idle: Mutex::default(),
            pictures: Arc::new(Pictures::new(Arc::clone(&admission), limits)),
            admission,
            scans: Scans::default(),
            scanning,
            ending: AtomicBool::new(false),
            grouping: RwLock::default(),
            decided: Notify::new(),
            disk_full: AtomicBool::new(false),
            missing: tokio::sync::Mutex::default(),
            visitors: Visitors::default(),
            home,
            #[cfg(feature = "cameras")]
            cameras: std::sync::OnceLock::new(),
        }))
    }

    /// Shows these cameras on a page of their own; the first that are given.
    #[cfg(feature = "cameras")]
    pub(crate) fn show_cameras(&self, cameras: Arc<Cameras>) {
        // Called once, at the start.
        let _ = self.0.cameras.set(cameras);
    }

    /// The cameras, if there are any.
    #[cfg(feature = "cameras")]
    pub(super) fn cameras(&self) -> Option<&Arc<Cameras>> {
        self.0.cameras.get()
    }

    fn has_cameras(&self) -> bool {
        #[cfg(feature = "cameras")]
        return self.cameras().is_some();
        #[cfg(not(feature = "cameras"))]
        false
    }

    /// Asks a running scan and the watch to stop, so that the server can.
    pub(crate) fn stop(&self) {
        self.0.ending.store(true, Ordering::Relaxed);
        self.0.scans.stop();
    }

    /// Why decisions cannot be kept; `None` once the disk has room again.
    pub(crate) fn fault(&self) -> Option<String> {
        let full = self.0.disk_full.load(Ordering::SeqCst);
        if full && has_room(&self.0.file) {
            self.0.disk_full.store(false, Ordering::SeqCst);
            return None;
        }
        full.then(|| "the disk that holds the album is full".into())
    }

    pub(super) fn guard(&self) -> &Arc<Guard> {
        &self.0.guard
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    pub(super) fn admission(&self) -> &Arc<Admission> {
        &self.0.admission
    }

    pub(super) fn pictures(&self) -> &Arc<Pictures> {
        &self.0.pictures
    }

    pub(super) fn scans(&self) -> &Scans {
        &self.0.scans
    }

    /// What a scan leaves out.
    pub(super) fn exclude(&self) -> &Exclude {
        &self.0.scanning.exclude
    }

    /// Whether scans look for people in videos.
    #[cfg(feature = "video")]
    pub(super) fn with_videos(&self) -> bool {
        self.0.scanning.with_videos
    }

    /// Set when the server ends.
    pub(super) fn ending(&self) -> &AtomicBool {
        &self.0.ending
    }

    pub(super) fn visitors(&self) -> &Visitors {
        &self.0.visitors
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.0.home.as_deref()
    }

    /// Threads that a scan may use.
    pub(super) fn threads(&self) -> usize {
        self.0.scanning.threads
    }

    /// Keeps the grouping, and so the questions' numbers, as it is while the guard is held.
    pub(super) async fn hold_grouping(&self) -> RwLockReadGuard<'_, ()> {
        self.0.grouping.read().await
    }

    /// Works with the album on a thread that may block.
    pub(super) async fn album<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Album) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let pages = self.clone();
        blocking(move || pages.with_album(work)).await
    }

    /// As [`Pages::album`], on this thread, which may block.
    pub(super) fn with_album<T>(
        &self,
        work: impl FnOnce(&mut Album) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut album = self.connection()?;
        let done = work(&mut album);
        if done.as_ref().is_err_and(|p| p.code == Code::DiskFull) {
            self.0.disk_full.store(true, Ordering::SeqCst);
        }
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_CONNECTIONS {
            idle.push(album);
        }
        done
    }

    /// As [`Pages::album`], for a decision. `work` gives the page to go to, which then offers to
    /// undo the decision.
    pub(super) async fn decide(
        &self,
        work: impl FnOnce(&mut Album) -> Result<String, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let decide = move |album: &mut Album| {
            let to = work(album)?;
            let latest = album.history(first(1))?.items.pop();
            let sign = if to.contains('?') { '&' } else { '?' };
            Ok(match latest {
                Some(latest) => format!("{to}{sign}did={}", latest.id),
                None => to,
            })
        };
        let to = self.album(decide).await?;
        self.decided();
        Ok(Redirect::to(&to).into_response())
    }

    /// Something was decided that the grouping has to follow.
    pub(super) fn decided(&self) {
        self.0.decided.notify_one();
    }

    /// A connection to the album; [`Pages::with_album`] gives it back.
    fn connection(&self) -> Result<Album, Problem> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(album) = idle.pop() {
            return Ok(album);
        }
        drop(idle);
        let options = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        // Reading goes on where nothing can be written.
        let mut album = match self.0.file.exists() {
            true => Album::open_for_reading(&self.0.file)?,
            false => Album::open(&self.0.file, options)?,
        };
        album.set_actor(ACTOR);
        Ok(album)
    }

    /// What a page shows around its content; `did` is the decision that led to it.
    pub(super) async fn frame(&self, login: Login, did: Option<i64>) -> Result<Frame, Problem> {
        let read = move |album: &mut Album| {
            let n_questions = album.questions(first(1))?.total;
            let notice = match did {
                None => None,
                Some(id) => {
                    let decisions = album.history(first(RECENT))?.items;
                    let found = decisions.into_iter().find(|d| d.id == id && !d.undone);
                    found.map(|d| {
                        let mut text = in_words(album, &d.what);
                        if d.n_in_batch > 1 {
                            text += &format!(", and {} more in one step", d.n_in_batch - 1);
                        }
                        Notice {
                            text,
                            undo: d.undoable.then_some(id),
                        }
                    })
                }
            };
            Ok((notice, n_questions))
        };
        let (notice, n_questions) = self.album(read).await?;
        Ok(Frame {
            login,
            notice,
            n_questions,
            missing: self.missing_roots().await?,
            has_cameras: self.has_cameras(),
        })
    }

    /// As [`Pages::group`], on a thread that may block.
    pub(super) fn group_blocking(&self) -> Result<(), Problem> {
        let _alone = self.0.grouping.blocking_write();
        self.with_album(|album| self.regroup(album))
    }

    fn regroup(&self, album: &mut Album) -> Result<(), Problem> {
        let grouped = self.0.engine.group(album)?;
        tracing::info!(
            "{} people, {} faces of nobody",
            grouped.n_people,
            grouped.n_unassigned
        );
        Ok(())
    }

    /// Scanned folders that are not there, as they were seconds ago: to look takes a while where a
    /// disk is off, and whoever asks meanwhile waits for the one look.
    pub(super) async fn missing_roots(&self) -> Result<Vec<MissingRoot>, Problem> {
        let mut looked = self.0.missing.lock().await;
        if let Some((at, missing)) = looked.as_ref()
            && at.elapsed() < LOOK_EVERY
        {
            return Ok(missing.clone());
        }
        let missing = self.album(|album| Ok(album.missing_roots()?)).await?;
        *looked = Some((Instant::now(), missing.clone()));
        Ok(missing)
    }

    /// Groups all faces anew and makes the questions for the review.
    pub(super) async fn group(&self) -> Result<(), Problem> {
        let pages = self.clone();
        let _alone = self.0.grouping.write().await;
        self.album(move |album| pages.regroup(album)).await
    }

    /// After decisions, once none was made for a while, lets the grouping follow them.
    pub(super) async fn group_when_idle(self) {
        loop {
            self.0.decided.notified().await;
            while tokio::time::timeout(GROUP_AFTER, self.0.decided.notified())
                .await
                .is_ok()
            {}
            if !self.0.scans.is_reading_photos()
                && let Err(problem) = self.group().await
            {
                tracing::warn!("faces could not be grouped: {}", problem.detail);
            }
        }
    }
}

fn first(limit: usize) -> Page {
    Page { offset: 0, limit }
}
