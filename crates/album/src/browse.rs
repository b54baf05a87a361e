//! What a page of an album asks. In: a question and which page of the answer. Out: cards, faces, photos, a page at a time.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Params, Row, params};

use super::record::path_of;
use super::{Album, FaceId, PersonId, PhotoId};
use crate::error::Error;

/// Most items of one page.
pub const MAX_PAGE: usize = 1000;

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Items passed over.
    pub offset: usize,
    /// Items wanted, at most [`MAX_PAGE`].
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Page {
        Page {
            offset: 0,
            limit: 100,
        }
    }
}

impl Page {
    pub(super) fn limit(self) -> i64 {
        self.limit.min(MAX_PAGE) as i64
    }

    pub(super) fn offset(self) -> i64 {
        i64::try_from(self.offset).unwrap_or(i64::MAX)
    }
}

/// Part of a list, and how long all of it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: usize,
}

/// Which people to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Named and unnamed, without hidden ones.
    #[default]
    Shown,
    /// Those with a name, without hidden ones.
    Named,
    /// Groups that nobody named yet, without hidden ones.
    Unnamed,
    /// Hidden ones only.
    Hidden,
}

/// A person at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonCard {
    /// Their number, which stays theirs.
    pub id: PersonId,
    /// Their name, if they have one.
    pub name: Option<String>,
    /// How many faces they have.
    pub n_faces: usize,
    /// In how many photos they are.
    pub n_photos: usize,
    /// The face that stands for them.
    pub cover: Option<FaceId>,
    /// When their first dated photo was taken, ISO 8601.
    pub first_taken: Option<String>,
    /// When their last dated photo was taken, ISO 8601.
    pub last_taken: Option<String>,
    /// Left out of lists.
    pub hidden: bool,
}

/// Why a face belongs to nobody for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Of no interest, as a human said.
    Ignored,
    /// No face, as a human said.
    NotAFace,
    /// Erased with its person.
    Erased,
}

/// A face at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceCard {
    /// The face.
    pub face: FaceId,
    /// Its photo.
    pub photo: PhotoId,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    pub bbox: [f32; 4],
    /// Overall quality, 0…1.
    pub quality: f32,
    /// Whose it is.
    pub person: Option<PersonId>,
    /// Their name.
    pub name: Option<String>,
    /// How near it is to them; none where a human said whose it is.
    pub similarity: Option<f32>,
    /// Why it is nobody's for good.
    pub aside: Option<Aside>,
}

/// A photo at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoCard {
    /// The photo.
    pub photo: PhotoId,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// How many faces it has.
    pub n_faces: usize,
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
    /// Every place where it lies, by path.
    pub paths: Vec<PathBuf>,
    /// Its faces from left to right.
    pub faces: Vec<FaceCard>,
}

const CARD: &str = "SELECT p.id, p.name, c.n_faces, c.n_photos, c.cover, c.first_taken, c.last_taken, p.hidden \
     FROM cards c JOIN people p ON p.id = c.person";

const FACE: &str = "SELECT f.id, f.photo, h.taken_at, f.x_min, f.y_min, f.x_max, f.y_max, f.overall, m.person, \
     p.name, m.similarity, f.aside FROM faces f JOIN photos h ON h.id = f.photo \
     LEFT JOIN members m ON m.face = f.id LEFT JOIN people p ON p.id = m.person";

fn card(row: &Row) -> rusqlite::Result<PersonCard> {
    Ok(PersonCard {
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

fn face(row: &Row) -> rusqlite::Result<FaceCard> {
    let aside = |text: &str| match text {
        "ignore" => Aside::Ignored,
        "not_a_face" => Aside::NotAFace,
        _ => Aside::Erased,
    };
    Ok(FaceCard {
        face: FaceId(row.get(0)?),
        photo: PhotoId(row.get(1)?),
        taken_at: row.get(2)?,
        bbox: [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?],
        quality: row.get(7)?,
        person: row.get::<_, Option<i64>>(8)?.map(PersonId),
        name: row.get(9)?,
        similarity: row.get(10)?,
        aside: row.get::<_, Option<String>>(11)?.as_deref().map(aside),
    })
}

impl Album {
    /// People, those with most faces first, then by number; empty groups are left out, named people never.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn cards(&self, which: Which, page: Page) -> Result<Paged<PersonCard>, Error> {
        let wanted = match which {
            Which::Shown => "p.hidden = 0 AND (p.name IS NOT NULL OR c.n_faces > 0)",
            Which::Named => "p.hidden = 0 AND p.name IS NOT NULL",
            Which::Unnamed => "p.hidden = 0 AND p.name IS NULL AND c.n_faces > 0",
            Which::Hidden => "p.hidden = 1",
        };
        let sql =
            format!("{CARD} WHERE {wanted} ORDER BY c.n_faces DESC, c.person LIMIT ?1 OFFSET ?2");
        let items = self.rows(&sql, params![page.limit(), page.offset()], card)?;
        let sql =
            format!("SELECT count(*) FROM cards c JOIN people p ON p.id = c.person WHERE {wanted}");
        let total: i64 = self.one(&sql)?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// One person's card.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn card(&self, person: PersonId) -> Result<PersonCard, Error> {
        let sql = format!("{CARD} WHERE p.id = ?1");
        let found = self.rows(&sql, [person.0], card)?.pop();
        found.ok_or_else(|| Error::NoSuchPerson(person.to_string()))
    }

    /// Names that hold `text`, whatever its case; those that begin with it first. For completion while typing.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn names_like(&self, text: &str, limit: usize) -> Result<Vec<(PersonId, String)>, Error> {
        let escaped: String = text
            .chars()
            .flat_map(|c| {
                matches!(c, '%' | '_' | '\\')
                    .then_some('\\')
                    .into_iter()
                    .chain([c])
            })
            .collect();
        let sql = "SELECT id, name FROM people WHERE name LIKE '%' || ?1 || '%' ESCAPE '\\' AND merged_into IS NULL \
                   ORDER BY name NOT LIKE ?1 || '%' ESCAPE '\\', name LIMIT ?2";
        let limit = limit.min(MAX_PAGE) as i64;
        self.rows(sql, params![escaped, limit], |row| {
            Ok((PersonId(row.get(0)?), row.get(1)?))
        })
    }

    /// A person's faces by date, undated ones last.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn faces_of(&self, person: PersonId, page: Page) -> Result<Paged<FaceCard>, Error> {
        let sql = format!(
            "{FACE} WHERE m.person = ?1 ORDER BY h.taken_at IS NULL, h.taken_at, f.id LIMIT ?2 OFFSET ?3"
        );
        let items = self.rows(&sql, params![person.0, page.limit(), page.offset()], face)?;
        let sql = "SELECT count(*) FROM members WHERE person = ?1";
        let total = self.rows(sql, [person.0], |row| row.get::<_, i64>(0))?;
        Ok(Paged {
            items,
            total: total.first().copied().unwrap_or(0) as usize,
        })
    }

    /// Faces that belong to nobody and were not set aside, best to be seen first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn leftovers(&self, page: Page) -> Result<Paged<FaceCard>, Error> {
        self.faces_where("m.face IS NULL AND f.aside IS NULL", page)
    }

    /// Faces that a human said to ignore, or to be none; an erased one is not shown.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn set_aside_faces(&self, page: Page) -> Result<Paged<FaceCard>, Error> {
        self.faces_where("f.aside IN ('ignore', 'not_a_face')", page)
    }

    fn faces_where(&self, wanted: &str, page: Page) -> Result<Paged<FaceCard>, Error> {
        let sql = format!("{FACE} WHERE {wanted} ORDER BY f.overall DESC, f.id LIMIT ?1 OFFSET ?2");
        let items = self.rows(&sql, params![page.limit(), page.offset()], face)?;
        let sql = format!(
            "SELECT count(*) FROM faces f LEFT JOIN members m ON m.face = f.id WHERE {wanted}"
        );
        let total: i64 = self.one(&sql)?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// One face.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`]; [`Error::Sqlite`].
    pub fn face(&self, id: FaceId) -> Result<FaceCard, Error> {
        let sql = format!("{FACE} WHERE f.id = ?1");
        let found = self.rows(&sql, [id.0], face)?.pop();
        found.ok_or(Error::NoSuchFace(id.0))
    }

    /// A photo with its faces; erased ones are left out.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn photo(&self, id: PhotoId) -> Result<PhotoView, Error> {
        let sql = "SELECT width_px, height_px, taken_at FROM photos WHERE id = ?1";
        let row = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found = self.rows(sql, [id.0], row)?.pop();
        let (width_px, height_px, taken_at) =
            found.ok_or_else(|| Error::NoSuchPhoto(id.to_string()))?;
        let sql = "SELECT path FROM files WHERE photo = ?1 ORDER BY path";
        let paths = self.rows(sql, [id.0], |row| row.get(0).map(path_of))?;
        let sql =
            format!("{FACE} WHERE f.photo = ?1 AND f.aside IS NOT 'erase' ORDER BY f.x_min, f.id");
        Ok(PhotoView {
            photo: id,
            width_px,
            height_px,
            taken_at,
            paths,
            faces: self.rows(&sql, [id.0], face)?,
        })
    }

    /// The photo that lies at a path.
    ///
    /// # Errors
    /// [`Error::NoSuchPhoto`]; [`Error::Sqlite`].
    pub fn photo_at(&self, path: &std::path::Path) -> Result<PhotoId, Error> {
        let sql = "SELECT photo FROM files WHERE path = ?1 AND photo IS NOT NULL";
        let found = self
            .db
            .query_row(sql, [super::record::bytes(path)], |row| row.get(0))
            .optional()
            .map_err(|e| self.of(e))?;
        let unknown = || Error::NoSuchPhoto(path.display().to_string());
        found.map(PhotoId).ok_or_else(unknown)
    }

    /// Photos in which all of `people` are, by date, undated ones last; all photos for nobody.
    ///
    /// # Errors
    /// [`Error::Pointless`] for more than 16 people; [`Error::Sqlite`].
    pub fn photos_with(&self, people: &[PersonId], page: Page) -> Result<Paged<PhotoCard>, Error> {
        if people.len() > 16 {
            let what = "name at most sixteen people who are together in a photo";
            return Err(Error::Pointless(what.into()));
        }
        let has = |p: &PersonId| {
            format!(
                "h.id IN (SELECT f.photo FROM members m JOIN faces f ON f.id = m.face WHERE m.person = {p})"
            )
        };
        let wanted: Vec<String> = people.iter().map(has).collect();
        let wanted = match &*wanted {
            [] => "1".into(),
            all => all.join(" AND "),
        };
        // Faces are counted for this page alone, not for the pages passed over.
        let sql = format!(
            "SELECT id, taken_at, (SELECT count(*) FROM faces WHERE photo = part.id AND aside IS NOT 'erase') \
             FROM (SELECT id, taken_at FROM photos h WHERE {wanted} \
             ORDER BY taken_at IS NULL, taken_at, id LIMIT ?1 OFFSET ?2) part \
             ORDER BY taken_at IS NULL, taken_at, id"
        );
        let row = |row: &Row| {
            Ok(PhotoCard {
                photo: PhotoId(row.get(0)?),
                taken_at: row.get(1)?,
                n_faces: row.get::<_, i64>(2)? as usize,
            })
        };
        let items = self.rows(&sql, params![page.limit(), page.offset()], row)?;
        let total: i64 = self.one(&format!("SELECT count(*) FROM photos h WHERE {wanted}"))?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// All rows of a query.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        key: impl Params,
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let read = || -> rusqlite::Result<Vec<T>> {
            self.db.prepare_cached(sql)?.query_map(key, row)?.collect()
        };
        read().map_err(|e| self.of(e))
    }
}
