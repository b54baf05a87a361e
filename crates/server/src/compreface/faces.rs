//! Calls that look at faces. In: images or embeddings. Out: boxes, subjects, similarities.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use fusiform::pipeline::DescribedFace;
use fusiform::template::similarity;
use fusiform_gallery::{Action, Service, Uuid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::failure::Failure;
use super::request::{self, Call};
use super::{Answered, Recognition, ok, stored};

/// Embeddings that one request may ask about.
const MAX_PROBES: usize = 1024;

/// Parameters that every image call takes.
struct Asked {
    limit: usize,
    threshold: Option<f32>,
    status: bool,
}

fn asked(call: &Call) -> Result<Asked, Failure> {
    let limit: i64 = call.number("limit")?.unwrap_or(0);
    let threshold: Option<f32> = call.number("det_prob_threshold")?;
    let status = call.boolean("status", false)?;
    let limit = usize::try_from(limit)
        .map_err(|_| Failure::new(400, 26, "Limit should be equal or greater than 0; "))?;
    Ok(Asked {
        limit,
        threshold,
        status,
    })
}

fn wanted_matches(call: &Call) -> Result<usize, Failure> {
    let n: i64 = call.number("prediction_count")?.unwrap_or(1);
    let refused = || {
        Failure::new(
            400,
            26,
            "prediction_count should be equal or greater than 1; ",
        )
    };
    usize::try_from(n)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(refused)
}

/// The faces of an image that were asked for, largest first, and milliseconds.
async fn look(
    served: &Recognition,
    bytes: Vec<u8>,
    asked: &Asked,
) -> Result<(Vec<DescribedFace>, f64), Failure> {
    let threshold = asked.threshold;
    if threshold.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return Err(Failure::no_face());
    }
    let (mut faces, ms) = served.look(bytes).await?;
    faces.retain(|f| threshold.is_none_or(|t| f.face.score > t));
    if asked.limit > 0 {
        faces.truncate(asked.limit);
    }
    if faces.is_empty() {
        return Err(Failure::no_face());
    }
    Ok((faces, ms))
}

fn shown(faces: &[DescribedFace], ms: f64, call: &Call, asked: &Asked) -> Vec<Value> {
    let plugins = call.plugins();
    let one = |face| {
        let mut shown = answer::face(face, &plugins);
        if asked.status {
            shown["execution_time"] = json!({"detector": ms / faces.len() as f64});
        }
        shown
    };
    faces.iter().map(one).collect()
}

fn with_versions(mut body: Value, served: &Recognition, asked: &Asked) -> Value {
    if asked.status {
        body["plugins_versions"] = json!({
            "detector": served.engine.detector_id().to_string(),
            "calculator": served.engine.embedder_id().map(ToString::to_string).unwrap_or_default(),
        });
    }
    body
}

fn vector(face: &DescribedFace) -> Result<&[f32], Failure> {
    let embedding = face
        .embedding
        .as_ref()
        .ok_or_else(|| Failure::inside("the pack only detects"))?;
    Ok(&embedding.0)
}

pub(super) async fn enrol(served: &Arc<Recognition>, service: Service, call: Call) -> Answered {
    let missing = || Failure::new(400, 33, "Required parameter subject is missing");
    if call.is_json() {
        call.query("subject").ok_or_else(missing)?;
    }
    call.has_images(&[("file", "content")])?;
    let subject = call.query("subject").ok_or_else(missing)?.to_owned();
    let threshold = call.number("det_prob_threshold")?;
    request::not_blank(&subject)?;
    if subject.chars().count() > 255 {
        return Err(Failure::unforeseen());
    }
    let image = call.image("file")?;
    let asked = Asked {
        limit: 0,
        threshold,
        status: false,
    };
    let (faces, _) = look(served, image.clone(), &asked).await?;
    if faces.len() > 1 {
        return Err(Failure::many_faces());
    }
    let vector = vector(&faces[0])?.to_vec();
    let (vault, name) = (served.vault.clone(), subject.clone());
    let id = stored(move || vault.enrol(service, &name, &vector, &image)).await?;
    let body = json!({"image_id": id.to_string(), "subject": subject});
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

pub(super) async fn recognise(served: &Arc<Recognition>, service: Service, call: Call) -> Answered {
    call.has_images(&[("file", "content")])?;
    let (asked, top) = (asked(&call)?, wanted_matches(&call)?);
    let (mut result, probes) = if call.boolean("detect_faces", true)? {
        let (faces, ms) = look(served, call.image("file")?, &asked).await?;
        let probes: Result<Vec<_>, _> = faces
            .iter()
            .map(|f| vector(f).map(<[f32]>::to_vec))
            .collect();
        (shown(&faces, ms, &call, &asked), probes?)
    } else {
        let (bbox, probe) = served.look_at_whole(call.image("file")?).await?;
        (
            vec![answer::whole(&bbox, &probe, &call.plugins())],
            vec![probe],
        )
    };
    let n = probes.len();
    for (subjects, shown) in subjects(served, service, probes, top)
        .await?
        .into_iter()
        .zip(&mut result)
    {
        shown["subjects"] = subjects.into();
    }
    recorded(served, Action::Identify, service, n).await?;
    ok(with_versions(json!({"result": result}), served, &asked))
}

/// For each probe, what is nearest.
async fn subjects(
    served: &Recognition,
    service: Service,
    probes: Vec<Vec<f32>>,
    top: usize,
) -> Result<Vec<Vec<Value>>, Failure> {
    let found = served.nearest(service, probes, top).await?;
    let one = |m: &fusiform_gallery::Match| json!({"subject": m.subject, "similarity": served.scale.similarity(m.similarity)});
    Ok(found
        .iter()
        .map(|of| of.iter().map(one).collect())
        .collect())
}

pub(super) async fn detect(served: &Arc<Recognition>, call: Call) -> Answered {
    call.has_images(&[("file", "content")])?;
    let asked = asked(&call)?;
    let (faces, ms) = look(served, call.image("file")?, &asked).await?;
    let result = shown(&faces, ms, &call, &asked);
    ok(with_versions(json!({"result": result}), served, &asked))
}

pub(super) async fn verify(served: &Arc<Recognition>, service: Service, call: Call) -> Answered {
    call.has_images(&[
        ("source_image", "sourceImageBase64"),
        ("target_image", "targetImageBase64"),
    ])?;
    let asked = asked(&call)?;
    let (source, target) = (call.image("source_image")?, call.image("target_image")?);
    let (source, source_ms) = look(served, source, &asked).await?;
    if source.len() > 1 {
        return Err(Failure::many_faces());
    }
    let (target, target_ms) = look(served, target, &asked).await?;
    let of_source = vector(&source[0])?;
    let mut matches = shown(&target, target_ms, &call, &asked);
    for (face, shown) in target.iter().zip(&mut matches) {
        let cosine = similarity(of_source, vector(face)?).0;
        shown["similarity"] = json!(served.scale.similarity(cosine));
    }
    recorded(served, Action::Compare, service, target.len()).await?;
    let source = shown(&source, source_ms, &call, &asked).remove(0);
    let pair = json!({"source_image_face": source, "face_matches": matches});
    ok(json!({"result": [with_versions(pair, served, &asked)]}))
}

pub(super) async fn verify_stored(
    served: &Arc<Recognition>,
    service: Service,
    id: Uuid,
    call: Call,
) -> Answered {
    call.has_images(&[("file", "content")])?;
    let asked = asked(&call)?;
    let (faces, ms) = look(served, call.image("file")?, &asked).await?;
    let (example, stored) = known(served, service, &id)?;
    let mut result = shown(&faces, ms, &call, &asked);
    for (face, shown) in faces.iter().zip(&mut result) {
        let cosine = similarity(&stored, vector(face)?).0;
        shown["subject"] = json!(example.subject);
        shown["similarity"] = json!(served.scale.similarity(cosine));
    }
    recorded(served, Action::Identify, service, faces.len()).await?;
    ok(with_versions(json!({"result": result}), served, &asked))
}

/// Puts into the audit log, before the answer is given, that faces were compared.
async fn recorded(
    served: &Recognition,
    action: Action,
    service: Service,
    count: usize,
) -> Result<(), Failure> {
    let vault = Arc::clone(&served.vault);
    stored(move || vault.record(action, Some(service), None, count)).await
}

fn known(
    served: &Recognition,
    service: Service,
    id: &Uuid,
) -> Result<(fusiform_gallery::Example, Vec<f32>), Failure> {
    let unknown = || Failure::new(404, 44, "Image Id is incorrect");
    served.vault.example(service, id).ok_or_else(unknown)
}

#[derive(Deserialize)]
struct Vectors {
    embeddings: Option<Vec<Vec<f32>>>,
}

#[derive(Deserialize)]
struct Pairs {
    source: Option<Vec<f32>>,
    targets: Option<Vec<Vec<f32>>>,
}

fn given<T>(field: Option<Vec<T>>, name: &str) -> Result<Vec<T>, Failure> {
    field
        .filter(|v| !v.is_empty())
        .ok_or_else(|| Failure::empty_field(name))
}

/// Unit length, and the model's number of values.
fn unit(given: &[f32], length: usize) -> Result<Vec<f32>, Failure> {
    let norm = given
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    if given.len() != length || !norm.is_finite() || norm < 1e-12 {
        return Err(Failure::unforeseen());
    }
    Ok(given
        .iter()
        .map(|v| (f64::from(*v) / norm) as f32)
        .collect())
}

pub(super) async fn recognise_embeddings(
    served: &Recognition,
    service: Service,
    call: &Call,
) -> Answered {
    let vectors: Vectors = call.json()?;
    let vectors = given(vectors.embeddings, "embeddings")?;
    let top = wanted_matches(call)?;
    if vectors.len() > MAX_PROBES {
        return Err(Failure::unforeseen());
    }
    let length = served.engine.dimensions();
    let probes: Result<Vec<_>, _> = vectors.iter().map(|v| unit(v, length)).collect();
    let found = subjects(served, service, probes?, top).await?;
    let one = |(vector, near): (&Vec<f32>, Vec<Value>)| json!({"embedding": vector, "similarities": near});
    let result: Vec<Value> = vectors.iter().zip(found).map(one).collect();
    recorded(served, Action::Identify, service, vectors.len()).await?;
    ok(json!({"result": result}))
}

pub(super) async fn verify_embeddings(
    served: &Recognition,
    service: Service,
    id: Uuid,
    call: &Call,
) -> Answered {
    let vectors: Vectors = call.json()?;
    let vectors = given(vectors.embeddings, "embeddings")?;
    let (_, stored) = known(served, service, &id)?;
    recorded(served, Action::Identify, service, vectors.len()).await?;
    compared(served, &stored, &vectors)
}

pub(super) fn compare_embeddings(served: &Recognition, call: &Call) -> Answered {
    let pairs: Pairs = call.json()?;
    let source = given(pairs.source, "source")?;
    let targets = given(pairs.targets, "targets")?;
    compared(
        served,
        &unit(&source, served.engine.dimensions())?,
        &targets,
    )
}

fn compared(served: &Recognition, source: &[f32], targets: &[Vec<f32>]) -> Answered {
    let mut result = Vec::new();
    for target in targets {
        let near = served
            .scale
            .similarity(similarity(source, &unit(target, served.engine.dimensions())?).0);
        result.push((near, target));
    }
    result.sort_by_key(|(near, _)| Reverse((near * 1e5) as i64));
    let one = |(near, target): &(f64, &Vec<f32>)| json!({"embedding": target, "similarity": near});
    ok(json!({"result": result.iter().map(one).collect::<Vec<_>>()}))
}
