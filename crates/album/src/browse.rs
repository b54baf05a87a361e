//! Lists and single items for display. In: a query and which page of it. Out: people, faces,
//! photos. Changes nothing.

use std::path::PathBuf;

use fusiform_face::geometry::BoundingBox;
use rusqlite::{OptionalExtension, Row, params};

use crate::database::Album;
use crate::dates::{DateRange, KEY};
use crate::error::Error;
use crate::ids::{FaceId, PersonId, PhotoId};
use crate::page::{MAX_PAGE, Page, Paged};
use crate::path_bytes::{path_from_bytes, path_to_bytes};

/// Which people to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeopleFilter {
    /// Named and unnamed, without hidden ones.
    #[default]
    Visible,
    /// Those with a name, without hidden ones.
    Named,
    /// Groups without a name, without hidden ones.
    Unnamed,
    /// Hidden ones only.
    Hidden,
}

/// A person with counts, cover and dates, as stored for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonStats {
    /// Their number, which never changes.
    pub id: PersonId,
    /// Their name, if they have one.
    pub name: Option<String>,
    /// How many faces they have.
    pub n_faces: usize,
    /// In how many photos they are.
    pub n_photos: usize,
    /// The face to show for them.
    pub cover: Option<FaceId>,
    /// When their first dated photo was taken, ISO 8601.
    pub first_taken: Option<String>,
    /// When their last dated photo was taken, ISO 8601.
    pub last_taken: Option<String>,
    /// Whether lists leave them out.
    pub hidden: bool,
}

/// Why a face is excluded from all people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// A human decided that it is of no interest.
    Ignored,
    /// A human decided that it is a false detection.
    NotAFace,
    /// Erased with its person.
    Erased,
}

/// A face and the person it is assigned to.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSummary {
    /// The face.
    pub face: FaceId,
    /// Its photo.
    pub photo: PhotoId,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
    /// Overall quality, 0…1.
    pub quality: f32,
    /// The person it is assigned to.
    pub person: Option<PersonId>,
    /// The person's name.
    pub name: Option<String>,
    /// Similarity to the person; `None` where a human assigned the face.
    pub similarity: Option<f32>,
    /// Why it is excluded from all people.
    pub excluded: Option<Exclusion>,
    /// Whether nobody can be recognised in it, so that it is neither grouped nor asked about. A
    /// face that a human drew is not unclear.
    pub unclear: bool,
    /// Whether the photo's date is only the time of its file.
    pub from_file_time: bool,
}

/// A photo with its faces.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoView {
    /// The photo.
    pub photo: PhotoId,
    /// Width of the upright photo.
    pub width_px: u32,
    /// Height of the upright photo.
    pub height_px: u32,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// Whether that is only the time of its file.
    pub from_file_time: bool,
    /// All its copies, by path.
    pub paths: Vec<PathBuf>,
    /// Its faces from left to right.
    pub faces: Vec<FaceSummary>,
}

/// A face in which nobody can be recognised.
const UNCLEAR: &str = "(f.overall <= 0 AND f.detector != 'human')";

/// The others. Quality first: an index has it.
const CLEAR: &str = "(f.overall > 0 OR f.detector = 'human')";

/// Those of no person, in photos that are there.
const OF_NOBODY: &str = "NOT EXISTS (SELECT 1 FROM members m WHERE m.face = f.id) \
     AND NOT EXISTS (SELECT 1 FROM photos h WHERE h.id = f.photo AND h.gone = 1)";

const PERSON: &str = "SELECT p.id, p.name, c.n_faces, c.n_photos, c.cover, c.first_taken, \
     c.last_taken, p.hidden FROM person_stats c JOIN people p ON p.id = c.person";

const FACE: &str = "SELECT f.id, f.photo, h.taken_at, f.x_min, f.y_min, f.x_max, f.y_max, \
     f.overall, m.person, p.name, m.similarity, f.excluded, \
     f.overall <= 0 AND f.detector != 'human', h.taken_from IS 'file_time' \
     FROM faces f JOIN photos h ON h.id = f.photo AND h.gone = 0 \
     LEFT JOIN members m ON m.face = f.id \
     LEFT JOIN people p ON p.id = m.person";

fn person_stats(row: &Row) -> rusqlite::Result<PersonStats> {
    Ok(PersonStats {
        id: PersonId(row.get(0)?),
        name: row.get(1)?,
        n_faces: row.get::<_, i64>(2)? as usize,
        n_photos: row.get::<_, i64>(3)? as usize,
        cover: row.get::<_, Option<i64>>(4)?.map(FaceId),
        first_taken: row.get(5)?,
        last_taken: row.get(6)?,
        hidden: row.get(7)?,
    })
}

fn face(row: &Row) -> rusqlite::Result<FaceSummary> {
    let excluded = |text: &str| match text {
        "ignore" => Exclusion::Ignored,
        "not_a_face" => Exclusion::NotAFace,
        _ => Exclusion::Erased,
    };
    Ok(FaceSummary {
        face: FaceId(row.get(0)?),
        photo: PhotoId(row.get(1)?),
        taken_at: row.get(2)?,
        bbox: BoundingBox {
            x_min: row.get(3)?,
            y_min: row.get(4)?,
            x_max: row.get(5)?,
            y_max: row.get(6)?,
        },
        quality: row.get(7)?,
        person: row.get::<_, Option<i64>>(8)?.map(PersonId),
        name: row.get(9)?,
        similarity: row.get(10)?,
        excluded: row.get::<_, Option<String>>(11)?.as_deref().map(excluded),
        unclear: row.get(12)?,
        from_file_time: row.get(13)?,
    })
}

impl Album {
    /// People, those with most faces first, then by number. Unnamed groups without a face are left
    /// out, named people never.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn people_page(
        &self,
        filter: PeopleFilter,
        page: Page,
    ) -> Result<Paged<PersonStats>, Error> {
        let wanted = match filter {
            PeopleFilter::Visible => "p.hidden = 0 AND (p.name IS NOT NULL OR c.n_faces > 0)",
            PeopleFilter::Named => "p.hidden = 0 AND p.name IS NOT NULL",
            PeopleFilter::Unnamed => "p.hidden = 0 AND p.name IS NULL AND c.n_faces > 0",
            PeopleFilter::Hidden => "p.hidden = 1",
        };
        let sql =
            format!("{PERSON} WHERE {wanted} ORDER BY c.n_faces DESC, c.person LIMIT ?1 OFFSET ?2");
        let items = self.query_rows(&sql, params![page.limit(), page.offset()], person_stats)?;
        let sql = format!(
            "SELECT count(*) FROM person_stats c JOIN people p ON p.id = c.person WHERE {wanted}"
        );
        let total: i64 = self.query_value(&sql)?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// One person with counts, cover and dates.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn person_stats(&self, person: PersonId) -> Result<PersonStats, Error> {
        let sql = format!("{PERSON} WHERE p.id = ?1");
        let found = self.query_rows(&sql, [person.0], person_stats)?.pop();
        found.ok_or_else(|| Error::NoSuchPerson(person.to_string()))
    }

    /// Names that contain `text`, whatever its case and accents, those that begin with it first:
    /// for completion while typing.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn names_like(&self, text: &str, limit: usize) -> Result<Vec<(PersonId, String)>, Error> {
        let sql = "SELECT id, name FROM people \
                   WHERE instr(search_key(name), search_key(?1)) > 0 AND merged_into IS NULL \
                   ORDER BY instr(search_key(name), search_key(?1)) > 1, name LIMIT ?2";
        let limit = limit.min(MAX_PAGE) as i64;
        self.query_rows(sql, params![text, limit], |row| {
            Ok((PersonId(row.get(0)?), row.get(1)?))
        })
    }

    /// The person of a name, however it is spelt in case and composition.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn person_called(&self, name: &str) -> Result<Option<PersonId>, Error> {
        let sql = "SELECT id FROM people WHERE name_key(name) = name_key(?1) \
                   ORDER BY name IS NOT ?1, id LIMIT 1";
        let found = self.query_rows(sql, [name], |row| row.get(0).map(PersonId))?;
        Ok(found.first().copied())
    }

    /// A person's faces by date, undated ones last.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn faces_of(&self, person: PersonId, page: Page) -> Result<Paged<FaceSummary>, Error> {
        self.faces_of_dates(person, &DateRange::default(), page)
    }

    /// A person's faces of some dates, by date.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn faces_of_dates(
        &self,
        person: PersonId,
        dates: &DateRange,
        page: Page,
    ) -> Result<Paged<FaceSummary>, Error> {
        let (from, to) = dates.keys();
        let wanted = format!("m.person = ?1 AND {KEY} >= ?2 AND {KEY} < ?3");
        // Sorted by number and date alone; the rest is read for the faces of the page.
        let order = format!("ORDER BY {KEY}, h.id, f.x_min, f.id");
        let sql = format!(
            "{FACE} WHERE f.id IN (SELECT f.id FROM members m JOIN faces f ON f.id = m.face \
             JOIN photos h ON h.id = f.photo WHERE {wanted} {order} LIMIT ?4 OFFSET ?5) {order}"
        );
        let key = params![person.0, from, to, page.limit(), page.offset()];
        let items = self.query_rows(&sql, key, face)?;
        let sql = format!(
            "SELECT count(*) FROM members m JOIN faces f ON f.id = m.face \
             JOIN photos h ON h.id = f.photo AND h.gone = 0 WHERE {wanted}"
        );
        let total = self.query_rows(&sql, params![person.0, from, to], |row| {
            row.get::<_, i64>(0)
        })?;
        Ok(Paged {
            items,
            total: total.first().copied().unwrap_or(0) as usize,
        })
    }

    /// Faces assigned to nobody that are neither excluded nor unclear, those of highest quality
    /// first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn unassigned_faces(&self, page: Page) -> Result<Paged<FaceSummary>, Error> {
        // To look for a member of each face would take longer. The unclear are few.
        let total = self.n_unassigned()? - self.n_unclear()?;
        self.faces_of_nobody(CLEAR, total, page)
    }

    /// Faces assigned to nobody in which nobody can be recognised.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn unclear_faces(&self, page: Page) -> Result<Paged<FaceSummary>, Error> {
        self.faces_of_nobody(UNCLEAR, self.n_unclear()?, page)
    }

    fn faces_of_nobody(
        &self,
        wanted: &str,
        total: usize,
        page: Page,
    ) -> Result<Paged<FaceSummary>, Error> {
        // The inner query walks an index, and looks at other tables for few faces.
        let sql = format!(
            "{FACE} WHERE f.id IN (SELECT f.id FROM faces f WHERE f.excluded IS NULL AND {wanted} \
             AND {OF_NOBODY} ORDER BY f.overall DESC, f.id LIMIT ?1 OFFSET ?2) \
             ORDER BY f.overall DESC, f.id"
        );
        let items = self.query_rows(&sql, params![page.limit(), page.offset()], face)?;
        Ok(Paged { items, total })
    }

    fn n_unclear(&self) -> Result<usize, Error> {
        let total: i64 = self.query_value(&format!(
            "SELECT count(*) FROM faces f WHERE f.excluded IS NULL AND {UNCLEAR} AND {OF_NOBODY}"
        ))?;
        Ok(total as usize)
    }

    /// Faces that a human excluded, those of highest quality first; erased ones are left out.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn excluded_faces(&self, page: Page) -> Result<Paged<FaceSummary>, Error> {
        let wanted = "f.excluded IN ('ignore', 'not_a_face')";
        let sql = format!("{FACE} WHERE {wanted} ORDER BY f.overall DESC, f.id LIMIT ?1 OFFSET ?2");
        let items = self.query_rows(&sql, params![page.limit(), page.offset()], face)?;
        let sql = format!(
            "SELECT count(*) FROM faces f JOIN photos h ON h.id = f.photo AND h.gone = 0 \
             WHERE {wanted}"
        );
        let total: i64 = self.query_value(&sql)?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// One face.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`]; [`Error::Sqlite`].
    pub fn face(&self, id: FaceId) -> Result<FaceSummary, Error> {
        let sql = format!("{FACE} WHERE f.id = ?1");
        let found = self.query_rows(&sql, [id.0], face)?.pop();
        found.ok_or(Error::NoSuchFace(id.0))
    }

    /// A photo with its faces; erased ones are left out.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn photo(&self, id: PhotoId) -> Result<PhotoView, Error> {
        let sql = "SELECT width_px, height_px, taken_at, taken_from IS 'file_time' FROM photos \
                   WHERE id = ?1 AND gone = 0";
        let row = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let found = self.query_rows(sql, [id.0], row)?.pop();
        let (width_px, height_px, taken_at, from_file_time) =
            found.ok_or_else(|| Error::NoSuchPhoto(id.to_string()))?;
        let sql = "SELECT path FROM files WHERE photo = ?1 ORDER BY path";
        let paths = self.query_rows(sql, [id.0], |row| row.get(0).map(path_from_bytes))?;
        let sql = format!(
            "{FACE} WHERE f.photo = ?1 AND f.excluded IS NOT 'erase' ORDER BY f.x_min, f.id"
        );
        Ok(PhotoView {
            photo: id,
            width_px,
            height_px,
            taken_at,
            from_file_time,
            paths,
            faces: self.query_rows(&sql, [id.0], face)?,
        })
    }

    /// The photo at a path.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn photo_at(&self, path: &std::path::Path) -> Result<PhotoId, Error> {
        let sql = "SELECT photo FROM files WHERE path = ?1 AND photo IS NOT NULL";
        let found = self
            .db
            .query_row(sql, [path_to_bytes(path)], |row| row.get(0))
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        let unknown = || Error::NoSuchPhoto(path.display().to_string());
        found.map(PhotoId).ok_or_else(unknown)
    }
}
