//! One photo. In: its number. Out: the photo with boxes and names, and a form for each face.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use fusiform::album::{Album, Exclusion, FaceSummary, PersonId, PhotoId, PhotoPlace, PhotoView};
use fusiform::geometry::BoundingBox;
use maud::{Markup, html};

use super::faces::{absent, jpeg, name_list, not_changed, source, unchanged};
use super::fields::Fields;
use super::frame::{Frame, MenuItem, counted, day, thousands};
use super::guard::Login;
use super::pictures::Size;
use super::state::Pages;
use super::view::View;
use crate::params::Path;
use crate::problem::Problem;

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let (chosen, did) = (fields.numbers("face").next(), fields.numbers("did").next());
    let view = View::parse(&fields);
    let frame = pages.frame(login, did).await?;
    let wanted = view.clone();
    let read = move |album: &mut Album| {
        let photo = album.photo(PhotoId(id))?;
        let (filter, unknown) = wanted.filter(album)?;
        let place = match unknown.is_empty() {
            true => album.place(photo.photo, &filter)?,
            false => None,
        };
        Ok((photo, place, name_list(album)?))
    };
    let (photo, place, names) = pages.album(read).await?;
    let title = match &photo.taken_at {
        Some(taken) => day(taken),
        None => photo
            .paths
            .first()
            .and_then(|path| path.file_name())
            .map_or("Photo".into(), |name| name.to_string_lossy().into_owned()),
    };
    // A face that somebody named is theirs, however unclear.
    let is_apart = |face: &&FaceSummary| face.unclear && face.person.is_none();
    let (unclear, faces): (Vec<&FaceSummary>, Vec<&FaceSummary>) =
        photo.faces.iter().partition(is_apart);
    let content = html! {
        (names)
        (turn(&view, place.as_ref()))
        (picture(&photo, chosen))
        div.head { div.words {
            h1 { (title) }
            p.soft {
                (counted(photo.faces.len(), "face", "faces"))
                @if !unclear.is_empty() { ", " (unclear.len()) " of them unclear" }
                " · " (photo.width_px) "×" (photo.height_px)
                @if photo.from_file_time { " · date from the file's time" }
            }
            @for path in &photo.paths { (path_links(path)) }
            p { a href={ "/photos/" (photo.photo) "/draw" } { "Draw a face that was missed" } }
        } }
        ul.faces { @for face in &faces { (face_row(&frame, face, chosen, &view)) } }
        @if !unclear.is_empty() {
            h2 #unclear { "Unclear faces" }
            p.soft { "Too small, too blurred or turned too far to recognise anybody in. They are \
                neither grouped nor asked about." }
            ul.faces aria-labelledby="unclear" {
                @for face in &unclear { (face_row(&frame, face, chosen, &view)) }
            }
        }
    };
    Ok(frame.page(&title, MenuItem::Photos, content))
}

/// The way to the photos before and after, in the order of the list that this one is in.
fn turn(view: &View, place: Option<&PhotoPlace>) -> Markup {
    let step = |to: Option<PhotoId>, words: &str, key: &str| {
        html! {
            @match to {
                Some(to) => { a.button href=(view.photo(to)) data-key=(key) { (words) } }
                None => { span.button.off aria-disabled="true" { (words) } }
            }
        }
    };
    let list = match view.people[..] {
        [person] if *view == View::of_person(PersonId(person)) => format!("/people/{person}"),
        _ => view.list(),
    };
    html! {
        @if let Some(place) = place {
            nav.turn aria-label="Photos" {
                (step(place.previous, "← Previous", "ArrowLeft"))
                a href=(list) { (thousands(place.number)) " of " (thousands(place.total)) }
                (step(place.next, "Next →", "ArrowRight"))
            }
        }
    }
}

/// A file's path, its folder a link to all that is below it.
fn path_links(path: &std::path::Path) -> Markup {
    let folder = path.parent().and_then(std::path::Path::to_str);
    let name = path.file_name().unwrap_or_default();
    html! {
        p.path {
            @match folder {
                Some(folder) => {
                    @let below = View { folder: Some(folder.into()), ..View::default() };
                    a href=(below.list()) { (folder) } "/" (name.display())
                }
                None => { (path.display()) }
            }
        }
    }
}

/// The photo, and over it a drawing in which every face is a link to its form.
fn picture(photo: &PhotoView, chosen: Option<i64>) -> Markup {
    let (width, height) = (photo.width_px, photo.height_px);
    let letter = width.max(height) as f32 / 32.0;
    html! {
        div.photo data-zoom={ "/photos/" (photo.photo) "/huge.jpg" } {
            img src={ "/photos/" (photo.photo) "/view.jpg" } alt="The photo" width=(width)
                height=(height);
            svg viewBox={ "0 0 " (width) " " (height) } role="group"
                aria-label="Faces in the photo" {
                @for face in photo.faces.iter().filter(|f| f.excluded.is_none()) {
                    @let BoundingBox { x_min, y_min, x_max, y_max } = face.bbox;
                    a href={ "#face-" (face.face) } aria-label=(called(face))
                        class={
                            @if chosen == Some(face.face.0) { "chosen " }
                            @if face.name.is_none() { "nobody " }
                            @if face.unclear && face.person.is_none() { "unclear" }
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
        _ if face.unclear => format!("Face {}, unclear", face.face),
        _ => format!("Face {}, nobody yet", face.face),
    }
}

fn face_row(frame: &Frame, face: &FaceSummary, chosen: Option<i64>, view: &View) -> Markup {
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
                } @else if face.unclear {
                    "Unclear"
                } @else {
                    "Nobody yet"
                }
            }
            form.row method="post" action={ "/faces/" (id) "/is" } {
                (frame.token())
                input type="hidden" name="face" value=(id);
                input type="hidden" name="view" value=(view.query());
                input type="text" name="name" list="names" aria-label={ "Name of face " (id) }
                    autocomplete="off"
                    placeholder=(match face.name {
                        Some(_) => "Somebody else?",
                        // Not asked: nobody can tell from the face alone.
                        None if face.unclear => "Name",
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

pub(super) async fn huge(
    pages: State<Pages>,
    id: Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    whole(pages, id, headers, Size::Huge).await
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
    match pages.pictures().photo(source, size).await {
        Ok(picture) => Ok(jpeg(&tag, picture)),
        Err(problem) => absent(problem),
    }
}
