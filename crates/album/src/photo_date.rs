//! When photos were taken, and who says so. In: the number of a photo. Out: its date with source
//! and zone. Knows nothing of how files state dates.

use fusiform_face::image::DateSource;
use rusqlite::Row;

use crate::database::Album;
use crate::error::Error;
use crate::ids::PhotoId;

/// When a photo was taken, as far as its file says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoDate {
    /// ISO 8601, the time where it was taken: `2021-07-04T18:30:05`.
    pub local: String,
    /// Minutes by which that time is ahead of UTC, if the file states it.
    pub offset_min: Option<i16>,
    /// Who says so; `None` for photos that an earlier version recorded.
    pub source: Option<DateSource>,
}

impl PhotoDate {
    /// Of a row whose columns from `first` on are `taken_at`, `taken_from`, `taken_offset_min`.
    pub(crate) fn from_row(row: &Row, first: usize) -> rusqlite::Result<Option<PhotoDate>> {
        let Some(local) = row.get(first)? else {
            return Ok(None);
        };
        let word: Option<String> = row.get(first + 1)?;
        Ok(Some(PhotoDate {
            local,
            source: DateSource::ALL
                .into_iter()
                .find(|source| word.as_deref() == Some(source.word())),
            offset_min: row.get(first + 2)?,
        }))
    }

    /// ISO 8601 with the zone, if that is known: `2021-07-04T18:30:05+02:00`.
    pub fn with_zone(&self) -> String {
        match self.offset_min {
            None => self.local.clone(),
            Some(min) => {
                let (sign, min) = (if min < 0 { '-' } else { '+' }, min.unsigned_abs());
                format!("{}{sign}{:02}:{:02}", self.local, min / 60, min % 60)
            }
        }
    }
}

impl Album {
    /// When a photo was taken; `None` if nobody says so.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn date_of(&self, photo: PhotoId) -> Result<Option<PhotoDate>, Error> {
        let sql = "SELECT taken_at, taken_from, taken_offset_min FROM photos WHERE id = ?1";
        let row = |row: &Row| PhotoDate::from_row(row, 0);
        Ok(self.query_rows(sql, [photo.0], row)?.pop().flatten())
    }
}
