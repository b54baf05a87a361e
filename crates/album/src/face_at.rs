//! Faces named by the boxes of other programs, and whether a human has said something later. In: a
//! photo and a box. Out: the face that the box shows. Knows nothing of the formats that hold such
//! boxes.

use std::path::Path;

use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::Orientation;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::assertions::{boxed_row, insert_drawn_face};
use crate::copies::place_in_copies;
use crate::database::{Album, now_ms};
use crate::error::Error;
use crate::ids::{FaceId, PhotoId};
use crate::path_bytes::path_to_bytes;
use crate::same_face::best_match;

/// The face of a photo that a box shows.
pub(crate) fn face_by_box(
    t: &Transaction,
    photo: PhotoId,
    bbox: &BoundingBox,
) -> rusqlite::Result<Option<FaceId>> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
    let faces: Vec<(i64, BoundingBox)> = t
        .prepare_cached(sql)?
        .query_map([photo.0], boxed_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(best_match(bbox, faces).map(FaceId))
}

/// Adds a drawn face to the copies of its photo that are known; gives those that are new there. One
/// that stands in a copy already is the same face from now on, unless it was erased or is known to
/// have copies itself.
pub(crate) fn draw_in_copies(
    t: &Transaction,
    face: FaceId,
    photo: PhotoId,
    bbox: &BoundingBox,
) -> rusqlite::Result<Vec<FaceId>> {
    let mut drawn = Vec::new();
    for (copy, place) in place_in_copies(t, photo.0, bbox)? {
        let there = match face_by_box(t, PhotoId(copy), &place)? {
            Some(there) => there,
            None => {
                let there = insert_drawn_face(t, copy, &place)?;
                drawn.push(there);
                there
            }
        };
        let sql = "UPDATE faces SET copy_of = ?2 WHERE id = ?1 AND copy_of IS NULL \
                   AND excluded IS NOT 'erase' \
                   AND NOT EXISTS (SELECT 1 FROM faces f WHERE f.copy_of = ?1)";
        t.prepare_cached(sql)?.execute([there.0, face.0])?;
    }
    Ok(drawn)
}

/// The latest time that a file of ours states, and the last decision before it.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) at_ms: i64,
    decision: i64,
}

impl Stamp {
    pub(crate) fn last(db: &Connection) -> rusqlite::Result<Stamp> {
        let sql = "SELECT value FROM state WHERE key = 'stamp'";
        let found: Option<String> = db.query_row(sql, [], |row| row.get(0)).optional()?;
        let parse = |text: String| {
            let (at_ms, decision) = text.split_once(' ')?;
            Some(Stamp {
                at_ms: at_ms.parse().ok()?,
                decision: decision.parse().ok()?,
            })
        };
        Ok(found.and_then(parse).unwrap_or_default())
    }

    fn set(t: &Transaction, at_ms: i64) -> rusqlite::Result<()> {
        if at_ms <= Stamp::last(t)?.at_ms {
            return Ok(());
        }
        let last = "SELECT coalesce(max(id), 0) FROM decisions";
        let decision: i64 = t.query_row(last, [], |row| row.get(0))?;
        let sql = "INSERT OR REPLACE INTO state (key, value) VALUES ('stamp', ?1)";
        t.execute(sql, [format!("{at_ms} {decision}")]).map(drop)
    }
}

impl Album {
    /// The face at a box, as far as boxes of different programs agree. A face is added at the box,
    /// as drawn by a human, if there is none. `None` if the face was erased with its person.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn face_at(&mut self, photo: PhotoId, bbox: BoundingBox) -> Result<Option<FaceId>, Error> {
        self.photo(photo)?;
        self.transaction(|t| {
            let Some(face) = face_by_box(t, photo, &bbox)? else {
                let face = insert_drawn_face(t, photo.0, &bbox)?;
                draw_in_copies(t, face, photo, &bbox)?;
                return Ok(Some(face));
            };
            let sql = "SELECT excluded IS 'erase' FROM faces WHERE id = ?1";
            let erased: bool = t.query_row(sql, [face.0], |row| row.get(0))?;
            Ok((!erased).then_some(face))
        })
    }

    /// Whether a face of this photo was erased with its person.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn has_erased(&self, photo: PhotoId) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM faces WHERE photo = ?1 AND excluded = 'erase')";
        let found = self.query_rows(sql, [photo.0], |row| row.get(0))?;
        Ok(found.first().copied().unwrap_or(false))
    }

    /// When a human last decided something about a face, or about the name of its person, or took
    /// such a decision back: UTC in milliseconds since 1970. Later than [`Album::stamp`] if it was
    /// after it, whatever the clock said.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn last_decided_ms(&self, face: FaceId) -> Result<Option<i64>, Error> {
        let sql = "SELECT id, at_ms, undone FROM decisions WHERE kind != 'held' AND \
                   (id IN (SELECT decision FROM assertions WHERE face = ?1) OR kind IN \
                   ('name', 'merge') AND person = (SELECT person FROM members WHERE face = ?1))";
        let row = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Vec<(i64, i64, i64)> = self.query_rows(sql, [face.0], row)?;
        let stamp = Stamp::last(&self.db).map_err(|e| self.sqlite_error(e))?;
        let at_ms = |(id, at_ms, undone_ms): (i64, i64, i64)| match id > stamp.decision {
            true => at_ms.max(stamp.at_ms + 1).max(undone_ms),
            false => at_ms.max(undone_ms),
        };
        Ok(found.into_iter().map(at_ms).max())
    }

    /// How the file at a path stores its pixels, if a scan has noted it.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn orientation_of(&self, path: &Path) -> Result<Option<Orientation>, Error> {
        let sql = "SELECT c.orientation FROM files f JOIN contents c ON c.hash = f.hash \
                   WHERE f.path = ?1 AND c.orientation IS NOT NULL";
        let found: Option<u32> = self
            .db
            .query_row(sql, [path_to_bytes(path)], |row| row.get(0))
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        Ok(found.and_then(Orientation::from_exif))
    }

    /// A time as ISO 8601 in UTC, to the second: `2026-11-26T20:05:03Z`.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn utc_text(&self, at_ms: i64) -> Result<String, Error> {
        let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch')";
        let found = self.query_rows(sql, [at_ms.div_euclid(1000)], |row| row.get(0))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The time that a file which is written now states, in the form of [`Album::utc_text`]. The
    /// album keeps it: what is decided afterwards counts as later, also by a clock that was put
    /// back.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn stamp(&mut self) -> Result<String, Error> {
        let at_ms = now_ms();
        if !self.is_read_only() {
            self.transaction(|t| Stamp::set(t, at_ms))?;
        }
        self.utc_text(at_ms)
    }

    /// The inverse of [`Album::utc_text`]; `None` for a text that is no time.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn utc_ms(&self, text: &str) -> Result<Option<i64>, Error> {
        let sql = "SELECT CAST(strftime('%s', ?1) AS INTEGER) * 1000";
        let found = self.query_rows(sql, [text], |row| row.get(0))?;
        Ok(found.first().copied().flatten())
    }

    /// Photos by number after `after`, at most `limit`: to walk through all of them.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn photos_after(&self, after: PhotoId, limit: usize) -> Result<Vec<PhotoId>, Error> {
        let sql = "SELECT id FROM photos WHERE id > ?1 AND gone = 0 ORDER BY id LIMIT ?2";
        self.query_rows(sql, params![after.0, limit as i64], |row| {
            row.get(0).map(PhotoId)
        })
    }
}
