//! Cameras: how they are, who came, and what they see with everybody covered who is not enrolled.
//! In: the server's cameras. Out: pages, and pictures that left `crate::cameras::view` covered.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::{Markup, html};

use super::frame::{MenuItem, counted, thousands};
use super::guard::Login;
use super::state::Pages;
use crate::cameras::{Cameras, Entry, is_live, words};
use crate::problem::{Code, Problem};

/// Entries that a page shows.
const SHOWN: usize = 200;
const BOUNDARY: &str = "fusiform-picture";

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
) -> Result<Markup, Problem> {
    let cameras = cameras(&pages)?;
    let frame = pages.frame(login, None).await?;
    let tiles = cameras.states().map(|(name, state)| {
        html! {
            li.camera {
                a href={ "/cameras/" (name) } {
                    @if is_live(&state) {
                        img src={ "/cameras/" (name) "/still.jpg" } alt="" data-refresh
                            width="320" height="180";
                    }
                    strong { (name) }
                }
                " "
                small.soft { (words(&state)) }
                (in_view(cameras, name))
            }
        }
    });
    let tiles: Vec<Markup> = tiles.collect();
    let content = html! {
        div.head { div.words {
            h1 { "Cameras" }
            p.soft { "Everybody who is not enrolled is covered before a picture leaves the \
                program. Pictures are a second late, so that strangers are covered from the \
                moment in which they come into view." }
        } }
        ul.cameras { @for tile in tiles { (tile) } }
        (came(&pages, cameras, None).await?)
    };
    Ok(frame.page("Cameras", MenuItem::Cameras, content))
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(name): Path<String>,
) -> Result<Markup, Problem> {
    let cameras = cameras(&pages)?;
    let state = cameras.states().find(|(known, _)| *known == name);
    let (_, state) = state.ok_or_else(|| Problem::not_found("this camera"))?;
    let frame = pages.frame(login, None).await?;
    let content = html! {
        div.head { div.words {
            h1 { (name) }
            p.soft { (words(&state)) }
        } }
        img.live src={ "/cameras/" (name) "/live" } width="960" height="540"
            alt={ "What " (name) " sees, with strangers covered" };
        (in_view(cameras, &name))
        (came(&pages, cameras, Some(&name)).await?)
    };
    Ok(frame.page(&name, MenuItem::Cameras, content))
}

fn in_view(cameras: &Cameras, name: &str) -> Markup {
    let (people, n_unknown) = cameras.in_view(name);
    html! {
        @if !people.is_empty() || n_unknown > 0 {
            p.now {
                (people.join(", "))
                @if !people.is_empty() && n_unknown > 0 { " and " }
                @if n_unknown > 0 { (counted(n_unknown, "stranger", "strangers")) }
            }
        }
    }
}

/// Who came, to one camera or to all.
async fn came(pages: &Pages, cameras: &Cameras, camera: Option<&str>) -> Result<Markup, Problem> {
    let entries = cameras.diary().entries().into_iter();
    let wanted = |entry: &Entry| camera.is_none_or(|camera| camera == entry.camera);
    let entries: Vec<Entry> = entries.filter(wanted).take(SHOWN).collect();
    let times: Vec<i64> = entries.iter().map(|entry| entry.first_ms).collect();
    let local = move |album: &mut fusiform::Album| {
        let times = times.into_iter().map(|ms| Ok(album.local_time(ms)?));
        times.collect::<Result<Vec<_>, Problem>>()
    };
    let times = pages.album(local).await?;
    let hours = cameras.diary().keeps().as_secs() / 3600;
    Ok(html! {
        h2 { "Who came" }
        p.soft { "Kept for " (counted(hours as usize, "hour", "hours")) ", in memory alone." }
        @if entries.is_empty() { p { "Nobody who is enrolled." } }
        ul.came {
            @for (entry, time) in entries.iter().zip(&times) {
                li {
                    strong { (entry.name) } " came to " (entry.camera) ", " (time) " "
                    small.soft {
                        "similarity " (format!("{:.2}", entry.similarity))
                        ", false-match rate " (rate(entry.false_match_rate))
                    }
                }
            }
        }
    })
}

/// `1 in 10,000`.
fn rate(fmr: f64) -> String {
    format!("1 in {}", thousands((1.0 / fmr).round() as usize))
}

/// The last picture; 204 if none comes.
pub(super) async fn still(
    State(pages): State<Pages>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let cameras = cameras(&pages)?;
    if !cameras.has(&name) {
        return Err(Problem::not_found("this camera"));
    }
    Ok(match cameras.still(&name).await {
        Some(jpeg) => ([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Pictures one after the other, each in the place of the one before.
pub(super) async fn live(
    State(pages): State<Pages>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let cameras = cameras(&pages)?;
    if !cameras.has(&name) {
        return Err(Problem::not_found("this camera"));
    }
    let busy = || Problem::new(Code::Busy, "too many watch this camera; close a page");
    let mut seen = cameras.watch(&name).ok_or_else(busy)?;
    seen.mark_changed();
    let parts = stream::unfold(seen, |mut seen| async move {
        loop {
            seen.changed().await.ok()?;
            let jpeg = seen.borrow_and_update().clone();
            if let Some(jpeg) = jpeg {
                return Some((Ok::<_, Infallible>(part(&jpeg)), seen));
            }
        }
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}

fn part(jpeg: &[u8]) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
        jpeg.len()
    );
    [head.as_bytes(), jpeg, b"\r\n"].concat().into()
}

fn cameras(pages: &Pages) -> Result<&Arc<Cameras>, Problem> {
    pages
        .cameras()
        .ok_or_else(|| Problem::not_found("this page"))
}
