//! What decisions assert about single faces. In: a decision and its faces. Out: assertions, and
//! faces assigned or excluded as they state. Knows nothing of grouping.
//!
//! An assertion is keyed by the photo's hash and the face's box, so that it outlives a moved file,
//! a scan from scratch and a change of model; the face's row number is a link that
//! [`relink_orphans`] restores. Of several assertions about one face the latest that is not undone
//! counts. A decision about a face asserts the same of its copies in other files.

use std::collections::{BTreeMap, BTreeSet};

use fusiform_face::geometry::BoundingBox;
use fusiform_search::cluster::Constraints;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::copy_links::with_copies;
use crate::database::Abort;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::same_face::best_match;

/// What is asserted about a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// It is this person.
    Is(PersonId),
    /// It was shown when this person was named, and stays theirs until a human says otherwise.
    Held(PersonId),
    /// It is not this person.
    IsNot(PersonId),
    /// Of no interest: a stranger in the background.
    Ignore,
    /// A false detection.
    NotAFace,
    /// Asked whether it is this person, the human could not tell.
    Unsure(PersonId),
    /// Erased together with its person.
    Erase,
    /// Held by another person, and asked about because this one is nearer.
    Asked(PersonId),
    /// Drawn by a human where no face was found.
    Drawn,
    /// Chosen to stand for this person in lists.
    Cover(PersonId),
}

impl Assertion {
    /// The columns `kind` and `person`.
    fn columns(self) -> (&'static str, Option<i64>) {
        match self {
            Assertion::Is(p) => ("is", Some(p.0)),
            Assertion::Held(p) => ("held", Some(p.0)),
            Assertion::IsNot(p) => ("is_not", Some(p.0)),
            Assertion::Ignore => ("ignore", None),
            Assertion::NotAFace => ("not_a_face", None),
            Assertion::Unsure(p) => ("unsure", Some(p.0)),
            Assertion::Erase => ("erase", None),
            Assertion::Asked(p) => ("asked", Some(p.0)),
            Assertion::Drawn => ("drawn", None),
            Assertion::Cover(p) => ("cover", Some(p.0)),
        }
    }

    /// The assignment of a face after this assertion.
    fn apply(self, before: &Assignment) -> Assignment {
        let excluded = |reason: &str| Assignment {
            excluded: Some(reason.into()),
            ..Assignment::default()
        };
        match self {
            Assertion::Held(p) if before.person == Some(p.0) => before.clone(),
            Assertion::Is(p) | Assertion::Held(p) => Assignment {
                person: Some(p.0),
                ..Assignment::default()
            },
            Assertion::IsNot(p) if before.person == Some(p.0) => Assignment::default(),
            Assertion::IsNot(_)
            | Assertion::Unsure(_)
            | Assertion::Asked(_)
            | Assertion::Drawn
            | Assertion::Cover(_) => before.clone(),
            Assertion::Ignore => excluded("ignore"),
            Assertion::NotAFace => excluded("not_a_face"),
            Assertion::Erase => excluded("erase"),
        }
    }
}

/// The person to whom a face is assigned now.
pub(crate) fn person_of(t: &Transaction, face: FaceId) -> rusqlite::Result<Option<PersonId>> {
    let sql = "SELECT person FROM members WHERE face = ?1";
    let mut query = t.prepare_cached(sql)?;
    let person = query.query_row([face.0], |row| row.get(0).map(PersonId));
    person.optional()
}

/// To which person a face is assigned, or why it is excluded from all people.
#[derive(Debug, Clone, PartialEq, Default)]
struct Assignment {
    person: Option<i64>,
    /// Similarity to the person; `None` where a human assigned the face.
    similarity: Option<f64>,
    /// `ignore`, `not_a_face` or `erase`.
    excluded: Option<String>,
}

impl Assignment {
    /// Of a row whose columns from `first` on are person, similarity, excluded.
    fn from_row(row: &Row, first: usize) -> rusqlite::Result<Assignment> {
        Ok(Assignment {
            person: row.get(first)?,
            similarity: row.get(first + 1)?,
            excluded: row.get(first + 2)?,
        })
    }

    fn of(t: &Transaction, face: FaceId) -> rusqlite::Result<Assignment> {
        let sql = "SELECT m.person, m.similarity, f.excluded FROM faces f \
                   LEFT JOIN members m ON m.face = f.id WHERE f.id = ?1";
        t.prepare_cached(sql)?
            .query_row([face.0], |row| Assignment::from_row(row, 0))
    }

    /// Makes it the face's assignment, and drops the questions about the face.
    fn store(&self, t: &Transaction, face: FaceId) -> rusqlite::Result<()> {
        match self.person {
            Some(person) => {
                // A photo that is gone waits for its files with what is asserted.
                let sql = "INSERT OR REPLACE INTO members (face, person, similarity) \
                           SELECT ?1, ?2, ?3 FROM faces f JOIN photos h ON h.id = f.photo \
                           WHERE f.id = ?1 AND h.gone = 0";
                t.prepare_cached(sql)?
                    .execute(params![face.0, person, self.similarity])?;
            }
            None => {
                t.prepare_cached("DELETE FROM members WHERE face = ?1")?
                    .execute([face.0])?;
            }
        }
        t.prepare_cached("UPDATE faces SET excluded = ?2 WHERE id = ?1")?
            .execute(params![face.0, self.excluded])?;
        t.prepare_cached("DELETE FROM questions WHERE face = ?1")?
            .execute([face.0])?;
        Ok(())
    }
}

/// Adds an assertion about a face and its copies, and changes their assignment accordingly.
pub(crate) fn insert_assertion(
    t: &Transaction,
    decision: i64,
    face: FaceId,
    assertion: Assertion,
) -> rusqlite::Result<()> {
    for face in with_copies(t, face)? {
        insert_for_one(t, decision, face, assertion)?;
    }
    invalidate_grouping(t)
}

/// As [`insert_assertion`], without the face's copies. The row keeps the previous assignment, for
/// undoing.
pub(crate) fn insert_for_one(
    t: &Transaction,
    decision: i64,
    face: FaceId,
    assertion: Assertion,
) -> rusqlite::Result<()> {
    let before = Assignment::of(t, face)?;
    let (kind, person) = assertion.columns();
    let sql = "INSERT INTO assertions (decision, hash, x_min, y_min, x_max, y_max, face, kind, \
               person, previous_person, previous_similarity, previous_excluded) \
               SELECT ?1, p.hash, f.x_min, f.y_min, f.x_max, f.y_max, f.id, ?3, ?4, ?5, ?6, ?7 \
               FROM faces f JOIN photos p ON p.id = f.photo WHERE f.id = ?2";
    t.prepare_cached(sql)?.execute(params![
        decision,
        face.0,
        kind,
        person,
        before.person,
        before.similarity,
        before.excluded
    ])?;
    let after = assertion.apply(&before);
    if after != before {
        after.store(t, face)?;
    }
    Ok(())
}

/// Assigns or excludes faces as the assertions about them state, and no other way.
pub(crate) fn assign_as_asserted(t: &Transaction, faces: &[FaceId]) -> rusqlite::Result<()> {
    let assertions = Assertions::of(t, faces)?;
    for face in faces {
        let assignment = Assignment {
            person: assertions.constraints.is.get(&face.0).copied(),
            similarity: None,
            excluded: assertions.excluded.get(&face.0).cloned(),
        };
        assignment.store(t, *face)?;
    }
    invalidate_grouping(t)
}

/// Restores the assignments that a decision's faces had before it; gives those faces.
pub(crate) fn revert_assertions(t: &Transaction, decision: i64) -> rusqlite::Result<Vec<FaceId>> {
    // In reverse: a face with two assertions of one decision gets back what it had before the
    // first.
    // What stands for a person or was drawn is assigned to nobody by that.
    let sql = "SELECT face, previous_person, previous_similarity, previous_excluded \
               FROM assertions WHERE decision = ?1 AND face IS NOT NULL \
               AND kind NOT IN ('drawn', 'cover') ORDER BY id DESC";
    let row = |row: &Row| Ok((FaceId(row.get(0)?), Assignment::from_row(row, 1)?));
    let previous: Vec<(FaceId, Assignment)> = t
        .prepare(sql)?
        .query_map([decision], row)?
        .collect::<rusqlite::Result<_>>()?;
    let mut faces: Vec<FaceId> = previous.iter().map(|(face, _)| *face).collect();
    faces.sort_unstable();
    faces.dedup();
    // What was stored was an opinion, or a decision that stands: that one counts.
    let said = Assertions::of(t, &faces)?;
    for (face, mut assignment) in previous {
        // A group that was dissolved in the meantime is found anew by the next grouping.
        let exists = "SELECT EXISTS (SELECT 1 FROM people WHERE id = ?1 AND merged_into IS NULL)";
        if let Some(person) = assignment.person
            && !t
                .prepare_cached(exists)?
                .query_row([person], |row| row.get::<_, bool>(0))?
        {
            assignment.person = None;
        }
        said.correct(face, &mut assignment);
        assignment.store(t, face)?;
    }
    invalidate_grouping(t)?;
    Ok(faces)
}

/// Makes the assignments of faces what the assertions about them state, where these say something.
pub(crate) fn correct_assignments(t: &Transaction, faces: &[FaceId]) -> rusqlite::Result<()> {
    let said = Assertions::of(t, faces)?;
    for face in faces {
        let before = Assignment::of(t, *face)?;
        let mut after = before.clone();
        said.correct(*face, &mut after);
        if after != before {
            after.store(t, *face)?;
        }
    }
    Ok(())
}

/// Marks the stored grouping and its cells as out of date, so that the next one groups all faces.
pub(crate) fn invalidate_grouping(t: &Transaction) -> rusqlite::Result<()> {
    t.prepare_cached("DELETE FROM state WHERE key IN ('grouped', 'cells')")?
        .execute([])?;
    Ok(())
}

/// The faces assigned to a person.
pub(crate) fn faces_of(t: &Transaction, person: PersonId) -> rusqlite::Result<Vec<FaceId>> {
    let mut query = t.prepare_cached("SELECT face FROM members WHERE person = ?1 ORDER BY face")?;
    query
        .query_map([person.0], |row| row.get(0).map(FaceId))?
        .collect()
}

/// Refuses an empty list, and faces that do not exist or were erased.
pub(crate) fn check_faces(t: &Transaction, faces: &[FaceId]) -> Result<(), Abort> {
    if faces.is_empty() {
        return Err(Error::InvalidRequest("no face was named".into()).into());
    }
    for face in faces {
        let sql = "SELECT excluded IS 'erase' FROM faces WHERE id = ?1";
        let erased: Option<bool> = t
            .prepare_cached(sql)?
            .query_row([face.0], |row| row.get(0))
            .optional()?;
        match erased {
            None => return Err(Error::NoSuchFace(face.0).into()),
            Some(true) => {
                let what = format!("face {face} was erased with its person; that is for good");
                return Err(Error::InvalidRequest(what).into());
            }
            Some(false) => {}
        }
    }
    Ok(())
}

/// A row of id, `x_min`, `y_min`, `x_max`, `y_max`.
pub(crate) fn boxed_row(row: &Row) -> rusqlite::Result<(i64, BoundingBox)> {
    let bbox = BoundingBox {
        x_min: row.get(1)?,
        y_min: row.get(2)?,
        x_max: row.get(3)?,
        y_max: row.get(4)?,
    };
    Ok((row.get(0)?, bbox))
}

/// Links assertions about this photo that lost their face, as after a scan from scratch, to the
/// faces found now, and assigns or excludes these accordingly.
///
/// A face that no detector finds any more is drawn again, because a human saw it; but not if all
/// that was decided about it was taken back.
pub(crate) fn relink_orphans(t: &Transaction, photo: i64) -> rusqlite::Result<()> {
    let sql = "SELECT a.id, a.x_min, a.y_min, a.x_max, a.y_max, d.undone = 0 FROM assertions a \
               JOIN decisions d ON d.id = a.decision \
               WHERE a.hash = (SELECT hash FROM photos WHERE id = ?1) AND a.face IS NULL \
               ORDER BY a.id";
    let row = |row: &Row| Ok((boxed_row(row)?, row.get(5)?));
    let orphans: Vec<((i64, BoundingBox), bool)> = t
        .prepare_cached(sql)?
        .query_map([photo], row)?
        .collect::<rusqlite::Result<_>>()?;
    if orphans.is_empty() {
        return Ok(());
    }
    let mut linked = BTreeSet::new();
    for ((assertion, bbox), stands) in orphans {
        let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
        let faces: Vec<(i64, BoundingBox)> = t
            .prepare_cached(sql)?
            .query_map([photo], boxed_row)?
            .collect::<rusqlite::Result<_>>()?;
        let face = match best_match(&bbox, faces) {
            Some(face) => face,
            None if stands => insert_drawn_face(t, photo, &bbox)?.0,
            None => continue,
        };
        t.prepare_cached("UPDATE assertions SET face = ?2 WHERE id = ?1")?
            .execute([assertion, face])?;
        linked.insert(FaceId(face));
    }
    let linked: Vec<FaceId> = linked.into_iter().collect();
    assign_as_asserted(t, &linked)
}

/// Adds a face that a human drew; it has no template.
pub(crate) fn insert_drawn_face(
    t: &Transaction,
    photo: i64,
    bbox: &BoundingBox,
) -> rusqlite::Result<FaceId> {
    let sql = "INSERT INTO faces (photo, detector, x_min, y_min, x_max, y_max, score, quality) \
               VALUES (?1, 'human', ?2, ?3, ?4, ?5, 1, zeroblob(32))";
    t.prepare_cached(sql)?.execute(params![
        photo, bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max
    ])?;
    Ok(FaceId(t.last_insert_rowid()))
}

/// All assertions that are not undone, reduced to the latest about each face.
#[derive(Debug, Default)]
pub(crate) struct Assertions {
    /// What every grouping must respect.
    pub(crate) constraints: Constraints,
    /// Of the faces with a person, those that were only shown when their person was named.
    pub(crate) held: BTreeSet<i64>,
    /// Pairs of a held face and another person whom it was found to be nearer to.
    pub(crate) asked: BTreeSet<(i64, i64)>,
    /// Faces excluded from all people, and why.
    pub(crate) excluded: BTreeMap<i64, String>,
    /// Pairs of face and person of which a human could not tell whether they match.
    pub(crate) unsure: BTreeSet<(i64, i64)>,
}

impl Assertions {
    /// Replays all decisions and assertions in their order.
    pub(crate) fn load(t: &Transaction) -> rusqlite::Result<Assertions> {
        let mut assertions = Assertions::default();
        assertions.replay(t, "a.face IS NOT NULL")?;
        Ok(assertions)
    }

    /// As [`Assertions::load`], for these faces alone.
    pub(crate) fn of(t: &Transaction, faces: &[FaceId]) -> rusqlite::Result<Assertions> {
        let mut assertions = Assertions::default();
        for part in faces.chunks(500) {
            let ids: Vec<String> = part.iter().map(FaceId::to_string).collect();
            assertions.replay(t, &format!("a.face IN ({})", ids.join(",")))?;
        }
        Ok(assertions)
    }

    fn replay(&mut self, t: &Transaction, wanted: &str) -> rusqlite::Result<()> {
        // Merges are replayed between the assertions: "not the same", said of two people before
        // they were merged, must end as being about the merged person, not be lost.
        let sql = format!(
            "SELECT d.id AS at, 0 AS part, d.kind, d.person, d.other, NULL, NULL, NULL \
             FROM decisions d WHERE d.undone = 0 AND d.kind = 'merge' UNION ALL \
             SELECT d.id, a.id, '', NULL, NULL, a.face, a.kind, a.person \
             FROM assertions a JOIN decisions d ON d.id = a.decision \
             WHERE {wanted} AND d.undone = 0 ORDER BY at, part"
        );
        let mut query = t.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            if row.get_ref(2)?.as_str()? == "merge" {
                self.replace_person(row.get(4)?, row.get(3)?);
            }
            if let (Some(face), Some(kind)) = (row.get(5)?, row.get::<_, Option<String>>(6)?) {
                self.add(face, &kind, row.get(7)?);
            }
        }
        Ok(())
    }

    /// Makes an assignment of a face what is said about it.
    fn correct(&self, face: FaceId, assignment: &mut Assignment) {
        let is = self.constraints.is.get(&face.0).copied();
        assignment.excluded = self.excluded.get(&face.0).cloned();
        let is_not = |p: i64| self.constraints.is_not.contains(&(face.0, p));
        if assignment.excluded.is_some() || assignment.person.is_some_and(is_not) {
            assignment.person = None;
        }
        if is.is_some() && assignment.person != is {
            assignment.person = is;
            assignment.similarity = None;
        }
    }

    fn add(&mut self, face: i64, kind: &str, person: Option<i64>) {
        let Constraints { is, is_not, .. } = &mut self.constraints;
        match (kind, person) {
            ("is" | "held", Some(person)) => {
                match kind {
                    "held" => self.held.insert(face),
                    _ => self.held.remove(&face),
                };
                is.insert(face, person);
                is_not.remove(&(face, person));
                self.excluded.remove(&face);
            }
            ("is_not", Some(person)) => {
                if is.get(&face) == Some(&person) {
                    is.remove(&face);
                }
                is_not.insert((face, person));
            }
            ("unsure", Some(person)) => {
                self.unsure.insert((face, person));
            }
            ("asked", Some(person)) => {
                self.asked.insert((face, person));
            }
            (reason @ ("ignore" | "not_a_face" | "erase"), _) => {
                is.remove(&face);
                self.excluded.insert(face, reason.into());
            }
            _ => {}
        }
    }

    /// Moves all assertions about person `from` to person `into`.
    fn replace_person(&mut self, from: i64, into: i64) {
        for person in self.constraints.is.values_mut().filter(|p| **p == from) {
            *person = into;
        }
        let pairs = [
            &mut self.constraints.is_not,
            &mut self.unsure,
            &mut self.asked,
        ];
        for pairs in pairs {
            let moved: Vec<i64> = pairs.iter().filter(|p| p.1 == from).map(|p| p.0).collect();
            for face in moved {
                pairs.remove(&(face, from));
                pairs.insert((face, into));
            }
        }
        // Whoever merges two people says that the faces of both are one person's: also those of
        // photos that are gone, which the decision does not list.
        let Constraints { is, is_not, .. } = &mut self.constraints;
        is_not.retain(|(face, person)| *person != into || is.get(face) != Some(&into));
    }
}
