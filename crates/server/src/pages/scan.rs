//! Adding photos. In: a folder's path. Out: a scan in the background, and its progress while it
//! runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::AnalyseOptions;
use fusiform::scan::{Event, ScanOptions};
use futures_util::stream;
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use super::frame::{Frame, MenuItem, counted};
use super::guard::Login;
use super::scan_progress::Progress;
use super::state::Pages;
use crate::admission::blocking;
use crate::problem::Problem;

/// Problems shown; the others are counted.
const SHOWN_PROBLEMS: usize = 50;
/// Shortest time between two events of progress.
const EVENT_EVERY: Duration = Duration::from_millis(100);
/// Folders offered.
const SHOWN_FOLDERS: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    at: Option<PathBuf>,
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Response, Problem> {
    let frame = pages.frame(login, None).await?;
    let progress = pages.scans().progress();
    let running = progress.as_ref().is_some_and(|p| !p.over);
    let at = params.at.clone();
    let folders = blocking(move || Ok(at.as_deref().map(folders_in))).await?;
    let content = html! {
        div.head { div.words {
            h1 { "Add photos" }
            p.soft { "Photos stay where they are and are only read. A later scan reads what is new \
                or changed." }
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
                            input #folder type="text" name="folder" required
                                placeholder="/home/ida/Pictures"
                                value=(params.at.as_deref().unwrap_or(Path::new("")).display());
                            button.main { "Scan" }
                        }
                    }
                    (browse(params.at.as_deref(), folders.as_deref()))
                }
            }
        }
    };
    let page = frame.page("Add photos", MenuItem::Scan, content);
    // Without scripts the page shows progress by reloading.
    let reload = running.then_some([("refresh", "5")]);
    Ok(match reload {
        Some(header) => (header, page).into_response(),
        None => page.into_response(),
    })
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
                    @if let Some(above) = at.parent() {
                        li { a.button href=(link(above)) { "↑ up" } }
                    }
                    @for folder in folders {
                        li { a.button href=(link(folder)) {
                            (folder.file_name().unwrap_or_default().display())
                        } }
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
            progress aria-label="Photos looked at" max=[total]
                value=[total.map(|_| progress.done)] {}
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
                    summary {
                        (counted(progress.problems.len(), "file", "files")) " could not be used"
                    }
                    ul.problems {
                        @for problem in progress.problems.iter().take(SHOWN_PROBLEMS) {
                            li { (problem) }
                        }
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
    State(pages): State<Pages>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let folder = PathBuf::from(fields.first("folder").unwrap_or_default());
    if !folder.is_absolute() {
        return Err(Problem::invalid(
            "give the whole path of the folder, from the root on",
        ));
    }
    let exists = tokio::fs::metadata(&folder).await;
    if let Err(why) = exists {
        return Err(Problem::invalid(format!("{}: {why}", folder.display())));
    }
    pages.scans().begin(&folder)?;
    let pages = pages.clone();
    tokio::spawn(async move {
        let worker = pages.clone();
        let scanned = blocking(move || run(&worker, &[folder])).await;
        let grouped = match scanned {
            Ok(()) => pages.group().await,
            Err(problem) => Err(problem),
        };
        pages.scans().update(|progress| {
            progress.failed = grouped.err().map(|problem| problem.detail);
            progress.over = true;
        });
    });
    Ok(Redirect::to("/scan").into_response())
}

/// Scans folders, and keeps the state of the scan that was begun.
pub(super) fn run(pages: &Pages, roots: &[PathBuf]) -> Result<(), Problem> {
    let scans = pages.scans();
    let mut album = pages.connection()?;
    let options = ScanOptions {
        threads: pages.threads(),
        exclude: pages.exclude().clone(),
    };
    let update = |event| {
        scans.update(|progress| {
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
    let summary = pages.engine().scan_with(
        &mut album,
        roots,
        &AnalyseOptions::default(),
        &options,
        scans.stop_flag(),
        update,
    )?;
    scans.update(|progress| {
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
            .chain(summary.unread.iter().map(|(file, kind)| {
                format!("{}: of a kind that is not read ({kind})", file.display())
            }))
            .collect();
    });
    Ok(())
}

pub(super) async fn stop(State(pages): State<Pages>) -> Response {
    pages.scans().stop();
    Redirect::to("/scan").into_response()
}

/// Progress as server-sent events, until the scan is over.
pub(super) async fn events(State(pages): State<Pages>) -> impl IntoResponse {
    let seen = pages.scans().watch();
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
        tokio::time::sleep(EVENT_EVERY).await;
        let event = Ok::<_, Infallible>(SseEvent::default().data(text));
        Some((event, (seen, now.over)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
