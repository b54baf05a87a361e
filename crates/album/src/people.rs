//! People by name and number. In: queries. Out: people and their photos, counted as they are now.
//! Changes nothing.

use std::path::PathBuf;

use fusiform_face::geometry::BoundingBox;
use rusqlite::{OptionalExtension, Row, params};

use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::path_bytes::path_from_bytes;
use crate::photo_date::PhotoDate;

/// One person, named or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSummary {
    /// Their number, which never changes.
    pub id: PersonId,
    /// Their name, if they have one.
    pub name: Option<String>,
    /// In how many photos they are.
    pub n_photos: usize,
    /// How many faces they have.
    pub n_faces: usize,
}

/// One face of a person with its photo.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonPhoto {
    /// The face.
    pub face: FaceId,
    /// All copies of the photo, by path.
    pub paths: Vec<PathBuf>,
    /// When it was taken.
    pub date: Option<PhotoDate>,
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
    /// Similarity to the person; `None` where a human assigned the face.
    pub similarity: Option<f32>,
    /// Overall quality, 0…1.
    pub quality: f32,
}

const SUMMARY: &str = "SELECT p.id, p.name, count(DISTINCT f.photo), count(m.face) FROM people p \
     LEFT JOIN members m ON m.person = p.id LEFT JOIN faces f ON f.id = m.face \
     WHERE p.merged_into IS NULL AND p.erased = 0";

fn summary(row: &Row) -> rusqlite::Result<PersonSummary> {
    Ok(PersonSummary {
        id: PersonId(row.get(0)?),
        name: row.get(1)?,
        n_photos: row.get::<_, i64>(2)? as usize,
        n_faces: row.get::<_, i64>(3)? as usize,
    })
}

impl Album {
    /// All people with a name or a face: those with most faces first, then by number.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn people(&self) -> Result<Vec<PersonSummary>, Error> {
        let sql = format!(
            "{SUMMARY} GROUP BY p.id HAVING p.name IS NOT NULL OR count(m.face) > 0 \
             ORDER BY count(m.face) DESC, p.id"
        );
        let read = || -> rusqlite::Result<Vec<PersonSummary>> {
            self.db.prepare(&sql)?.query_map([], summary)?.collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }

    /// One person.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn person(&self, id: PersonId) -> Result<PersonSummary, Error> {
        let sql = format!("{SUMMARY} AND p.id = ?1 GROUP BY p.id");
        let found = self
            .db
            .query_row(&sql, [id.0], summary)
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        found.ok_or_else(|| Error::NoSuchPerson(id.to_string()))
    }

    /// The person of a name, however it is spelt in case and composition, or of a number; a name
    /// goes first.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn find_person(&self, text: &str) -> Result<PersonId, Error> {
        let number: Option<i64> = text.parse().ok();
        let sql = "SELECT id FROM people \
                   WHERE merged_into IS NULL AND erased = 0 \
                   AND (name_key(name) = name_key(?1) OR id = ?2) \
                   ORDER BY name_key(name) IS NOT name_key(?1), name IS NOT ?1, id LIMIT 1";
        let found: Option<i64> = self
            .db
            .query_row(sql, params![text, number], |row| row.get(0))
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        found
            .map(PersonId)
            .ok_or_else(|| Error::NoSuchPerson(text.into()))
    }

    /// The faces of a person with their photos: by date, then by number.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn photos_of(&self, person: PersonId) -> Result<Vec<PersonPhoto>, Error> {
        let read = || -> rusqlite::Result<Vec<PersonPhoto>> {
            let mut paths = self
                .db
                .prepare_cached("SELECT path FROM files WHERE photo = ?1 ORDER BY path")?;
            let sql = "SELECT f.id, f.photo, f.x_min, f.y_min, f.x_max, f.y_max, \
                       m.similarity, f.quality, p.taken_at, p.taken_from, p.taken_offset_min \
                       FROM members m JOIN faces f ON f.id = m.face \
                       JOIN photos p ON p.id = f.photo WHERE m.person = ?1 \
                       ORDER BY p.taken_at IS NULL, p.taken_at, f.id";
            let mut query = self.db.prepare_cached(sql)?;
            let mut rows = query.query([person.0])?;
            let mut photos = Vec::new();
            while let Some(row) = rows.next()? {
                let photo: i64 = row.get(1)?;
                let copies = paths.query_map([photo], |row| row.get(0).map(path_from_bytes))?;
                let quality = fusiform_search::template::from_blob(row.get_ref(7)?.as_blob()?);
                photos.push(PersonPhoto {
                    face: FaceId(row.get(0)?),
                    paths: copies.collect::<rusqlite::Result<_>>()?,
                    date: PhotoDate::from_row(row, 8)?,
                    bbox: BoundingBox {
                        x_min: row.get(2)?,
                        y_min: row.get(3)?,
                        x_max: row.get(4)?,
                        y_max: row.get(5)?,
                    },
                    similarity: row.get(6)?,
                    quality: quality.first().copied().unwrap_or(0.0),
                });
            }
            Ok(photos)
        };
        read().map_err(|e| self.sqlite_error(e))
    }
}
