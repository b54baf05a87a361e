//! Faces named by the boxes of other programs. In: a photo and a box. Out: the face that the box
//! shows. Knows nothing of the formats that hold such boxes.

use fusiform_face::geometry::BoundingBox;
use rusqlite::params;

use crate::assertions::insert_drawn_face;
use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PhotoId};
use crate::same_face::best_match;

impl Album {
    /// The face at a box, as far as boxes of different programs agree. A face is added at the box,
    /// as drawn by a human, if there is none.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn face_at(&mut self, photo: PhotoId, bbox: BoundingBox) -> Result<FaceId, Error> {
        let faces = self.photo(photo)?.faces;
        if let Some(face) = best_match(&bbox, faces.iter().map(|f| (f.face, f.bbox))) {
            return Ok(face);
        }
        self.transaction(|t| insert_drawn_face(t, photo.0, &bbox))
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
