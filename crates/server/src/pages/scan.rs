//! Adding photos. In: a folder's path. Out: a scan in the background, and its progress while it
//! runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::expand_home;
use fusiform::scan::{Event, ScanOptions, ScanSummary, VideoSummary};
use futures_util::stream;
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use super::frame::{Frame, MenuItem, counted, thousands};
use super::guard::Login;
use super::scan_progress::Progress;
use super::state::Pages;
use crate::admission::blocking;
use crate::params::Query;
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
    let roots = pages.album(|album| Ok(album.remembered()?)).await?;
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
                (remembered(&frame, &roots))
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

/// The folders that were scanned before, to scan again.
fn remembered(frame: &Frame, roots: &[PathBuf]) -> Markup {
    let is_missing = |root: &PathBuf| frame.missing.iter().any(|missing| missing.path == *root);
    html! {
        @if !roots.is_empty() {
            div.head { div.words { h2 { "Folders scanned before" } }
                @if roots.len() > 1 {
                    form.sort method="post" action="/scan" {
                        (frame.token())
                        input type="hidden" name="again" value="all";
                        button { "Scan all again" }
                    }
                }
            }
            ul.history {
                @for (at, root) in roots.iter().enumerate() {
                    li {
                        div.words {
                            span.path { (root.display()) }
                            @if is_missing(root) { br; small.soft { "not there now" } }
                        }
                        form method="post" action="/scan" {
                            (frame.token())
                            input type="hidden" name="again" value=(at);
                            input type="hidden" name="known" value=(root.display());
                            button aria-label={ "Scan again: " (root.display()) } { "Scan again" }
                        }
                    }
                }
            }
        }
    }
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
            @for folder in &progress.folders { p.path { (folder.display()) } }
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
            @for folder in &progress.folders { p.path { (folder.display()) } }
            @match &progress.failed {
                Some(why) => { p role="alert" { (why) } }
                None => { p role="status" { (progress.words) } }
            }
            @for left in &progress.left_out {
                details {
                    summary { (left.what) }
                    ul.problems {
                        @for line in left.lines.iter().take(SHOWN_PROBLEMS) { li { (line) } }
                        @if left.lines.len() > SHOWN_PROBLEMS {
                            li { "and " (thousands(left.lines.len() - SHOWN_PROBLEMS)) " more" }
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
    let folders = wanted(&pages, &fields).await?;
    pages.scans().begin(&folders)?;
    let pages = pages.clone();
    tokio::spawn(async move {
        let worker = pages.clone();
        let scanned = blocking(move || run(&worker, &folders)).await;
        pages.scans().end(scanned.err());
    });
    Ok(Redirect::to("/scan").into_response())
}

/// The folders that a form asks to scan: one that was typed, or those that were scanned before.
async fn wanted(pages: &Pages, fields: &Fields) -> Result<Vec<PathBuf>, Problem> {
    if let Some(again) = fields.first("again") {
        let roots = pages.album(|album| Ok(album.remembered()?)).await?;
        if again == "all" {
            return Ok(roots);
        }
        // By number, because a path need not be text; its text tells whether the list changed.
        let at = again.parse::<usize>().ok().and_then(|at| roots.get(at));
        let known = fields.first("known").unwrap_or_default();
        let at = at.filter(|root| root.display().to_string().trim() == known);
        let gone = || Problem::invalid("that folder is not in the list any more; look again");
        return Ok(vec![at.ok_or_else(gone)?.clone()]);
    }
    let typed = PathBuf::from(fields.first("folder").unwrap_or_default());
    let folder = expand_home(&typed, pages.home())?;
    if !folder.is_absolute() {
        let what = "give the whole path of the folder, from the root or from ~ on";
        return Err(Problem::invalid(what));
    }
    if let Err(why) = tokio::fs::metadata(&folder).await {
        return Err(Problem::invalid(format!("{}: {why}", folder.display())));
    }
    Ok(vec![folder])
}

/// Scans folders, groups faces and looks for people with a name in videos; keeps the state of the
/// scan that was begun.
pub(super) fn run(pages: &Pages, roots: &[PathBuf]) -> Result<(), Problem> {
    let scans = pages.scans();
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
    let mut summary = pages.with_album(|album| {
        let engine = pages.engine();
        let (analyse, stop) = (engine.usual_options(), scans.stop_flag());
        Ok(engine.scan_with(album, roots, &analyse, &options, stop, update)?)
    })?;
    pages.group_blocking()?;
    let videos = look_at_videos(pages, &mut summary)?;
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
        if summary.gone.n_photos > 0 {
            let gone = counted(summary.gone.n_photos, "photo is", "photos are");
            progress.words += &format!(" {gone} not there any more.");
        }
        if summary.n_excluded_files > 0 {
            let one = "file that was scanned earlier is";
            let left = counted(
                summary.n_excluded_files,
                one,
                "files that were scanned earlier are",
            );
            progress.words += &format!(" {left} left out now; what you decided is kept.");
        }
        if videos.looked_at > 0 {
            progress.words += &format!(
                " {} looked at, with {} of people with a name.",
                counted(videos.looked_at, "video", "videos"),
                counted(videos.appearances, "appearance", "appearances")
            );
        }
        if videos.waiting > 0 {
            let videos = counted(videos.waiting, "video waits", "videos wait");
            progress.words += &format!(" {videos} until somebody has a name to look for.");
        }
        progress.left_out = summary.left_out();
    });
    Ok(())
}

/// Looks for people with a name in the videos that a scan listed, unless it was stopped or the
/// settings say otherwise. What is wrong with videos is added to the scan's summary.
#[cfg(feature = "video")]
fn look_at_videos(pages: &Pages, summary: &mut ScanSummary) -> Result<VideoSummary, Problem> {
    use fusiform::album::AlbumVideoOptions;

    let (scans, engine) = (pages.scans(), pages.engine());
    if summary.interrupted || !pages.with_videos() || engine.album_video_threshold().is_err() {
        return Ok(VideoSummary::default());
    }
    let videos = summary.take_videos();
    let update = |event| {
        scans.update(|progress| {
            progress.in_videos = true;
            match event {
                Event::Found(n) => progress.total = n,
                Event::Recorded(n) => progress.done = n,
            }
            progress.words = format!(
                "{} of {} looked at",
                progress.done,
                counted(progress.total, "video", "videos")
            );
        });
    };
    let looked = pages.with_album(|album| {
        let (options, stop) = (AlbumVideoOptions::default(), scans.stop_flag());
        Ok(engine.look_at_videos(album, &videos, &options, stop, update)?)
    })?;
    summary.problems.extend(looked.problems.iter().cloned());
    summary.problems.sort();
    summary.notes.extend(looked.notes.iter().cloned());
    summary.interrupted |= looked.interrupted;
    Ok(looked)
}

#[cfg(not(feature = "video"))]
fn look_at_videos(_: &Pages, _: &mut ScanSummary) -> Result<VideoSummary, Problem> {
    Ok(VideoSummary::default())
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
