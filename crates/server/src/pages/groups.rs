//! Faces without a name. In: the album. Out: unnamed groups, faces of nobody, excluded faces; pages
//! of long lists.

use axum::Extension;
use axum::extract::{Query, State};
use fusiform::album::{Album, FaceSummary, Page, PeopleFilter, PersonStats};
use maud::{Markup, html};
use serde::Deserialize;

use super::faces::{name_list, tile};
use super::frame::{Frame, MenuItem, counted};
use super::guard::Login;
use super::state::Pages;
use crate::problem::Problem;

/// Faces or people of one page.
pub(super) const PER_PAGE: usize = 60;

/// Which page of a list is wanted, and the decision that led here.
#[derive(Debug, Deserialize)]
pub(super) struct Params {
    pub(super) page: Option<usize>,
    pub(super) did: Option<i64>,
}

/// The part of a list that page `number` shows; the first is 1.
pub(super) fn part(number: Option<usize>, per_page: usize) -> Page {
    Page {
        offset: number
            .unwrap_or(1)
            .saturating_sub(1)
            .saturating_mul(per_page),
        limit: per_page,
    }
}

/// A link to the next page of a list, if there is one. `path` ends with `?` or `&`.
pub(super) fn pager(path: &str, part: Page, total: usize) -> Markup {
    let next = part.offset / part.limit.max(1) + 2;
    html! {
        @if part.offset.saturating_add(part.limit) < total {
            p.more { a.button href={ (path) "page=" (next) } { "More" } }
        }
    }
}

/// People as a grid of faces.
pub(super) fn people(cards: &[PersonStats]) -> Markup {
    let name = |card: &PersonStats| card.name.clone().unwrap_or_else(|| "Who is this?".into());
    html! {
        ul.grid {
            @for card in cards {
                li {
                    a href={ "/people/" (card.id) } {
                        @if let Some(face) = card.cover {
                            img src={ "/faces/" (face) "/crop.jpg" } alt="" width="160" height="160"
                                loading="lazy";
                        } @else {
                            img src="/assets/icon.svg" alt="" width="160" height="160";
                        }
                        span.name title=[card.name.as_ref()] { (name(card)) }
                        small { (counted(card.n_photos, "photo", "photos")) }
                    }
                }
            }
        }
    }
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let read = move |album: &mut Album| {
        let none = Page {
            offset: 0,
            limit: 0,
        };
        Ok((
            album.people_page(PeopleFilter::Unnamed, part)?,
            album.unassigned_faces(none)?.total,
        ))
    };
    let (cards, n_leftovers) = pages.album(read).await?;
    let content = html! {
        div.head {
            div.words {
                h1 { "Unnamed" }
                p.soft { (counted(cards.total, "group of faces", "groups of faces"))
                    " that nobody named yet, largest first." }
            }
            (sort_button(&frame))
        }
        p {
            a href="/faces" { (counted(n_leftovers, "face", "faces")) " of nobody" } " · "
            a href="/aside" { "Ignored faces" }
        }
        @if cards.items.is_empty() {
            div.empty { p { "Every group has a name." } }
        }
        (people(&cards.items))
        (pager("/groups?", part, cards.total))
    };
    Ok(frame.page("Unnamed", MenuItem::Groups, content))
}

/// Lets the grouping follow what was decided.
pub(super) fn sort_button(frame: &Frame) -> Markup {
    html! {
        form.sort method="post" action="/sort" {
            (frame.token())
            button { "Sort faces again" }
        }
    }
}

pub(super) async fn leftovers(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let read = move |album: &mut Album| Ok((album.unassigned_faces(part)?, name_list(album)?));
    let (faces, names) = pages.album(read).await?;
    let content = html! {
        div.head { div.words {
            h1 { "Faces of nobody" }
            p.soft {
                (counted(faces.total, "face that resembles", "faces that resemble"))
                " nobody enough to be put with them. Select some to say who they are."
            }
        } }
        form.select method="post" action="/faces" {
            (frame.token())
            (names)
            ul.grid { @for face in &faces.items { (tile(face)) } }
            (pager("/faces?", part, faces.total))
            div.toolbar role="group" aria-label="Selected faces" {
                output aria-live="polite" {}
                div.row {
                    input type="text" name="name" list="names"
                        aria-label="Name of the selected faces" placeholder="Name"
                        autocomplete="off";
                    button.main name="do" value="is" { "Name" }
                }
                button name="do" value="ignore" formnovalidate { "Ignore" }
                button name="do" value="not_a_face" formnovalidate { "Not a face" }
            }
        }
    };
    Ok(frame.page("Faces of nobody", MenuItem::Groups, content))
}

pub(super) async fn aside(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let faces = pages
        .album(move |album| Ok(album.excluded_faces(part)?))
        .await?;
    let card = |face: &FaceSummary| {
        html! {
            li { a href={ "/faces/" (face.face) } {
                img src={ "/faces/" (face.face) "/crop.jpg" } alt={ "Face " (face.face) }
                    width="160" height="160" loading="lazy";
                small { "in a photo" }
            } }
        }
    };
    let content = html! {
        div.head { div.words {
            h1 { "Ignored faces" }
            p.soft { (counted(faces.total, "face", "faces"))
                " left out of all people. Undo that in the " a href="/history" { "history" } "." }
        } }
        ul.grid { @for face in &faces.items { (card(face)) } }
        (pager("/aside?", part, faces.total))
    };
    Ok(frame.page("Ignored faces", MenuItem::Groups, content))
}
