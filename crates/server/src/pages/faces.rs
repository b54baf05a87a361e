//! Single faces. In: numbers of faces and what is said of them. Out: crops, tiles to select, decisions.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fusiform::album::{Album, Exclusion, FaceId, FaceSummary, PersonId, PhotoId};
use maud::{Markup, html};

use super::failure::Failure;
use super::fields::Fields;
use super::frame::day;
use super::pictures::Source;
use super::{Web, see_other};

/// Names offered for completion; whoever has more people still can type any name.
const MAX_NAMES: usize = 1000;

/// A face that can be selected, with a way to its photo.
pub(super) fn tile(face: &FaceSummary) -> Markup {
    let id = face.face;
    let when = face.taken_at.as_deref().map(day);
    let words = match &when {
        Some(when) => format!("Face {id}, {when}"),
        None => format!("Face {id}"),
    };
    let doubt = face.similarity.filter(|_| face.person.is_some());
    html! {
        li.tile {
            label {
                input type="checkbox" name="face" value=(id);
                img src={ "/faces/" (id) "/crop.jpg" } alt=(words) width="160" height="160" loading="lazy";
            }
            a href={ "/photos/" (face.photo) "?face=" (id) } aria-label={ "Photo of face " (id) } {
                (when.as_deref().unwrap_or("Photo"))
            }
            @if doubt.is_none() && face.person.is_some() {
                small title="A person said whose face this is" { "Confirmed" }
            }
        }
    }
}

/// All names, for fields to complete from.
pub(super) fn name_list(catalogue: &Album) -> Result<Markup, Failure> {
    let names = catalogue.names_like("", MAX_NAMES)?;
    Ok(html! {
        datalist #names { @for (_, name) in &names { option value=(name); } }
    })
}

/// Where the picture of a face or a photo comes from.
pub(super) fn source(catalogue: &Album, photo: PhotoId) -> Result<Source, Failure> {
    let view = catalogue.photo(photo)?;
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
    let mut head = [0; 8];
    head.copy_from_slice(&tag.finalize().as_bytes()[..8]);
    Ok(Source {
        photo: photo.0,
        tag: head,
        paths: view.paths,
        faces: view.faces.iter().map(|f| (f.face.0, f.bbox)).collect(),
    })
}

pub(super) async fn crop(
    State(web): State<Web>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let find = move |catalogue: &mut Album| {
        let face = catalogue.face(FaceId(id))?;
        if face.excluded == Some(Exclusion::Erased) {
            return Err(Failure::missing("this face"));
        }
        source(catalogue, face.photo)
    };
    let source = web.catalogue(find).await?;
    let tag = format!("\"face-{id}-{:016x}\"", u64::from_le_bytes(source.tag));
    if unchanged(&headers, &tag) {
        return Ok(not_changed(&tag));
    }
    let picture = web.0.pictures.face(source, id).await;
    Ok(jpeg(&tag, picture.map_err(gone)?))
}

/// Why a picture cannot be shown, in words fit for a page.
pub(super) fn gone(error: anyhow::Error) -> Failure {
    tracing::warn!("{error:#}");
    Failure::new(StatusCode::NOT_FOUND, format!("{error:#}"))
}

/// Whether the browser holds this very picture.
pub(super) fn unchanged(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|sent| sent.split(',').any(|one| one.trim() == tag))
}

pub(super) fn not_changed(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, kept(tag)).into_response()
}

pub(super) fn jpeg(tag: &str, bytes: axum::body::Bytes) -> Response {
    let mut response = bytes.into_response();
    for (name, value) in kept(tag) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The browser may keep a picture, but asks each time, so that an erased face is gone at once.
fn kept(tag: &str) -> [(header::HeaderName, String); 3] {
    [
        (header::CONTENT_TYPE, "image/jpeg".into()),
        (header::CACHE_CONTROL, "private, no-cache".into()),
        (header::ETAG, tag.into()),
    ]
}

pub(super) async fn go_to(
    State(web): State<Web>,
    Path(id): Path<i64>,
) -> Result<Response, Failure> {
    let face = web
        .catalogue(move |catalogue| Ok(catalogue.face(FaceId(id))?))
        .await?;
    Ok(see_other(&format!("/photos/{}?face={id}", face.photo)))
}

fn selected(fields: &Fields) -> Result<Vec<FaceId>, Failure> {
    let faces: Vec<FaceId> = fields.numbers("face").map(FaceId).collect();
    if faces.is_empty() {
        return Err(Failure::bad("no face is selected"));
    }
    Ok(faces)
}

/// What is done to the selected faces of a person.
pub(super) async fn of_person(
    State(web): State<Web>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Failure> {
    let faces = selected(&fields)?;
    web.decide(move |catalogue| {
        let person = PersonId(id);
        let here = format!("/people/{id}");
        Ok(match fields.first("do") {
            Some("split") => format!("/people/{}", catalogue.split(person, &faces)?),
            Some("not") => {
                catalogue.assert_is_not(&faces, person)?;
                here
            }
            // Enter in the name's field presses the form's first button, so a name says what is meant.
            _ => say(catalogue, &fields, &faces)?.unwrap_or(here),
        })
    })
    .await
}

pub(super) async fn of_nobody(
    State(web): State<Web>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Failure> {
    let faces = selected(&fields)?;
    web.decide(move |catalogue| {
        say(catalogue, &fields, &faces)?;
        Ok("/faces".into())
    })
    .await
}

/// What can be said of any faces; the answer is where whoever was named is shown.
fn say(
    catalogue: &mut Album,
    fields: &Fields,
    faces: &[FaceId],
) -> Result<Option<String>, Failure> {
    match fields.first("do") {
        Some("ignore") => catalogue.ignore(faces)?,
        Some("not_a_face") => catalogue.not_a_face(faces)?,
        Some("is") => {
            let name = fields.first("name");
            let name = name.ok_or_else(|| Failure::bad("type the name of the selected faces"))?;
            let person = catalogue.assert_is_called(faces, name)?;
            return Ok(Some(format!("/people/{person}")));
        }
        _ => {
            return Err(Failure::bad(
                "what is to be done with the faces is not said",
            ));
        }
    }
    Ok(None)
}

/// What is said of one face on the page of its photo.
pub(super) async fn is(
    State(web): State<Web>,
    Path(id): Path<i64>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Failure> {
    web.decide(move |catalogue| {
        let face = catalogue.face(FaceId(id))?;
        let faces = [face.face];
        let name = fields.first("name");
        match (fields.first("do"), face.person, name) {
            (Some("not"), Some(person), _) => catalogue.assert_is_not(&faces, person)?,
            // The face stands for its group, which gets the name, or joins who has it.
            (Some("is"), Some(group), Some(name)) if face.name.is_none() => {
                match catalogue.find_person(name) {
                    Ok(person) if person != group => catalogue.merge(person, group)?,
                    _ => catalogue.name(group, name)?,
                }
            }
            _ => drop(say(catalogue, &fields, &faces)?),
        }
        Ok(format!("/photos/{}?face={id}", face.photo))
    })
    .await
}
