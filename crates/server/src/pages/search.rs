//! Photos by who is in them. In: names. Out: the photos in which all of them are.

use axum::Extension;
use axum::extract::{RawQuery, State};
use fusiform::album::{Album, Paged, PersonId};
use maud::{Markup, html};

use super::faces::name_list;
use super::fields::Fields;
use super::frame::{MenuItem, counted, day};
use super::groups::{PER_PAGE, pager, part};
use super::guard::Login;
use super::state::Pages;
use crate::problem::Problem;

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let params = Fields::parse(query.unwrap_or_default().as_bytes());
    let names: Vec<String> = params.all("who").map(str::to_owned).collect();
    let page = params.numbers("page").next();
    let part = part(page.and_then(|n| usize::try_from(n).ok()), PER_PAGE);
    let frame = pages.frame(login, None).await?;
    let wanted = names.clone();
    let read = move |album: &mut Album| {
        let mut people: Vec<PersonId> = Vec::new();
        let mut unknown = Vec::new();
        for name in wanted {
            match album.find_person(&name) {
                Ok(person) => people.push(person),
                Err(_) => unknown.push(name),
            }
        }
        let photos = if unknown.is_empty() {
            album.photos_with(&people, part)?
        } else {
            Paged {
                items: Vec::new(),
                total: 0,
            }
        };
        Ok((photos, unknown, name_list(album)?))
    };
    let (photos, unknown, known) = pages.album(read).await?;
    let mut path = String::from("/photos?");
    for name in &names {
        path.push_str("who=");
        path.extend(form_urlencoded::byte_serialize(name.as_bytes()));
        path.push('&');
    }
    let who = |at: usize| names.get(at).map_or("", |name| name);
    let content = html! {
        div.head {
            div.words {
                h1 { @if names.is_empty() { "Photos" } @else { (names.join(" and ")) } }
                p.soft {
                    (counted(photos.total, "photo", "photos"))
                    @if names.len() > 1 { " together" }
                    @if !names.is_empty() { " · " a href="/photos" { "Show all" } }
                }
            }
        }
        (known)
        form.panel.row role="search" action="/photos" {
            input type="search" name="who" list="names" value=(who(0))
                aria-label="Who is in the photo" placeholder="Who?" autocomplete="off";
            span { "and" }
            input type="search" name="who" list="names" value=(who(1))
                aria-label="Who else is in the photo" placeholder="Who else?" autocomplete="off";
            @for name in names.iter().skip(2) { input type="hidden" name="who" value=(name); }
            button.main { "Search" }
        }
        @for name in &unknown { p role="alert" { "Nobody is called “" (name) "”." } }
        @if photos.items.is_empty() && unknown.is_empty() {
            div.empty { p {
                @if names.is_empty() { "No photos yet." } @else { "No photo shows them together." }
            } }
        }
        ul.grid.photos {
            @for photo in &photos.items {
                li { a href={ "/photos/" (photo.photo) } {
                    img src={ "/photos/" (photo.photo) "/small.jpg" } alt={ "Photo " (photo.photo) }
                        width="240" height="180" loading="lazy";
                    small {
                        @if let Some(taken) = &photo.taken_at { (day(taken)) " · " }
                        (counted(photo.n_faces, "face", "faces"))
                    }
                } }
            }
        }
        (pager(&path, part, photos.total))
    };
    Ok(frame.page("Photos", MenuItem::Photos, content))
}
