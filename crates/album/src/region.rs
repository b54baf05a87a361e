//! Regions that other programs drew. In: a photo and a box. Out: the face that it is, drawn anew if no detector saw it.

use rusqlite::params;

use super::assertions::insert_human_face;
use super::record::same_face;
use super::{Album, FaceId, PhotoId};
use crate::error::Error;

impl Album {
    /// The face at a box, as far as boxes of different programs agree; a face that a human drew if there is none.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn face_at(&mut self, photo: PhotoId, bbox: [f32; 4]) -> Result<FaceId, Error> {
        let faces = self.photo(photo)?.faces;
        let nearest = faces
            .iter()
            .filter_map(|f| Some((same_face(&bbox, &f.bbox)?, f.face)))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        if let Some((_, face)) = nearest {
            return Ok(face);
        }
        self.change(|t| insert_human_face(t, photo.0, &bbox).map(FaceId))
    }

    /// Photos by number after `after`, at most `limit`: for walking through all of them.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn photos_after(&self, after: PhotoId, limit: usize) -> Result<Vec<PhotoId>, Error> {
        let sql = "SELECT id FROM photos WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.rows(sql, params![after.0, limit as i64], |row| {
            row.get(0).map(PhotoId)
        })
    }
}
