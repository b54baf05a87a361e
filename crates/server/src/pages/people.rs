//! People. In: a person's number. Out: the grid, and a person's page over the years.

use axum::Extension;
use axum::extract::State;
use fusiform::album::{
    Album, DateRange, FaceSummary, Page, PartialDate, PeopleFilter, PersonId, PersonStats,
    PersonYear,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::faces::{Tiles, name_list};
use super::frame::{Frame, MenuItem, called, counted, day, month};
use super::groups::{self, PER_PAGE, pager, part};
use super::guard::Login;
use super::state::Pages;
use super::videos;
use super::view::View;
use crate::params::{Path, Query};
use crate::problem::Problem;

/// Unnamed groups shown below the people.
const N_UNNAMED: usize = 12;

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    page: Option<usize>,
    did: Option<i64>,
    name: Option<String>,
    #[serde(default)]
    hidden: bool,
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Listed>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let wanted = params.name.filter(|name| !name.trim().is_empty());
    let text = wanted.clone();
    let read = move |album: &mut Album| {
        let which = if params.hidden {
            PeopleFilter::Hidden
        } else {
            PeopleFilter::Named
        };
        let named = match text {
            Some(text) => {
                let found = album.names_like(text.trim(), PER_PAGE)?;
                let cards = found.iter().map(|(id, _)| album.person_stats(*id));
                let items = cards.collect::<Result<Vec<_>, _>>()?;
                let total = items.len();
                fusiform::album::Paged { items, total }
            }
            None => album.people_page(which, part)?,
        };
        let first = |limit| Page { offset: 0, limit };
        let unnamed = album.people_page(PeopleFilter::Unnamed, first(N_UNNAMED))?;
        let n_hidden = album.people_page(PeopleFilter::Hidden, first(0))?.total;
        Ok((named, unnamed, n_hidden, name_list(album)?))
    };
    let (named, unnamed, n_hidden, names) = pages.album(read).await?;
    let whole = wanted.is_none() && !params.hidden && part.offset == 0;
    let title = if params.hidden {
        "Hidden people"
    } else {
        "People"
    };
    let nobody = named.total == 0 && unnamed.total == 0 && n_hidden == 0 && whole;
    let content = html! {
        div.head {
            div.words {
                h1 { (title) }
                @if let Some(wanted) = &wanted {
                    p.soft {
                        (counted(named.total, "name", "names")) " with “" (wanted) "”. "
                        a href="/people" { "Show all" }
                    }
                } @else if !nobody {
                    p.soft {
                        (counted(named.total, "person", "people"))
                        @if params.hidden { ". " a href="/people" { "Back to the others" } }
                        @else if n_hidden > 0 {
                            " · " a href="/people?hidden=true" { (n_hidden) " hidden" }
                        }
                    }
                }
            }
            @if !nobody {
                form.row role="search" action="/people" {
                    input type="search" name="name" list="names" aria-label="Find a name"
                        placeholder="Find a name"
                        value=(wanted.as_deref().unwrap_or_default());
                    button { "Find" }
                }
                (names)
            }
        }
        @if nobody {
            div.empty {
                h2 { "Nobody yet" }
                p { "Add a folder of photos. They stay where they are and are only read; nothing \
                    leaves this machine." }
                p { a.button.main href="/scan" { "Add photos" } }
            }
        }
        (groups::people(&named.items))
        @if wanted.is_none() {
            @let path = if params.hidden { "/people?hidden=true&" } else { "/people?" };
            (pager(path, part, named.total))
        }
        @if whole && unnamed.total > 0 {
            h2 { "Who is this?" }
            (groups::people(&unnamed.items))
            @if unnamed.total > unnamed.items.len() {
                p { a href="/groups" {
                    "All " (counted(unnamed.total, "unnamed group", "unnamed groups"))
                } }
            }
        }
    };
    Ok(frame.page(title, MenuItem::People, content))
}

/// Which part of a person's page is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    page: Option<usize>,
    did: Option<i64>,
    year: Option<String>,
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Query(params): Query<Shown>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let part = part(params.page, PER_PAGE);
    let year = params.year.filter(|year| !year.is_empty());
    let year: Option<PartialDate> = year.map(|year| year.parse()).transpose()?;
    let dates = year.as_ref().map(DateRange::of).unwrap_or_default();
    let view = View::of_person(PersonId(id)).with_dates(dates.clone());
    let read = move |album: &mut Album| {
        let card = album.person_stats(PersonId(id))?;
        let faces = album.faces_of_dates(card.id, &dates, part)?;
        let tiles = Tiles::of(album, &faces.items, view)?;
        let years = album.years_of(card.id)?;
        let videos = album.videos_of(card.id)?;
        Ok((card, faces, tiles, years, videos, name_list(album)?))
    };
    let (card, faces, tiles, years, videos, names) = pages.album(read).await?;
    let name = called(&card);
    let here = match &year {
        Some(year) => format!("/people/{id}?year={year}&"),
        None => format!("/people/{id}?"),
    };
    let content = html! {
        (head(&frame, &card, videos.len()))
        (names)
        (actions(&frame, &card))
        (over_the_years(&card, &years, year.as_ref()))
        form.select method="post" action={ "/people/" (id) "/faces" } {
            (frame.token())
            ul.grid { (by_month(&faces.items, &tiles)) }
            (pager(&here, part, faces.total))
            (toolbar(&name))
        }
        (videos::of_person(&frame, id, &name, &videos))
    };
    let place = if card.name.is_some() {
        MenuItem::People
    } else {
        MenuItem::Groups
    };
    Ok(frame.page(&name, place, content))
}

/// One face of each year, each the way to that year.
fn over_the_years(card: &PersonStats, years: &[PersonYear], shown: Option<&PartialDate>) -> Markup {
    let dated = years.iter().filter(|year| year.year.is_some()).count();
    html! {
        @if dated > 1 || shown.is_some() {
            nav.years aria-label="Over the years" {
                @for year in years {
                    @let count = counted(year.n_photos, "photo", "photos");
                    @match &year.year {
                        Some(number) => {
                            a href={ "/people/" (card.id) "?year=" (number) }
                                aria-current=[(shown == Some(number)).then_some("true")] {
                                img src={ "/faces/" (year.face) "/crop.jpg" } alt="" width="72"
                                    height="72" loading="lazy";
                                (number) small { (count) }
                            }
                        }
                        None => {
                            span { img src={ "/faces/" (year.face) "/crop.jpg" } alt="" width="72"
                                height="72" loading="lazy"; "No date" small { (count) } }
                        }
                    }
                }
                @if shown.is_some() {
                    a.all href={ "/people/" (card.id) } { "All years" }
                }
            }
        }
    }
}

fn head(frame: &Frame, card: &PersonStats, n_videos: usize) -> Markup {
    let dates = match (&card.first_taken, &card.last_taken) {
        (Some(first), Some(last)) if day(first) == day(last) => Some(day(first)),
        (Some(first), Some(last)) => Some(format!("{} to {}", day(first), day(last))),
        _ => None,
    };
    html! {
        div.head {
            @if let Some(face) = card.cover {
                img src={ "/faces/" (face) "/crop.jpg" } alt="" width="96" height="96";
            }
            div.words {
                h1 { @if let Some(name) = &card.name { (name) } @else { "Who is this?" } }
                p.soft {
                    @if card.name.is_none() { "Person " (card.id) " · " }
                    (counted(card.n_photos, "photo", "photos"))
                    @if n_videos > 0 {
                        " · " a href="#videos" {
                            "also in " (counted(n_videos, "video", "videos"))
                        }
                    }
                    @if let Some(dates) = dates { " · " (dates) }
                    @if card.hidden { " · hidden" }
                }
            }
            @if card.name.is_none() {
                form.row method="post" action={ "/people/" (card.id) "/name" } {
                    (frame.token())
                    input type="text" name="name" list="names" required aria-label="Name"
                        placeholder="Name" autocomplete="off";
                    button.main { "Save name" }
                }
            }
        }
    }
}

fn actions(frame: &Frame, card: &PersonStats) -> Markup {
    let to = |what: &str| format!("/people/{}/{what}", card.id);
    html! {
        div.actions {
            @if let Some(name) = &card.name {
                details {
                    summary { "Rename" }
                    form.row method="post" action=(to("name")) {
                        (frame.token())
                        input type="text" name="name" value=(name) list="names" required
                            aria-label="New name" autocomplete="off";
                        button.main { "Save name" }
                    }
                }
            }
            details {
                summary { "Merge" }
                form.row method="post" action=(to("merge")) {
                    (frame.token())
                    input type="text" name="other" list="names" required autocomplete="off"
                        aria-label="Name or number of the person who is the same"
                        placeholder="Name or number of the same person";
                    button.main { "Merge" }
                }
            }
            @if let Some(name) = &card.name {
                details {
                    summary { "Photos with…" }
                    form.row action="/photos" {
                        input type="hidden" name="who" value=(name);
                        input type="text" name="who" list="names" required
                            aria-label="Name of the other person" placeholder="Name"
                            autocomplete="off";
                        button.main { "Show" }
                    }
                }
            }
            @if card.n_faces > 0 {
                a.button.quiet href={ "/shared/new?person=" (card.id) } { "Share…" }
            }
            form method="post" action=(to("hide")) {
                (frame.token())
                @if card.hidden {
                    input type="hidden" name="show" value="1";
                    button.quiet { "Show again" }
                } @else {
                    button.quiet { "Hide" }
                }
            }
            a.button.quiet href=(to("erase")) { "Erase…" }
        }
    }
}

/// Faces with a heading wherever another month begins.
fn by_month(faces: &[FaceSummary], tiles: &Tiles) -> Markup {
    let of = |face: &FaceSummary| match &face.taken_at {
        Some(taken) => month(taken),
        None => "No date".into(),
    };
    let dated = faces.iter().any(|face| face.taken_at.is_some());
    html! {
        @for (at, face) in faces.iter().enumerate() {
            @if dated && (at == 0 || of(face) != of(&faces[at - 1])) {
                li.month { (of(face)) }
            }
            (tiles.tile(face))
        }
    }
}

fn toolbar(name: &str) -> Markup {
    html! {
        div.toolbar role="group" aria-label="Selected faces" {
            output aria-live="polite" {}
            button name="do" value="split" { "Split off" }
            button name="do" value="cover" { "Show as cover" }
            button name="do" value="not" { "Not " (name) }
            button name="do" value="ignore" { "Ignore" }
            button name="do" value="not_a_face" { "Not a face" }
            div.row {
                input type="text" name="name" list="names" aria-label="Who the selected faces are"
                    placeholder="They are…" autocomplete="off";
                button name="do" value="is" { "Move" }
            }
            button.quiet type="button" data-clear { "Clear" }
        }
    }
}
