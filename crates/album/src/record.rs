//! What a scan records. In: files with their outcome. Out: rows that depend only on the files and
//! their order. Knows nothing of how faces are found.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fusiform_face::geometry::{BoundingBox, Landmarks};
use fusiform_face::quality::Quality;
use fusiform_search::template::{ModelId, to_blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::{boxed_row, relink_orphans};
use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PhotoId};
use crate::path_bytes::{path_from_bytes, path_to_bytes};
use crate::person_stats;
use crate::same_face::same_face;

/// The models whose results are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPair {
    /// Finds faces.
    pub detector: ModelId,
    /// Computes templates; `None` if the model pack only detects.
    pub embedder: Option<ModelId>,
}

impl ModelPair {
    fn embedder_name(&self) -> &str {
        self.embedder.as_ref().map_or("", |id| &id.0)
    }
}

/// What the album knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Same size and time as when it was read, and analysed by these models.
    Unchanged(PhotoId),
    /// New, changed, a problem last time, or not analysed by these models yet.
    Unknown,
}

/// One file of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct ScannedFile {
    /// Absolute path; need not be UTF-8.
    pub path: PathBuf,
    /// Size when it was listed.
    pub size_bytes: u64,
    /// Modification time when it was listed, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// BLAKE3 of the content, if it could be read.
    pub hash: Option<[u8; 32]>,
    /// The result.
    pub outcome: Outcome,
}

/// The result for one file.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was analysed.
    New(PhotoRecord),
    /// Its content is in the album already.
    KnownContent,
    /// It could not be used: reason and remedy.
    Problem(String),
}

/// All that is kept of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoRecord {
    /// Width of the upright photo.
    pub width_px: u32,
    /// Height of the upright photo.
    pub height_px: u32,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// The models that analysed it.
    pub models: ModelPair,
    /// The faces found.
    pub faces: Vec<FaceRecord>,
}

/// All that is kept of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRecord {
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// Five points in pixels of the upright photo, if the detector gives them.
    pub landmarks: Option<Landmarks>,
    /// How much the face is worth to a recogniser.
    pub quality: Quality,
    /// The template's vector, of the pair's embedder and of unit length.
    pub vector: Option<Vec<f32>>,
}

/// The column `quality`. The detector's score has a column of its own.
fn quality_blob(quality: &Quality) -> Vec<u8> {
    let Quality {
        overall,
        size,
        sharpness,
        exposure,
        pose,
        frontal,
        detector_score: _,
        recognisability,
    } = *quality;
    to_blob(&[
        overall,
        size,
        sharpness,
        exposure,
        frontal,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
        recognisability,
    ])
}

impl Album {
    /// What is known of a file without reading it.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn file_state(
        &self,
        path: &Path,
        size_bytes: u64,
        mtime_ns: i64,
        models: &ModelPair,
    ) -> Result<FileState, Error> {
        let sql = "SELECT f.photo FROM files f JOIN passes p ON p.photo = f.photo \
                   WHERE f.path = ?1 AND f.size_bytes = ?2 AND f.mtime_ns = ?3 \
                   AND p.detector = ?4 AND p.embedder = ?5";
        let found: rusqlite::Result<Option<i64>> = self.db.prepare_cached(sql).and_then(|mut q| {
            let embedder = models.embedder_name();
            let key = params![
                path_to_bytes(path),
                size_bytes as i64,
                mtime_ns,
                models.detector.0,
                embedder
            ];
            q.query_row(key, |row| row.get(0)).optional()
        });
        let found = found.map_err(|e| self.sqlite_error(e))?;
        Ok(found.map_or(FileState::Unknown, |id| FileState::Unchanged(PhotoId(id))))
    }

    /// The BLAKE3 hashes of all contents that these models have analysed.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn known_contents(&self, models: &ModelPair) -> Result<HashSet<[u8; 32]>, Error> {
        let sql = "SELECT hash FROM photos JOIN passes ON photo = id \
                   WHERE detector = ?1 AND embedder = ?2";
        let read = || -> rusqlite::Result<HashSet<[u8; 32]>> {
            let mut query = self.db.prepare(sql)?;
            let key = params![models.detector.0, models.embedder_name()];
            query
                .query_map(key, |row| row.get::<_, [u8; 32]>(0))?
                .collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }

    /// Records files in the order given, in one transaction.
    ///
    /// A known content gets one more path. The faces of a content that other models analysed
    /// before keep their numbers, and with them all that humans decided about them.
    ///
    /// # Errors
    /// [`Error`]; then nothing of the batch is recorded.
    pub fn record(&mut self, files: &[ScannedFile]) -> Result<(), Error> {
        self.transaction(|t| {
            for file in files {
                record_file(t, file)?;
            }
            Ok(())
        })
    }

    /// Deletes photos, faces and templates, so that the next scan reads everything again. People
    /// and decisions stay, and apply to the faces once they are recorded again.
    ///
    /// # Errors
    /// [`Error`]; then nothing is deleted.
    pub fn clear_photos(&mut self) -> Result<(), Error> {
        self.transaction(|t| {
            let tables = [
                "questions",
                "person_stats",
                "face_cells",
                "ungrouped",
                "cell_centroids",
                "members",
                "templates",
                "passes",
                "files",
                "faces",
                "photos",
                "state",
            ];
            for table in tables {
                t.execute(&format!("DELETE FROM {table}"), [])?;
            }
            person_stats::refresh_all(t)
        })
    }

    /// Files that could not be used, with reason and remedy, by path.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn problems(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        let read = || -> rusqlite::Result<Vec<(PathBuf, String)>> {
            let sql = "SELECT path, problem FROM files WHERE problem IS NOT NULL ORDER BY path";
            let mut query = self.db.prepare(sql)?;
            query
                .query_map([], |row| Ok((path_from_bytes(row.get(0)?), row.get(1)?)))?
                .collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }
}

fn record_file(t: &Transaction, file: &ScannedFile) -> rusqlite::Result<()> {
    let known: Option<i64> = match &file.hash {
        None => None,
        Some(hash) => t
            .prepare_cached("SELECT id FROM photos WHERE hash = ?1")?
            .query_row([&hash[..]], |row| row.get(0))
            .optional()?,
    };
    let (photo, problem) = match (&file.outcome, known, &file.hash) {
        (Outcome::Problem(why), _, _) => (None, Some(why.as_str())),
        (Outcome::New(record), _, Some(hash)) => {
            (Some(record_photo(t, hash, known, record)?), None)
        }
        (Outcome::KnownContent, Some(photo), _) => (Some(photo), None),
        (Outcome::KnownContent, None, _) | (Outcome::New(_), _, None) => {
            (None, Some("its content is not in the album; scan it again"))
        }
    };
    let sql = "INSERT INTO files (path, size_bytes, mtime_ns, photo, problem) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (path) DO UPDATE SET \
               size_bytes = ?2, mtime_ns = ?3, photo = ?4, problem = ?5";
    let row = params![
        path_to_bytes(&file.path),
        file.size_bytes as i64,
        file.mtime_ns,
        photo,
        problem
    ];
    t.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn record_photo(
    t: &Transaction,
    hash: &[u8; 32],
    known: Option<i64>,
    record: &PhotoRecord,
) -> rusqlite::Result<i64> {
    let (detector, embedder) = (&record.models.detector.0, record.models.embedder_name());
    let photo = match known {
        Some(photo) => {
            let sql = "SELECT EXISTS \
                       (SELECT 1 FROM passes WHERE photo = ?1 AND detector = ?2 AND embedder = ?3)";
            let key = params![photo, detector, embedder];
            // The second of two files of one content in one batch.
            if t.prepare_cached(sql)?.query_row(key, |row| row.get(0))? {
                return Ok(photo);
            }
            photo
        }
        None => {
            let sql =
                "INSERT INTO photos (hash, width_px, height_px, taken_at) VALUES (?1, ?2, ?3, ?4)";
            let row = params![
                &hash[..],
                record.width_px,
                record.height_px,
                record.taken_at
            ];
            t.prepare_cached(sql)?.execute(row)?;
            t.last_insert_rowid()
        }
    };
    for (face, same) in record
        .faces
        .iter()
        .zip(recorded_faces(t, photo, &record.faces)?)
    {
        record_face(t, photo, same, face, &record.models)?;
    }
    relink_orphans(t, hash, photo)?;
    // An erased face gets no template and no landmarks again.
    for sql in [
        "DELETE FROM templates WHERE face IN \
         (SELECT id FROM faces WHERE photo = ?1 AND excluded = 'erase')",
        "UPDATE faces SET landmarks = NULL WHERE photo = ?1 AND excluded = 'erase'",
    ] {
        t.prepare_cached(sql)?.execute([photo])?;
    }
    let sql = "INSERT INTO passes (photo, detector, embedder) VALUES (?1, ?2, ?3)";
    t.prepare_cached(sql)?
        .execute(params![photo, detector, embedder])?;
    // Faces or templates changed, so the grouping is out of date.
    t.prepare_cached("DELETE FROM state WHERE key = 'grouped'")?
        .execute([])?;
    Ok(photo)
}

fn record_face(
    t: &Transaction,
    photo: i64,
    same: Option<FaceId>,
    face: &FaceRecord,
    models: &ModelPair,
) -> rusqlite::Result<()> {
    let BoundingBox {
        x_min,
        y_min,
        x_max,
        y_max,
    } = face.bbox;
    let landmarks = face
        .landmarks
        .map(|l| to_blob(l.as_array().map(|p| [p.x, p.y]).as_flattened()));
    let sql = "INSERT INTO faces \
               (id, photo, detector, x_min, y_min, x_max, y_max, score, landmarks, quality, \
               overall) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
               ON CONFLICT (id) DO UPDATE SET detector = ?3, x_min = ?4, y_min = ?5, \
               x_max = ?6, y_max = ?7, score = ?8, landmarks = ?9, quality = ?10, overall = ?11";
    t.prepare_cached(sql)?.execute(params![
        same.map(|id| id.0),
        photo,
        models.detector.0,
        x_min,
        y_min,
        x_max,
        y_max,
        face.score,
        landmarks,
        quality_blob(&face.quality),
        face.quality.overall
    ])?;
    let id = same.map_or_else(|| t.last_insert_rowid(), |id| id.0);
    // Its box and template may have changed, so it is assigned again.
    for sql in [
        "DELETE FROM face_cells WHERE face = ?1",
        "INSERT OR IGNORE INTO ungrouped (face) VALUES (?1)",
    ] {
        t.prepare_cached(sql)?.execute([id])?;
    }
    if let (Some(vector), Some(model)) = (&face.vector, &models.embedder) {
        let sql = "INSERT OR REPLACE INTO templates (face, model, vector, quality) \
                   VALUES (?1, ?2, ?3, ?4)";
        let row = params![id, model.0, to_blob(vector), face.quality.overall];
        t.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// For each new face the recorded face that it shows. Pairs are taken by falling IoU; a face is in
/// one pair at most.
fn recorded_faces(
    t: &Transaction,
    photo: i64,
    faces: &[FaceRecord],
) -> rusqlite::Result<Vec<Option<FaceId>>> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
    let recorded: Vec<(i64, BoundingBox)> = t
        .prepare_cached(sql)?
        .query_map([photo], boxed_row)?
        .collect::<rusqlite::Result<_>>()?;
    let mut pairs = Vec::new();
    for (index, face) in faces.iter().enumerate() {
        for (id, bbox) in &recorded {
            pairs.extend(same_face(bbox, &face.bbox).map(|iou| (iou, index, FaceId(*id))));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut same = vec![None; faces.len()];
    let mut taken = HashSet::new();
    for (_, index, id) in pairs {
        if same[index].is_none() && taken.insert(id) {
            same[index] = Some(id);
        }
    }
    Ok(same)
}
