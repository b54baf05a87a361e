//! What a scan writes. In: files with their outcome. Out: rows that depend on the files and their order alone.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::relink;
use super::{Album, FaceId, PhotoId, person_stats};
use crate::error::Error;
use fusiform_search::template::{ModelId, to_blob};

/// Two boxes are one face seen by two detectors if they share this much of the smaller one, …
const SAME_FACE_OVERLAP: f64 = 0.6;
/// … and this much of both together; some detectors box the whole head, some only eyes to mouth.
const SAME_FACE_IOU: f64 = 0.2;

/// The models whose work is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPair {
    /// Finds faces.
    pub detector: ModelId,
    /// Makes templates; none in a pack that only detects.
    pub embedder: Option<ModelId>,
}

impl ModelPair {
    fn embedder_name(&self) -> &str {
        self.embedder.as_ref().map_or("", |id| &id.0)
    }
}

/// What the catalogue knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Same size and time as when it was read, and these models have looked at it.
    Unchanged(PhotoId),
    /// New, changed, a problem last time, or not yet seen by these models.
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
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was looked through for faces.
    New(PhotoRecord),
    /// Its content is in the catalogue already.
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
    /// Who looked.
    pub models: ModelPair,
    /// What they found.
    pub faces: Vec<FaceRecord>,
}

/// All that is kept of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRecord {
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    pub bbox: [f32; 4],
    /// The detector's score, 0…1.
    pub score: f32,
    /// Subject's right eye, left eye, nose tip, right and left mouth corner.
    pub landmarks: Option<[[f32; 2]; 5]>,
    /// How well the face can be seen.
    pub quality: QualityParts,
    /// The template's vector, of the pair's embedder.
    pub vector: Option<Vec<f32>>,
}

/// Quality with its parts; 0…1 but for the angles.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QualityParts {
    /// All parts together.
    pub overall: f32,
    /// Is it large enough?
    pub size: f32,
    /// Is it in focus?
    pub sharpness: f32,
    /// Is it neither dark nor burnt out?
    pub exposure: f32,
    /// Does it look at the camera?
    pub frontal: f32,
    /// Turned left or right.
    pub yaw_deg: f32,
    /// Turned up or down.
    pub pitch_deg: f32,
    /// Tilted.
    pub roll_deg: f32,
}

impl QualityParts {
    fn to_blob(self) -> Vec<u8> {
        let QualityParts {
            overall,
            size,
            sharpness,
            exposure,
            frontal,
            yaw_deg,
            pitch_deg,
            roll_deg,
        } = self;
        to_blob(&[
            overall, size, sharpness, exposure, frontal, yaw_deg, pitch_deg, roll_deg,
        ])
    }
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
                bytes(path),
                size_bytes as i64,
                mtime_ns,
                models.detector.0,
                embedder
            ];
            q.query_row(key, |row| row.get(0)).optional()
        });
        let found = found.map_err(|e| self.of(e))?;
        Ok(found.map_or(FileState::Unknown, |id| FileState::Unchanged(PhotoId(id))))
    }

    /// The hashes of all contents that these models have looked at; 32 bytes each.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn known_contents(&self, models: &ModelPair) -> Result<HashSet<[u8; 32]>, Error> {
        let sql = "SELECT hash FROM photos JOIN passes ON photo = id WHERE detector = ?1 AND embedder = ?2";
        let read = || -> rusqlite::Result<HashSet<[u8; 32]>> {
            let mut query = self.db.prepare(sql)?;
            let key = params![models.detector.0, models.embedder_name()];
            query
                .query_map(key, |row| row.get::<_, [u8; 32]>(0))?
                .collect()
        };
        read().map_err(|e| self.of(e))
    }

    /// Records files in the order given, in one transaction.
    ///
    /// A content that is known gets one more path; a content that other models looked at keeps its faces' numbers, and
    /// with them whatever humans said of them.
    ///
    /// # Errors
    /// [`Error`]; then nothing of the batch is recorded.
    pub fn record(&mut self, files: &[ScannedFile]) -> Result<(), Error> {
        self.change(|t| {
            for file in files {
                record_file(t, file)?;
            }
            Ok(())
        })
    }

    /// Forgets photos, faces and templates, so that the next scan reads everything again; people and decisions stay.
    ///
    /// # Errors
    /// [`Error`]; then nothing is forgotten.
    pub fn start_afresh(&mut self) -> Result<(), Error> {
        self.change(|t| {
            let tables = [
                "questions",
                "cards",
                "homes",
                "unplaced",
                "centres",
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
                .query_map([], |row| Ok((path_of(row.get(0)?), row.get(1)?)))?
                .collect()
        };
        read().map_err(|e| self.of(e))
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
        (Outcome::KnownContent, None, _) | (Outcome::New(_), _, None) => (
            None,
            Some("its content is not in the catalogue; scan it again"),
        ),
    };
    let sql = "INSERT INTO files (path, size_bytes, mtime_ns, photo, problem) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (path) DO UPDATE SET size_bytes = ?2, mtime_ns = ?3, photo = ?4, problem = ?5";
    let row = params![
        bytes(&file.path),
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
            let sql = "SELECT EXISTS (SELECT 1 FROM passes WHERE photo = ?1 AND detector = ?2 AND embedder = ?3)";
            let key = params![photo, detector, embedder];
            // Two files of one content in one batch: the second has nothing to add.
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
    for (face, same) in record.faces.iter().zip(matched(t, photo, &record.faces)?) {
        record_face(t, photo, same, face, &record.models)?;
    }
    relink(t, hash, photo)?;
    // Whoever was erased stays so, whichever model looks.
    for sql in [
        "DELETE FROM templates WHERE face IN (SELECT id FROM faces WHERE photo = ?1 AND aside = 'erase')",
        "UPDATE faces SET landmarks = NULL WHERE photo = ?1 AND aside = 'erase'",
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
    let [x_min, y_min, x_max, y_max] = face.bbox;
    let landmarks = face.landmarks.map(|l| to_blob(l.as_flattened()));
    let sql = "INSERT INTO faces (id, photo, detector, x_min, y_min, x_max, y_max, score, landmarks, quality, overall) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
               ON CONFLICT (id) DO UPDATE SET detector = ?3, x_min = ?4, y_min = ?5, x_max = ?6, y_max = ?7, \
               score = ?8, landmarks = ?9, quality = ?10, overall = ?11";
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
        face.quality.to_blob(),
        face.quality.overall
    ])?;
    let id = same.map_or_else(|| t.last_insert_rowid(), |id| id.0);
    // Seen anew, it is placed anew.
    for sql in [
        "DELETE FROM homes WHERE face = ?1",
        "INSERT OR IGNORE INTO unplaced (face) VALUES (?1)",
    ] {
        t.prepare_cached(sql)?.execute([id])?;
    }
    if let (Some(vector), Some(model)) = (&face.vector, &models.embedder) {
        let sql = "INSERT OR REPLACE INTO templates (face, model, vector, quality) VALUES (?1, ?2, ?3, ?4)";
        let row = params![id, model.0, to_blob(vector), face.quality.overall];
        t.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// For each new face the known face that it is, best overlaps first, each taken once.
fn matched(
    t: &Transaction,
    photo: i64,
    faces: &[FaceRecord],
) -> rusqlite::Result<Vec<Option<FaceId>>> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
    let row = |row: &rusqlite::Row| {
        Ok((
            FaceId(row.get(0)?),
            [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
        ))
    };
    let old: Vec<(FaceId, [f32; 4])> = t
        .prepare_cached(sql)?
        .query_map([photo], row)?
        .collect::<rusqlite::Result<_>>()?;
    let mut pairs = Vec::new();
    for (at, face) in faces.iter().enumerate() {
        for (id, bbox) in &old {
            pairs.extend(same_face(bbox, &face.bbox).map(|iou| (iou, at, *id)));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut same = vec![None; faces.len()];
    let mut taken = HashSet::new();
    for (_, at, id) in pairs {
        if same[at].is_none() && taken.insert(id) {
            same[at] = Some(id);
        }
    }
    Ok(same)
}

/// The intersection over union of two boxes if they are one face.
pub(super) fn same_face(a: &[f32; 4], b: &[f32; 4]) -> Option<f64> {
    let side = |i: usize| f64::from((a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0));
    let area = |r: &[f32; 4]| f64::from(r[2] - r[0]) * f64::from(r[3] - r[1]);
    let common = side(0) * side(1);
    let iou = common / (area(a) + area(b) - common).max(f64::MIN_POSITIVE);
    let overlap = common / area(a).min(area(b)).max(f64::MIN_POSITIVE);
    (overlap >= SAME_FACE_OVERLAP && iou >= SAME_FACE_IOU).then_some(iou)
}

/// The bytes of a path, as the system has them.
pub(super) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// The path of bytes that [`bytes`] gave.
#[cfg(unix)]
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// The path of bytes that [`bytes`] gave; elsewhere than on Unix names are Unicode.
#[cfg(not(unix))]
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
