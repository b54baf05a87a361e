//! Calls about enrolled people. In: names and ids. Out: subjects, examples and their images;
//! nothing is computed.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fusiform_gallery::{Service, Uuid};
use serde_json::{Value, json};

use super::faces::Faces;
use super::render;
use super::request::{ListExamples, unknown_subject};
use crate::problem::{Code, Problem};
use crate::service::Recognition;

type JsonAnswer = Result<Value, Problem>;

pub(super) async fn add(
    recognition: &Recognition,
    service: Service,
    name: String,
) -> Result<Response, Problem> {
    let given = name.clone();
    let add = recognition.stored(move |gallery| gallery.add_subject(service, &given, None));
    if !add.await? {
        return Err(Problem::new(Code::SubjectExists, "Subject already exists"));
    }
    Ok((StatusCode::CREATED, axum::Json(json!({"subject": name}))).into_response())
}

pub(super) async fn rename(
    recognition: &Recognition,
    service: Service,
    old: String,
    new: String,
) -> JsonAnswer {
    if new == old {
        return Ok(json!({"updated": false}));
    }
    let from = old.clone();
    let rename = recognition.stored(move |gallery| gallery.rename_subject(service, &from, &new));
    if !rename.await? {
        return Err(unknown_subject(old));
    }
    Ok(json!({"updated": true}))
}

pub(super) async fn erase(recognition: &Recognition, service: Service, name: String) -> JsonAnswer {
    let given = name.clone();
    let erase = recognition.stored(move |gallery| gallery.erase_subject(service, &given));
    match erase.await? {
        Some((stored, _)) => Ok(json!({"subject": stored})),
        None => Err(unknown_subject(name)),
    }
}

pub(super) async fn erase_all(recognition: &Recognition, service: Service) -> JsonAnswer {
    let erase = recognition.stored(move |gallery| gallery.erase_all(service));
    let (n_subjects, _) = erase.await?;
    Ok(json!({"deleted": n_subjects}))
}

pub(super) fn list_examples(
    recognition: &Recognition,
    service: Service,
    request: &ListExamples,
) -> Value {
    let (page, size) = (request.page, request.size);
    let skip = page.saturating_mul(size);
    let gallery = recognition.gallery();
    let (n, examples) = gallery.examples(service, request.subject.as_deref(), skip, size);
    let faces: Vec<_> = examples.iter().map(render::example).collect();
    json!({"faces": faces, "total_pages": n.div_ceil(size), "total_elements": n,
        "page_number": page, "page_size": size})
}

/// Without a subject all examples: that is how CompreFace's documentation describes it.
pub(super) async fn erase_examples(
    recognition: &Recognition,
    service: Service,
    subject: Option<String>,
) -> JsonAnswer {
    let erase = recognition.stored(move |gallery| {
        Ok(match subject {
            None => gallery.erase_all(service)?.1,
            Some(name) => gallery
                .erase_subject(service, &name)?
                .map_or(0, |(_, n_examples)| n_examples),
        })
    });
    Ok(json!({"deleted": erase.await?}))
}

pub(super) async fn erase_examples_by_id(
    recognition: &Recognition,
    service: Service,
    ids: Vec<Uuid>,
) -> JsonAnswer {
    let erase = recognition.stored(move |gallery| {
        let mut erased = Vec::new();
        for id in &ids {
            erased.extend(gallery.erase_example(service, id)?);
        }
        Ok(erased)
    });
    let erased: Vec<_> = erase.await?.iter().map(render::example).collect();
    Ok(json!(erased))
}

pub(super) async fn erase_example(
    recognition: &Recognition,
    service: Service,
    id: Uuid,
) -> JsonAnswer {
    let erase = recognition.stored(move |gallery| gallery.erase_example(service, &id));
    match erase.await? {
        Some(example) => Ok(render::example(&example)),
        None => {
            let detail = format!("Image {id} not found");
            Err(Problem::new(Code::UnknownExample, detail))
        }
    }
}

/// The image of an example; empty if the key or the example is unknown.
pub(super) async fn image(
    faces: &Faces,
    service: Option<Service>,
    id: &str,
) -> Result<Response, Problem> {
    let bytes = match (service, Uuid::parse_str(id).ok()) {
        (Some(service), Some(id)) => {
            let recognition = &faces.recognition;
            let read = recognition.stored(move |gallery| gallery.image(service, &id));
            read.await?
        }
        _ => None,
    };
    let mut response = Body::empty().into_response();
    if let Some(bytes) = bytes {
        response = Body::from(bytes).into_response();
        let (headers, kept) = (response.headers_mut(), faces.image_cache.clone());
        headers.insert(header::CACHE_CONTROL, kept);
    }
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
