//! What was decided about appearances. In: rows of `video_assertions`. Out: who a face at a time of
//! a video is not, and which places were erased.

use std::collections::BTreeMap;

use fusiform_face::geometry::BoundingBox;
use rusqlite::{Connection, Row, Transaction, params};

use super::whom::Whom;
use crate::ids::PersonId;
use crate::same_face::same_face;
use crate::video_record::VideoTrack;

/// A face seen within so long of a time is the one at that time, if it is where that was.
const SAME_TIME_MS: u64 = 1000;

/// A face at one time of a video: by that it is known again when the video is looked at anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SeenAt {
    pub(super) at_ms: u64,
    pub(super) bbox: BoundingBox,
}

/// What was decided about the faces of one video.
#[derive(Debug, Default)]
pub(super) struct Asserted {
    is_not: Vec<(SeenAt, PersonId)>,
    erased: Vec<SeenAt>,
}

impl SeenAt {
    /// Of columns time, `x_min`, `y_min`, `x_max`, `y_max`.
    pub(super) fn from_row(row: &Row, first: usize) -> rusqlite::Result<SeenAt> {
        Ok(SeenAt {
            at_ms: row.get::<_, i64>(first)?.max(0).unsigned_abs(),
            bbox: BoundingBox {
                x_min: row.get(first + 1)?,
                y_min: row.get(first + 2)?,
                x_max: row.get(first + 3)?,
                y_max: row.get(first + 4)?,
            },
        })
    }

    /// Whether a face that passes by was here at that time.
    fn is_of(&self, track: &VideoTrack) -> bool {
        let apart = |(at_ms, _): &&(u64, BoundingBox)| at_ms.abs_diff(self.at_ms);
        let nearest = track.boxes.iter().min_by_key(apart);
        nearest.is_some_and(|(at_ms, bbox)| {
            at_ms.abs_diff(self.at_ms) <= SAME_TIME_MS && same_face(&self.bbox, bbox).is_some()
        })
    }
}

impl Asserted {
    /// What stands, by the hash of the video.
    pub(super) fn load(
        db: &Connection,
        people: &Whom,
    ) -> rusqlite::Result<BTreeMap<Vec<u8>, Asserted>> {
        let sql = "SELECT s.hash, s.person, s.at_ms, s.x_min, s.y_min, s.x_max, s.y_max \
                   FROM video_assertions s JOIN decisions d ON d.id = s.decision \
                   AND d.undone = 0 ORDER BY s.id";
        let mut query = db.prepare_cached(sql)?;
        let mut rows = query.query([])?;
        let mut all: BTreeMap<Vec<u8>, Asserted> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let of_video = all.entry(row.get(0)?).or_default();
            let seen = SeenAt::from_row(row, 2)?;
            match row.get::<_, Option<i64>>(1)? {
                Some(person) => of_video.is_not.push((seen, people.root(PersonId(person)))),
                None => of_video.erased.push(seen),
            }
        }
        Ok(all)
    }

    /// Whether this very appearance was said not to be a person.
    pub(super) fn denies(&self, seen: &SeenAt, person: PersonId) -> bool {
        self.is_not.contains(&(*seen, person))
    }

    /// Who a face that passes by is not.
    pub(super) fn not(&self, track: &VideoTrack) -> Vec<PersonId> {
        let not = self.is_not.iter().filter(|(seen, _)| seen.is_of(track));
        let mut people: Vec<PersonId> = not.map(|(_, person)| *person).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// Whether a face that passes by was erased.
    pub(super) fn is_erased(&self, track: &VideoTrack) -> bool {
        self.erased.iter().any(|seen| seen.is_of(track))
    }
}

/// Adds that an appearance is not a person, or, of nobody, that it was erased.
pub(super) fn assert(
    t: &Transaction,
    decision: i64,
    hash: &[u8],
    seen: &SeenAt,
    is_not: Option<PersonId>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO video_assertions (decision, hash, at_ms, x_min, y_min, x_max, y_max, \
               person) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let bbox = &seen.bbox;
    t.prepare_cached(sql)?.execute(params![
        decision,
        hash,
        i64::try_from(seen.at_ms).unwrap_or(i64::MAX),
        bbox.x_min,
        bbox.y_min,
        bbox.x_max,
        bbox.y_max,
        is_not.map(|p| p.0)
    ])?;
    Ok(())
}
