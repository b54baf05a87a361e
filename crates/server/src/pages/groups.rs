//! Those without a name. In: the catalogue. Out: unnamed groups, faces of nobody, faces set aside; parts of long lists.

use axum::Extension;
use axum::extract::{Query, State};
use fusiform::album::{FaceSummary, Page, PeopleFilter, PersonStats};
use maud::{Markup, html};
use serde::Deserialize;

use super::Web;
use super::faces::{name_list, tile};
use super::failure::Failure;
use super::frame::{Frame, Place, counted};
use super::guard::Session;

/// Faces or people of one page.
pub(super) const PER_PAGE: usize = 60;

/// Which part of a list is asked for, and what was just done.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
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

/// A link to what follows, if anything does. `path` ends with `?` or `&`.
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
                            img src={ "/faces/" (face) "/crop.jpg" } alt="" width="160" height="160" loading="lazy";
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
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let frame = web.frame(session, asked.did).await?;
    let part = part(asked.page, PER_PAGE);
    let read = move |catalogue: &mut fusiform::album::Album| {
        let none = Page {
            offset: 0,
            limit: 0,
        };
        Ok((
            catalogue.people_page(PeopleFilter::Unnamed, part)?,
            catalogue.unassigned_faces(none)?.total,
        ))
    };
    let (cards, n_leftovers) = web.catalogue(read).await?;
    let content = html! {
        div.head {
            div.words {
                h1 { "Unnamed" }
                p.soft { (counted(cards.total, "group of faces", "groups of faces")) " that nobody named yet, largest first." }
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
    Ok(frame.page("Unnamed", Place::Groups, content))
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
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let frame = web.frame(session, asked.did).await?;
    let part = part(asked.page, PER_PAGE);
    let read = move |catalogue: &mut fusiform::album::Album| {
        Ok((catalogue.unassigned_faces(part)?, name_list(catalogue)?))
    };
    let (faces, names) = web.catalogue(read).await?;
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
                    input type="text" name="name" list="names" aria-label="Name of the selected faces" placeholder="Name" autocomplete="off";
                    button.main name="do" value="is" { "Name" }
                }
                button name="do" value="ignore" formnovalidate { "Ignore" }
                button name="do" value="not_a_face" formnovalidate { "Not a face" }
            }
        }
    };
    Ok(frame.page("Faces of nobody", Place::Groups, content))
}

pub(super) async fn aside(
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let frame = web.frame(session, asked.did).await?;
    let part = part(asked.page, PER_PAGE);
    let faces = web
        .catalogue(move |catalogue| Ok(catalogue.excluded_faces(part)?))
        .await?;
    let card = |face: &FaceSummary| {
        html! {
            li { a href={ "/faces/" (face.face) } {
                img src={ "/faces/" (face.face) "/crop.jpg" } alt={ "Face " (face.face) } width="160" height="160" loading="lazy";
                small { "in a photo" }
            } }
        }
    };
    let content = html! {
        div.head { div.words {
            h1 { "Ignored faces" }
            p.soft { (counted(faces.total, "face", "faces")) " left out of all people. Undo that in the " a href="/history" { "history" } "." }
        } }
        ul.grid { @for face in &faces.items { (card(face)) } }
        (pager("/aside?", part, faces.total))
    };
    Ok(frame.page("Ignored faces", Place::Groups, content))
}
