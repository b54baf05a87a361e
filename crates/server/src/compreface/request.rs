//! Typed requests. In: method, path and the parts of a request. Out: one [`Call`], its values
//! checked in the order in which CompreFace checks them: parts, values, ranges, file name. Knows no
//! face and no stored person.

use std::fmt::Display;

use axum::body::Bytes;
use axum::http::Method;
use fusiform_gallery::Uuid;
use serde::Deserialize;
use serde_json::Value;

use super::body::{RawImage, RawRequest, empty_field, malformed};
use crate::names::{is_dots, normalized};
use crate::problem::{Code, Problem};

/// Embeddings that one request may ask about.
const MAX_PROBES: usize = 1024;
/// UTF-16 units of a name in a body.
const MAX_NAME_UNITS: usize = 50;
/// Characters of a name in a parameter.
const MAX_SUBJECT_CHARS: usize = 255;
const MAX_PAGE_SIZE: usize = 2000;

/// One request that needs a key.
#[derive(Debug)]
pub(super) enum Call {
    AddSubject {
        name: String,
    },
    ListSubjects,
    EraseSubjects,
    RenameSubject {
        old: String,
        new: String,
    },
    EraseSubject {
        name: String,
    },
    ListExamples(ListExamples),
    /// Without a subject, those of all.
    EraseExamples {
        subject: Option<String>,
    },
    EraseExamplesById(Vec<Uuid>),
    EraseExample(Uuid),
    ExampleImage {
        id: String,
    },
    Enrol(Enrol),
    Recognise(Recognise),
    Detect(Detect),
    Verify(Verify),
    VerifyExample {
        id: Uuid,
        photo: Detect,
    },
    RecogniseEmbeddings(RecogniseEmbeddings),
    VerifyEmbeddings {
        id: Uuid,
        embeddings: Vec<Vec<f32>>,
    },
    CompareEmbeddings(CompareEmbeddings),
}

/// A page of examples.
#[derive(Debug)]
pub(super) struct ListExamples {
    pub(super) page: usize,
    pub(super) size: usize,
    pub(super) subject: Option<String>,
}

/// Enrol the one face of a photo.
#[derive(Debug)]
pub(super) struct Enrol {
    pub(super) subject: String,
    pub(super) min_score: Option<f32>,
    pub(super) image: Bytes,
}

/// Which faces of a photo, and what of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct FaceOptions {
    /// Largest faces to keep; 0 is all.
    pub(super) limit: usize,
    /// A face's score must be above it. Not yet checked to be from 0 to 1: CompreFace answers "no
    /// face" otherwise.
    pub(super) min_score: Option<f32>,
    /// Whether times and versions are shown.
    pub(super) status: bool,
    pub(super) plugins: Plugins,
}

/// What is shown of a face beside its box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plugins {
    pub(super) landmarks: bool,
    pub(super) pose: bool,
    pub(super) embedding: bool,
}

/// Faces of one photo.
#[derive(Debug)]
pub(super) struct Detect {
    pub(super) image: Bytes,
    pub(super) options: FaceOptions,
}

/// Who the faces of a photo are.
#[derive(Debug)]
pub(super) struct Recognise {
    pub(super) image: Bytes,
    pub(super) options: FaceOptions,
    /// Matches of each face, at least 1.
    pub(super) top: usize,
    /// `false` takes the image as one cropped face.
    pub(super) detect_faces: bool,
}

/// Compare the one face of `source` with the faces of `target`.
#[derive(Debug)]
pub(super) struct Verify {
    pub(super) source: Bytes,
    pub(super) target: Bytes,
    pub(super) options: FaceOptions,
}

/// Who the faces are that these embeddings are of.
#[derive(Debug)]
pub(super) struct RecogniseEmbeddings {
    pub(super) embeddings: Vec<Vec<f32>>,
    pub(super) top: usize,
}

/// Compare embeddings with each other.
#[derive(Debug)]
pub(super) struct CompareEmbeddings {
    pub(super) source: Vec<f32>,
    pub(super) targets: Vec<Vec<f32>>,
}

impl Call {
    /// `path` is what follows `/api/v1/`, decoded, a part for each segment.
    pub(super) fn parse(
        method: &Method,
        path: &[&str],
        mut raw: RawRequest,
    ) -> Result<Call, Problem> {
        let file = ("file", "content");
        Ok(match (method, path) {
            (&Method::POST, ["recognition", "subjects"]) => Call::AddSubject {
                name: name_of_body(&raw)?,
            },
            (&Method::GET, ["recognition", "subjects"]) => Call::ListSubjects,
            (&Method::DELETE, ["recognition", "subjects"]) => Call::EraseSubjects,
            (&Method::PUT, ["recognition", "subjects", old]) => Call::RenameSubject {
                new: name_of_body(&raw)?,
                old: not_blank(old)?,
            },
            (&Method::DELETE, ["recognition", "subjects", name]) => Call::EraseSubject {
                name: not_blank(name)?,
            },
            (&Method::GET, ["recognition", "faces"]) => Call::ListExamples(list_examples(&raw)),
            (&Method::DELETE, ["recognition", "faces"]) => Call::EraseExamples {
                subject: raw.parameter("subject").map(not_blank).transpose()?,
            },
            (&Method::POST, ["recognition", "faces"]) => Call::Enrol(enrol(raw)?),
            (&Method::POST, ["recognition", "faces", "delete"]) => {
                let ids: Vec<String> = raw.json()?;
                let ids = ids.iter().map(|id| uuid(id));
                Call::EraseExamplesById(ids.collect::<Result<_, _>>()?)
            }
            // `/faces/` is also what clients send for the example without an id.
            (&Method::DELETE, ["recognition", "faces", ""]) => Call::EraseExamples {
                subject: Some(not_blank(raw.parameter("subject").unwrap_or_default())?),
            },
            (&Method::DELETE, ["recognition", "faces", id]) => Call::EraseExample(uuid(id)?),
            (&Method::GET, ["recognition", "faces", id, "img"]) => Call::ExampleImage {
                id: (*id).to_owned(),
            },
            (&Method::POST, ["recognition", "faces", id, "verify"]) => Call::VerifyExample {
                id: uuid(id)?,
                photo: detect(raw)?,
            },
            (&Method::POST, ["recognition", "recognize"]) => {
                let [image] = raw.images([file])?;
                let (options, top) = (face_options(&raw)?, prediction_count(&raw)?);
                let detect_faces = raw.boolean("detect_faces", true)?;
                Call::Recognise(Recognise {
                    image: image.bytes()?,
                    options,
                    top,
                    detect_faces,
                })
            }
            (&Method::POST, ["detection", "detect"]) => Call::Detect(detect(raw)?),
            (&Method::POST, ["verification", "verify"]) => {
                let [source, target] = raw.images([
                    ("source_image", "sourceImageBase64"),
                    ("target_image", "targetImageBase64"),
                ])?;
                let options = face_options(&raw)?;
                Call::Verify(Verify {
                    source: source.bytes()?,
                    target: target.bytes()?,
                    options,
                })
            }
            (&Method::POST, ["recognition", "embeddings", "recognize"]) => {
                let embeddings = embeddings(&raw)?;
                let top = prediction_count(&raw)?;
                if embeddings.len() > MAX_PROBES {
                    return Err(malformed());
                }
                Call::RecogniseEmbeddings(RecogniseEmbeddings { embeddings, top })
            }
            (&Method::POST, ["recognition", "embeddings", "faces", id, "verify"]) => {
                Call::VerifyEmbeddings {
                    id: uuid(id)?,
                    embeddings: embeddings(&raw)?,
                }
            }
            (&Method::POST, ["verification", "embeddings", "verify"]) => {
                let pair: Pair = raw.json()?;
                Call::CompareEmbeddings(CompareEmbeddings {
                    source: not_empty(pair.source, "source")?,
                    targets: not_empty(pair.targets, "targets")?,
                })
            }
            (
                _,
                ["recognition", "subjects" | "faces" | "recognize"]
                | ["recognition", "subjects" | "faces", _]
                | ["recognition", "faces", _, "img" | "verify"]
                | ["detection", "detect"]
                | ["verification", "verify"],
            ) => {
                return Err(unknown_route(format!(
                    "Request method '{method}' not supported"
                )));
            }
            _ => return Err(unknown_route("No such path")),
        })
    }
}

pub(super) fn unknown_route(detail: impl Into<String>) -> Problem {
    Problem::new(Code::UnknownRoute, detail)
}

pub(super) fn unknown_subject(name: impl Display) -> Problem {
    Problem::new(Code::UnknownSubject, format!("Subject {name} not found"))
}

fn detect(mut raw: RawRequest) -> Result<Detect, Problem> {
    let [image]: [RawImage; 1] = raw.images([("file", "content")])?;
    let options = face_options(&raw)?;
    Ok(Detect {
        image: image.bytes()?,
        options,
    })
}

fn enrol(mut raw: RawRequest) -> Result<Enrol, Problem> {
    let missing = || {
        let detail = "Required parameter subject is missing";
        Problem::new(Code::MissingParameter, detail)
    };
    if raw.is_json() {
        raw.parameter("subject").ok_or_else(missing)?;
    }
    let [image] = raw.images([("file", "content")])?;
    let subject = raw.parameter("subject").ok_or_else(missing)?;
    let min_score = raw.number("det_prob_threshold")?;
    let subject = not_blank(subject)?;
    if subject.chars().count() > MAX_SUBJECT_CHARS {
        return Err(malformed());
    }
    Ok(Enrol {
        subject,
        min_score,
        image: image.bytes()?,
    })
}

fn face_options(raw: &RawRequest) -> Result<FaceOptions, Problem> {
    let limit: i64 = raw.number("limit")?.unwrap_or(0);
    let min_score = raw.number("det_prob_threshold")?;
    let status = raw.boolean("status", false)?;
    let negative = |_| Problem::invalid("Limit should be equal or greater than 0; ");
    Ok(FaceOptions {
        limit: usize::try_from(limit).map_err(negative)?,
        min_score,
        status,
        plugins: plugins(raw),
    })
}

/// Unknown names are ignored; `calculator` counts wherever a name contains it.
fn plugins(raw: &RawRequest) -> Plugins {
    let names: Vec<&str> = raw
        .all("face_plugins")
        .flat_map(|value| value.split([',', ' ', '\t']))
        .collect();
    Plugins {
        landmarks: names.contains(&"landmarks"),
        pose: names.contains(&"pose"),
        embedding: names.iter().any(|name| name.contains("calculator")),
    }
}

fn prediction_count(raw: &RawRequest) -> Result<usize, Problem> {
    let n: i64 = raw.number("prediction_count")?.unwrap_or(1);
    let n = usize::try_from(n).ok().filter(|n| *n > 0);
    n.ok_or_else(|| Problem::invalid("prediction_count should be equal or greater than 1; "))
}

/// A value that does not parse as a number counts as absent.
fn list_examples(raw: &RawRequest) -> ListExamples {
    let number = |name| raw.parameter(name)?.parse::<usize>().ok();
    ListExamples {
        page: number("page").unwrap_or(0),
        size: number("size")
            .filter(|n| *n > 0)
            .unwrap_or(20)
            .min(MAX_PAGE_SIZE),
        subject: raw.parameter("subject").map(normalized),
    }
}

#[derive(Deserialize)]
struct Embeddings {
    embeddings: Option<Vec<Vec<f32>>>,
}

#[derive(Deserialize)]
struct Pair {
    source: Option<Vec<f32>>,
    targets: Option<Vec<Vec<f32>>>,
}

fn embeddings(raw: &RawRequest) -> Result<Vec<Vec<f32>>, Problem> {
    let body: Embeddings = raw.json()?;
    not_empty(body.embeddings, "embeddings")
}

fn not_empty<T>(field: Option<Vec<T>>, name: &str) -> Result<Vec<T>, Problem> {
    let field = field.filter(|values| !values.is_empty());
    field.ok_or_else(|| empty_field(name))
}

fn not_blank(name: &str) -> Result<String, Problem> {
    if name.trim().is_empty() {
        return Err(Problem::invalid("Subject name is empty; "));
    }
    if is_dots(name) {
        return Err(Problem::invalid(format!("Subject name cannot be {name}; ")));
    }
    Ok(normalized(name))
}

fn uuid(text: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(text).map_err(|_| malformed())
}

/// The name in `{"subject": …}` or a bare string, within the contract's rules.
fn name_of_body(raw: &RawRequest) -> Result<String, Problem> {
    let body: Value = raw.json()?;
    let field = || body.get("subject").and_then(Value::as_str);
    let name = body.as_str().or_else(field).unwrap_or_default();
    if name.trim().is_empty() {
        return Err(Problem::invalid("Subject name cannot be empty"));
    }
    if name.contains([';', '/', '\\']) {
        let detail = "The name cannot contain the following special characters: ';', '/', '\\'";
        return Err(Problem::new(Code::ForbiddenCharacter, detail));
    }
    if name.encode_utf16().count() > MAX_NAME_UNITS {
        let detail = "Subject name size must be between 1 and 50";
        return Err(Problem::invalid(detail));
    }
    if is_dots(name) {
        return Err(Problem::invalid(format!("Subject name cannot be {name}")));
    }
    Ok(normalized(name))
}
