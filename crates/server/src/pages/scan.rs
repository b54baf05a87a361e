//! Adding photos. In: a folder's path. Out: a scan in the background, and its progress as it happens.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fusiform::AnalyseOptions;
use fusiform::scan::{Event, ScanOptions};
use futures_util::stream;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::failure::Failure;
use super::fields::Fields;
use super::frame::{Frame, Place, counted};
use super::guard::Session;
use super::{Web, see_other};

/// Problems shown; the others are counted.
const SHOWN_PROBLEMS: usize = 50;
/// Folders offered.
const SHOWN_FOLDERS: usize = 200;

/// How far a scan is.
#[derive(Debug, Clone, Default, Serialize)]
struct Progress {
    words: String,
    done: usize,
    total: usize,
    over: bool,
    #[serde(skip)]
    folder: PathBuf,
    #[serde(skip)]
    problems: Vec<String>,
    /// Why it ended before its end.
    #[serde(skip)]
    failed: Option<String>,
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
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        self.progress.borrow().as_ref().is_some_and(|p| !p.over)
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress
            .send_modify(|progress| change(progress.get_or_insert_default()));
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    at: Option<PathBuf>,
}

pub(super) async fn show(
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let frame = web.frame(session, None).await?;
    let progress = web.0.scans.progress.borrow().clone();
    let running = progress.as_ref().is_some_and(|p| !p.over);
    let at = asked.at.clone();
    let folders = tokio::task::spawn_blocking(move || at.as_deref().map(folders_in))
        .await
        .map_err(anyhow::Error::from)?;
    let content = html! {
        div.head { div.words {
            h1 { "Add photos" }
            p.soft { "Photos stay where they are and are only read. A later scan reads what is new or changed." }
        } }
        @match &progress {
            Some(progress) if running => { (under_way(&frame, progress)) }
            _ => {
                @if let Some(progress) = &progress { (ended(progress)) }
                form.panel method="post" action="/scan" {
                    (frame.token())
                    div.field {
                        label for="folder" { "Folder on the machine where Fusiform runs" }
                        div.row {
                            input #folder type="text" name="folder" required placeholder="/home/ida/Pictures"
                                value=(asked.at.as_deref().unwrap_or(Path::new("")).display());
                            button.main { "Scan" }
                        }
                    }
                    (browse(asked.at.as_deref(), folders.as_deref()))
                }
            }
        }
    };
    let page = frame.page("Add photos", Place::Scan, content);
    // Without scripts the page shows how far the scan is by loading itself anew.
    let refresh = if running { "5" } else { "" };
    let mut response = page.into_response();
    if running && let Ok(value) = refresh.parse() {
        response.headers_mut().insert("refresh", value);
    }
    Ok(response)
}

fn browse(at: Option<&Path>, folders: Option<&[PathBuf]>) -> Markup {
    let link = |path: &Path| {
        let text: String =
            form_urlencoded::byte_serialize(path.as_os_str().as_encoded_bytes()).collect();
        format!("/scan?at={text}")
    };
    html! {
        @match (at, folders) {
            (Some(at), Some(folders)) => {
                ul.folders aria-label="Folders" {
                    @if let Some(above) = at.parent() { li { a.button href=(link(above)) { "↑ up" } } }
                    @for folder in folders {
                        li { a.button href=(link(folder)) { (folder.file_name().unwrap_or_default().display()) } }
                    }
                }
            }
            _ => { p { a href="/scan?at=/" { "Look through the folders" } } }
        }
    }
}

/// Folders in a folder, by name, without hidden ones.
fn folders_in(at: &Path) -> Vec<PathBuf> {
    let hidden = |p: &PathBuf| {
        p.file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."))
    };
    let entries = std::fs::read_dir(at).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !hidden(path))
        .collect();
    folders.sort();
    folders.truncate(SHOWN_FOLDERS);
    folders
}

fn under_way(frame: &Frame, progress: &Progress) -> Markup {
    let total = (progress.total > 0).then_some(progress.total);
    html! {
        div.panel data-scan {
            p.path { (progress.folder.display()) }
            p role="status" { (progress.words) }
            progress aria-label="Photos looked at" max=[total] value=[total.map(|_| progress.done)] {}
            form method="post" action="/scan/stop" { (frame.token()) button { "Stop" } }
        }
    }
}

fn ended(progress: &Progress) -> Markup {
    html! {
        div.panel {
            p.path { (progress.folder.display()) }
            @match &progress.failed {
                Some(why) => { p role="alert" { (why) } }
                None => { p role="status" { (progress.words) } }
            }
            @if !progress.problems.is_empty() {
                details {
                    summary { (counted(progress.problems.len(), "file", "files")) " could not be used" }
                    ul.problems {
                        @for problem in progress.problems.iter().take(SHOWN_PROBLEMS) { li { (problem) } }
                        @if progress.problems.len() > SHOWN_PROBLEMS {
                            li { "and " (progress.problems.len() - SHOWN_PROBLEMS) " more" }
                        }
                    }
                }
            }
            p { a.button.main href="/people" { "To the people" } }
        }
    }
}

pub(super) async fn start(
    State(web): State<Web>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Failure> {
    let folder = PathBuf::from(fields.first("folder").unwrap_or_default());
    if !folder.is_absolute() {
        return Err(Failure::bad(
            "give the whole path of the folder, from the root on",
        ));
    }
    let exists = tokio::fs::metadata(&folder).await;
    if let Err(why) = exists {
        return Err(Failure::bad(format!("{}: {why}", folder.display())));
    }
    let scans = &web.0.scans;
    {
        let _alone = scans
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if scans.is_running() {
            return Err(Failure::bad("a scan is under way; wait for it, or stop it"));
        }
        scans.stop.store(false, Ordering::Relaxed);
        let begun = Progress {
            words: "Looking for photos …".into(),
            folder: folder.clone(),
            ..Progress::default()
        };
        scans.progress.send_replace(Some(begun));
    }
    let web = web.clone();
    tokio::spawn(async move {
        let worker = web.clone();
        let ran = tokio::task::spawn_blocking(move || run(&worker, &folder)).await;
        let ended = match ran {
            Ok(Ok(())) => web.sort().await.err().map(|failure| format!("{failure:?}")),
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(error) => Some(error.to_string()),
        };
        web.0.scans.tell(|progress| {
            progress.failed = ended;
            progress.over = true;
        });
    });
    Ok(see_other("/scan"))
}

fn run(web: &Web, folder: &Path) -> Result<()> {
    let scans = &web.0.scans;
    let mut catalogue = web
        .connection()
        .map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
    let options = ScanOptions {
        threads: web.0.threads,
    };
    let roots = [folder.to_path_buf()];
    let tell = |event| {
        scans.tell(|progress| {
            match event {
                Event::Found(n) => progress.total = n,
                Event::Recorded(n) => progress.done = n,
            }
            progress.words = format!(
                "{} of {} looked at",
                progress.done,
                counted(progress.total, "photo", "photos")
            );
        });
    };
    let summary = web.0.engine.scan_with(
        &mut catalogue,
        &roots,
        &AnalyseOptions::default(),
        &options,
        &scans.stop,
        tell,
    )?;
    scans.tell(|progress| {
        let stopped = if summary.interrupted {
            "Stopped; scan again to go on. "
        } else {
            ""
        };
        progress.words = format!(
            "{stopped}{}, {} new with {}.",
            counted(summary.files, "photo", "photos"),
            summary.analysed,
            counted(summary.new_faces, "face", "faces")
        );
        progress.problems = summary
            .problems
            .iter()
            .map(|(file, why)| format!("{}: {why}", file.display()))
            .collect();
    });
    Ok(())
}

pub(super) async fn stop(State(web): State<Web>) -> Response {
    web.0.scans.stop();
    see_other("/scan")
}

/// Progress as server-sent events, until the scan is over.
pub(super) async fn events(State(web): State<Web>) -> impl IntoResponse {
    let mut seen = web.0.scans.progress.subscribe();
    seen.mark_changed();
    let stream = stream::unfold((seen, false), |(mut seen, over)| async move {
        if over {
            return None;
        }
        seen.changed().await.ok()?;
        let now = seen.borrow_and_update().clone().unwrap_or(Progress {
            over: true,
            ..Progress::default()
        });
        let text = serde_json::to_string(&now).unwrap_or_default();
        // Faster than this nobody reads.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let event = Ok::<_, Infallible>(SseEvent::default().data(text));
        Some((event, (seen, now.over)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
