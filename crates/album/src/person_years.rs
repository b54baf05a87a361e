//! A person over the years, and whether two people are in one photo. In: people. Out: counts, and
//! photos that speak against a merge. Changes nothing.

use rusqlite::{Row, params};

use crate::database::Album;
use crate::dates::{KEY, PartialDate};
use crate::error::Error;
use crate::ids::{FaceId, PersonId, PhotoId};

/// A person in one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonYear {
    /// `2021`; `None` for photos without a date.
    pub year: Option<PartialDate>,
    /// In how many photos of that year they are.
    pub n_photos: usize,
    /// Their face of highest quality among these.
    pub face: FaceId,
}

/// Two people who are in one photo, and so are hardly one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InOnePhoto {
    /// The photo.
    pub photo: PhotoId,
    /// One of them, of lower number.
    pub one: PersonId,
    /// The other.
    pub other: PersonId,
}

impl Album {
    /// A person's years, undated photos last.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn years_of(&self, person: PersonId) -> Result<Vec<PersonYear>, Error> {
        // With one `max`, SQLite takes the other columns from the row that holds it.
        let sql = format!(
            "SELECT substr({KEY}, 1, 4) AS year, count(DISTINCT f.photo), f.id, max(f.overall) \
             FROM members m JOIN faces f ON f.id = m.face \
             JOIN photos h ON h.id = f.photo AND h.gone = 0 WHERE m.person = ?1 \
             GROUP BY year ORDER BY year"
        );
        let row = |row: &Row| {
            Ok(PersonYear {
                year: row.get::<_, String>(0)?.parse().ok(),
                n_photos: row.get::<_, i64>(1)? as usize,
                face: FaceId(row.get(2)?),
            })
        };
        self.query_rows(&sql, [person.0], row)
    }

    /// Whether two of these people are in one photo: the first photo that shows it.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn in_one_photo(&self, people: &[PersonId]) -> Result<Option<InOnePhoto>, Error> {
        let ids: Vec<String> = people.iter().map(PersonId::to_string).collect();
        let sql = format!(
            "SELECT f.photo, min(m.person), max(m.person) FROM members m \
             JOIN faces f ON f.id = m.face JOIN photos h ON h.id = f.photo AND h.gone = 0 \
             WHERE m.person IN ({}) GROUP BY f.photo HAVING min(m.person) < max(m.person) \
             ORDER BY f.photo LIMIT ?1",
            ids.join(",")
        );
        let row = |row: &Row| {
            Ok(InOnePhoto {
                photo: PhotoId(row.get(0)?),
                one: PersonId(row.get(1)?),
                other: PersonId(row.get(2)?),
            })
        };
        Ok(self.query_rows(&sql, params![1], row)?.pop())
    }
}
