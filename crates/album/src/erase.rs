//! Erasing a person for good. In: a person. Out: a file without their name and templates.
//!
//! The photo's hash and the box of each face stay, so that no later scan takes the faces up again.
//! Not reached: the photos themselves, copies of the album, and sidecars that were exported.

use rusqlite::params;

use crate::assertions::{Assertion, faces_of, insert_assertion};
use crate::assign::clear_cells;
use crate::database::Album;
use crate::decisions::insert_decision;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};

/// What an erasure removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The faces whose templates and landmarks are gone. A program that stores crops of them must
    /// delete those now.
    pub faces: Vec<FaceId>,
    /// How many templates were removed.
    pub n_templates: usize,
    /// Whether the write-ahead log was emptied too. If not, another process was reading; it is
    /// emptied when that process has closed the file.
    pub log_emptied: bool,
}

impl Album {
    /// Removes name, templates, landmarks and assignments of a person, and overwrites their bytes
    /// in the file.
    ///
    /// This cannot be undone. Faces that merges brought to this person are erased too.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn erase(&mut self, person: PersonId) -> Result<Erased, Error> {
        self.person(person)?;
        let actor = self.actor().to_owned();
        let (faces, n_templates) = self.transaction(|t| {
            let faces = faces_of(t, person)?;
            let decision = insert_decision(t, &actor, "erase", Some(person), None)?;
            let mut n_templates = 0;
            for face in &faces {
                n_templates += t
                    .prepare_cached("DELETE FROM templates WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("DELETE FROM assertions WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("UPDATE faces SET landmarks = NULL WHERE id = ?1")?
                    .execute([face.0])?;
                insert_assertion(t, decision, *face, Assertion::Erase)?;
            }
            // These columns would tell that the faces are of one person.
            let sql = "UPDATE assertions SET previous_person = NULL, previous_similarity = NULL \
                       WHERE decision = ?1";
            t.execute(sql, [decision])?;
            let with_merged = "WITH RECURSIVE merged (id) AS (SELECT ?1 UNION SELECT p.id \
                               FROM people p JOIN merged m ON p.merged_into = m.id)";
            for sql in [
                "UPDATE decisions SET old_name = NULL, new_name = NULL \
                 WHERE person IN (SELECT id FROM merged) OR other IN (SELECT id FROM merged)",
                "UPDATE people SET name = NULL, hidden = 1, erased = 1 \
                 WHERE id IN (SELECT id FROM merged)",
                "DELETE FROM assertions WHERE person IN (SELECT id FROM merged)",
                "DELETE FROM questions WHERE subject IN (SELECT id FROM merged) \
                 OR candidate IN (SELECT id FROM merged) OR next IN (SELECT id FROM merged)",
                "DELETE FROM person_stats WHERE person IN (SELECT id FROM merged)",
            ] {
                t.execute(&format!("{with_merged} {sql}"), params![person.0])?;
            }
            // A centroid can be close to the template of one face.
            clear_cells(t)?;
            Ok((faces, n_templates))
        })?;
        let log_emptied = self.scrub()?;
        Ok(Erased {
            faces,
            n_templates,
            log_emptied,
        })
    }

    /// Rewrites the file without its free pages and empties the write-ahead log; returns whether
    /// the log is empty.
    fn scrub(&self) -> Result<bool, Error> {
        self.db
            .execute_batch("VACUUM")
            .map_err(|e| self.sqlite_error(e))?;
        let busy: i64 = self.query_value("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(busy == 0)
    }
}
