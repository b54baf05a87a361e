//! Single faces. In: numbers of faces, the fields of a form. Out: crops, tiles to select,
//! decisions.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, Exclusion, FaceId, FaceSummary, PersonId, PhotoId};
use maud::{Markup, html};

use super::fields::Fields;
use super::frame::day;
use super::guard::Login;
use super::merge_question;
use super::pictures::{Source, head};
use super::state::Pages;
use super::view::View;
use crate::params::Path;
use crate::problem::{Code, Problem};

/// Names offered for completion; any other can still be typed.
const MAX_NAMES: usize = 1000;

/// Faces that can be selected, with the named people in their photos.
pub(super) struct Tiles {
    names: BTreeMap<PhotoId, Vec<String>>,
    /// Where they are shown, for the way to their photos.
    view: View,
}

impl Tiles {
    pub(super) fn of(album: &Album, faces: &[FaceSummary], view: View) -> Result<Tiles, Problem> {
        let photos: Vec<PhotoId> = faces.iter().map(|face| face.photo).collect();
        let names = album.names_in(&photos)?;
        Ok(Tiles { names, view })
    }

    /// One face, with a way to its photo.
    pub(super) fn tile(&self, face: &FaceSummary) -> Markup {
        let id = face.face;
        let when = face.taken_at.as_deref().map(day);
        let words = match &when {
            Some(when) => format!("Face {id}, {when}"),
            None => format!("Face {id}"),
        };
        // Begins as the text that is seen, so that it can be said to a computer.
        let to_photo = match &when {
            Some(when) => format!("{when}, photo of face {id}"),
            None => format!("Photo of face {id}"),
        };
        let confirmed = face.similarity.is_none() && face.person.is_some();
        let of_photo = self.names.get(&face.photo);
        let others = of_photo.into_iter().flatten();
        let others: Vec<&str> = others
            .filter(|name| face.name.as_ref() != Some(name))
            .map(|name| &**name)
            .collect();
        html! {
            li.tile {
                label {
                    input type="checkbox" name="face" value=(id);
                    img src={ "/faces/" (id) "/crop.jpg" } alt=(words) width="160" height="160"
                        loading="lazy";
                }
                a href=(self.view.face(face.photo, id)) aria-label=(to_photo) {
                    (when.as_deref().unwrap_or("Photo"))
                }
                @if face.from_file_time && when.is_some() { small { "from the file's time" } }
                @if !others.is_empty() {
                    small.with title=(others.join(", ")) { "with " (others.join(", ")) }
                }
                @if confirmed {
                    small title="A person said whose face this is" { "Confirmed" }
                }
            }
        }
    }
}

/// All names, for fields to complete from.
pub(super) fn name_list(album: &Album) -> Result<Markup, Problem> {
    let names = album.names_like("", MAX_NAMES)?;
    Ok(html! {
        datalist #names { @for (_, name) in &names { option value=(name); } }
    })
}

/// What the pictures of a photo and its faces are cut from.
pub(super) fn source(album: &Album, photo: PhotoId) -> Result<Source, Problem> {
    let view = album.photo(photo)?;
    let mut tag = blake3::Hasher::new();
    tag.update(&view.width_px.to_le_bytes());
    tag.update(&view.height_px.to_le_bytes());
    for path in &view.paths {
        tag.update(path.as_os_str().as_encoded_bytes());
        tag.update(b"\0");
    }
    for face in &view.faces {
        tag.update(&face.face.0.to_le_bytes());
        let b = &face.bbox;
        for side in [b.x_min, b.y_min, b.x_max, b.y_max] {
            tag.update(&side.to_le_bytes());
        }
    }
    Ok(Source {
        photo: photo.0,
        size_px: (view.width_px, view.height_px),
        tag: head(&tag),
        paths: view.paths,
        faces: view.faces.iter().map(|f| (f.face.0, f.bbox)).collect(),
    })
}

pub(super) async fn crop(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let find = move |album: &mut Album| {
        let face = album.face(FaceId(id))?;
        if face.excluded == Some(Exclusion::Erased) {
            return Err(Problem::not_found("this face"));
        }
        source(album, face.photo)
    };
    let source = pages.album(find).await?;
    let tag = format!("\"face-{id}-{:016x}\"", u64::from_le_bytes(source.tag));
    if unchanged(&headers, &tag) {
        return Ok(not_changed(&tag));
    }
    match pages.pictures().face(source, id).await {
        Ok(picture) => Ok(jpeg(&tag, picture)),
        Err(problem) => absent(problem),
    }
}

/// A drawing in place of a picture whose file is not there or cannot be read; browsers show it
/// whatever the status.
pub(super) fn absent(problem: Problem) -> Result<Response, Problem> {
    if problem.code != Code::NotFound {
        return Err(problem);
    }
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((
        StatusCode::NOT_FOUND,
        headers,
        include_str!("../../web/absent.svg"),
    )
        .into_response())
}

/// Whether the browser has this picture already.
pub(super) fn unchanged(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|sent| sent.split(',').any(|one| one.trim() == tag))
}

pub(super) fn not_changed(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, cache_headers(tag)).into_response()
}

pub(super) fn jpeg(tag: &str, bytes: axum::body::Bytes) -> Response {
    let mut response = bytes.into_response();
    for (name, value) in cache_headers(tag) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The browser may keep a picture, but must ask before each use, so that an erased face disappears
/// at once.
fn cache_headers(tag: &str) -> [(header::HeaderName, String); 3] {
    [
        (header::CONTENT_TYPE, "image/jpeg".into()),
        (header::CACHE_CONTROL, "private, no-cache".into()),
        (header::ETAG, tag.into()),
    ]
}

pub(super) async fn go_to(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let face = pages
        .album(move |album| Ok(album.face(FaceId(id))?))
        .await?;
    Ok(Redirect::to(&format!("/photos/{}?face={id}", face.photo)).into_response())
}

fn selected(fields: &Fields) -> Result<Vec<FaceId>, Problem> {
    let faces: Vec<FaceId> = fields.numbers("face").map(FaceId).collect();
    if faces.is_empty() {
        return Err(Problem::invalid("no face is selected"));
    }
    Ok(faces)
}

/// Asserts something of selected faces of a person.
pub(super) async fn of_person(
    State(pages): State<Pages>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let faces = selected(&fields)?;
    pages
        .decide(move |album| {
            let person = PersonId(id);
            let here = format!("/people/{id}");
            Ok(match fields.first("do") {
                Some("split") => format!("/people/{}", album.split(person, &faces)?),
                Some("not") => {
                    album.assert_is_not(&faces, person)?;
                    here
                }
                Some("cover") => match &faces[..] {
                    [face] if album.face(*face)?.person == Some(person) => {
                        album.choose_cover(*face)?;
                        here
                    }
                    _ => return Err(Problem::invalid("choose one face of theirs as the cover")),
                },
                // Enter in the field for the name presses the form's first button.
                _ => assert_faces(album, &fields, &faces)?.unwrap_or(here),
            })
        })
        .await
}

pub(super) async fn of_nobody(
    State(pages): State<Pages>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let faces = selected(&fields)?;
    pages
        .decide(move |album| {
            assert_faces(album, &fields, &faces)?;
            Ok(match fields.first("list") {
                Some("unclear") => "/unclear".into(),
                _ => "/faces".into(),
            })
        })
        .await
}

/// Asserts of any faces what the form's button says; gives the page of the person who was named.
fn assert_faces(
    album: &mut Album,
    fields: &Fields,
    faces: &[FaceId],
) -> Result<Option<String>, Problem> {
    match fields.first("do") {
        Some("ignore") => album.ignore(faces)?,
        Some("not_a_face") => album.not_a_face(faces)?,
        Some("is") => {
            let name = fields.first("name");
            let name =
                name.ok_or_else(|| Problem::invalid("type the name of the selected faces"))?;
            let person = album.assert_is_called(faces, name)?;
            return Ok(Some(format!("/people/{person}")));
        }
        _ => {
            return Err(Problem::invalid(
                "the form says nothing to do with the faces",
            ));
        }
    }
    Ok(None)
}

/// Asserts something of one face on the page of its photo.
pub(super) async fn is(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let view = View::parse(&Fields::parse(
        fields.first("view").unwrap_or_default().as_bytes(),
    ));
    if let (Some("is"), Some(name)) = (fields.first("do"), fields.first("name")) {
        let name = name.to_owned();
        let merged = move |album: &mut Album| {
            let face = album.face(FaceId(id))?;
            let group = face.person.filter(|_| face.name.is_none());
            Ok(match (group, album.find_person(&name)) {
                (Some(group), Ok(person)) if person != group => vec![person, group],
                _ => Vec::new(),
            })
        };
        let merged = pages.album(merged).await?;
        let action = format!("/faces/{id}/is");
        let asked = merge_question::ask(&pages, login, &fields, merged, &action).await?;
        if let Some(page) = asked {
            return Ok(page);
        }
    }
    pages
        .decide(move |album| {
            let face = album.face(FaceId(id))?;
            let faces = [face.face];
            let name = fields.first("name");
            match (fields.first("do"), face.person, name) {
                (Some("not"), Some(person), _) => album.assert_is_not(&faces, person)?,
                // The face stands for its group: that gets the name, or is merged with the person
                // who has it.
                (Some("is"), Some(group), Some(name)) if face.name.is_none() => {
                    match album.find_person(name) {
                        Ok(person) if person != group => album.merge(person, group)?,
                        _ => album.name(group, name)?,
                    }
                }
                _ => drop(assert_faces(album, &fields, &faces)?),
            }
            Ok(view.face(face.photo, face.face))
        })
        .await
}
