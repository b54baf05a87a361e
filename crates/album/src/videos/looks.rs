//! What a look at a video leaves behind. In: faces that passed by. Out: rows for those of people
//! with a name, and a count of the others; which videos need another look. Templates are compared
//! and forgotten.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use fusiform_search::template::{ModelId, Similarity};
use rusqlite::{OptionalExtension, Transaction, params};

use super::asserted::Asserted;
use super::whom::Whom;
use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PersonId, VideoId};
use crate::path_bytes::path_to_bytes;
use crate::search::{Index, Match};
use crate::video_record::{VideoRecord, VideoTrack};

/// Somebody who has so many times the faces as at the last look is looked for anew.
const GROWN: usize = 2;

/// For whom videos are looked at, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    looked_with: String,
    /// Faces of each person with a name; 0 for those who were merged into one.
    people: BTreeMap<i64, usize>,
    /// Similarity at and above which a face counts as that person.
    pub(crate) same_at: Similarity,
}

/// A video's file as it was listed.
#[derive(Debug, Clone)]
pub(crate) struct FileOfVideo {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) mtime_ns: i64,
}

impl Look {
    pub(crate) fn is_for_nobody(&self) -> bool {
        self.people.is_empty()
    }

    fn people_text(&self) -> String {
        let mut text = String::new();
        for (person, n_faces) in &self.people {
            // Writing to a string does not fail.
            let _ = write!(text, "{person}:{n_faces} ");
        }
        text
    }

    /// Whether somebody is looked for who was not, or by far fewer faces, when the text was made.
    fn has_grown_since(&self, text: &str) -> bool {
        let pairs = text.split(' ').filter_map(|pair| pair.split_once(':'));
        let before: BTreeMap<i64, usize> = pairs
            .filter_map(|(person, n)| Some((person.parse().ok()?, n.parse().ok()?)))
            .collect();
        self.people.iter().any(|(person, n)| {
            before
                .get(person)
                .is_none_or(|before| *n >= GROWN * before && *n > 0)
        })
    }
}

impl Album {
    /// A look for everybody who has a name now, by their faces of a model.
    pub(crate) fn look(
        &self,
        model: &ModelId,
        looked_with: &str,
        same_at: Similarity,
    ) -> Result<Look, Error> {
        let sql = "SELECT m.person, count(*) FROM members m JOIN templates t ON t.face = m.face \
                   JOIN people p ON p.id = m.person AND p.name IS NOT NULL \
                   WHERE t.model = ?1 GROUP BY m.person";
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize));
        let named = self.query_rows(sql, [&model.0], row)?;
        let merged = Whom::load(&self.db).map_err(|e| self.sqlite_error(e))?;
        let mut people: BTreeMap<i64, usize> = match named.is_empty() {
            true => BTreeMap::new(),
            false => merged.merged_into_named().map(|p| (p.0, 0)).collect(),
        };
        people.extend(named);
        Ok(Look {
            looked_with: looked_with.into(),
            people,
            same_at,
        })
    }

    /// The video that a file held when it was read last, if the file did not change since.
    pub(crate) fn video_of_file(&self, file: &FileOfVideo) -> Result<Option<VideoId>, Error> {
        let sql = "SELECT video FROM video_files WHERE path = ?1 AND size_bytes = ?2 \
                   AND mtime_ns = ?3 AND video IS NOT NULL";
        let key = params![
            path_to_bytes(&file.path),
            file.size_bytes as i64,
            file.mtime_ns
        ];
        let found = self.query_rows(sql, key, |row| row.get(0).map(VideoId))?;
        Ok(found.first().copied())
    }

    /// The video of a content, and its hash.
    pub(crate) fn video_of_content(&self, hash: &[u8; 32]) -> Result<Option<VideoId>, Error> {
        let sql = "SELECT id FROM videos WHERE hash = ?1";
        let found = self.query_rows(sql, [&hash[..]], |row| row.get(0).map(VideoId))?;
        Ok(found.first().copied())
    }

    /// Whether a video is to be looked at: with something else than the last time, or for people
    /// who may be among those who were nobody then.
    pub(crate) fn needs_look(&self, video: VideoId, look: &Look) -> Result<bool, Error> {
        let sql = "SELECT l.looked_with, l.people, v.n_unknown FROM videos v \
                   JOIN video_looks l ON l.id = v.look WHERE v.id = ?1";
        let row = |row: &rusqlite::Row| {
            let (with, people): (String, String) = (row.get(0)?, row.get(1)?);
            let has_unknown = row.get::<_, i64>(2)? > 0;
            Ok(with != look.looked_with || (has_unknown && look.has_grown_since(&people)))
        };
        let found = self.query_rows(sql, [video.0], row)?;
        Ok(found.first().copied().unwrap_or(true))
    }

    /// Why the end of a video was not looked at, if it was not.
    pub(crate) fn cut_short(&self, video: VideoId) -> Result<Option<String>, Error> {
        let sql = "SELECT cut_short FROM videos WHERE id = ?1";
        let found = self.query_rows(sql, [video.0], |row| row.get(0))?;
        Ok(found.into_iter().next().flatten())
    }

    /// Records that a file holds a video that is known, or why it cannot be looked at.
    pub(crate) fn record_video_file(
        &mut self,
        file: &FileOfVideo,
        holds: Result<VideoId, &str>,
    ) -> Result<(), Error> {
        self.transaction(|t| insert_file(t, file, holds))
    }

    /// Records a video that was looked at; gives how many appearances of people with a name it has.
    pub(crate) fn record_video(
        &mut self,
        file: &FileOfVideo,
        hash: &[u8; 32],
        record: &VideoRecord,
        look: &Look,
        index: &Index,
    ) -> Result<usize, Error> {
        self.try_transaction(|t| {
            let people = Whom::load(t)?;
            let asserted = Asserted::load(t, &people)?;
            let said = asserted.get(&hash[..]);
            let mut found: Vec<(&VideoTrack, Match, PersonId)> = Vec::new();
            let mut n_unknown = 0;
            for track in &record.tracks {
                let Some(template) = &track.template else {
                    continue;
                };
                if said.is_some_and(|said| said.is_erased(track)) {
                    continue;
                }
                let not = said.map(|said| said.not(track)).unwrap_or_default();
                let nearest = index.identify(template, not.len() + 1)?;
                let nearest = nearest
                    .into_iter()
                    .find(|m| !not.contains(&people.root(m.person)));
                let is_same = |m: &Match| m.similarity.0 >= look.same_at.0;
                let whose = match nearest.filter(is_same) {
                    Some(nearest) => owner(t, &people, nearest.face)?.map(|p| (nearest, p)),
                    None => None,
                };
                // Who the face was assigned to meanwhile may be who it is not.
                match whose.filter(|(_, person)| !not.contains(person)) {
                    Some((nearest, person)) => found.push((track, nearest, person)),
                    None => n_unknown += 1,
                }
            }
            let video = insert_video(t, hash, record, look, n_unknown)?;
            for (track, nearest, person) in &found {
                insert_appearance(t, video, track, nearest, *person)?;
            }
            insert_file(t, file, Ok(video))?;
            Ok(found.len())
        })
    }
}

/// The person with a name to whom a face is assigned at this moment: since the faces were loaded
/// somebody may have been erased.
fn owner(t: &Transaction, people: &Whom, face: FaceId) -> rusqlite::Result<Option<PersonId>> {
    let sql = "SELECT person FROM members WHERE face = ?1";
    let person = t
        .prepare_cached(sql)?
        .query_row([face.0], |row| row.get(0).map(PersonId))
        .optional()?;
    Ok(person.and_then(|person| people.named(person)))
}

fn insert_video(
    t: &Transaction,
    hash: &[u8; 32],
    record: &VideoRecord,
    look: &Look,
    n_unknown: i64,
) -> rusqlite::Result<VideoId> {
    let people = look.people_text();
    let sql = "INSERT OR IGNORE INTO video_looks (looked_with, people) VALUES (?1, ?2)";
    t.prepare_cached(sql)?
        .execute([&look.looked_with, &people])?;
    let sql = "INSERT INTO videos (hash, duration_ms, look, n_unknown, cut_short) \
               VALUES (?1, ?2, (SELECT id FROM video_looks WHERE looked_with = ?3 \
               AND people = ?4), ?5, ?6) ON CONFLICT (hash) DO UPDATE SET \
               duration_ms = excluded.duration_ms, look = excluded.look, \
               n_unknown = excluded.n_unknown, cut_short = excluded.cut_short RETURNING id";
    let key = params![
        &hash[..],
        stored_ms(record.duration_ms),
        look.looked_with,
        people,
        n_unknown,
        record.cut_short
    ];
    let video: i64 = t.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
    t.prepare_cached("DELETE FROM appearances WHERE video = ?1")?
        .execute([video])?;
    Ok(VideoId(video))
}

fn insert_appearance(
    t: &Transaction,
    video: VideoId,
    track: &VideoTrack,
    nearest: &Match,
    person: PersonId,
) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (track.boxes.first(), track.boxes.last()) else {
        return Ok(());
    };
    let (at_ms, bbox) = track.boxes.get(track.best).unwrap_or(first);
    let sql = "INSERT INTO appearances (video, start_ms, end_ms, at_ms, x_min, y_min, x_max, \
               y_max, similarity, face, person) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    t.prepare_cached(sql)?.execute(params![
        video.0,
        stored_ms(first.0),
        stored_ms(last.0),
        stored_ms(*at_ms),
        bbox.x_min,
        bbox.y_min,
        bbox.x_max,
        bbox.y_max,
        nearest.similarity.0,
        nearest.face.0,
        person.0
    ])?;
    Ok(())
}

fn insert_file(
    t: &Transaction,
    file: &FileOfVideo,
    holds: Result<VideoId, &str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO video_files (path, size_bytes, mtime_ns, video, problem) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    t.prepare_cached(sql)?.execute(params![
        path_to_bytes(&file.path),
        file.size_bytes as i64,
        file.mtime_ns,
        holds.ok().map(|video| video.0),
        holds.err()
    ])?;
    Ok(())
}

fn stored_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
