//! Links for others, as the owner sees them. In: a [`View`] and what to show of it. Out: a link,
//! shown once; the list of links, and revoking one.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, MAX_LINK_DAYS, NewLink, Page, PhotoFilter, SharedLink};
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use super::frame::{Frame, MenuItem, called, counted};
use super::guard::{Login, random};
use super::state::Pages;
use super::view::{View, dates_in_words, joined};
use super::visitors::token_hash;
use crate::params::{Path, Query};
use crate::problem::Problem;

/// Days that a link is open unless the owner says otherwise.
const USUAL_DAYS: u32 = 7;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    #[serde(default)]
    revoked: bool,
}

/// Which photos a link shows, in words: `Ada and Bo, 2021`.
fn in_words(album: &Album, photos: &PhotoFilter) -> Result<String, Problem> {
    let mut names = Vec::new();
    for person in &photos.people {
        // Merged into somebody else since: nobody is shown for them.
        let known = album.person_stats(*person);
        names.push(known.map_or_else(|_| format!("Person {person}, who is gone"), |c| called(&c)));
    }
    let mut words = match &*names {
        [] => "Photos with every face covered".into(),
        names => joined(names, photos.any_person),
    };
    words.extend(dates_in_words(&photos.dates).map(|dates| format!(", {dates}")));
    if !photos.words.is_empty() {
        words += &format!(", “{}” in the path", photos.words);
    }
    if let Some(folder) = &photos.folder {
        words += &format!(", below {}", folder.display());
    }
    Ok(words)
}

/// Asks what a new link shows.
pub(super) async fn ask(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let view = View::parse(&Fields::parse(query.unwrap_or_default().as_bytes()));
    let frame = pages.frame(login, None).await?;
    let wanted = view.clone();
    let read = move |album: &mut Album| {
        let filter = known(&wanted, album)?;
        let none = Page {
            offset: 0,
            limit: 0,
        };
        Ok((
            album.photos(&filter, none)?.total,
            in_words(album, &filter)?,
        ))
    };
    let (n_photos, words) = pages.album(read).await?;
    let nobody = view.who.is_empty() && view.people.is_empty();
    let content = html! {
        div.head { div.words {
            h1 { "Share " (counted(n_photos, "photo", "photos")) }
            p.soft { (words) }
        } }
        form.panel method="post" action="/shared" {
            (frame.token())
            input type="hidden" name="view" value=(view.query());
            p { "Whoever has the link sees these photos, and those that come to belong to them, \
                until it ends or you revoke it. "
                @if nobody { "Every face is covered, since no person is searched for." }
                @else { "Every face but those of the people above is covered in the pictures that \
                    are sent." }
                " Clothes, places and texts in the photos stay; look at the photos first." }
            div.field {
                label for="days" { "Open for how many days (1 to " (MAX_LINK_DAYS) ")" }
                input #days type="number" name="days" min="1" max=(MAX_LINK_DAYS)
                    value=(USUAL_DAYS) required;
            }
            @if !nobody {
                p { label.plain { input type="checkbox" name="names" value="1";
                    " Show the names of these people" } }
            }
            div.row {
                button.main { "Make the link" }
                a.button href=(view.list()) { "Back" }
            }
        }
    };
    Ok(frame.page("Share photos", MenuItem::Shared, content))
}

/// The filter of a view all of whose people and dates are known.
fn known(view: &View, album: &Album) -> Result<PhotoFilter, Problem> {
    let (filter, unknown) = view.filter(album)?;
    match unknown.first().or(view.wrong_dates.first()) {
        // A filter without them would show more.
        Some(what) => Err(Problem::invalid(format!(
            "“{what}” is nobody's name and no date; search for photos first, then share them"
        ))),
        None => Ok(filter),
    }
}

pub(super) async fn make(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Extension(fields): Extension<Fields>,
) -> Result<Markup, Problem> {
    let view = View::parse(&Fields::parse(
        fields.first("view").unwrap_or_default().as_bytes(),
    ));
    let days = fields.first("days").and_then(|days| days.parse().ok());
    let days = days.ok_or_else(|| Problem::invalid("say for how many days the link is open"))?;
    let with_names = fields.first("names").is_some();
    let frame = pages.frame(login, None).await?;
    let secret = random().map_err(|e| Problem::internal(e.to_string()))?;
    let token = blake3::Hash::from_bytes(secret).to_hex().to_string();
    let hash = token_hash(&token);
    let (words, end) = pages
        .album(move |album| {
            let photos = known(&view, album)?;
            let words = in_words(album, &photos)?;
            let new = NewLink {
                photos,
                with_names,
                days,
            };
            album.share(&hash, &new)?;
            let made = album.open_link(&hash)?;
            let end = made.map_or(Ok(String::new()), |link| {
                album.local_time(link.expires_at_ms)
            })?;
            Ok((words, end))
        })
        .await?;
    // Shown here and nowhere else: the address of this page does not hold it either.
    let content = html! {
        div.head { div.words {
            h1 { "The link is made" }
            p.soft { (words) " · open until " (end) }
        } }
        div.panel {
            p { "Send this link; it is not shown again:" }
            p.path { a href={ "/s/" (token) } rel="noreferrer" { "/s/" (token) } }
            p.soft { "Right-click it to copy its whole address." }
        }
        p { a href="/shared" { "All links" } }
    };
    Ok(frame.page("The link is made", MenuItem::Shared, content))
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, None).await?;
    let read = |album: &mut Album| {
        let mut rows = Vec::new();
        for link in album.shared_links()? {
            let words = in_words(album, &link.photos)?;
            let times = (
                album.local_time(link.made_at_ms)?,
                album.local_time(link.expires_at_ms)?,
            );
            rows.push((link, words, times));
        }
        Ok(rows)
    };
    let rows = pages.album(read).await?;
    let content = html! {
        div.head { div.words {
            h1 { "Shared" }
            p.soft { "Links by which others see some of your photos without a password. Search \
                for photos, or go to a person, and choose “Share”." }
        } }
        @if params.revoked { div.notice role="status" { p { "The link is revoked." } } }
        @if rows.is_empty() { div.empty { p { "Nothing is shared." } } }
        ul.history { @for (link, words, times) in &rows { (row(&frame, link, words, times)) } }
    };
    Ok(frame.page("Shared", MenuItem::Shared, content))
}

fn row(frame: &Frame, link: &SharedLink, words: &str, times: &(String, String)) -> Markup {
    let open = link.is_open();
    html! {
        li.undone[!open] {
            div.words {
                span.what { "Link " (link.id) ": " (words) }
                br;
                small.soft {
                    "made " (times.0)
                    @if link.with_names { ", with names" } @else { ", without names" }
                    @match (link.revoked_at_ms, open) {
                        (Some(at), _) if at < link.expires_at_ms => { ", revoked" }
                        (_, true) => { ", open until " (times.1) }
                        (_, false) => { ", ended " (times.1) }
                    }
                }
            }
            @if open {
                form method="post" action={ "/shared/" (link.id) "/revoke" } {
                    (frame.token())
                    button aria-label={ "Revoke link " (link.id) } { "Revoke" }
                }
            }
        }
    }
}

pub(super) async fn revoke(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    pages.album(move |album| Ok(album.revoke_link(id)?)).await?;
    Ok(Redirect::to("/shared?revoked=true").into_response())
}
