//! A photo library and an engine. In: folders and an [`Engine`]. Out: an [`Album`] of people.
//! Everything of the room `fusiform-album` is re-exported; this file adds what needs an engine.
//! Knows nothing of how the album stores.

#[cfg(feature = "video")]
mod videos;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

pub use fusiform_album::*;
use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::{Fingerprint, Image, ImageError, Orientation};
#[cfg(feature = "video")]
pub use videos::{AlbumVideoOptions, VIDEO_FMR};

use crate::engine::Engine;
use crate::photo::{AnalyseOptions, Face};
use fusiform_album::scan::{Analyse, Event, Exclude, ScanOptions, ScanSummary};
use fusiform_face::detect::DetectOptions;
use fusiform_search::template::ModelId;

/// Albums: scanning folders and grouping faces into people.
impl Engine {
    /// Analyses every photo below `roots` and records what is new in the album, on all cores.
    ///
    /// Photos that are known and unchanged are not read again. A photo that cannot be read is no
    /// error: the summary lists it with the reason. People are made by [`Engine::group`].
    ///
    /// # Errors
    /// [`crate::Error::Album`] if nothing can be recorded any more.
    ///
    /// # Example
    /// ```
    /// use fusiform::{Album, Engine, album::OpenOptions};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let file = dir.path().join("photos.db");
    /// let engine = Engine::builtin()?;
    /// let mut album = Album::open(&file, OpenOptions { create: true, ..Default::default() })?;
    /// let summary = engine.scan(&mut album, &["tests/data"])?;
    /// engine.group(&mut album)?;
    /// assert_eq!((summary.analysed, summary.problems.len()), (2, 0));
    /// assert!(!album.people()?.is_empty());
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn scan(
        &self,
        album: &mut Album,
        roots: &[impl AsRef<std::path::Path>],
    ) -> Result<ScanSummary, crate::Error> {
        let roots: Vec<PathBuf> = roots.iter().map(|root| root.as_ref().into()).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (options, never) = (self.usual_options(), AtomicBool::new(false));
        let scan = ScanOptions {
            threads,
            exclude: Exclude::default(),
        };
        self.scan_with(album, &roots, &options, &scan, &never, |_| {})
    }

    /// As [`Engine::scan`], with options, a way to stop and a report of progress.
    ///
    /// Setting `stop` ends the scan after the files under way; a later scan goes on from there.
    ///
    /// # Errors
    /// [`crate::Error::Album`] if nothing can be recorded any more.
    pub fn scan_with(
        &self,
        album: &mut Album,
        roots: &[PathBuf],
        options: &AnalyseOptions,
        scan: &ScanOptions,
        stop: &AtomicBool,
        tell: impl FnMut(Event),
    ) -> Result<ScanSummary, crate::Error> {
        let analyse = Recorder {
            engine: self,
            options,
        };
        let mut summary = fusiform_album::scan::scan(&analyse, album, roots, scan, stop, tell)?;
        if !summary.interrupted {
            summary.interrupted = !self.describe_drawn(album, stop)?;
        }
        Ok(summary)
    }

    /// Adds a face that a human drew on a photo of the album, in pixels of the upright photo, and
    /// says who it is if they did. A face in which nobody can be recognised is kept as well; the
    /// answer says so.
    ///
    /// # Errors
    /// [`crate::Error::Album`] for a box outside the photo or on a face that is known, as
    /// [`Album::draw_face`].
    pub fn draw_face(
        &self,
        album: &mut Album,
        photo: PhotoId,
        bbox: BoundingBox,
        name: Option<&str>,
    ) -> Result<DrawnFace, crate::Error> {
        let image = self.decoded(album, photo)?;
        let found = image.and_then(|image| self.described(&image, &bbox));
        let models = self.models();
        let found = found.as_ref().map(|face| (face, &models));
        Ok(album.draw_face(photo, bbox, found, name)?)
    }

    /// Describes faces that were drawn and have no template of this pack: after a change of pack,
    /// or a scan from scratch. One whose photo cannot be read now waits for the next scan, as do
    /// those that are left once `stop` is set: the answer is whether it came to the end.
    fn describe_drawn(&self, album: &mut Album, stop: &AtomicBool) -> Result<bool, crate::Error> {
        let Ok(model) = self.embedder_id() else {
            return Ok(true);
        };
        let drawn = album.undescribed_faces(model)?;
        for of_photo in drawn.chunk_by(|a, b| a.photo == b.photo) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let Some(image) = self.decoded(album, of_photo[0].photo)? else {
                continue;
            };
            for drawn in of_photo {
                if let Some(found) = self.described(&image, &drawn.bbox) {
                    album.describe_face(drawn.face, &found, &self.models())?;
                }
            }
        }
        Ok(true)
    }

    /// A photo of the album; `None` if no file of it can be read.
    fn decoded(&self, album: &Album, photo: PhotoId) -> Result<Option<Image>, crate::Error> {
        let view = album.photo(photo)?;
        Ok(view.paths.iter().find_map(|path| {
            let decoded = self.decode_file(path).ok()?;
            let size = decoded.image.size();
            // Another photo may lie there by now.
            let is_it = (size.width_px, size.height_px) == (view.width_px, view.height_px);
            is_it.then_some(decoded.image)
        }))
    }

    /// What the networks make of a box, if anything can be made of it.
    fn described(&self, image: &Image, bbox: &BoundingBox) -> Option<FaceRecord> {
        self.describe_at(image, bbox).ok().map(face_record)
    }

    /// Groups the album's faces into people, if anything changed since that was last done.
    ///
    /// # Errors
    /// [`crate::Error::Lacks`], [`crate::Error::Uncalibrated`]; [`crate::Error::Album`].
    pub fn group(&self, album: &mut Album) -> Result<GroupSummary, crate::Error> {
        Ok(album.group(self.embedder_id()?, &self.cluster_options()?)?)
    }

    /// The pair of models whose work an album records: what finds faces, and what describes them.
    pub fn models(&self) -> ModelPair {
        let detector = match self.landmarks_id() {
            Some(landmarks) => ModelId(format!("{}+{landmarks}", self.detector_id())),
            None => self.detector_id().clone(),
        };
        ModelPair {
            detector,
            embedder: self.embedder_id().ok().cloned(),
        }
    }
}

/// An engine that analyses in one way, as a scan takes it.
struct Recorder<'a> {
    engine: &'a Engine,
    options: &'a AnalyseOptions,
}

impl Analyse for Recorder<'_> {
    fn max_bytes(&self) -> u64 {
        self.options.limits.max_bytes
    }

    fn models(&self) -> ModelPair {
        let mut models = self.engine.models();
        let (asked, usual) = (&self.options.detect, DetectOptions::default());
        // A photo that was searched in another way is read again.
        if let Some(px) = asked.min_face_px {
            models.detector.0 += &format!(" min_face={px}");
        }
        if let Some(score) = asked.min_score {
            models.detector.0 += &format!(" min_score={score}");
        }
        if asked.longest_side_px != usual.longest_side_px {
            models.detector.0 += &format!(" longest_side={}", asked.longest_side_px);
        }
        models
    }

    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, Unusable> {
        self.photo_record_noting(bytes, &mut |_| {})
    }

    fn photo_record_noting(
        &self,
        bytes: &[u8],
        note: &mut dyn FnMut(String),
    ) -> Result<PhotoRecord, Unusable> {
        let photo = self.engine.analyse(bytes, self.options);
        let photo = photo.map_err(unusable)?;
        photo.notes.iter().for_each(|n| note(n.to_string()));
        Ok(PhotoRecord {
            width_px: photo.width_px,
            height_px: photo.height_px,
            taken: photo.taken,
            orientation: photo.orientation,
            fingerprint: photo.fingerprint,
            models: self.models(),
            faces: photo.faces.into_iter().map(face_record).collect(),
        })
    }

    fn fingerprint(&self, bytes: &[u8]) -> Result<(Fingerprint, Orientation), Unusable> {
        let found = self.engine.fingerprint(bytes, self.options);
        found.map_err(unusable)
    }
}

/// What a scan says of a photo that cannot be used.
fn unusable(error: crate::Error) -> Unusable {
    let kind = match &error {
        crate::Error::Image(why) if why.is_over_limit() => ProblemKind::OverLimit,
        crate::Error::Image(ImageError::Empty | ImageError::UnknownFormat { .. }) => {
            ProblemKind::NoPhoto
        }
        crate::Error::Image(ImageError::Unsupported { .. }) => ProblemKind::NotCovered,
        crate::Error::Image(_) => ProblemKind::Damaged,
        _ => ProblemKind::Failed,
    };
    Unusable {
        kind,
        why: error.to_string(),
    }
}

fn face_record(face: Face) -> FaceRecord {
    FaceRecord {
        bbox: face.bbox,
        score: face.score,
        landmarks: face.landmarks,
        quality: face.quality,
        vector: face.template.map(|t| t.vector),
    }
}
