//! Who is in a picture of a camera. In: its bytes. Out: faces with the nearest enrolled person, and
//! what of it may be shown. Work waits its turn like everybody's, as one holder.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use fusiform::engine::Engine;
use fusiform::geometry::{BoundingBox, Size};
use fusiform::image::{encode_jpeg, surroundings};
use fusiform::models::Threshold;
use fusiform_gallery::{Action, Kind, Service, Uuid};

use crate::admission::Holder;
use crate::analysis::threshold_at_most;
use crate::compreface::Scale;
use crate::problem::Problem;
use crate::service::{Recognition, embeddings};

/// Side of the picture of a recognition, in pixels.
const HEAD_PX: u32 = 320;
/// How much of the surroundings it shows: its side over the face's longer side.
const HEAD_MARGIN: f32 = 2.0;
const JPEG_QUALITY: u8 = 85;

/// A collection of people, a threshold, and a scale.
pub(super) struct Recogniser {
    recognition: Arc<Recognition>,
    key: Uuid,
    /// What the key opened at the start; a key never comes to open another.
    service: Service,
    /// From here on a face is somebody's.
    pub(super) threshold: Threshold,
    /// Loosest first.
    stated: Vec<Threshold>,
    scale: Scale,
}

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Largest first; unclear ones, by which nobody can be recognised, are not among them.
    pub(super) faces: Vec<SeenFace>,
    pub(super) size: Size,
    pub(super) took_s: f64,
}

/// One face of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeenFace {
    pub(super) bbox: BoundingBox,
    pub(super) quality: f32,
    /// The nearest person, however far.
    pub(super) nearest: Option<Nearest>,
}

/// A person and how near a face is to theirs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nearest {
    pub(super) name: String,
    pub(super) similarity: f32,
    /// Whether it reaches the threshold.
    pub(super) is_match: bool,
    /// On CompreFace's scale, 0…1.
    pub(super) confidence: f64,
    /// Of the strictest threshold of the pack that it reaches; `None` if it reaches none.
    pub(super) fmr: Option<f64>,
}

impl Recogniser {
    /// Matches at [`threshold_at_most`] `fmr`. `service` is what the key opens.
    ///
    /// # Errors
    /// If the pack states no thresholds.
    pub(super) fn new(
        recognition: &Arc<Recognition>,
        key: Uuid,
        service: Service,
        fmr: f64,
    ) -> Result<Recogniser, fusiform::Error> {
        let engine = recognition.engine();
        let thresholds = engine.thresholds()?;
        let threshold = threshold_at_most(engine, fmr);
        Ok(Recogniser {
            recognition: Arc::clone(recognition),
            key,
            service,
            threshold: threshold.map_or_else(|| thresholds.at_fmr(fmr), Ok)?,
            stated: thresholds.stated().to_vec(),
            scale: Scale::fit(thresholds)?,
        })
    }

    /// The collection, while the key opens it; the key does not count as used by that.
    pub(super) fn service(&self) -> Option<Service> {
        let opens = self.recognition.gallery().is_key(&self.key);
        opens.then_some(self.service)
    }

    /// Names of the people whose consent has not ended.
    pub(super) fn names(&self) -> Vec<String> {
        let Some(service) = self.service() else {
            return Vec::new();
        };
        let people = self.recognition.gallery().people(service).into_iter();
        let lasting = people.filter(|person| !person.consent.has_ended());
        lasting.map(|person| person.name).collect()
    }

    /// Whether a person is there and their consent has not ended.
    pub(super) fn is_enrolled(&self, name: &str) -> bool {
        let person = |service| self.recognition.gallery().person(service, name);
        let found = self.service().and_then(person);
        found.is_some_and(|(person, _)| person.name == name && !person.consent.has_ended())
    }

    /// Examples that a face is compared with.
    pub(super) fn n_examples(&self) -> usize {
        let count = |service| self.recognition.gallery().examples(service, None, 0, 0).0;
        self.service().map_or(0, count)
    }

    /// The faces of a picture and who they are nearest to; recorded before it is answered.
    pub(super) async fn look(&self, picture: Bytes) -> Result<Seen, Problem> {
        let begun = Instant::now();
        let found = self.recognition.analyse(Holder::FRIGATE, picture).await?;
        let (size, mut faces) = (found.size, found.faces);
        faces.retain(|face| !face.is_unclear());
        let opened = self.recognition.opened_by(&[Kind::Recognition], &self.key);
        let nearest = match opened {
            Some(service) if !faces.is_empty() => {
                let (holder, probes) = (Holder::FRIGATE, embeddings(&faces)?);
                let recognition = &self.recognition;
                let nearest = recognition.nearest_as(holder, service, probes, 1).await?;
                recognition
                    .record(Action::Identify, service, faces.len())
                    .await?;
                nearest
            }
            _ => Vec::new(),
        };
        let mut nearest = nearest.into_iter().map(|mut found| found.pop());
        let faces = faces.iter().map(|face| SeenFace {
            bbox: face.bbox.clipped(size),
            quality: face.quality.overall,
            nearest: nearest.next().flatten().map(|found| Nearest {
                is_match: found.similarity >= self.threshold.similarity,
                confidence: self.scale.similarity(found.similarity),
                fmr: self.fmr_of(found.similarity),
                similarity: found.similarity,
                name: found.subject,
            }),
        });
        Ok(Seen {
            faces: faces.collect(),
            size,
            took_s: begun.elapsed().as_secs_f64(),
        })
    }

    fn fmr_of(&self, similarity: f32) -> Option<f64> {
        let mut reached = self.stated.iter().rev();
        let reached = reached.find(|t| similarity >= t.similarity);
        reached.map(|threshold| threshold.fmr)
    }

    /// One face of a picture with its surroundings as a JPEG, every other face covered; `None`
    /// while something else there still looks like a face.
    pub(super) async fn head(
        &self,
        picture: Bytes,
        bbox: BoundingBox,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let work = move |engine: &Engine, bytes: &Bytes| {
            let image = engine.decode(bytes)?.image;
            let Some((mut head, kept)) = surroundings(&image, &bbox, HEAD_MARGIN) else {
                return Ok(None);
            };
            if !engine.cover_faces(&mut head, &[], &[kept])?.is_empty() {
                return Ok(None);
            }
            let jpeg = encode_jpeg(&head.shrunk_to(HEAD_PX), JPEG_QUALITY);
            Ok(Some(jpeg.map_err(fusiform::Error::from)?))
        };
        let holder = Holder::FRIGATE;
        self.recognition.with_picture(holder, picture, work).await
    }
}
