//! What a scan records. In: files with their outcome. Out: rows that depend only on the files and
//! their order. Knows nothing of how faces are found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};

use crate::copies::Candidates;
use crate::database::Album;
use crate::error::Error;
use crate::ids::PhotoId;
use crate::path_bytes::{path_from_bytes, path_to_bytes};
use crate::person_stats;
use crate::photo_record::{FileState, ModelPair, Outcome, Recorded, ScannedFile};
use crate::picture::PictureKey;
use crate::presence::{forget_undecided, revive};
use crate::record_photo::{photo_of_content, record_photo, set_fingerprint};

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
                   JOIN photos h ON h.id = f.photo \
                   WHERE f.path = ?1 AND f.size_bytes = ?2 AND f.mtime_ns = ?3 \
                   AND (p.detector = ?4 OR substr(p.detector, 1, length(?4) + 1) = ?4 || ' ') \
                   AND p.embedder = ?5 AND h.sketch IS NOT NULL";
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

    /// The BLAKE3 hashes of all contents whose pictures these models have analysed, each with
    /// whether the picture has a fingerprint.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn known_contents(&self, models: &ModelPair) -> Result<HashMap<[u8; 32], bool>, Error> {
        let sql = "SELECT c.hash, h.sketch IS NOT NULL FROM contents c \
                   JOIN passes p ON p.photo = c.photo JOIN photos h ON h.id = c.photo \
                   WHERE (p.detector = ?1 OR substr(p.detector, 1, length(?1) + 1) = ?1 || ' ') \
                   AND p.embedder = ?2";
        let read = || -> rusqlite::Result<HashMap<[u8; 32], bool>> {
            let mut query = self.db.prepare(sql)?;
            let key = params![models.detector.0, models.embedder_name()];
            query
                .query_map(key, |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get(1)?)))?
                .collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }

    /// Records files in the order given, in one transaction.
    ///
    /// A known picture gets one more path, whatever else in the file differs. The faces of a
    /// picture that other models analysed before keep their numbers, and with them all that humans
    /// decided about them. A new picture that is a re-saved, resized or turned copy of an earlier
    /// one takes over what was decided about its faces.
    ///
    /// # Errors
    /// [`Error`]; then nothing of the batch is recorded.
    pub fn record(&mut self, files: &[ScannedFile]) -> Result<Vec<Recorded>, Error> {
        self.transaction(|t| {
            let key = PictureKey::load(t)?;
            let mut candidates = Candidates::default();
            let record = |file| record_file(t, &key, &mut candidates, file);
            files.iter().map(record).collect()
        })
    }

    /// Deletes faces, templates and appearances, so that the next scan reads everything again.
    /// People and decisions stay, and apply to the faces once they are recorded again; so do the
    /// marks by which pictures with decisions are known.
    ///
    /// # Errors
    /// [`Error`]; then nothing is deleted.
    pub fn clear_photos(&mut self) -> Result<(), Error> {
        self.transaction(|t| {
            let tables = [
                "appearances",
                "video_files",
                "videos",
                "video_looks",
                "questions",
                "person_stats",
                "face_cells",
                "ungrouped",
                "cell_centroids",
                "members",
                "templates",
                "passes",
                "files",
                "gone_members",
                "faces",
                "state",
            ];
            for table in tables {
                t.execute(&format!("DELETE FROM {table}"), [])?;
            }
            t.execute("UPDATE photos SET gone = 1", [])?;
            forget_undecided(t)?;
            person_stats::refresh_all(t)
        })
    }

    /// Files that could not be used, with reason and remedy, by path.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn problems(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        let read = || -> rusqlite::Result<Vec<(PathBuf, String)>> {
            let sql = "SELECT path, problem FROM files WHERE problem IS NOT NULL UNION ALL \
                       SELECT path, problem FROM video_files WHERE problem IS NOT NULL \
                       ORDER BY path";
            let mut query = self.db.prepare(sql)?;
            query
                .query_map([], |row| Ok((path_from_bytes(row.get(0)?), row.get(1)?)))?
                .collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }
}

/// Adds or renews the row of a file.
fn record_file(
    t: &Transaction,
    key: &PictureKey,
    candidates: &mut Candidates,
    file: &ScannedFile,
) -> rusqlite::Result<Recorded> {
    let path = path_to_bytes(&file.path);
    let known = match &file.hash {
        None => None,
        Some(hash) => photo_of_content(t, hash)?,
    };
    let (recorded, photo, problem) = match (&file.outcome, known, &file.hash) {
        (Outcome::Problem(why), _, _) => (Recorded::Problem, None, Some(&*why.why)),
        (Outcome::New(record), known, Some(hash)) => {
            let (photo, recorded) = record_photo(t, key, candidates, path, hash, known, record)?;
            (recorded, Some(photo), None)
        }
        (Outcome::KnownContent, Some(photo), _) => (Recorded::KnownPicture, Some(photo), None),
        (Outcome::KnownPicture(fingerprint, orientation), Some(photo), Some(hash)) => {
            set_fingerprint(t, key, hash, photo, Some(fingerprint), *orientation)?;
            (Recorded::KnownPicture, Some(photo), None)
        }
        _ => {
            let why = "its content is not in the album; scan it again";
            (Recorded::Problem, None, Some(why))
        }
    };
    let sql = "INSERT INTO files (path, size_bytes, mtime_ns, photo, problem, hash) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (path) DO UPDATE SET \
               size_bytes = ?2, mtime_ns = ?3, photo = ?4, problem = ?5, hash = ?6";
    let row = params![
        path,
        file.size_bytes as i64,
        file.mtime_ns,
        photo,
        problem,
        file.hash.as_ref().map(|hash| &hash[..])
    ];
    t.prepare_cached(sql)?.execute(row)?;
    if let Some(photo) = photo {
        revive(t, photo)?;
        candidates.renew(t, photo)?;
    }
    Ok(recorded)
}
