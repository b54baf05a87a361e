//! Which photos are there. In: the folders of a scan and what was found below them. Out: files that
//! are gone leave the album's lists and counts; what was decided about them waits.
//!
//! A photo without a file is *gone*: in no list, no count and no group. Its faces, templates and
//! decisions stay until they are pruned, so that a file that comes back (a folder that was renamed,
//! a disk that was away) brings everything back. Below a root that is not there nothing is touched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Transaction, params};

use crate::assertions::{assign_as_asserted, invalidate_grouping, person_of};
use crate::counted::counted;
use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::path_bytes::{path_from_bytes, path_to_bytes};
use crate::{person_stats, videos};

/// What a scan found to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Files that are not there any more.
    pub n_files: usize,
    /// Photos that have no file left.
    pub n_photos: usize,
}

/// A folder that was scanned and is not there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRoot {
    /// The folder.
    pub path: PathBuf,
    /// Photos of the album below it.
    pub n_photos: usize,
    /// Videos of the album below it.
    pub n_videos: usize,
    /// It is there and holds nothing: the place of a disk that is off, or everything was deleted.
    pub is_empty: bool,
}

/// What pruning forgets, or has forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Photos without a file.
    pub n_photos: usize,
    /// Faces of those.
    pub n_faces: usize,
    /// How many of those faces a human has decided about. The decisions are kept.
    pub n_decided: usize,
    /// How many templates are deleted.
    pub n_templates: usize,
    /// Videos without a file, with who was found in them.
    pub n_videos: usize,
}

impl MissingRoot {
    /// What the album has of it: `3 photos`, `3 photos and 1 video`.
    pub fn holds(&self) -> String {
        let photos = counted(self.n_photos, "photo", "photos");
        let videos = counted(self.n_videos, "video", "videos");
        match (self.n_photos, self.n_videos) {
            (_, 0) => photos,
            (0, _) => videos,
            _ => format!("{photos} and {videos}"),
        }
    }

    /// What is the matter with it: `is not there now`, `holds nothing now`.
    pub fn state(&self) -> &'static str {
        match self.is_empty {
            true => "holds nothing now",
            false => "is not there now",
        }
    }
}

impl Album {
    /// Remembers folders as scanned; one within another is not remembered twice.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn remember_roots(&mut self, roots: &[PathBuf]) -> Result<(), Error> {
        let known = self.roots()?;
        self.transaction(|t| {
            for root in roots.iter().filter(|root| root.is_dir()) {
                if known.iter().any(|other| root.starts_with(other)) {
                    continue;
                }
                for inner in known.iter().filter(|other| other.starts_with(root)) {
                    let sql = "DELETE FROM roots WHERE path = ?1";
                    t.execute(sql, [path_to_bytes(inner)])?;
                }
                let sql = "INSERT OR IGNORE INTO roots (path) VALUES (?1)";
                t.execute(sql, [path_to_bytes(root)])?;
            }
            Ok(())
        })
    }

    /// Folders to scan again unasked, by path: those that were scanned or added, without those
    /// that were dropped.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn remembered(&self) -> Result<Vec<PathBuf>, Error> {
        let sql = "SELECT path FROM roots WHERE is_remembered = 1 ORDER BY path";
        self.query_rows(sql, [], |row| row.get(0).map(path_from_bytes))
    }

    /// Adds a folder to those to scan again unasked. Photos come with the next scan.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if it is no folder; [`Error::Sqlite`].
    pub fn remember(&mut self, root: &Path) -> Result<(), Error> {
        if !root.is_dir() {
            let what = format!("{}: is no folder, or is not there", root.display());
            return Err(Error::InvalidRequest(what));
        }
        if self
            .remembered()?
            .iter()
            .any(|known| root.starts_with(known))
        {
            return Ok(());
        }
        self.remember_roots(&[root.to_path_buf()])?;
        self.transaction(|t| {
            // A folder that holds it was scanned once, and dropped since.
            let sql = "INSERT INTO roots (path, is_remembered) VALUES (?1, 1) \
                       ON CONFLICT (path) DO UPDATE SET is_remembered = 1";
            t.execute(sql, [path_to_bytes(root)])?;
            Ok(())
        })
    }

    /// Takes a folder off those to scan again unasked. Its photos stay.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if it is none of them; [`Error::Sqlite`].
    pub fn drop_remembered(&mut self, root: &Path) -> Result<(), Error> {
        let n = self.transaction(|t| {
            let sql = "UPDATE roots SET is_remembered = 0 WHERE path = ?1 AND is_remembered = 1";
            t.execute(sql, [path_to_bytes(root)])
        })?;
        if n == 0 {
            let what = format!("{}: is none of the folders remembered", root.display());
            return Err(Error::InvalidRequest(what));
        }
        Ok(())
    }

    /// The folder that was scanned and holds a path, if there is one; else the path itself.
    pub(crate) fn root_of(&self, path: &Path) -> Result<PathBuf, Error> {
        let roots = self.roots()?;
        let holder = roots.into_iter().find(|root| path.starts_with(root));
        Ok(holder.unwrap_or_else(|| path.into()))
    }

    /// Folders that were scanned, by path.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn roots(&self) -> Result<Vec<PathBuf>, Error> {
        let sql = "SELECT path FROM roots ORDER BY path";
        self.query_rows(sql, [], |row| row.get(0).map(path_from_bytes))
    }

    /// Scanned folders that are not there now, or hold nothing: a disk that is off, or a folder
    /// that was moved.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn missing_roots(&self) -> Result<Vec<MissingRoot>, Error> {
        self.missing_of(self.roots()?)
    }

    /// Those of some folders that are not there now, or hold nothing.
    pub(crate) fn missing_of(
        &self,
        roots: impl IntoIterator<Item = PathBuf>,
    ) -> Result<Vec<MissingRoot>, Error> {
        let mut missing: Vec<MissingRoot> = Vec::new();
        for path in roots {
            // Of folders within one another the outer one tells.
            let is_told = |outer: &MissingRoot| path.starts_with(&outer.path);
            if is_there(&path) || missing.iter().any(is_told) {
                continue;
            }
            let n_photos = self.photos_below(&path)?;
            let n_videos = self.videos_below(&path)?;
            if n_photos + n_videos > 0 {
                let is_empty = path.is_dir();
                missing.push(MissingRoot {
                    path,
                    n_photos,
                    n_videos,
                    is_empty,
                });
            }
        }
        Ok(missing)
    }

    /// How many photos of the album have a file below a folder.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn photos_below(&self, root: &Path) -> Result<usize, Error> {
        let (from, to) = below(root);
        let sql = "SELECT count(DISTINCT photo) FROM files WHERE path >= ?1 AND path < ?2";
        let n: Vec<i64> = self.query_rows(sql, params![from, to], |row| row.get(0))?;
        Ok(n.first().copied().unwrap_or(0) as usize)
    }

    /// How many videos of the album have a file below a folder.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn videos_below(&self, root: &Path) -> Result<usize, Error> {
        let (from, to) = below(root);
        let sql = "SELECT count(DISTINCT video) FROM video_files WHERE path >= ?1 AND path < ?2";
        let n: Vec<i64> = self.query_rows(sql, params![from, to], |row| row.get(0))?;
        Ok(n.first().copied().unwrap_or(0) as usize)
    }

    /// How many files of the album lie at these paths or below them.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn files_within(&self, paths: &[PathBuf]) -> Result<usize, Error> {
        if paths.is_empty() {
            return Ok(0);
        }
        let paths: BTreeSet<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let is_within = |path: PathBuf| path.ancestors().any(|above| paths.contains(above));
        let read = || -> rusqlite::Result<usize> {
            let mut query = self.db.prepare_cached("SELECT path FROM files")?;
            let files = query.query_map([], |row| row.get(0).map(path_from_bytes))?;
            files
                .map(|path| path.map(|p| usize::from(is_within(p))))
                .sum()
        };
        read().map_err(|e| self.sqlite_error(e))
    }

    /// Takes files out that are below a root but were not found there, and photos without a file.
    ///
    /// `found` is sorted. Below the paths of `unread`, which could not be looked into, and below a
    /// root that is not there or holds nothing at all, everything is kept.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn reconcile(
        &mut self,
        roots: &[PathBuf],
        found: &[PathBuf],
        unread: &[PathBuf],
    ) -> Result<Reconciled, Error> {
        let vanished = self.vanished("files", roots, found, unread)?;
        self.transaction(|t| {
            let mut n_files = 0;
            for path in &vanished {
                let sql = "DELETE FROM files WHERE path = ?1";
                n_files += t.prepare_cached(sql)?.execute([path_to_bytes(path)])?;
            }
            let n_photos = retire_all(t)?;
            Ok(Reconciled { n_files, n_photos })
        })
    }

    /// As [`Album::reconcile`], for videos: gives how many have no file any more.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn reconcile_videos(
        &mut self,
        roots: &[PathBuf],
        found: &[PathBuf],
        unread: &[PathBuf],
    ) -> Result<usize, Error> {
        let vanished = self.vanished("video_files", roots, found, unread)?;
        self.transaction(|t| {
            let before = videos::n_gone(t)?;
            for path in &vanished {
                let sql = "DELETE FROM video_files WHERE path = ?1";
                t.prepare_cached(sql)?.execute([path_to_bytes(path)])?;
            }
            Ok(videos::n_gone(t)?.saturating_sub(before))
        })
    }

    /// Files of a table that are below a root and were not found there.
    fn vanished(
        &self,
        table: &str,
        roots: &[PathBuf],
        found: &[PathBuf],
        unread: &[PathBuf],
    ) -> Result<Vec<PathBuf>, Error> {
        let mut vanished = Vec::new();
        for root in roots.iter().filter(|root| is_there(root)) {
            let (from, to) = below(root);
            let sql =
                format!("SELECT path FROM {table} WHERE path >= ?1 AND path < ?2 ORDER BY path");
            let paths = self.query_rows(&sql, params![from, to], |row| {
                row.get(0).map(path_from_bytes)
            })?;
            vanished.extend(paths.into_iter().filter(|path| {
                found.binary_search(path).is_err() && !unread.iter().any(|u| path.starts_with(u))
            }));
        }
        Ok(vanished)
    }

    /// What [`Album::prune`] would forget.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn prunable(&self) -> Result<Pruned, Error> {
        let sql = "SELECT count(DISTINCT h.id), count(f.id), \
             count(f.id) FILTER (WHERE EXISTS (SELECT 1 FROM assertions a WHERE a.face = f.id)), \
             coalesce(sum((SELECT count(*) FROM templates t WHERE t.face = f.id)), 0) \
             FROM photos h LEFT JOIN faces f ON f.photo = h.id WHERE h.gone = 1 \
             AND (f.id IS NOT NULL OR h.hash NOT IN (SELECT hash FROM assertions))";
        let row = |row: &rusqlite::Row| {
            let count = |column| row.get::<_, i64>(column).map(|n| n as usize);
            Ok(Pruned {
                n_photos: count(0)?,
                n_faces: count(1)?,
                n_decided: count(2)?,
                n_templates: count(3)?,
                n_videos: 0,
            })
        };
        let found = self.query_rows(sql, [], row)?;
        let n_videos: i64 = self.query_value(videos::N_GONE)?;
        Ok(Pruned {
            n_videos: n_videos as usize,
            ..found.into_iter().next().unwrap_or_default()
        })
    }

    /// Forgets photos that are gone: their faces and templates, and the photos themselves. Names
    /// and decisions stay, and the marks by which a picture with decisions is known if it returns.
    ///
    /// # Errors
    /// [`Error`]; then nothing is forgotten.
    pub fn prune(&mut self) -> Result<Pruned, Error> {
        let pruned = self.prunable()?;
        self.transaction(|t| {
            videos::prune(t)?;
            let of_gone = "(SELECT f.id FROM faces f JOIN photos h ON h.id = f.photo \
                           WHERE h.gone = 1)";
            t.execute(
                &format!("DELETE FROM templates WHERE face IN {of_gone}"),
                [],
            )?;
            t.execute(&format!("DELETE FROM faces WHERE id IN {of_gone}"), [])?;
            let sql = "DELETE FROM passes WHERE photo IN (SELECT id FROM photos WHERE gone = 1)";
            t.execute(sql, [])?;
            let sql = "DELETE FROM stated_names \
                       WHERE photo IN (SELECT id FROM photos WHERE gone = 1)";
            t.execute(sql, [])?;
            forget_undecided(t)
        })?;
        Ok(pruned)
    }

    /// Takes out all files below a folder, as if they were deleted, and forgets the folder: for a
    /// disk that will not come back.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn forget_root(&mut self, root: &Path) -> Result<Reconciled, Error> {
        let (from, to) = below(root);
        self.transaction(|t| {
            let sql = "DELETE FROM files WHERE path >= ?1 AND path < ?2";
            let n_files = t.execute(sql, params![from, to])?;
            let sql = "DELETE FROM video_files WHERE path >= ?1 AND path < ?2";
            t.execute(sql, params![from, to])?;
            let sql = "DELETE FROM roots WHERE path = ?1 OR (path >= ?2 AND path < ?3)";
            t.execute(sql, params![path_to_bytes(root), from, to])?;
            let n_photos = retire_all(t)?;
            Ok(Reconciled { n_files, n_photos })
        })
    }
}

/// Whether a root can be looked into. A mount point without its disk is a folder that holds
/// nothing.
fn is_there(root: &Path) -> bool {
    root.is_file() || std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some())
}

/// The range of paths below a folder, as bytes: the second is the first that is not.
pub(crate) fn below(root: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut from = path_to_bytes(root).to_vec();
    let separator = std::path::MAIN_SEPARATOR as u8;
    if from.last() != Some(&separator) {
        from.push(separator);
    }
    let mut to = from.clone();
    to.pop();
    to.push(separator + 1);
    (from, to)
}

/// Takes photos without a file out of lists, counts and groups; gives how many.
fn retire_all(t: &Transaction) -> rusqlite::Result<usize> {
    let sql = "SELECT id FROM photos WHERE gone = 0 \
               AND id NOT IN (SELECT photo FROM files WHERE photo IS NOT NULL) ORDER BY id";
    let gone: Vec<i64> = t
        .prepare(sql)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut people: Vec<PersonId> = Vec::new();
    for photo in &gone {
        let sql = "SELECT m.person FROM members m JOIN faces f ON f.id = m.face WHERE f.photo = ?1";
        let mut query = t.prepare_cached(sql)?;
        for person in query.query_map([photo], |row| row.get(0).map(PersonId))? {
            people.push(person?);
        }
        let theirs = "(SELECT id FROM faces WHERE photo = ?1)";
        for sql in [
            "INSERT OR REPLACE INTO gone_members (face, person, similarity) SELECT face, person, \
             similarity FROM members WHERE face IN",
            "DELETE FROM members WHERE face IN",
            "DELETE FROM questions WHERE face IN",
            "DELETE FROM face_cells WHERE face IN",
            "DELETE FROM ungrouped WHERE face IN",
        ] {
            t.prepare_cached(&format!("{sql} {theirs}"))?
                .execute([photo])?;
        }
        t.prepare_cached("UPDATE photos SET gone = 1 WHERE id = ?1")?
            .execute([photo])?;
    }
    if !gone.is_empty() {
        people.sort_unstable();
        people.dedup();
        person_stats::refresh(t, &people)?;
        invalidate_grouping(t)?;
    }
    Ok(gone.len())
}

/// Brings a photo back that was gone, if it was, with everything that was decided about it.
pub(crate) fn revive(t: &Transaction, photo: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE photos SET gone = 0 WHERE id = ?1 AND gone = 1";
    if t.prepare_cached(sql)?.execute([photo])? == 0 {
        return Ok(());
    }
    let faces: Vec<FaceId> = t
        .prepare_cached("SELECT id FROM faces WHERE photo = ?1 ORDER BY id")?
        .query_map([photo], |row| row.get(0).map(FaceId))?
        .collect::<rusqlite::Result<_>>()?;
    assign_as_asserted(t, &faces)?;
    let theirs = "(SELECT id FROM faces WHERE photo = ?1)";
    for sql in [
        // An opinion returns if no decision speaks against it and its person is still there.
        "INSERT OR IGNORE INTO members (face, person, similarity) \
         SELECT g.face, g.person, g.similarity FROM gone_members g \
         JOIN people p ON p.id = g.person AND p.merged_into IS NULL AND p.erased = 0 \
         JOIN faces f ON f.id = g.face AND f.excluded IS NULL WHERE g.similarity IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM assertions a WHERE a.face = g.face) AND g.face IN",
        "DELETE FROM gone_members WHERE face IN",
        "INSERT OR IGNORE INTO ungrouped (face) SELECT id FROM faces WHERE id IN",
    ] {
        t.prepare_cached(&format!("{sql} {theirs}"))?
            .execute([photo])?;
    }
    let mut people: Vec<PersonId> = Vec::new();
    for face in &faces {
        people.extend(person_of(t, *face)?);
    }
    person_stats::refresh(t, &people)
}

/// Deletes gone photos without faces about which nothing was decided. Of the others the marks stay,
/// by which the picture is known if it returns.
pub(crate) fn forget_undecided(t: &Transaction) -> rusqlite::Result<()> {
    let undecided = "(SELECT h.id FROM photos h WHERE h.gone = 1 \
                     AND NOT EXISTS (SELECT 1 FROM faces f WHERE f.photo = h.id) \
                     AND NOT EXISTS (SELECT 1 FROM files f WHERE f.photo = h.id) \
                     AND h.hash NOT IN (SELECT hash FROM assertions))";
    for sql in [
        "DELETE FROM contents WHERE photo IN",
        "DELETE FROM pictures WHERE photo IN",
        "DELETE FROM photos WHERE id IN",
    ] {
        t.execute(&format!("{sql} {undecided}"), [])?;
    }
    Ok(())
}
