//! DeepStack's face routes, which CodeProject.AI has too. In: forms with pictures and names. Out:
//! predictions in their fields. The people are those of a recognition key: the one of a request's
//! `api_key`, or the one that the settings name for clients that can send none.

mod confidence;
mod render;

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use fusiform::image::sniff;
use fusiform::template::similarity;
use fusiform_gallery::{Action, Kind, Service, Uuid};
use percent_encoding::percent_decode;
use serde_json::{Value, json};

use crate::admission::{BodyLimit, Held, Holder, blocking};
use crate::front::Client;
use crate::multipart;
use crate::names::{is_dots, normalized};
use crate::params::shown;
use crate::problem::{Code, Problem, render_problems};
use crate::service::{Recognition, embedding, embeddings};
use confidence::Confidence;

/// Images of one registration, and names.
const MAX_BODY_BYTES: usize = 64 << 20;
const MAX_NAME_CHARS: usize = 255;
/// What DeepStack takes where a request does not say.
const MIN_FACE_CONFIDENCE: f64 = 0.55;
const MIN_MATCH_CONFIDENCE: f64 = 0.67;
/// Who nobody is; so nobody can be called that.
const UNKNOWN: &str = "unknown";

struct DeepStack {
    recognition: Arc<Recognition>,
    confidence: Confidence,
    /// For requests without a key.
    key: Option<Uuid>,
}

/// The routes.
///
/// # Errors
/// If the pack states no thresholds.
pub(crate) fn router(recognition: &Arc<Recognition>, key: Option<Uuid>) -> Result<Router> {
    let thresholds = recognition.engine().thresholds()?;
    let confidence = Confidence::fit(thresholds);
    let deepstack = DeepStack {
        recognition: Arc::clone(recognition),
        confidence: confidence.context("the pack cannot serve recognition; calibrate it first")?,
        key,
    };
    let routes = Router::new()
        .route("/v1/vision/face", any(answer))
        .route("/v1/vision/face/", any(answer))
        .route("/v1/vision/face/{verb}", any(answer))
        .route(
            "/v1/status/ping",
            get(async || axum::Json(json!({"success": true}))),
        )
        .fallback(async || Problem::new(Code::UnknownRoute, "There is no such path"))
        .with_state(Arc::new(deepstack));
    Ok(render_problems(routes, render::problem))
}

/// A form whose body has arrived.
#[derive(Debug, Default)]
struct Form {
    fields: Vec<(String, Bytes)>,
    /// With the names of their parts.
    files: Vec<(String, Bytes)>,
}

impl Form {
    fn parse(body: Bytes, media_type: &str) -> Result<Form, Problem> {
        let mut form = Form::default();
        if multipart::is_form(media_type) {
            let parts = multipart::parts(body, media_type);
            let wrong = |_| Problem::new(Code::Malformed, "the form cannot be read");
            for part in parts.map_err(wrong)? {
                // Some clients send a picture without a name of a file.
                let is_file = part.file_name.is_some() || sniff(&part.bytes).is_some();
                let into = if is_file {
                    &mut form.files
                } else {
                    &mut form.fields
                };
                into.push((part.name, part.bytes));
            }
        } else if media_type.starts_with("application/x-www-form-urlencoded;") {
            let pairs = body
                .split(|byte| *byte == b'&')
                .filter(|pair| !pair.is_empty());
            form.fields = pairs.take(multipart::MAX_PARTS).map(decoded).collect();
        }
        Ok(form)
    }

    /// The text of a field, blanks around it aside.
    fn field(&self, name: &str) -> Result<Option<&str>, Problem> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        let text = found.map(|(_, value)| std::str::from_utf8(value));
        let wrong = |_| Problem::invalid(format!("{name} is not UTF-8 text; encode it as UTF-8"));
        Ok(text.transpose().map_err(wrong)?.map(str::trim))
    }

    fn image(&self) -> Result<Bytes, Problem> {
        let named = self.files.iter().find(|(name, _)| name == "image");
        named.map(|(_, bytes)| bytes.clone()).ok_or_else(no_image)
    }

    /// `min_confidence`, 0 to 1.
    fn min_confidence(&self, usual: f64) -> Result<f64, Problem> {
        let given = self.field("min_confidence")?;
        let Some(text) = given.filter(|text| !text.is_empty()) else {
            return Ok(usual);
        };
        match text.parse::<f64>() {
            Ok(value) if value > 1.0 => {
                let detail = format!("min_confidence cannot be greater than 1, and is {value}");
                Err(Problem::invalid(detail))
            }
            Ok(value) if !value.is_nan() => Ok(value),
            _ => {
                let (given, wanted) = (shown(text), "a number from 0 to 1 is wanted");
                let detail = format!("Invalid value for min_confidence: {given}; {wanted}");
                Err(Problem::invalid(detail))
            }
        }
    }

    /// The name in `userid`, as it is kept.
    fn name(&self) -> Result<String, Problem> {
        let given = normalized(self.field("userid")?.unwrap_or_default());
        if given.is_empty() {
            return Err(Problem::new(Code::MissingParameter, "userid not specified"));
        }
        let n = given.chars().count();
        let is_unnamable = is_dots(&given) || given.contains(char::is_control);
        if is_unnamable || n > MAX_NAME_CHARS || given.eq_ignore_ascii_case(UNKNOWN) {
            let detail = "userid cannot be the name of a person: up to 255 characters are wanted, \
                          no control characters, not \"unknown\" and not dots alone";
            return Err(Problem::invalid(detail));
        }
        Ok(given)
    }
}

/// A field of a URL-encoded form; its value need not be text.
fn decoded(pair: &[u8]) -> (String, Bytes) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let mut next = || {
        let part = parts.next().unwrap_or_default();
        let spaced: Vec<u8> = part
            .iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect();
        percent_decode(&spaced).collect::<Vec<u8>>()
    };
    let (name, value) = (next(), next());
    (String::from_utf8_lossy(&name).into_owned(), value.into())
}

fn no_image() -> Problem {
    Problem::new(Code::MissingPart, "No valid image file found")
}

async fn answer(
    State(deepstack): State<Arc<DeepStack>>,
    request: Request,
) -> Result<Response, Problem> {
    let admission = deepstack.recognition.admission();
    admission.in_time(deepstack.answer(request)).await
}

impl DeepStack {
    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        if request.method() != Method::POST {
            let detail = "POST is wanted";
            return Err(Problem::new(Code::UnknownRoute, detail));
        }
        let verb = request.uri().path().trim_end_matches('/').to_owned();
        let verb = verb.rsplit('/').next().unwrap_or_default();
        let client = Client::of(&request)?;
        let from_a_page = request.headers().contains_key(header::ORIGIN);
        let (form, _held) = self.receive(request).await?;
        let service = self.service(client, &form, from_a_page).await?;
        self.recognition.admission().count_request(service)?;
        let body = match verb {
            "face" => self.detect(service, &form).await?,
            "recognize" => self.recognise(service, &form).await?,
            "register" => self.register(service, &form).await?,
            "match" => self.compare(service, &form).await?,
            "list" => {
                let names = self.recognition.gallery().subjects(service);
                render::done("list", json!({"faces": names}))
            }
            "delete" => self.erase(service, &form).await?,
            _ => return Err(Problem::new(Code::UnknownRoute, "There is no such path")),
        };
        Ok(axum::Json(body).into_response())
    }

    /// The key is in the form, so the form is read before anybody is known: on the budget of those
    /// without a key.
    async fn receive(&self, request: Request) -> Result<(Form, Held), Problem> {
        let media_type = multipart::media_type(request.headers());
        let limit = BodyLimit {
            max_bytes: MAX_BODY_BYTES,
            parsed: 0,
        };
        let admission = self.recognition.admission();
        let (bytes, held) = admission
            .receive(Holder::DEEPSTACK, request.into_body(), limit)
            .await?;
        let form = blocking(move || Form::parse(bytes, &media_type)).await?;
        Ok((form, held))
    }

    async fn service(
        &self,
        client: Client,
        form: &Form,
        from_a_page: bool,
    ) -> Result<Service, Problem> {
        let refused = || Problem::new(Code::UnknownKey, "Incorrect api key");
        let given = form.field("api_key").map_err(|_| refused())?;
        let key = match given.filter(|key| !key.is_empty()) {
            Some(key) => Uuid::parse_str(key).map_err(|_| refused())?,
            // Any page in a browser of this network could send such a form.
            None if from_a_page => return Err(refused()),
            None => self.key.ok_or_else(refused)?,
        };
        let service = self.recognition.service(client, &[Kind::Recognition], &key);
        service.await?.ok_or_else(refused)
    }

    async fn detect(&self, service: Service, form: &Form) -> Result<Value, Problem> {
        let image = form.image()?;
        let least = form.min_confidence(MIN_FACE_CONFIDENCE)?;
        let found = self.recognition.analyse(service, image).await?;
        let faces = found.faces.iter();
        let faces = faces.filter(|face| f64::from(face.score) >= least);
        let faces = faces.map(|face| render::face(face, found.size, face.score.into(), None));
        Ok(render::predictions(
            "detect",
            faces.collect(),
            found.took_ms,
        ))
    }

    async fn recognise(&self, service: Service, form: &Form) -> Result<Value, Problem> {
        let image = form.image()?;
        let least = form.min_confidence(MIN_MATCH_CONFIDENCE)?;
        let found = self.recognition.analyse(service, image).await?;
        let probes = embeddings(&found.faces)?;
        let n = probes.len();
        let nearest = self.recognition.nearest(service, probes, 1).await?;
        let shown = found.faces.iter().zip(nearest).map(|(face, near)| {
            let near = near.first();
            let known = near.map(|m| (self.confidence.of(m.similarity), &*m.subject));
            let known = known.filter(|(confidence, _)| *confidence >= least);
            let (confidence, name) = known.unwrap_or((0.0, UNKNOWN));
            render::face(face, found.size, confidence, Some(name))
        });
        let shown = shown.collect();
        self.recognition
            .record(Action::Identify, service, n)
            .await?;
        Ok(render::predictions("recognize", shown, found.took_ms))
    }

    /// Every file of the form shows the person. Nothing is stored before each has been looked at;
    /// files without a face are left out, as DeepStack does.
    async fn register(&self, service: Service, form: &Form) -> Result<Value, Problem> {
        if form.files.is_empty() {
            return Err(no_image());
        }
        let name = form.name()?;
        let (mut enrolled, mut n_left_out) = (Vec::new(), 0);
        for (_, image) in &form.files {
            let faces = self
                .recognition
                .analyse(service, image.clone())
                .await?
                .faces;
            match self.recognition.enrolled_face(&faces) {
                Ok(face) => enrolled.push((embedding(face)?.to_vec(), image.clone())),
                Err(why) if why.n_clear == 0 => n_left_out += 1,
                Err(why) => return Err(why.into()),
            }
        }
        if enrolled.is_empty() {
            return Err(Problem::new(Code::NoFace, "no face detected"));
        }
        let n = enrolled.len();
        let store = self.recognition.stored(move |gallery| {
            let known = gallery.person(service, &name).is_some();
            for (vector, image) in &enrolled {
                gallery.enrol_on_terms(service, &name, vector, image)?;
            }
            Ok(known)
        });
        let message = match store.await? {
            true => "face updated",
            false => "face added",
        };
        let about = json!({"message": message, "enrolled": n, "left_out": n_left_out});
        Ok(render::done("register", about))
    }

    async fn compare(&self, service: Service, form: &Form) -> Result<Value, Problem> {
        let wrong = |detail: &str| Problem::new(Code::MissingPart, detail);
        let [(_, a), (_, b)] = &form.files[..] else {
            return Err(match form.files.len() {
                0 => no_image(),
                1 => wrong("expected two image files, only one found"),
                _ => wrong("only two images allowed"),
            });
        };
        let mut vectors = Vec::new();
        for image in [a, b] {
            let found = self.recognition.analyse(service, image.clone()).await?;
            let largest = found.faces.first();
            let none = || Problem::new(Code::NoFace, "no face found");
            vectors.push(embedding(largest.ok_or_else(none)?)?.to_vec());
        }
        let cosine = similarity(&vectors[0], &vectors[1]).0;
        self.recognition.record(Action::Compare, service, 1).await?;
        let about = json!({"similarity": self.confidence.of(cosine)});
        Ok(render::done("match", about))
    }

    async fn erase(&self, service: Service, form: &Form) -> Result<Value, Problem> {
        let name = form.name()?;
        let erase = self
            .recognition
            .stored(move |gallery| gallery.erase_subject(service, &name));
        // DeepStack is content when nobody has the name.
        let n = erase.await?.map_or(0, |(_, n_faces)| n_faces);
        Ok(render::done("delete", json!({"deleted": n})))
    }
}
