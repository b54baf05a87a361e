//! Faces without a name. In: the album. Out: unnamed groups, faces of nobody, excluded faces; pages
//! of long lists.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use fusiform::album::{
    Album, Error, FaceSummary, Page, Paged, PeopleFilter, PersonId, PersonStats,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::faces::{Tiles, name_list};
use super::fields::Fields;
use super::frame::{Frame, MenuItem, counted};
use super::guard::Login;
use super::merge_question;
use super::state::Pages;
use super::view::View;
use crate::params::Query;
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

/// The page of unnamed groups that is wanted, and the group whose field is next.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    page: Option<usize>,
    did: Option<i64>,
    focus: Option<i64>,
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Listed>,
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
            album.unclear_faces(none)?.total,
            name_list(album)?,
        ))
    };
    let (cards, n_leftovers, n_unclear, names) = pages.album(read).await?;
    let content = html! {
        div.head {
            div.words {
                h1 { "Unnamed" }
                p.soft { (counted(cards.total, "group of faces", "groups of faces"))
                    " that nobody named yet, largest first. Type a name and press Enter." }
            }
            (sort_button(&frame))
        }
        p.links {
            a href="/faces" { (counted(n_leftovers, "face", "faces")) " of nobody" } " · "
            @if n_unclear > 0 {
                a href="/unclear" { (counted(n_unclear, "unclear face", "unclear faces")) } " · "
            }
            a href="/aside" { "Ignored faces" }
        }
        @if cards.items.is_empty() {
            div.empty { p { "Every group has a name." } }
        }
        (names)
        div.select {
            ul.grid.naming { (naming(&frame, &cards.items, &params)) }
            (pager("/groups?", part, cards.total))
            form.toolbar #bulk method="post" action="/groups" aria-label="Selected groups" {
                (frame.token())
                output aria-live="polite" {}
                div.row {
                    input type="text" name="name" list="names"
                        aria-label="One name for the selected groups" placeholder="One name for all"
                        autocomplete="off";
                    button.main name="do" value="name" { "Name" }
                }
                button name="do" value="hide" formnovalidate { "Hide" }
                button name="do" value="ignore" formnovalidate { "Ignore" }
            }
        }
    };
    Ok(frame.page("Unnamed", MenuItem::Groups, content))
}

/// Groups that can be named one after the other, or ticked and named together.
fn naming(frame: &Frame, cards: &[PersonStats], params: &Listed) -> Markup {
    html! {
        @for (at, card) in cards.iter().enumerate() {
            @let id = card.id;
            // After the last one comes the one before it.
            @let next = cards.get(at + 1).or(at.checked_sub(1).and_then(|at| cards.get(at)));
            li.tile.group #{ "group-" (id) } {
                label.tick {
                    input type="checkbox" name="person" value=(id) form="bulk"
                        aria-label={ "Select person " (id) };
                }
                a href={ "/people/" (id) } {
                    @if let Some(face) = card.cover {
                        img src={ "/faces/" (face) "/crop.jpg" } alt={ "Person " (id) }
                            width="160" height="160" loading="lazy";
                    } @else { "Person " (id) }
                    small { (counted(card.n_photos, "photo", "photos")) }
                }
                form method="post" action={ "/people/" (id) "/name" } data-inline {
                    (frame.token())
                    input type="hidden" name="list" value=(params.page.unwrap_or(1));
                    @if let Some(next) = next {
                        input type="hidden" name="next" value=(next.id);
                    }
                    input type="text" name="name" list="names" required autocomplete="off"
                        aria-label={ "Name of person " (id) } placeholder="Name"
                        autofocus[params.focus == Some(id.0)];
                }
            }
        }
    }
}

/// Decides the same about all groups that were ticked.
pub(super) async fn decide(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let people: Vec<PersonId> = fields.numbers("person").map(PersonId).collect();
    let is_name = !matches!(fields.first("do"), Some("hide" | "ignore"));
    if is_name {
        let name = fields.first("name").map(str::to_owned);
        let name = name.ok_or_else(|| Problem::invalid("type the name of the selected groups"))?;
        let mut all = people.clone();
        let holder = pages
            .album(move |album| Ok(album.person_called(&name)?))
            .await?;
        all.extend(holder);
        let asked = merge_question::ask(&pages, login, &fields, all, "/groups").await?;
        if let Some(page) = asked {
            return Ok(page);
        }
    }
    pages
        .decide(move |album| {
            match fields.first("do") {
                Some("hide") => album.hide_all(&people)?,
                Some("ignore") => album.ignore_all(&people)?,
                _ => {
                    let name = fields.first("name").unwrap_or_default();
                    let person = album.name_all(&people, name)?;
                    return Ok(format!("/people/{person}"));
                }
            }
            Ok("/groups".into())
        })
        .await
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
    let words = |total| {
        html! {
            (counted(total, "face that resembles", "faces that resemble"))
            " nobody enough to be put with them. Select some to say who they are."
        }
    };
    let list = ("faces", "Faces of nobody");
    of_nobody(&pages, login, params, list, Album::unassigned_faces, words).await
}

/// Faces in which nobody can be recognised: shown, and never asked about.
pub(super) async fn unclear(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let words = |total| {
        html! {
            (counted(total, "face", "faces"))
            " too small, too blurred or turned too far to recognise anybody in. They are \
            neither grouped nor asked about; you can still say who they are."
        }
    };
    let list = ("unclear", "Unclear faces");
    of_nobody(&pages, login, params, list, Album::unclear_faces, words).await
}

/// A list of faces to name: its place in the address, its title, how it is read and what is said.
async fn of_nobody(
    pages: &Pages,
    login: Login,
    params: Params,
    (list, title): (&str, &str),
    read: fn(&Album, Page) -> Result<Paged<FaceSummary>, Error>,
    words: impl FnOnce(usize) -> Markup,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let read = move |album: &mut Album| {
        let faces = read(album, part)?;
        let tiles = Tiles::of(album, &faces.items, View::default())?;
        Ok((faces, tiles, name_list(album)?))
    };
    let (faces, tiles, names) = pages.album(read).await?;
    let more = pager(&format!("/{list}?"), part, faces.total);
    let content = html! {
        div.head { div.words {
            h1 { (title) }
            p.soft { (words(faces.total)) }
        } }
        (names)
        (nameable(&frame, list, &tiles, &faces.items, &more))
    };
    Ok(frame.page(title, MenuItem::Groups, content))
}

/// Faces of nobody to select, and what to say of those that are.
fn nameable(
    frame: &Frame,
    list: &str,
    tiles: &Tiles,
    faces: &[FaceSummary],
    more: &Markup,
) -> Markup {
    html! {
        form.select method="post" action="/faces" {
            (frame.token())
            input type="hidden" name="list" value=(list);
            ul.grid { @for face in faces { (tiles.tile(face)) } }
            (more)
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
    }
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
