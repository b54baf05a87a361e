//! Decisions about a person. In: the fields of a form. Out: a name, one person of two, hidden, or
//! erased; pages that ask first where it matters.

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, PersonId};
use maud::{Markup, html};

use super::fields::Fields;
use super::frame::{MenuItem, called, counted};
use super::guard::Login;
use super::state::Pages;
use super::{groups, merge_question};
use crate::params::Path;
use crate::problem::Problem;

pub(super) async fn name(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let name = fields.first("name").unwrap_or_default().to_owned();
    let person = PersonId(id);
    let wanted = name.clone();
    let (card, taken) = pages
        .album(move |album| {
            let taken = album.person_called(&wanted)?;
            let taken = taken.filter(|other| *other != person);
            Ok((album.person_stats(person)?, taken))
        })
        .await?;
    // From the list of groups: back to it, to the field of the next one.
    let number = |field| fields.numbers(field).next();
    let list = number("list").map(|page| match number("next") {
        Some(next) => format!("/groups?page={page}&focus={next}"),
        None => format!("/groups?page={page}"),
    });
    match taken {
        // Two named people are merged only after both were shown.
        Some(other) if card.name.is_some() => {
            Ok(Redirect::to(&format!("/people/{id}/same/{other}")).into_response())
        }
        Some(other) => {
            let both = vec![other, person];
            let action = format!("/people/{id}/name");
            let asked = merge_question::ask(&pages, login, &fields, both, &action).await?;
            if let Some(page) = asked {
                return Ok(page);
            }
            pages
                .decide(move |album| {
                    album.merge(other, person)?;
                    Ok(list.unwrap_or_else(|| format!("/people/{other}")))
                })
                .await
        }
        None => {
            pages
                .decide(move |album| {
                    album.name(person, &name)?;
                    Ok(list.unwrap_or_else(|| format!("/people/{id}")))
                })
                .await
        }
    }
}

/// Asks whether two people of one name are one.
pub(super) async fn same(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path((id, other)): Path<(i64, i64)>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, None).await?;
    let read = move |album: &mut Album| {
        Ok([
            album.person_stats(PersonId(id))?,
            album.person_stats(PersonId(other))?,
        ])
    };
    let both = pages.album(read).await?;
    let (one, two) = (called(&both[0]), called(&both[1]));
    let content = html! {
        h1 { "Are these one person?" }
        p { "Somebody is called " (two) " already. If " (one)
            " is the same person, merge them; if not, choose a name that tells them apart." }
        (groups::people(&both))
        div.row {
            form method="post" action={ "/people/" (other) "/merge" } {
                (frame.token())
                input type="hidden" name="other" value=(id);
                button.main { "Merge into " (two) }
            }
            a.button href={ "/people/" (id) } { "Choose another name" }
        }
    };
    Ok(frame.page("One person?", MenuItem::People, content))
}

pub(super) async fn merge(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let other = fields.first("other").unwrap_or_default().to_owned();
    let wanted = other.clone();
    let both = move |album: &mut Album| Ok(vec![PersonId(id), album.find_person(&wanted)?]);
    let both = pages.album(both).await?;
    let action = format!("/people/{id}/merge");
    let asked = merge_question::ask(&pages, login, &fields, both, &action).await?;
    if let Some(page) = asked {
        return Ok(page);
    }
    pages
        .decide(move |album| {
            let other = album.find_person(&other)?;
            let (this, theirs) = (
                album.person_stats(PersonId(id))?,
                album.person_stats(other)?,
            );
            // The named one stays, so that "this group is Ida" does not make Ida a number.
            let (into, from) = match (&this.name, &theirs.name) {
                (None, Some(_)) => (other, this.id),
                _ => (this.id, other),
            };
            album.merge(into, from)?;
            Ok(format!("/people/{into}"))
        })
        .await
}

pub(super) async fn hide(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let hidden = fields.first("show").is_none();
    pages
        .decide(move |album| {
            album.hide(PersonId(id), hidden)?;
            Ok(if hidden {
                "/people".into()
            } else {
                format!("/people/{id}")
            })
        })
        .await
}

pub(super) async fn ask_erase(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, None).await?;
    let read = move |album: &mut Album| Ok(album.person_stats(PersonId(id))?);
    let card = pages.album(read).await?;
    let name = called(&card);
    let content = html! {
        div.head {
            @if let Some(face) = card.cover {
                img src={ "/faces/" (face) "/crop.jpg" } alt="" width="96" height="96";
            }
            div.words { h1 { "Erase " (name) "?" } }
        }
        div.panel {
            p {
                "Name, face templates, appearances in videos and all decisions about "
                (counted(card.n_faces, "face", "faces")) " of " (name)
                " are removed from the catalogue and overwritten. "
                strong { "This cannot be undone." }
            }
            p { "Not touched are your photos and videos themselves, pages saved with “fusiform \
                report”, sidecar files, and copies of the catalogue that you made." }
            form method="post" action={ "/people/" (id) "/erase" } {
                (frame.token())
                p { label.plain { input type="checkbox" name="sure" value="1" required;
                    " Yes, erase " (name) " for good" } }
                div.row {
                    button.danger { "Erase" }
                    a.button href={ "/people/" (id) } { "Keep" }
                }
            }
        }
    };
    Ok(frame.page(&format!("Erase {name}?"), MenuItem::People, content))
}

pub(super) async fn erase(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    if fields.first("sure").is_none() {
        return Ok(Redirect::to(&format!("/people/{id}/erase")).into_response());
    }
    let done = pages
        .decide(move |album| {
            album.erase(PersonId(id))?;
            Ok("/people".into())
        })
        .await?;
    pages.pictures().clear();
    // The browser deletes its copies of the crops too.
    let forget = [(
        header::HeaderName::from_static("clear-site-data"),
        "\"cache\"",
    )];
    Ok((forget, done).into_response())
}
