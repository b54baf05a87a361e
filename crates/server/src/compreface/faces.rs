//! Calls that compare faces. In: typed requests with images or embeddings. Out: boxes, subjects,
//! similarities.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fusiform::template::similarity;
use fusiform::{Face, NotOneFace};
use fusiform_gallery::{Action, Example, Match, Service, Uuid};
use serde_json::{Value, json};

use super::body::{Sizes, malformed};
use super::render;
use super::request::{
    CompareEmbeddings, Detect, Enrol, FaceOptions, Recognise, RecogniseEmbeddings, Verify,
};
use super::scale::Scale;
use crate::analysis::Analysed;
use crate::problem::{Code, Problem};
use crate::service::{Recognition, embedding, embeddings};

type JsonAnswer = Result<Value, Problem>;

/// The calls of one engine and gallery.
#[derive(Debug)]
pub(super) struct Faces {
    pub(super) recognition: Arc<Recognition>,
    pub(super) scale: Scale,
    pub(super) sizes: Sizes,
    /// `Cache-Control` of an enrolled image.
    pub(super) image_cache: HeaderValue,
}

impl Faces {
    /// The faces of an image that were asked for, at least one.
    async fn analyse(
        &self,
        service: Service,
        image: Bytes,
        options: &FaceOptions,
    ) -> Result<Analysed, Problem> {
        let min_score = options.min_score;
        if min_score.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
            return Err(render::no_face());
        }
        let mut found = self.recognition.analyse(service, image).await?;
        let faces = &mut found.faces;
        faces.retain(|f| min_score.is_none_or(|t| f.score > t));
        if options.limit > 0 {
            faces.truncate(options.limit);
        }
        if faces.is_empty() {
            return Err(render::no_face());
        }
        Ok(found)
    }

    fn with_versions(&self, mut body: Value, options: &FaceOptions) -> Value {
        if options.status {
            let engine = self.recognition.engine();
            let embedder = engine.embedder_id().map(ToString::to_string);
            body["plugins_versions"] = json!({
                "detector": engine.detector_id().to_string(),
                "calculator": embedder.unwrap_or_default(),
            });
        }
        body
    }

    pub(super) async fn enrol(
        &self,
        service: Service,
        request: Enrol,
    ) -> Result<Response, Problem> {
        let options = FaceOptions {
            limit: 0,
            min_score: request.min_score,
            status: false,
            plugins: super::request::Plugins {
                landmarks: false,
                pose: false,
                embedding: false,
            },
        };
        let (subject, image) = (request.subject, request.image);
        let found = self.analyse(service, image.clone(), &options).await?;
        let chosen = self.recognition.enrolled_face(&found.faces);
        let face = chosen.map_err(not_one)?;
        let vector = embedding(face)?.to_vec();
        let name = subject.clone();
        let id = self
            .recognition
            .stored(move |gallery| gallery.enrol_on_terms(service, &name, &vector, &image))
            .await?;
        let body = json!({"image_id": id.to_string(), "subject": subject});
        Ok((StatusCode::CREATED, axum::Json(body)).into_response())
    }

    pub(super) async fn recognise(&self, service: Service, request: Recognise) -> JsonAnswer {
        let options = &request.options;
        let (mut result, probes) = if request.detect_faces {
            let found = self.analyse(service, request.image, options).await?;
            (shown(&found, options), embeddings(&found.faces)?)
        } else {
            let (bbox, probe) = self.recognition.embed_crop(service, request.image).await?;
            let face = render::cropped_face(&bbox, &probe, options.plugins);
            (vec![face], vec![probe])
        };
        let n = probes.len();
        let subjects = self.subjects(service, probes, request.top).await?;
        for (subjects, shown) in subjects.into_iter().zip(&mut result) {
            shown["subjects"] = subjects.into();
        }
        self.recognition
            .record(Action::Identify, service, n)
            .await?;
        Ok(self.with_versions(json!({"result": result}), options))
    }

    /// The nearest subjects of each probe.
    async fn subjects(
        &self,
        service: Service,
        probes: Vec<Vec<f32>>,
        top: usize,
    ) -> Result<Vec<Vec<Value>>, Problem> {
        let found = self.recognition.nearest(service, probes, top).await?;
        let one = |m: &Match| {
            let similarity = self.scale.similarity(m.similarity);
            json!({"subject": m.subject, "similarity": similarity})
        };
        let all = found.iter().map(|of| of.iter().map(one).collect());
        Ok(all.collect())
    }

    pub(super) async fn detect(&self, service: Service, request: Detect) -> JsonAnswer {
        let options = &request.options;
        let found = self.analyse(service, request.image, options).await?;
        let result = shown(&found, options);
        Ok(self.with_versions(json!({"result": result}), options))
    }

    pub(super) async fn verify(&self, service: Service, request: Verify) -> JsonAnswer {
        let options = &request.options;
        let source = self.analyse(service, request.source, options).await?;
        let of_source = only(&source.faces)?;
        let target = self.analyse(service, request.target, options).await?;
        let mut matches = shown(&target, options);
        for (face, shown) in target.faces.iter().zip(&mut matches) {
            let cosine = similarity(embedding(of_source)?, embedding(face)?).0;
            shown["similarity"] = json!(self.scale.similarity(cosine));
        }
        let n = target.faces.len();
        self.recognition.record(Action::Compare, service, n).await?;
        let source = shown(&source, options).remove(0);
        let pair = json!({"source_image_face": source, "face_matches": matches});
        Ok(json!({"result": [self.with_versions(pair, options)]}))
    }

    pub(super) async fn verify_example(
        &self,
        service: Service,
        id: Uuid,
        request: Detect,
    ) -> JsonAnswer {
        let options = &request.options;
        let found = self.analyse(service, request.image, options).await?;
        let (example, stored) = self.example(service, &id)?;
        let mut result = shown(&found, options);
        for (face, shown) in found.faces.iter().zip(&mut result) {
            let cosine = similarity(&stored, embedding(face)?).0;
            shown["subject"] = json!(example.subject);
            shown["similarity"] = json!(self.scale.similarity(cosine));
        }
        let n = found.faces.len();
        self.recognition
            .record(Action::Identify, service, n)
            .await?;
        Ok(self.with_versions(json!({"result": result}), options))
    }

    fn example(&self, service: Service, id: &Uuid) -> Result<(Example, Vec<f32>), Problem> {
        let unknown = || Problem::new(Code::UnknownExample, "Image Id is incorrect");
        let found = self.recognition.gallery().example(service, id)?;
        found.ok_or_else(unknown)
    }

    pub(super) async fn recognise_embeddings(
        &self,
        service: Service,
        request: RecogniseEmbeddings,
    ) -> JsonAnswer {
        let embeddings = &request.embeddings;
        let probes: Result<Vec<_>, _> = embeddings.iter().map(|v| self.unit(v)).collect();
        let found = self.subjects(service, probes?, request.top).await?;
        let one = |(vector, near): (&Vec<f32>, Vec<Value>)| {
            json!({"embedding": vector,
            "similarities": near})
        };
        let result: Vec<Value> = embeddings.iter().zip(found).map(one).collect();
        let n = embeddings.len();
        self.recognition
            .record(Action::Identify, service, n)
            .await?;
        Ok(json!({"result": result}))
    }

    pub(super) async fn verify_embeddings(
        &self,
        service: Service,
        id: Uuid,
        embeddings: &[Vec<f32>],
    ) -> JsonAnswer {
        let (_, stored) = self.example(service, &id)?;
        let n = embeddings.len();
        self.recognition
            .record(Action::Identify, service, n)
            .await?;
        self.compared(&stored, embeddings)
    }

    pub(super) fn compare_embeddings(&self, request: &CompareEmbeddings) -> JsonAnswer {
        self.compared(&self.unit(&request.source)?, &request.targets)
    }

    fn compared(&self, source: &[f32], targets: &[Vec<f32>]) -> JsonAnswer {
        let mut result = Vec::new();
        for target in targets {
            let cosine = similarity(source, &self.unit(target)?).0;
            result.push((self.scale.similarity(cosine), target));
        }
        result.sort_by_key(|(near, _)| Reverse((near * 1e5) as i64));
        let one =
            |(near, target): &(f64, &Vec<f32>)| json!({"embedding": target, "similarity": near});
        Ok(json!({"result": result.iter().map(one).collect::<Vec<_>>()}))
    }

    /// A client's vector at unit length; it must have as many values as the model's.
    fn unit(&self, given: &[f32]) -> Result<Vec<f32>, Problem> {
        let sum: f64 = given.iter().map(|v| f64::from(*v).powi(2)).sum();
        let norm = sum.sqrt();
        let length = self.recognition.engine().dimensions();
        if given.len() != length || !norm.is_finite() || norm < 1e-12 {
            return Err(malformed());
        }
        let unit = given.iter().map(|v| (f64::from(*v) / norm) as f32);
        Ok(unit.collect())
    }
}

fn not_one(why: NotOneFace) -> Problem {
    match why.n_clear {
        0 => render::unclear_face(&why.to_string()),
        n => many(n),
    }
}

fn many(n: usize) -> Problem {
    let detail = format!("More than one face in the source image ({n} are in it)");
    Problem::new(Code::ManyFaces, detail)
}

fn only(faces: &[Face]) -> Result<&Face, Problem> {
    match faces {
        [face] => Ok(face),
        _ => Err(many(faces.len())),
    }
}

fn shown(found: &Analysed, options: &FaceOptions) -> Vec<Value> {
    let each_ms = found.took_ms / found.faces.len() as f64;
    let one = |face| {
        let mut shown = render::face(face, options.plugins);
        if options.status {
            shown["execution_time"] = json!({"detector": each_ms});
        }
        shown
    };
    found.faces.iter().map(one).collect()
}
