//! Erasing a person for good. In: a person. Out: a file without their name and templates.
//!
//! The photo's hash, its keyed marks ([`crate::picture`]) and the box of each face stay, so that no
//! later scan takes the faces up again, whatever was edited in the file or however it was re-saved.
//! Not reached: the photos themselves, copies of the album, and sidecars that were exported.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params};

use crate::assertions::{Assertion, Assertions, faces_of, insert_for_one, invalidate_grouping};
use crate::assign::clear_cells;
use crate::copy_links::with_copies;
use crate::database::Album;
use crate::decisions::insert_decision;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::videos;

/// What an erasure removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The faces whose templates and landmarks are gone. A program that stores crops of them must
    /// delete those now.
    pub faces: Vec<FaceId>,
    /// How many templates were removed.
    pub n_templates: usize,
    /// How many appearances in videos were removed.
    pub n_appearances: usize,
    /// Whether the write-ahead log was emptied too. If not, another process was reading; it is
    /// emptied when that process has closed the file.
    pub log_emptied: bool,
}

/// A person and all who were merged into them, as `merged`; `?1` is the person.
const MERGED: &str = "WITH RECURSIVE merged (id) AS (SELECT ?1 UNION SELECT p.id \
     FROM people p JOIN merged m ON p.merged_into = m.id)";

/// Every name that the people of [`MERGED`] have or had, and nobody else has.
const NAMES: &str = "(SELECT name_key(name) FROM people WHERE id IN (SELECT id FROM merged) \
     AND name IS NOT NULL UNION SELECT name_key(new_name) FROM decisions \
     WHERE new_name IS NOT NULL AND (person IN (SELECT id FROM merged) \
     OR other IN (SELECT id FROM merged)) EXCEPT SELECT name_key(name) FROM people \
     WHERE name IS NOT NULL AND id NOT IN (SELECT id FROM merged))";

/// The faces of a person, those of photos that are gone, and all copies of these.
fn all_faces_of(t: &Transaction, person: PersonId) -> rusqlite::Result<Vec<FaceId>> {
    let sql = format!(
        "{MERGED} SELECT face FROM gone_members WHERE person IN (SELECT id FROM merged) UNION \
         SELECT a.face FROM assertions a JOIN faces f ON f.id = a.face \
         JOIN photos h ON h.id = f.photo AND h.gone = 1 \
         WHERE a.person IN (SELECT id FROM merged) AND a.kind IN ('is', 'held')"
    );
    let gone: Vec<FaceId> = t
        .prepare(&sql)?
        .query_map([person.0], |row| row.get(0).map(FaceId))?
        .collect::<rusqlite::Result<_>>()?;
    let said = Assertions::of(t, &gone)?;
    let is_theirs = |face: &FaceId| {
        let excluded = said.excluded.contains_key(&face.0);
        !excluded && (said.constraints.is.get(&face.0)).is_none_or(|p| *p == person.0)
    };
    let mut faces = BTreeSet::new();
    for face in faces_of(t, person)?
        .into_iter()
        .chain(gone.into_iter().filter(is_theirs))
    {
        faces.extend(with_copies(t, face)?);
    }
    Ok(faces.into_iter().collect())
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
        let (faces, n_templates, n_appearances) = self.transaction(|t| {
            let faces = all_faces_of(t, person)?;
            let decision = insert_decision(t, &actor, "erase", Some(person), None)?;
            // Before it is forgotten whose faces they are.
            let n_appearances = videos::erase(t, decision, person, &faces)?;
            let mut n_templates = 0;
            for face in &faces {
                n_templates += t
                    .prepare_cached("DELETE FROM templates WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("DELETE FROM assertions WHERE face = ?1")?
                    .execute([face.0])?;
                t.prepare_cached("UPDATE faces SET landmarks = NULL WHERE id = ?1")?
                    .execute([face.0])?;
                insert_for_one(t, decision, *face, Assertion::Erase)?;
            }
            invalidate_grouping(t)?;
            // These columns would tell that the faces are of one person.
            let sql = "UPDATE assertions SET previous_person = NULL, previous_similarity = NULL \
                       WHERE decision = ?1";
            t.execute(sql, [decision])?;
            // Names that files stated, before the names are gone by which they are known.
            let stated = format!("DELETE FROM stated_names WHERE name_key(name) IN {NAMES}");
            let asked = format!("DELETE FROM questions WHERE name_key(stated_name) IN {NAMES}");
            for sql in [
                &*stated,
                &*asked,
                // Of photos whose faces are not in the album now, as after pruning.
                "UPDATE assertions SET decision = ?2, kind = 'erase', person = NULL, \
                 previous_person = NULL, previous_similarity = NULL, previous_excluded = NULL \
                 WHERE face IS NULL AND kind IN ('is', 'held') \
                 AND person IN (SELECT id FROM merged) AND id = (SELECT max(b.id) \
                 FROM assertions b JOIN decisions d ON d.id = b.decision AND d.undone = 0 \
                 WHERE b.hash = assertions.hash AND b.x_min = assertions.x_min \
                 AND b.y_min = assertions.y_min AND b.kind IN ('is', 'held'))",
                "DELETE FROM gone_members WHERE person IN (SELECT id FROM merged)",
                // A link to them shows nothing any more, and does not tell that it was theirs.
                "UPDATE shared_links SET revoked_at_ms = coalesce(revoked_at_ms, made_at_ms), \
                 words = '' WHERE id IN (SELECT link FROM shared_link_people \
                 WHERE person IN (SELECT id FROM merged))",
                "DELETE FROM shared_link_people WHERE person IN (SELECT id FROM merged)",
                "UPDATE decisions SET old_name = NULL, new_name = NULL \
                 WHERE person IN (SELECT id FROM merged) OR other IN (SELECT id FROM merged)",
                "UPDATE people SET name = NULL, hidden = 1, erased = 1 \
                 WHERE id IN (SELECT id FROM merged)",
                "DELETE FROM assertions WHERE person IN (SELECT id FROM merged)",
                "DELETE FROM questions WHERE subject IN (SELECT id FROM merged) \
                 OR candidate IN (SELECT id FROM merged) OR next IN (SELECT id FROM merged)",
                "DELETE FROM person_stats WHERE person IN (SELECT id FROM merged)",
            ] {
                let mut query = t.prepare(&format!("{MERGED} {sql}"))?;
                let n = query.parameter_count();
                query.execute(&params![person.0, decision][..n])?;
            }
            // A centroid can be close to the template of one face.
            clear_cells(t)?;
            Ok((faces, n_templates, n_appearances))
        })?;
        let log_emptied = self.scrub()?;
        Ok(Erased {
            faces,
            n_templates,
            n_appearances,
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
