//! Who appears in which video. In: a person. Out: videos with the times; decisions about them.
//! Knows nothing of how videos are looked at.
//!
//! An appearance is an opinion: from when to when a face passed by that is nearest to one face of
//! the album. Whose it is follows from whom that face is assigned to *now*, so names, merges,
//! splits and what is undone hold for videos without another word. Nobody without a name has one.
//! "This is not them" and an erasure are assertions, keyed by the video's content, a time and a
//! box.

mod asserted;
mod looks;
mod whom;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::{Row, Transaction};

use crate::database::Album;
use crate::decisions::insert_decision;
use crate::error::Error;
use crate::ids::{AppearanceId, FaceId, PersonId, VideoId};
use crate::path_bytes::path_from_bytes;
use asserted::{Asserted, SeenAt, assert};
pub(crate) use looks::{FileOfVideo, Look};
use whom::Whom;

/// Times of one person in one video are told as one if no more lies between them: whoever turns
/// away for a moment was not gone.
const SAME_SPAN_MS: u64 = 2000;

/// To whom the face is assigned that an appearance `a` is nearest to; of a photo that is gone, to
/// whom it was. A face that was pruned is remembered by its person.
const WHOSE: &str = "coalesce((SELECT m.person FROM members m WHERE m.face = a.face), \
     (SELECT g.person FROM gone_members g WHERE g.face = a.face), \
     CASE WHEN a.face IS NULL THEN a.person END)";

/// A person and all who were merged into them, as `merged`; `?1` is the person.
const MERGED: &str = "WITH RECURSIVE merged (id) AS (SELECT ?1 UNION SELECT p.id \
     FROM people p JOIN merged m ON p.merged_into = m.id)";

/// Appearances whose [`WHOSE`] is one of `merged`: first by index, since it is costly for all.
const THEIRS: &str = "(a.face IN (SELECT face FROM members WHERE person IN (SELECT id FROM merged) \
     UNION SELECT face FROM gone_members WHERE person IN (SELECT id FROM merged)) \
     OR (a.face IS NULL AND a.person IN (SELECT id FROM merged)))";

/// How many videos have no file.
pub(crate) const N_GONE: &str = "SELECT count(*) FROM videos v \
     WHERE NOT EXISTS (SELECT 1 FROM video_files f WHERE f.video = v.id)";

/// A video in which somebody appears.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonVideo {
    /// The video.
    pub video: VideoId,
    /// All copies of it, by path.
    pub paths: Vec<PathBuf>,
    /// How long it is.
    pub duration_ms: u64,
    /// When they are in view, by time.
    pub spans: Vec<VideoSpan>,
}

/// A while in which somebody is in view.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSpan {
    /// From when, in milliseconds from the first frame.
    pub start_ms: u64,
    /// Until when.
    pub end_ms: u64,
    /// The highest similarity to the person.
    pub similarity: f32,
    /// What it consists of, for [`Album::not_in_video`].
    pub appearances: Vec<AppearanceId>,
}

/// A row of `appearances`, and whose it is.
struct Stored {
    id: AppearanceId,
    video: VideoId,
    hash: Vec<u8>,
    whose: Option<PersonId>,
    start_ms: u64,
    end_ms: u64,
    seen: SeenAt,
    similarity: f32,
}

impl Album {
    /// The videos in which a person with a name appears: by path, their times in order. Nobody
    /// without a name appears in any.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn videos_of(&self, person: PersonId) -> Result<Vec<PersonVideo>, Error> {
        self.person(person)?;
        let mut by_video: BTreeMap<VideoId, Vec<VideoSpan>> = BTreeMap::new();
        for (_, seen) in self.shown(Some(person))? {
            let spans = by_video.entry(seen.video).or_default();
            match spans.last_mut() {
                Some(last) if seen.start_ms <= last.end_ms.saturating_add(SAME_SPAN_MS) => {
                    last.end_ms = last.end_ms.max(seen.end_ms);
                    last.similarity = last.similarity.max(seen.similarity);
                    last.appearances.push(seen.id);
                }
                _ => spans.push(VideoSpan {
                    start_ms: seen.start_ms,
                    end_ms: seen.end_ms,
                    similarity: seen.similarity,
                    appearances: vec![seen.id],
                }),
            }
        }
        let mut videos = Vec::new();
        for (video, spans) in by_video {
            let sql = "SELECT duration_ms FROM videos WHERE id = ?1";
            let duration = self.query_rows(sql, [video.0], |row| ms(row, 0))?;
            videos.push(PersonVideo {
                video,
                paths: self.video_paths(video)?,
                duration_ms: duration.first().copied().unwrap_or(0),
                spans,
            });
        }
        videos.sort_by(|a, b| a.paths.cmp(&b.paths));
        Ok(videos)
    }

    /// In how many videos each person appears who appears in any.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn video_counts(&self) -> Result<BTreeMap<PersonId, usize>, Error> {
        let mut videos: BTreeMap<PersonId, BTreeSet<VideoId>> = BTreeMap::new();
        for (person, seen) in self.shown(None)? {
            videos.entry(person).or_default().insert(seen.video);
        }
        Ok(videos.into_iter().map(|(p, v)| (p, v.len())).collect())
    }

    /// All files of a video, by path; none if it is gone.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn video_paths(&self, video: VideoId) -> Result<Vec<PathBuf>, Error> {
        let sql = "SELECT path FROM video_files WHERE video = ?1 ORDER BY path";
        self.query_rows(sql, [video.0], |row| row.get(0).map(path_from_bytes))
    }

    /// Says that appearances are not of the person of whom they are shown. They are not shown of
    /// them again, also when the video is looked at anew.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for none, or one that is not shown of the person;
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn not_in_video(
        &mut self,
        appearances: &[AppearanceId],
        person: PersonId,
    ) -> Result<(), Error> {
        self.person(person)?;
        let shown = self.shown(Some(person))?;
        let mut denied = Vec::new();
        for id in appearances {
            let found = shown.iter().find(|(_, seen)| seen.id == *id);
            let (_, seen) = found.ok_or_else(|| {
                let what = format!("appearance {id} is none of person {person} in a video");
                Error::InvalidRequest(what)
            })?;
            denied.push(seen);
        }
        if denied.is_empty() {
            return Err(Error::InvalidRequest("no appearance was named".into()));
        }
        let actor = self.actor().to_owned();
        self.transaction(|t| {
            let decision = insert_decision(t, &actor, "not_in_video", Some(person), None)?;
            for seen in denied {
                assert(t, decision, &seen.hash, &seen.seen, Some(person))?;
            }
            Ok(())
        })
    }

    /// Brings appearances up to date with what was decided since they were found, so that the next
    /// look knows which videos need one: those of people without a name now, and those that were
    /// said not to be them, are forgotten.
    ///
    /// # Errors
    /// [`Error::Sqlite`]; then nothing has changed.
    pub(crate) fn settle_appearances(&mut self) -> Result<(), Error> {
        self.transaction(|t| {
            let people = Whom::load(t)?;
            let asserted = Asserted::load(t, &people)?;
            for seen in stored(t, "1", [])? {
                let person = seen.whose.and_then(|person| people.named(person));
                let said = asserted.get(&seen.hash);
                let is_denied = |p| said.is_some_and(|said| said.denies(&seen.seen, p));
                match person {
                    Some(person) if !is_denied(person) => {
                        let sql = "UPDATE appearances SET person = ?2 WHERE id = ?1";
                        t.prepare_cached(sql)?.execute([seen.id.0, person.0])?;
                        continue;
                    }
                    Some(_) => {
                        let sql = "UPDATE videos SET n_unknown = n_unknown + 1 WHERE id = ?1";
                        t.prepare_cached(sql)?.execute([seen.video.0])?;
                    }
                    // Another face may be near enough; or the person gets a name again.
                    None => {
                        let sql = "UPDATE videos SET look = NULL WHERE id = ?1";
                        t.prepare_cached(sql)?.execute([seen.video.0])?;
                    }
                }
                t.prepare_cached("DELETE FROM appearances WHERE id = ?1")?
                    .execute([seen.id.0])?;
            }
            Ok(())
        })
    }

    /// What is shown, of one person or of all: whose face it is has a name, the video has a file,
    /// and nobody said that it is not them. By video and time.
    fn shown(&self, of: Option<PersonId>) -> Result<Vec<(PersonId, Stored)>, Error> {
        let read = || -> rusqlite::Result<Vec<(PersonId, Stored)>> {
            let has_file = "EXISTS (SELECT 1 FROM video_files f WHERE f.video = v.id)";
            let found = match of {
                None => stored(&self.db, has_file, [])?,
                Some(person) => stored(&self.db, &format!("{has_file} AND {THEIRS}"), [person.0])?,
            };
            let people = Whom::load(&self.db)?;
            let asserted = Asserted::load(&self.db, &people)?;
            let shown = found.into_iter().filter_map(|seen| {
                let person = people.named(seen.whose?)?;
                let said = asserted.get(&seen.hash);
                let is_denied = said.is_some_and(|said| said.denies(&seen.seen, person));
                (!is_denied).then_some((person, seen))
            });
            Ok(shown.collect())
        };
        read().map_err(|e| self.sqlite_error(e))
    }
}

/// Appearances `a` of videos `v` of which `which` is true, by video and time.
fn stored(
    db: &rusqlite::Connection,
    which: &str,
    key: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Stored>> {
    let merged = if which.contains("merged") { MERGED } else { "" };
    let sql = format!(
        "{merged} SELECT a.id, a.video, v.hash, {WHOSE}, a.start_ms, a.end_ms, a.at_ms, \
         a.x_min, a.y_min, a.x_max, a.y_max, a.similarity \
         FROM appearances a JOIN videos v ON v.id = a.video WHERE {which} \
         ORDER BY a.video, a.start_ms, a.id"
    );
    let row = |row: &Row| {
        Ok(Stored {
            id: AppearanceId(row.get(0)?),
            video: VideoId(row.get(1)?),
            hash: row.get(2)?,
            whose: row.get::<_, Option<i64>>(3)?.map(PersonId),
            start_ms: ms(row, 4)?,
            end_ms: ms(row, 5)?,
            seen: SeenAt::from_row(row, 6)?,
            similarity: row.get(11)?,
        })
    };
    db.prepare_cached(&sql)?.query_map(key, row)?.collect()
}

/// A time that is stored.
fn ms(row: &Row, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|ms| u64::try_from(ms).unwrap_or(0))
}

/// Removes where a person appears, whose faces these are, and keeps that these places are not to be
/// taken up again. Gives how many.
pub(crate) fn erase(
    t: &Transaction,
    decision: i64,
    person: PersonId,
    faces: &[FaceId],
) -> rusqlite::Result<usize> {
    let people = Whom::load(t)?;
    let asserted = Asserted::load(t, &people)?;
    let mut theirs = stored(t, THEIRS, [person.0])?;
    for face in faces {
        theirs.extend(stored(t, "a.face = ?1", [face.0])?);
    }
    theirs.sort_by_key(|seen| seen.id);
    theirs.dedup_by_key(|seen| seen.id);
    let mut n_erased = 0;
    for seen in &theirs {
        t.prepare_cached("DELETE FROM appearances WHERE id = ?1")?
            .execute([seen.id.0])?;
        let said = asserted.get(&seen.hash);
        if said.is_some_and(|said| said.denies(&seen.seen, people.root(person))) {
            continue;
        }
        n_erased += 1;
        assert(t, decision, &seen.hash, &seen.seen, None)?;
    }
    let sql =
        format!("{MERGED} DELETE FROM video_assertions WHERE person IN (SELECT id FROM merged)");
    t.execute(&sql, [person.0])?;
    Ok(n_erased)
}

/// Has the videos looked at again about which a decision said something.
pub(crate) fn look_again(t: &Transaction, decision: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE videos SET look = NULL WHERE hash IN \
               (SELECT hash FROM video_assertions WHERE decision = ?1)";
    t.execute(sql, [decision]).map(drop)
}

/// Forgets videos without a file, and who appears in them. What was decided stays.
pub(crate) fn prune(t: &Transaction) -> rusqlite::Result<()> {
    // The faces of photos that are gone are deleted next; whose they were stays, and who is nobody
    // now does not become somebody again by that.
    let nobody = format!("SELECT a.id FROM appearances a WHERE {WHOSE} IS NULL");
    let again = format!(
        "UPDATE videos SET look = NULL WHERE id IN \
         (SELECT video FROM appearances WHERE id IN ({nobody}))"
    );
    let drop_them = format!("DELETE FROM appearances WHERE id IN ({nobody})");
    let keep = format!("UPDATE appearances AS a SET person = {WHOSE}");
    let gone = "(SELECT v.id FROM videos v \
                WHERE NOT EXISTS (SELECT 1 FROM video_files f WHERE f.video = v.id))";
    for sql in [
        &*again,
        &drop_them,
        &keep,
        &format!("DELETE FROM appearances WHERE video IN {gone}"),
        &format!("DELETE FROM videos WHERE id IN {gone}"),
        "DELETE FROM video_looks WHERE id NOT IN (SELECT look FROM videos WHERE look IS NOT NULL)",
    ] {
        t.execute(sql, [])?;
    }
    Ok(())
}

/// How many videos have no file.
pub(crate) fn n_gone(t: &Transaction) -> rusqlite::Result<usize> {
    t.query_row(N_GONE, [], |row| row.get::<_, i64>(0))
        .map(|n| n as usize)
}
