//! Erasing a person for good. In: a person. Out: a file that holds neither their name nor a template of them.
//!
//! What stays is the photo's hash and the box of each face, so that no later scan takes them up again. What this
//! cannot reach: the photos themselves, copies of the catalogue, and sidecars that were exported.

use rusqlite::params;

use super::assertions::{Fact, state};
use super::edit::decide;
use super::{Album, FaceId, PersonId, assign, person_stats};
use crate::error::Error;

/// What an erasure removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The faces whose templates and landmarks are gone; whoever keeps crops of them deletes those now.
    pub faces: Vec<FaceId>,
    /// How many templates were removed.
    pub n_templates: usize,
    /// Whether the write-ahead log was emptied too; if not, another process was reading and `erase` can be run again.
    pub log_emptied: bool,
}

impl Album {
    /// Removes name, templates, landmarks and assignments of a person, and overwrites their bytes in the file.
    ///
    /// It cannot be undone. Faces that merges brought to this person are theirs and go too.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn erase(&mut self, person: PersonId) -> Result<Erased, Error> {
        self.person(person)?;
        let who = self.who.clone();
        let (faces, n_templates) = self.change(|t| {
            let mut query = t.prepare("SELECT face FROM members WHERE person = ?1 ORDER BY face")?;
            let faces: Vec<FaceId> = query
                .query_map([person.0], |row| row.get(0).map(FaceId))?
                .collect::<rusqlite::Result<_>>()?;
            let decision = decide(t, &who, "erase", Some(person), None)?;
            let mut n_templates = 0;
            for face in &faces {
                n_templates += t
                    .prepare_cached("DELETE FROM templates WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("DELETE FROM facts WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("UPDATE faces SET landmarks = NULL WHERE id = ?1")?
                    .execute([face.0])?;
                state(t, decision, *face, Fact::Erase)?;
            }
            // The face was theirs until now; even that is told no longer.
            let sql = "UPDATE facts SET before = NULL, before_similarity = NULL WHERE decision = ?1";
            t.execute(sql, [decision])?;
            let lineage = "WITH RECURSIVE line (id) AS (SELECT ?1 UNION SELECT p.id FROM people p JOIN line l \
                           ON p.merged_into = l.id)";
            for sql in [
                "UPDATE decisions SET old_name = NULL, new_name = NULL WHERE person IN (SELECT id FROM line) \
                 OR other IN (SELECT id FROM line)",
                "UPDATE people SET name = NULL, hidden = 1, erased = 1 WHERE id IN (SELECT id FROM line)",
                "DELETE FROM facts WHERE person IN (SELECT id FROM line)",
                "DELETE FROM questions WHERE subject IN (SELECT id FROM line) OR candidate IN \
                 (SELECT id FROM line) OR next IN (SELECT id FROM line)",
                "DELETE FROM cards WHERE person IN (SELECT id FROM line)",
            ] {
                t.execute(&format!("{lineage} {sql}"), params![person.0])?;
            }
            person_stats::refresh(t, &[])?;
            // A centre may be little else than the template of one face.
            assign::forget_cells(t)?;
            Ok((faces, n_templates))
        })?;
        let log_emptied = self.scrub()?;
        Ok(Erased {
            faces,
            n_templates,
            log_emptied,
        })
    }

    /// Rewrites the file without its free pages and empties the write-ahead log; says whether the log is empty.
    fn scrub(&self) -> Result<bool, Error> {
        self.db.execute_batch("VACUUM").map_err(|e| self.of(e))?;
        let busy: i64 = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|e| self.of(e))?;
        Ok(busy == 0)
    }
}
