//! Links by which others see some photos. In: which photos, whom to show in them, until when. Out:
//! the link of a token, its photos, and which of their faces are to be covered. Knows nothing of
//! pixels or HTTP.
//!
//! Only a hash of the token is stored: whoever reads the album's file cannot open a link. A face is
//! shown only if it is assigned to one of the link's people now; whoever was renamed stays, whoever
//! was merged into somebody else or erased is covered.

use std::path::PathBuf;

use fusiform_face::geometry::BoundingBox;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::assertions::boxed_row;
use crate::database::{Album, now_ms};
use crate::dates::{DateRange, PartialDate};
use crate::decisions::insert_decision;
use crate::error::Error;
use crate::ids::{PersonId, PhotoId};
use crate::path_bytes::{path_from_bytes, path_to_bytes};
use crate::photo_list::PhotoFilter;
use crate::scan::size_and_mtime;

/// Longest time that a link can be open, in days.
pub const MAX_LINK_DAYS: u32 = 90;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A link that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// Which photos; its people are the ones whose faces are shown.
    pub photos: PhotoFilter,
    /// Whether the names of these people are shown.
    pub with_names: bool,
    /// For how many days, at most [`MAX_LINK_DAYS`].
    pub days: u32,
}

/// A link that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedLink {
    /// Its number.
    pub id: i64,
    /// Which photos; its people are the ones whose faces are shown.
    pub photos: PhotoFilter,
    /// Whether the names of these people are shown.
    pub with_names: bool,
    /// When it was made, UTC in milliseconds since 1970.
    pub made_at_ms: i64,
    /// When it ends.
    pub expires_at_ms: i64,
    /// When it was revoked; by an erasure, when it was made; by its end, then.
    pub revoked_at_ms: Option<i64>,
}

impl SharedLink {
    /// Whether it can be opened now.
    pub fn is_open(&self) -> bool {
        self.is_open_at(now_ms())
    }

    pub(crate) fn is_open_at(&self, at_ms: i64) -> bool {
        // A clock that was put back opens nothing.
        self.revoked_at_ms.is_none() && (self.made_at_ms..self.expires_at_ms).contains(&at_ms)
    }
}

/// A face of a shared photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedFace {
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
    /// The person it is assigned to; an excluded or erased face has none.
    pub person: Option<PersonId>,
}

const LINK: &str = "SELECT id, with_names, made_at_ms, expires_at_ms, revoked_at_ms, any_person, \
     from_date, to_date, words, folder FROM shared_links";

fn link(row: &Row) -> rusqlite::Result<SharedLink> {
    let date = |column| -> rusqlite::Result<Option<PartialDate>> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| text.parse::<PartialDate>().ok()))
    };
    let folder: Option<Vec<u8>> = row.get(9)?;
    Ok(SharedLink {
        id: row.get(0)?,
        photos: PhotoFilter {
            people: Vec::new(),
            any_person: row.get(5)?,
            dates: DateRange {
                from: date(6)?,
                to: date(7)?,
            },
            words: row.get(8)?,
            folder: folder.map(path_from_bytes),
        },
        with_names: row.get(1)?,
        made_at_ms: row.get(2)?,
        expires_at_ms: row.get(3)?,
        revoked_at_ms: row.get(4)?,
    })
}

impl Album {
    /// Makes a link; gives its number. The history notes it.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for no days or too many, [`Error::NoSuchPerson`];
    /// [`Error::Sqlite`].
    pub fn share(&mut self, token_hash: &[u8; 32], new: &NewLink) -> Result<i64, Error> {
        if !(1..=MAX_LINK_DAYS).contains(&new.days) {
            let what = format!(
                "a link is open for 1 to {MAX_LINK_DAYS} days, not {}",
                new.days
            );
            return Err(Error::InvalidRequest(what));
        }
        for person in &new.photos.people {
            self.person(*person)?;
        }
        let actor = self.actor().to_owned();
        let (photos, now) = (&new.photos, now_ms());
        self.transaction(|t| {
            let sql = "INSERT INTO shared_links (token_hash, made_at_ms, expires_at_ms, \
                       with_names, any_person, from_date, to_date, words, folder) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            t.execute(
                sql,
                params![
                    &token_hash[..],
                    now,
                    now + i64::from(new.days) * DAY_MS,
                    new.with_names,
                    photos.any_person,
                    photos.dates.from.as_ref().map(PartialDate::to_string),
                    photos.dates.to.as_ref().map(PartialDate::to_string),
                    photos.words,
                    photos.folder.as_deref().map(path_to_bytes),
                ],
            )?;
            let id = t.last_insert_rowid();
            for person in &photos.people {
                let sql = "INSERT OR IGNORE INTO shared_link_people (link, person) VALUES (?1, ?2)";
                t.execute(sql, [id, person.0])?;
            }
            note(t, &actor, "share", id)?;
            Ok(id)
        })
    }

    /// Closes a link for good. The history notes it.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if there is no such link that is not revoked; [`Error::Sqlite`].
    pub fn revoke_link(&mut self, id: i64) -> Result<(), Error> {
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            let sql = "UPDATE shared_links SET revoked_at_ms = ?2 \
                       WHERE id = ?1 AND revoked_at_ms IS NULL";
            if t.execute(sql, [id, now_ms()])? == 0 {
                let what = format!("there is no link {id} that could be revoked");
                return Err(Error::InvalidRequest(what).into());
            }
            Ok(note(t, &actor, "revoke", id)?)
        })
    }

    /// Closes for good what has ended, so that a clock that is put back does not open it again; and
    /// links that were made by a clock far ahead of this one, which would open once it is so late.
    fn close_ended(&self) -> Result<(), Error> {
        if self.is_read_only() {
            return Ok(());
        }
        let sql = "UPDATE shared_links SET revoked_at_ms = expires_at_ms \
                   WHERE revoked_at_ms IS NULL AND (expires_at_ms <= ?1 OR made_at_ms > ?2)";
        let now = now_ms();
        let closed = self.db.execute(sql, [now, now + DAY_MS]);
        closed.map(drop).map_err(|e| self.sqlite_error(e))
    }

    /// All links, latest first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn shared_links(&self) -> Result<Vec<SharedLink>, Error> {
        self.close_ended()?;
        let mut links = self.query_rows(&format!("{LINK} ORDER BY id DESC"), [], link)?;
        for link in &mut links {
            link.photos.people = self.people_of_link(link.id)?;
        }
        Ok(links)
    }

    /// The link of a token, if it is open now.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn open_link(&self, token_hash: &[u8; 32]) -> Result<Option<SharedLink>, Error> {
        let sql = format!("{LINK} WHERE token_hash = ?1");
        let found = self
            .db
            .query_row(&sql, [&token_hash[..]], link)
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        let Some(mut link) = found else {
            return Ok(None);
        };
        if !link.is_open() {
            // Once; it takes the album's write lock.
            if link.revoked_at_ms.is_none() {
                self.close_ended()?;
            }
            return Ok(None);
        }
        link.photos.people = self.people_of_link(link.id)?;
        Ok(Some(link))
    }

    fn people_of_link(&self, id: i64) -> Result<Vec<PersonId>, Error> {
        let sql = "SELECT person FROM shared_link_people WHERE link = ?1 ORDER BY person";
        self.query_rows(sql, [id], |row| row.get(0).map(PersonId))
    }

    /// The files of a photo that are as they were when they were read. One that was written since
    /// may show somebody else where a face to show was.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn unchanged_files(&self, photo: PhotoId) -> Result<Vec<PathBuf>, Error> {
        let sql = "SELECT path, size_bytes, mtime_ns FROM files WHERE photo = ?1 ORDER BY path";
        let row = |row: &Row| {
            let path = path_from_bytes(row.get(0)?);
            Ok((path, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        };
        let files = self.query_rows(sql, [photo.0], row)?;
        let is_same = |(path, size_bytes, mtime_ns): &(PathBuf, i64, i64)| {
            let found = size_and_mtime(path);
            found.is_ok_and(|(size, time)| size as i64 == *size_bytes && time == *mtime_ns)
        };
        let same = files.into_iter().filter(is_same);
        Ok(same.map(|(path, ..)| path).collect())
    }

    /// Every face of a photo that was ever found or drawn, also those that people do not see.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn all_faces_in(&self, photo: PhotoId) -> Result<Vec<SharedFace>, Error> {
        let sql = "SELECT f.id, f.x_min, f.y_min, f.x_max, f.y_max, m.person FROM faces f \
                   LEFT JOIN members m ON m.face = f.id AND f.excluded IS NULL \
                   WHERE f.photo = ?1 ORDER BY f.id";
        let row = |row: &Row| {
            Ok(SharedFace {
                bbox: boxed_row(row)?.1,
                person: row.get::<_, Option<i64>>(5)?.map(PersonId),
            })
        };
        self.query_rows(sql, [photo.0], row)
    }
}

/// A line of the history. It names the link by its number alone, so that an erasure has nothing to
/// take out of it.
fn note(t: &Transaction, actor: &str, kind: &str, link: i64) -> rusqlite::Result<()> {
    let decision = insert_decision(t, actor, kind, None, None)?;
    let sql = "UPDATE decisions SET new_name = ?2 WHERE id = ?1";
    t.execute(sql, params![decision, link.to_string()])?;
    Ok(())
}
