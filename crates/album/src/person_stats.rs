//! What a page shows of each person at a glance. In: members. Out: counts, cover and dates, kept so that lists are quick.

use rusqlite::{OptionalExtension, Transaction};

use super::{FaceId, PersonId};

const COUNTED: &str = "SELECT p.id, count(m.face), count(DISTINCT f.photo), NULL, min(h.taken_at), max(h.taken_at) \
     FROM people p LEFT JOIN members m ON m.person = p.id LEFT JOIN faces f ON f.id = m.face \
     LEFT JOIN photos h ON h.id = f.photo WHERE p.merged_into IS NULL AND p.erased = 0";

/// The face that stands for a person: one that a human confirmed before any other, then the best to be seen.
const COVER: &str = "SELECT m.face FROM members m JOIN faces g ON g.id = m.face WHERE m.person = ?1 \
     ORDER BY m.similarity IS NOT NULL, g.overall DESC, m.face LIMIT 1";

pub(super) fn cover(t: &Transaction, person: PersonId) -> rusqlite::Result<Option<FaceId>> {
    t.prepare_cached(COVER)?
        .query_row([person.0], |row| row.get(0).map(FaceId))
        .optional()
}

/// Brings the cards of some people up to date, and drops questions that their decision settled.
pub(super) fn refresh(t: &Transaction, people: &[PersonId]) -> rusqlite::Result<()> {
    let insert = format!(
        "INSERT INTO cards (person, n_faces, n_photos, cover, first_taken, last_taken) \
         {COUNTED} AND p.id = ?1 GROUP BY p.id"
    );
    for person in people {
        t.prepare_cached("DELETE FROM cards WHERE person = ?1")?
            .execute([person.0])?;
        t.prepare_cached(&insert)?.execute([person.0])?;
        let cover = cover(t, *person)?.map(|f| f.0);
        t.prepare_cached("UPDATE cards SET cover = ?2 WHERE person = ?1")?
            .execute((person.0, cover))?;
        // Somebody without faces, or merged away, can be asked about no longer.
        let sql = "DELETE FROM questions WHERE (subject = ?1 OR candidate = ?1) \
                   AND NOT EXISTS (SELECT 1 FROM cards WHERE person = ?1 AND n_faces > 0)";
        t.prepare_cached(sql)?.execute([person.0])?;
    }
    Ok(())
}

/// Makes all cards anew.
pub(super) fn refresh_all(t: &Transaction) -> rusqlite::Result<()> {
    t.execute("DELETE FROM cards", [])?;
    let insert = format!(
        "INSERT INTO cards (person, n_faces, n_photos, cover, first_taken, last_taken) {COUNTED} GROUP BY p.id"
    );
    t.execute(&insert, [])?;
    let sql = COVER.replace("?1", "cards.person");
    t.execute(&format!("UPDATE cards SET cover = ({sql})"), [])?;
    Ok(())
}
