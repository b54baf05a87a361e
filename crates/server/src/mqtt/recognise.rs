//! Who is in a picture of a camera. In: its bytes. Out: faces with the nearest enrolled person, and
//! what of it may be shown. Work waits its turn like everybody's, as one holder.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use fusiform::engine::Engine;
use fusiform::geometry::{BoundingBox, Size};
use fusiform::image::{Image, encode_jpeg};
use fusiform::models::Threshold;
use fusiform_gallery::{Action, Kind, Match, Service, Uuid, is_guessable};

use crate::admission::Holder;
use crate::compreface::Scale;
use crate::problem::Problem;
use crate::service::{Recognition, embeddings};

/// Side of the picture of a recognition, in pixels.
const HEAD_PX: u32 = 320;
/// How much of the surroundings it shows: its side over the face's longer side.
const HEAD_MARGIN: f32 = 2.0;
const JPEG_QUALITY: u8 = 85;

/// A collection of people, a threshold, and a scale.
pub(crate) struct Recogniser {
    recognition: Arc<Recognition>,
    key: Uuid,
    /// From here on a face is somebody's.
    pub(crate) threshold: Threshold,
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
    /// Matches at the loosest threshold that the pack states of at most `fmr`, else at its
    /// strictest.
    ///
    /// # Errors
    /// If the pack states no thresholds.
    pub(crate) fn new(
        recognition: &Arc<Recognition>,
        key: Uuid,
        fmr: f64,
    ) -> Result<Recogniser, fusiform::Error> {
        let thresholds = recognition.engine().thresholds()?;
        let scale = Scale::fit(thresholds)?;
        let mut stated = thresholds.stated().to_vec();
        stated.sort_by(|a, b| a.similarity.total_cmp(&b.similarity));
        // Rates pass through text, so they are compared with a tolerance.
        let strict = |t: &&Threshold| t.fmr <= fmr * (1.0 + 1e-6);
        let threshold = stated.iter().find(strict).or(stated.last()).copied();
        let threshold = threshold.map_or_else(|| thresholds.at_fmr(fmr), Ok)?;
        Ok(Recogniser {
            recognition: Arc::clone(recognition),
            key,
            threshold,
            stated,
            scale,
        })
    }

    /// The collection that the key opens now.
    pub(crate) fn service(&self) -> Option<Service> {
        let gallery = self.recognition.gallery();
        let service = gallery.service(Kind::Recognition, &self.key);
        service.filter(|_| !is_guessable(&self.key))
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
        let nearest = match self.service() {
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

    /// The nearest person of each probe, however far; recorded before it is answered. Blocks.
    #[cfg(feature = "cameras")]
    pub(crate) fn nearest(&self, probes: &[Vec<f32>]) -> Result<Vec<Option<Nearest>>, Problem> {
        let Some(service) = self.service().filter(|_| !probes.is_empty()) else {
            return Ok(vec![None; probes.len()]);
        };
        let gallery = self.recognition.gallery();
        let slices: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
        let nearest = gallery.nearest(service, &slices, 1).into_iter();
        gallery.record(Action::Identify, Some(service), None, probes.len())?;
        let nearest = nearest.map(|mut found| found.pop().map(|found| self.judged(found)));
        Ok(nearest.collect())
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
            let Some((mut head, kept)) = surroundings(&image, &bbox) else {
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

/// A square around a face, and the face's box in it.
fn surroundings(image: &Image, bbox: &BoundingBox) -> Option<(Image, BoundingBox)> {
    let (width, height) = (image.width(), image.height());
    let side = bbox.width().max(bbox.height()) * HEAD_MARGIN;
    if !side.is_finite() || side < 1.0 {
        return None;
    }
    let span = |center: f32, end: u32| {
        let start = (center - side / 2.0).max(0.0).round() as u32;
        let start = start.min(end.saturating_sub(1));
        (start, (start + side.round() as u32).clamp(start + 1, end))
    };
    let center = bbox.center();
    let ((x, x_end), (y, y_end)) = (span(center.x, width), span(center.y, height));
    let rows = (y..y_end).flat_map(|row| {
        let start = (row as usize * width as usize + x as usize) * 3;
        let n_bytes = (x_end - x) as usize * 3;
        image.rgb()[start..start + n_bytes].iter().copied()
    });
    let cut = Image::new(x_end - x, y_end - y, rows.collect()).ok()?;
    let [x_min, y_min, x_max, y_max] = bbox.as_array();
    let (x, y) = (x as f32, y as f32);
    let kept = BoundingBox::from_array([x_min - x, y_min - y, x_max - x, y_max - y]);
    Some((cut, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_cut_inside_the_picture_with_its_box() {
        let image = Image::new(100, 60, vec![7; 100 * 60 * 3]).unwrap();
        let bbox = BoundingBox::from_array([80.0, 10.0, 110.0, 50.0]);
        let (cut, kept) = surroundings(&image, &bbox).unwrap();
        assert_eq!((cut.width(), cut.height()), (45, 60));
        assert_eq!(kept.as_array(), [25.0, 10.0, 55.0, 50.0]);
        let broken = BoundingBox::from_array([f32::NAN; 4]);
        assert!(surroundings(&image, &broken).is_none());
    }
}
