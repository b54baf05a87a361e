//! Lists of photos: which belong to one, in which order, by month, and what is before and after one
//! of them. In: a [`PhotoFilter`]. Out: photos and counts. Changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::Row;
use rusqlite::types::Value;

use crate::database::Album;
use crate::dates::{DateRange, KEY};
use crate::error::Error;
use crate::ids::{PersonId, PhotoId};
use crate::names::search_key;
use crate::page::{Page, Paged};
use crate::presence::below;

/// People and words of one filter.
const MAX_PARTS: usize = 16;

/// Which photos; those that everything here is true of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhotoFilter {
    /// Who is in them.
    pub people: Vec<PersonId>,
    /// Whether one of these people is enough; otherwise all of them are in each photo together.
    pub any_person: bool,
    /// When they were taken.
    pub dates: DateRange,
    /// Words that the path of one of their files holds, whatever their case and accents.
    pub words: String,
    /// The folder that one of their files is below.
    pub folder: Option<PathBuf>,
}

/// A photo in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoSummary {
    /// The photo.
    pub photo: PhotoId,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// Whether that is only the time of its file.
    pub from_file_time: bool,
    /// How many faces it has.
    pub n_faces: usize,
    /// Named people in it, from left to right; hidden ones are left out.
    pub names: Vec<String>,
}

/// The photos of one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthCount {
    /// `2021-07`; `None` for photos without a date.
    pub month: Option<String>,
    /// How many they are.
    pub n_photos: usize,
}

/// Where a photo is in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoPlace {
    /// The one before it.
    pub previous: Option<PhotoId>,
    /// The one after it.
    pub next: Option<PhotoId>,
    /// Its number, from 1.
    pub number: usize,
    /// How long the list is.
    pub total: usize,
}

/// A condition on the photo `h`, and the values of its question marks.
struct Wanted {
    sql: String,
    values: Vec<Value>,
}

impl Wanted {
    fn and(&self, more: &str, values: impl IntoIterator<Item = Value>) -> Wanted {
        Wanted {
            sql: format!("{} AND {more}", self.sql),
            values: self.values.iter().cloned().chain(values).collect(),
        }
    }
}

impl PhotoFilter {
    fn wanted(&self, album: &Album) -> Result<Wanted, Error> {
        let words: Vec<&str> = self.words.split_whitespace().collect();
        if self.people.len() > MAX_PARTS || words.len() > MAX_PARTS {
            let what = format!("search for at most {MAX_PARTS} people and {MAX_PARTS} words");
            return Err(Error::InvalidRequest(what));
        }
        let mut wanted = Wanted {
            sql: "h.gone = 0".into(),
            values: Vec::new(),
        };
        let shows = |n: usize| {
            let marks = vec!["?"; n].join(", ");
            format!(
                "h.id IN (SELECT f.photo FROM members m JOIN faces f ON f.id = m.face \
                 WHERE m.person IN ({marks}))"
            )
        };
        let at_once = if self.any_person { MAX_PARTS } else { 1 };
        for people in self.people.chunks(at_once) {
            let values = people.iter().map(|p| Value::from(p.0));
            wanted = wanted.and(&shows(people.len()), values);
        }
        if !self.dates.is_all() {
            let (from, to) = self.dates.keys();
            let range = format!("{KEY} >= ? AND {KEY} < ?");
            wanted = wanted.and(&range, [from.into(), to.into()]);
        }
        if !words.is_empty() {
            let listed = album.photos_with_words(&words)?;
            let listed = format!("[{}]", listed.join(","));
            wanted = wanted.and("h.id IN (SELECT value FROM json_each(?))", [listed.into()]);
        }
        if let Some(folder) = &self.folder {
            let (from, to) = below(folder);
            let inside = "h.id IN (SELECT photo FROM files WHERE path >= ? AND path < ?)";
            wanted = wanted.and(inside, [from.into(), to.into()]);
        }
        Ok(wanted)
    }
}

fn photo_id(row: &Row) -> rusqlite::Result<PhotoId> {
    row.get(0).map(PhotoId)
}

impl Album {
    /// Photos by date, undated ones last.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for more than 16 people or words; [`Error::Sqlite`].
    pub fn photos(&self, filter: &PhotoFilter, page: Page) -> Result<Paged<PhotoSummary>, Error> {
        let wanted = filter.wanted(self)?;
        // The inner query cuts the page, so that faces are counted for its photos only.
        let sql = format!(
            "SELECT id, taken_at, (SELECT count(*) FROM faces WHERE photo = part.id \
             AND excluded IS NOT 'erase'), taken_from IS 'file_time' \
             FROM (SELECT h.id, h.taken_at, h.taken_from, {KEY} AS key FROM photos h WHERE {} \
             ORDER BY {KEY}, h.id LIMIT ? OFFSET ?) part ORDER BY key, id",
            wanted.sql
        );
        let row = |row: &Row| {
            Ok(PhotoSummary {
                photo: photo_id(row)?,
                taken_at: row.get(1)?,
                from_file_time: row.get(3)?,
                n_faces: row.get::<_, i64>(2)? as usize,
                names: Vec::new(),
            })
        };
        let cut = [page.limit().into(), page.offset().into()];
        let values = wanted.values.iter().cloned().chain(cut);
        let mut items = self.query_rows(&sql, rusqlite::params_from_iter(values), row)?;
        let photos: Vec<PhotoId> = items.iter().map(|item| item.photo).collect();
        let mut names = self.names_in(&photos)?;
        for item in &mut items {
            item.names = names.remove(&item.photo).unwrap_or_default();
        }
        Ok(Paged {
            items,
            total: self.n_photos(&wanted)?,
        })
    }

    /// The numbers of photos that have a file whose path holds all of these words.
    ///
    /// In the order of paths, so that the key of a folder is made once for all of its files.
    fn photos_with_words(&self, words: &[&str]) -> Result<Vec<String>, Error> {
        let words: Vec<String> = words.iter().map(|word| search_key(word)).collect();
        let mut folder: (Vec<u8>, String) = Default::default();
        let mut found = Vec::new();
        let sql = "SELECT photo, path FROM files WHERE photo IS NOT NULL ORDER BY path";
        self.query_rows(sql, [], |row| {
            let path = row.get_ref(1)?.as_blob()?;
            let cut = path
                .iter()
                .rposition(|b| *b == std::path::MAIN_SEPARATOR as u8);
            let (inside, name) = path.split_at(cut.unwrap_or(0));
            if folder.0 != inside {
                folder = (inside.into(), search_key(&String::from_utf8_lossy(inside)));
            }
            let name = search_key(&String::from_utf8_lossy(name));
            let holds = |word: &String| name.contains(&**word) || folder.1.contains(&**word);
            if words.iter().all(holds) {
                found.push(row.get::<_, i64>(0)?.to_string());
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn n_photos(&self, wanted: &Wanted) -> Result<usize, Error> {
        let sql = format!("SELECT count(*) FROM photos h WHERE {}", wanted.sql);
        let values = rusqlite::params_from_iter(wanted.values.iter());
        let n = self.query_rows(&sql, values, |row| row.get::<_, i64>(0))?;
        Ok(n.first().copied().unwrap_or(0) as usize)
    }

    /// Named people in some photos, from left to right; hidden ones are left out.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn names_in(&self, photos: &[PhotoId]) -> Result<BTreeMap<PhotoId, Vec<String>>, Error> {
        let mut names: BTreeMap<PhotoId, Vec<String>> = BTreeMap::new();
        for part in photos.chunks(500) {
            let ids: Vec<String> = part.iter().map(PhotoId::to_string).collect();
            let sql = format!(
                "SELECT f.photo, p.name FROM faces f JOIN members m ON m.face = f.id \
                 JOIN people p ON p.id = m.person AND p.name IS NOT NULL AND p.hidden = 0 \
                 WHERE f.photo IN ({}) ORDER BY f.photo, f.x_min, f.id",
                ids.join(",")
            );
            let row = |row: &Row| Ok((photo_id(row)?, row.get::<_, String>(1)?));
            for (photo, name) in self.query_rows(&sql, [], row)? {
                let of_photo = names.entry(photo).or_default();
                if !of_photo.contains(&name) {
                    of_photo.push(name);
                }
            }
        }
        Ok(names)
    }

    /// How many photos there are of each month, by date, undated ones last.
    ///
    /// # Errors
    /// As [`Album::photos`].
    pub fn months(&self, filter: &PhotoFilter) -> Result<Vec<MonthCount>, Error> {
        let wanted = filter.wanted(self)?;
        let sql = format!(
            "SELECT substr({KEY}, 1, 7) AS month, count(*) FROM photos h WHERE {} \
             GROUP BY month ORDER BY month",
            wanted.sql
        );
        let row = |row: &Row| {
            let month: String = row.get(0)?;
            Ok(MonthCount {
                month: Some(month).filter(|month| month != "~"),
                n_photos: row.get::<_, i64>(1)? as usize,
            })
        };
        self.query_rows(&sql, rusqlite::params_from_iter(wanted.values), row)
    }

    /// Whether a photo is in a list.
    ///
    /// # Errors
    /// As [`Album::photos`].
    pub fn is_in(&self, photo: PhotoId, filter: &PhotoFilter) -> Result<bool, Error> {
        Ok(self.key_in(photo, &filter.wanted(self)?)?.is_some())
    }

    /// The key of a photo that is in a list.
    fn key_in(&self, photo: PhotoId, wanted: &Wanted) -> Result<Option<String>, Error> {
        let here = wanted.and("h.id = ?", [photo.0.into()]);
        let sql = format!("SELECT {KEY} FROM photos h WHERE {}", here.sql);
        let values = rusqlite::params_from_iter(here.values);
        Ok(self.query_rows(&sql, values, |row| row.get(0))?.pop())
    }

    /// What is before and after a photo in a list; `None` if it is not in it.
    ///
    /// # Errors
    /// As [`Album::photos`].
    pub fn place(&self, photo: PhotoId, filter: &PhotoFilter) -> Result<Option<PhotoPlace>, Error> {
        let wanted = filter.wanted(self)?;
        let Some(key) = self.key_in(photo, &wanted)? else {
            return Ok(None);
        };
        let than = |sign: &str| {
            let beyond = format!("{KEY} {sign}= ? AND ({KEY} {sign} ? OR h.id {sign} ?)");
            wanted.and(
                &beyond,
                [key.clone().into(), key.clone().into(), photo.0.into()],
            )
        };
        let nearest = |sign: &str, order: &str| {
            let beyond = than(sign);
            let sql = format!(
                "SELECT h.id FROM photos h WHERE {} ORDER BY {KEY} {order}, h.id {order} LIMIT 1",
                beyond.sql
            );
            let values = rusqlite::params_from_iter(beyond.values);
            self.query_rows(&sql, values, photo_id)
        };
        Ok(Some(PhotoPlace {
            previous: nearest("<", "DESC")?.pop(),
            next: nearest(">", "ASC")?.pop(),
            number: self.n_photos(&than("<"))? + 1,
            total: self.n_photos(&wanted)?,
        }))
    }
}
