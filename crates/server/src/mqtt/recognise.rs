//! Who is in a picture of a camera. In: its bytes. Out: faces with the nearest enrolled person, and
//! what of it may be shown. Work waits its turn like everybody's, as one holder.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::body::Bytes;
use fusiform::engine::Engine;
use fusiform::geometry::{BoundingBox, Size};
use fusiform::image::{encode_jpeg, surroundings};
use fusiform::models::Threshold;
use fusiform_gallery::{Action, Kind, Match, Service, Uuid};

use crate::admission::Holder;
use crate::analysis::threshold_at_most;
use crate::compreface::Scale;
use crate::problem::Problem;
use crate::service::{Recognition, embeddings};
use crate::start_error::StartError;

/// Side of the picture of a recognition, in pixels.
const HEAD_PX: u32 = 320;
/// How much of the surroundings it shows: its side over the face's longer side.
const HEAD_MARGIN: f32 = 2.0;
const JPEG_QUALITY: u8 = 85;

/// A collection of people, a threshold, and a scale.
pub(crate) struct Recogniser {
    recognition: Arc<Recognition>,
    key: Uuid,
    /// What the key opened at the start; a key never comes to open another.
    service: Service,
    /// From here on a face is somebody's.
    pub(crate) threshold: Threshold,
    /// Loosest first.
    stated: Vec<Threshold>,
    scale: Scale,
}

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Largest first; unclear ones, by which nobody can be recognised, are not among them.
    pub(crate) faces: Vec<SeenFace>,
    pub(crate) size: Size,
    pub(crate) took_s: f64,
}

/// One face of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeenFace {
    pub(crate) bbox: BoundingBox,
    pub(crate) quality: f32,
    /// The nearest person, however far.
    pub(crate) nearest: Option<Nearest>,
}

/// A person and how near a face is to theirs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Nearest {
    pub(crate) name: String,
    pub(crate) similarity: f32,
    /// Whether it reaches the threshold.
    pub(crate) is_match: bool,
    /// On CompreFace's scale, 0…1.
    pub(crate) confidence: f64,
    /// Of the strictest threshold of the pack that it reaches; `None` if it reaches none.
    pub(crate) fmr: Option<f64>,
}

impl Recogniser {
    /// Matches at [`threshold_at_most`] `fmr`.
    ///
    /// # Errors
    /// [`StartError::UnknownKey`] of `program` and its `key_file` if the key opens no collection of
    /// people; if the pack states no thresholds.
    pub(crate) fn open(
        recognition: &Arc<Recognition>,
        key: Uuid,
        fmr: f64,
        (program, key_file): (&'static str, Option<&Path>),
    ) -> Result<Recogniser> {
        let opened = recognition.opened_by(&[Kind::Recognition], &key);
        let service = opened.ok_or_else(|| StartError::UnknownKey {
            program,
            file: key_file.unwrap_or(Path::new("")).display().to_string(),
        })?;
        let engine = recognition.engine();
        let uncalibrated = "the pack cannot serve recognition; calibrate it first";
        let thresholds = engine.thresholds().context(uncalibrated)?;
        Ok(Recogniser {
            recognition: Arc::clone(recognition),
            key,
            service,
            threshold: threshold_at_most(engine, fmr).context(uncalibrated)?,
            stated: thresholds.stated().to_vec(),
            scale: Scale::fit(thresholds).context(uncalibrated)?,
        })
    }

    /// The collection, while the key opens it; the key does not count as used by that.
    pub(crate) fn service(&self) -> Option<Service> {
        let opens = self.recognition.gallery().is_key(&self.key);
        opens.then_some(self.service)
    }

    /// As [`Recogniser::service`]; the key counts as used.
    fn opened(&self) -> Option<Service> {
        self.recognition.opened_by(&[Kind::Recognition], &self.key)
    }

    /// Names of the people whose consent has not ended.
    pub(crate) fn names(&self) -> Vec<String> {
        let Some(service) = self.service() else {
            return Vec::new();
        };
        let people = self.recognition.gallery().people(service).into_iter();
        let lasting = people.filter(|person| !person.consent.has_ended());
        lasting.map(|person| person.name).collect()
    }

    /// Whether a person is there and their consent has not ended.
    pub(crate) fn is_enrolled(&self, name: &str) -> bool {
        let person = |service| self.recognition.gallery().person(service, name);
        let found = self.service().and_then(person);
        found.is_some_and(|(person, _)| person.name == name && !person.consent.has_ended())
    }

    /// Examples that a face is compared with.
    pub(crate) fn n_examples(&self) -> usize {
        let count = |service| self.recognition.gallery().examples(service, None, 0, 0).0;
        self.service().map_or(0, count)
    }

    /// The faces of a picture and who they are nearest to; recorded before it is answered.
    pub(crate) async fn look(&self, picture: Bytes) -> Result<Seen, Problem> {
        let begun = Instant::now();
        let found = self.recognition.analyse(Holder::FRIGATE, picture).await?;
        let (size, mut faces) = (found.size, found.faces);
        faces.retain(|face| !face.is_unclear());
        let nearest = match self.opened() {
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
            nearest: nearest.next().flatten().map(|found| self.judged(found)),
        });
        Ok(Seen {
            faces: faces.collect(),
            size,
            took_s: begun.elapsed().as_secs_f64(),
        })
    }

    /// The nearest person of each probe, however far. Blocks; [`Recogniser::record`] it.
    #[cfg(feature = "cameras")]
    pub(crate) fn nearest(&self, probes: &[Vec<f32>]) -> Vec<Option<Nearest>> {
        // Who was erased on another server is not recognised while the database is away, either.
        if self.recognition.gallery().catch_up().is_err() {
            return vec![None; probes.len()];
        }
        let Some(service) = self.opened().filter(|_| !probes.is_empty()) else {
            return vec![None; probes.len()];
        };
        let slices: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
        let found = self.recognition.gallery().search(service, &slices, 1);
        let Ok(nearest) = found.map(|found| found.matches) else {
            return vec![None; probes.len()];
        };
        let nearest = nearest.into_iter();
        nearest
            .map(|mut found| found.pop().map(|found| self.judged(found)))
            .collect()
    }

    /// Puts into the audit log that so many faces were compared. Blocks.
    #[cfg(feature = "cameras")]
    pub(crate) fn record(&self, count: usize) -> Result<(), Problem> {
        let gallery = self.recognition.gallery();
        Ok(gallery.record(Action::Identify, Some(self.service), None, count)?)
    }

    /// The networks.
    #[cfg(feature = "cameras")]
    pub(crate) fn engine(&self) -> &Engine {
        self.recognition.engine()
    }

    /// The limits that its work waits for.
    #[cfg(feature = "cameras")]
    pub(crate) fn admission(&self) -> &crate::admission::Admission {
        self.recognition.admission()
    }

    fn judged(&self, found: Match) -> Nearest {
        Nearest {
            is_match: found.similarity >= self.threshold.similarity,
            confidence: self.scale.similarity(found.similarity),
            fmr: self.fmr_of(found.similarity),
            similarity: found.similarity,
            name: found.subject,
        }
    }

    fn fmr_of(&self, similarity: f32) -> Option<f64> {
        let mut reached = self.stated.iter().rev();
        let reached = reached.find(|t| similarity >= t.similarity);
        reached.map(|threshold| threshold.fmr)
    }

    /// One face of a picture with its surroundings as a JPEG, every other face covered; `None`
    /// while something else there still looks like a face.
    pub(crate) async fn head(
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
