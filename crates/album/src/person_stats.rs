//! Counts, cover and dates of each person, stored so that long lists are quick. In: the members of
//! people. Out: rows of the table `person_stats`. Knows nothing of why faces are members.

use rusqlite::{OptionalExtension, Transaction};

use crate::ids::{FaceId, PersonId};

const COUNTED: &str = "SELECT p.id, count(m.face), count(DISTINCT f.photo), NULL, \
     min(h.taken_at) FILTER (WHERE h.taken_from IS NOT 'file_time'), \
     max(h.taken_at) FILTER (WHERE h.taken_from IS NOT 'file_time') FROM people p \
     LEFT JOIN members m ON m.person = p.id \
     LEFT JOIN faces f ON f.id = m.face LEFT JOIN photos h ON h.id = f.photo \
     WHERE p.merged_into IS NULL AND p.erased = 0";

/// The face chosen last comes first, then those assigned by a human, then those of higher quality.
const COVER: &str = "SELECT m.face FROM members m JOIN faces g ON g.id = m.face \
     WHERE m.person = ?1 ORDER BY (SELECT max(a.id) FROM assertions a \
     JOIN decisions d ON d.id = a.decision AND d.undone = 0 \
     WHERE a.kind = 'cover' AND a.face = m.face AND (a.person = m.person \
     OR a.person IN (WITH RECURSIVE merged (id) AS (SELECT id FROM people \
     WHERE merged_into = m.person UNION SELECT p.id FROM people p \
     JOIN merged b ON p.merged_into = b.id) SELECT id FROM merged))) DESC NULLS LAST, \
     m.similarity IS NOT NULL, g.overall DESC, m.face LIMIT 1";

/// The face shown for a person.
pub(crate) fn cover(t: &Transaction, person: PersonId) -> rusqlite::Result<Option<FaceId>> {
    t.prepare_cached(COVER)?
        .query_row([person.0], |row| row.get(0).map(FaceId))
        .optional()
}

/// Recomputes the rows of these people, and drops questions about those who have no face left.
pub(crate) fn refresh(t: &Transaction, people: &[PersonId]) -> rusqlite::Result<()> {
    let insert = format!(
        "INSERT INTO person_stats (person, n_faces, n_photos, cover, first_taken, last_taken) \
         {COUNTED} AND p.id = ?1 GROUP BY p.id"
    );
    for person in people {
        t.prepare_cached("DELETE FROM person_stats WHERE person = ?1")?
            .execute([person.0])?;
        t.prepare_cached(&insert)?.execute([person.0])?;
        let cover = cover(t, *person)?.map(|f| f.0);
        t.prepare_cached("UPDATE person_stats SET cover = ?2 WHERE person = ?1")?
            .execute((person.0, cover))?;
        let sql = "DELETE FROM questions WHERE (subject = ?1 OR candidate = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM person_stats WHERE person = ?1 AND n_faces > 0)";
        t.prepare_cached(sql)?.execute([person.0])?;
    }
    Ok(())
}

/// Recomputes the rows of all people.
pub(crate) fn refresh_all(t: &Transaction) -> rusqlite::Result<()> {
    t.execute("DELETE FROM person_stats", [])?;
    let insert = format!(
        "INSERT INTO person_stats (person, n_faces, n_photos, cover, first_taken, last_taken) \
         {COUNTED} GROUP BY p.id"
    );
    t.execute(&insert, [])?;
    let sql = COVER.replace("?1", "person_stats.person");
    t.execute(&format!("UPDATE person_stats SET cover = ({sql})"), [])?;
    Ok(())
}
