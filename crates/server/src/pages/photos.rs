//! One photo. In: its number. Out: the photo with boxes and names, and a form for each face.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fusiform::DateSource;
use fusiform::album::{Album, Exclusion, FaceSummary, PhotoId, PhotoView};
use fusiform::geometry::BoundingBox;
use maud::{Markup, html};
use serde::Deserialize;

use super::faces::{jpeg, name_list, not_changed, source, unchanged};
use super::frame::{Frame, MenuItem, counted, day};
use super::guard::Login;
use super::pictures::Size;
use super::state::Pages;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    face: Option<i64>,
    did: Option<i64>,
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let read = move |album: &mut Album| {
        let photo = album.photo(PhotoId(id))?;
        let date = album.date_of(photo.photo)?;
        Ok((photo, date, name_list(album)?))
    };
    let (photo, date, names) = pages.album(read).await?;
    let is_of_file = date.is_some_and(|date| date.source == Some(DateSource::FileTime));
    let title = match &photo.taken_at {
        Some(taken) => day(taken),
        None => photo
            .paths
            .first()
            .and_then(|path| path.file_name())
            .map_or("Photo".into(), |name| name.to_string_lossy().into_owned()),
    };
    let content = html! {
        (names)
        (picture(&photo, params.face))
        div.head { div.words {
            h1 { (title) }
            p.soft {
                (counted(photo.faces.len(), "face", "faces"))
                " · " (photo.width_px) "×" (photo.height_px)
                @if is_of_file { " · the date is only that of the file" }
            }
            @for path in &photo.paths { p.path { (path.display()) } }
            p { a href={ "/photos/" (photo.photo) "/draw" } { "Draw a face that was missed" } }
        } }
        ul.faces { @for face in &photo.faces { (face_row(&frame, face, params.face)) } }
    };
    Ok(frame.page(&title, MenuItem::Photos, content))
}

/// The photo, and over it a drawing in which every face is a link to its form.
fn picture(photo: &PhotoView, chosen: Option<i64>) -> Markup {
    let (width, height) = (photo.width_px, photo.height_px);
    let letter = width.max(height) as f32 / 36.0;
    html! {
        div.photo {
            img src={ "/photos/" (photo.photo) "/view.jpg" } alt="The photo" width=(width)
                height=(height);
            svg viewBox={ "0 0 " (width) " " (height) } role="group"
                aria-label="Faces in the photo" {
                @for face in photo.faces.iter().filter(|f| f.excluded.is_none()) {
                    @let BoundingBox { x_min, y_min, x_max, y_max } = face.bbox;
                    a href={ "#face-" (face.face) } aria-label=(called(face))
                        class={
                            @if chosen == Some(face.face.0) { "chosen " }
                            @if face.name.is_none() { "nobody" }
                        } {
                        rect x=(x_min) y=(y_min) width=(x_max - x_min) height=(y_max - y_min)
                            rx=((x_max - x_min) * 0.12) {}
                        @if let Some(name) = &face.name {
                            text x=((x_min + x_max) / 2.0) y=(y_max + letter * 1.15)
                                font-size=(letter) stroke-width=(letter * 0.22) { (name) }
                        }
                    }
                }
            }
        }
    }
}

fn called(face: &FaceSummary) -> String {
    match (&face.name, face.person) {
        (Some(name), _) => name.clone(),
        (None, Some(person)) => format!("Person {person}"),
        _ => format!("Face {}, nobody yet", face.face),
    }
}

fn face_row(frame: &Frame, face: &FaceSummary, chosen: Option<i64>) -> Markup {
    let id = face.face;
    let excluded = match face.excluded {
        Some(Exclusion::Ignored) => Some("Ignored"),
        Some(Exclusion::NotAFace) => Some("Not a face"),
        Some(Exclusion::Erased) => Some("Erased"),
        None => None,
    };
    html! {
        li #{ "face-" (id) } class=[(chosen == Some(id.0)).then_some("chosen")] {
            img src={ "/faces/" (id) "/crop.jpg" } alt="" width="72" height="72" loading="lazy";
            div.words {
                @if let Some(excluded) = excluded {
                    (excluded)
                } @else if let Some(person) = face.person {
                    a href={ "/people/" (person) } { (called(face)) }
                    br;
                    small.soft {
                        @match face.similarity {
                            Some(similarity) => { "similarity " (format!("{similarity:.2}")) }
                            None => { "confirmed" }
                        }
                    }
                } @else {
                    "Nobody yet"
                }
            }
            form.row method="post" action={ "/faces/" (id) "/is" } {
                (frame.token())
                input type="hidden" name="face" value=(id);
                input type="text" name="name" list="names" aria-label={ "Name of face " (id) }
                    autocomplete="off"
                    placeholder=(match face.name {
                        Some(_) => "Somebody else?",
                        None => "Who is this?",
                    });
                button.main name="do" value="is" { "Name" }
                @if face.person.is_some() {
                    button name="do" value="not" { "Not " (called(face)) }
                }
                @if face.excluded.is_none() {
                    button name="do" value="ignore" { "Ignore" }
                    button name="do" value="not_a_face" { "Not a face" }
                }
            }
        }
    }
}

pub(super) async fn large(
    pages: State<Pages>,
    id: Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    whole(pages, id, headers, Size::Large).await
}

pub(super) async fn small(
    pages: State<Pages>,
    id: Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    whole(pages, id, headers, Size::Small).await
}

async fn whole(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    size: Size,
) -> Result<Response, Problem> {
    let find = move |album: &mut Album| source(album, PhotoId(id));
    let source = pages.album(find).await?;
    let tag = format!(
        "\"photo-{id}-{size:?}-{:016x}\"",
        u64::from_le_bytes(source.tag)
    );
    if unchanged(&headers, &tag) {
        return Ok(not_changed(&tag));
    }
    let picture = pages.pictures().photo(source, size).await?;
    Ok(jpeg(&tag, picture))
}
