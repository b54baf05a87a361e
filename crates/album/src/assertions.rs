//! What decisions say of single faces. In: a decision and its faces. Out: facts, and faces that follow them at once.
//!
//! A fact stands by the photo's content and the face's box, so it outlives a moved photo, a scan from scratch and
//! another model; the number of the face is only where it shows today. The latest standing fact about a face counts.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};

use super::record::same_face;
use super::{FaceId, Failed, PersonId};
use crate::error::Error;
use fusiform_search::cluster::Constraints;

/// What is said of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Is(PersonId),
    IsNot(PersonId),
    /// Of no interest: a stranger in the background.
    Ignore,
    NotAFace,
    /// Asked whether it is this person, the human could not tell.
    Unsure(PersonId),
    Erase,
}

impl Fact {
    fn columns(self) -> (&'static str, Option<i64>) {
        match self {
            Fact::Is(p) => ("is", Some(p.0)),
            Fact::IsNot(p) => ("is_not", Some(p.0)),
            Fact::Ignore => ("ignore", None),
            Fact::NotAFace => ("not_a_face", None),
            Fact::Unsure(p) => ("unsure", Some(p.0)),
            Fact::Erase => ("erase", None),
        }
    }
}

/// How a face stands: whose it is, how near it is to them, and why it is nobody's for good.
#[derive(Debug, Clone, PartialEq, Default)]
struct Place {
    person: Option<i64>,
    similarity: Option<f64>,
    aside: Option<String>,
}

/// Writes a fact and lets the face follow it; says whose cards changed.
pub(super) fn state(
    t: &Transaction,
    decision: i64,
    face: FaceId,
    fact: Fact,
) -> rusqlite::Result<()> {
    let before = place_of(t, face)?;
    let (kind, person) = fact.columns();
    let sql = "INSERT INTO facts (decision, hash, x_min, y_min, x_max, y_max, face, kind, person, before, \
               before_similarity, before_aside) SELECT ?1, p.hash, f.x_min, f.y_min, f.x_max, f.y_max, f.id, ?3, \
               ?4, ?5, ?6, ?7 FROM faces f JOIN photos p ON p.id = f.photo WHERE f.id = ?2";
    t.prepare_cached(sql)?.execute(params![
        decision,
        face.0,
        kind,
        person,
        before.person,
        before.similarity,
        before.aside
    ])?;
    let after = follow(&before, fact);
    if after != before {
        put(t, face, &after)?;
    }
    touch(t)
}

/// Where a fact puts a face.
fn follow(before: &Place, fact: Fact) -> Place {
    let aside = |why: &str| Place {
        aside: Some(why.into()),
        ..Place::default()
    };
    match fact {
        Fact::Is(p) => Place {
            person: Some(p.0),
            ..Place::default()
        },
        Fact::IsNot(p) if before.person == Some(p.0) => Place::default(),
        Fact::IsNot(_) | Fact::Unsure(_) => before.clone(),
        Fact::Ignore => aside("ignore"),
        Fact::NotAFace => aside("not_a_face"),
        Fact::Erase => aside("erase"),
    }
}

fn place_of(t: &Transaction, face: FaceId) -> rusqlite::Result<Place> {
    let sql = "SELECT m.person, m.similarity, f.aside FROM faces f LEFT JOIN members m ON m.face = f.id WHERE f.id = ?1";
    t.prepare_cached(sql)?.query_row([face.0], |row| {
        Ok(Place {
            person: row.get(0)?,
            similarity: row.get(1)?,
            aside: row.get(2)?,
        })
    })
}

fn put(t: &Transaction, face: FaceId, place: &Place) -> rusqlite::Result<()> {
    match place.person {
        Some(person) => {
            let sql =
                "INSERT OR REPLACE INTO members (face, person, similarity) VALUES (?1, ?2, ?3)";
            t.prepare_cached(sql)?
                .execute(params![face.0, person, place.similarity])?;
        }
        None => {
            t.prepare_cached("DELETE FROM members WHERE face = ?1")?
                .execute([face.0])?;
        }
    }
    t.prepare_cached("UPDATE faces SET aside = ?2 WHERE id = ?1")?
        .execute(params![face.0, place.aside])?;
    t.prepare_cached("DELETE FROM questions WHERE face = ?1")?
        .execute([face.0])?;
    Ok(())
}

/// Puts the faces of a decision back where they were before it; says which these are.
pub(super) fn put_back(t: &Transaction, decision: i64) -> rusqlite::Result<Vec<FaceId>> {
    // In reverse, so that a face that the decision speaks of twice ends as it was before the first.
    let sql = "SELECT face, before, before_similarity, before_aside FROM facts WHERE decision = ?1 \
               AND face IS NOT NULL ORDER BY id DESC";
    let mut query = t.prepare(sql)?;
    let row = |row: &rusqlite::Row| {
        Ok((
            FaceId(row.get(0)?),
            Place {
                person: row.get(1)?,
                similarity: row.get(2)?,
                aside: row.get(3)?,
            },
        ))
    };
    let facts: Vec<(FaceId, Place)> = query
        .query_map([decision], row)?
        .collect::<rusqlite::Result<_>>()?;
    for (face, mut place) in facts.iter().cloned() {
        // A group that has gone since then is found anew by the next grouping.
        let there = "SELECT EXISTS (SELECT 1 FROM people WHERE id = ?1 AND merged_into IS NULL)";
        if let Some(person) = place.person
            && !t
                .prepare_cached(there)?
                .query_row([person], |row| row.get::<_, bool>(0))?
        {
            place.person = None;
        }
        put(t, face, &place)?;
    }
    touch(t)?;
    Ok(facts.into_iter().map(|(face, _)| face).collect())
}

/// Marks the grouping as out of date.
pub(super) fn touch(t: &Transaction) -> rusqlite::Result<()> {
    t.prepare_cached("DELETE FROM state WHERE key IN ('grouped', 'standing')")?
        .execute([])?;
    Ok(())
}

pub(super) fn faces_of(t: &Transaction, person: PersonId) -> rusqlite::Result<Vec<FaceId>> {
    let mut query = t.prepare_cached("SELECT face FROM members WHERE person = ?1 ORDER BY face")?;
    query
        .query_map([person.0], |row| row.get(0).map(FaceId))?
        .collect()
}

/// Refuses faces that are not there or were erased.
pub(super) fn check_faces(t: &Transaction, faces: &[FaceId]) -> Result<(), Failed> {
    if faces.is_empty() {
        return Err(Error::Pointless("no face was named".into()).into());
    }
    for face in faces {
        let sql = "SELECT aside IS 'erase' FROM faces WHERE id = ?1";
        let erased: Option<bool> = t
            .prepare_cached(sql)?
            .query_row([face.0], |row| row.get(0))
            .optional()?;
        match erased {
            None => return Err(Error::NoSuchFace(face.0).into()),
            Some(true) => {
                let what = format!("face {face} was erased with its person; that is for good");
                return Err(Error::Pointless(what).into());
            }
            Some(false) => {}
        }
    }
    Ok(())
}

/// Finds the face that an orphaned fact of this content is about, after a scan from scratch, and lets it follow.
pub(super) fn relink(t: &Transaction, hash: &[u8; 32], photo: i64) -> rusqlite::Result<()> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM facts WHERE hash = ?1 AND face IS NULL ORDER BY id";
    type Boxed = (i64, [f32; 4]);
    let row = |row: &rusqlite::Row| -> rusqlite::Result<Boxed> {
        Ok((
            row.get(0)?,
            [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
        ))
    };
    let orphans: Vec<Boxed> = t
        .prepare_cached(sql)?
        .query_map([&hash[..]], row)?
        .collect::<rusqlite::Result<_>>()?;
    if orphans.is_empty() {
        return Ok(());
    }
    let mut found = BTreeSet::new();
    for (fact, bbox) in orphans {
        let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
        let faces: Vec<Boxed> = t
            .prepare_cached(sql)?
            .query_map([photo], row)?
            .collect::<rusqlite::Result<_>>()?;
        let nearest = faces
            .into_iter()
            .filter_map(|(face, other)| Some((same_face(&bbox, &other)?, face)))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let face = match nearest {
            Some((_, face)) => face,
            // Nobody finds the face any more; the human saw it, so it stays.
            None => insert_human_face(t, photo, &bbox)?,
        };
        t.prepare_cached("UPDATE facts SET face = ?2 WHERE id = ?1")?
            .execute([fact, face])?;
        found.insert(face);
    }
    let facts = load(t)?;
    for face in found {
        let place = Place {
            person: facts.said.is.get(&face).copied(),
            similarity: None,
            aside: facts.aside.get(&face).cloned(),
        };
        put(t, FaceId(face), &place)?;
    }
    Ok(())
}

/// A face that a human drew, without a template.
pub(super) fn insert_human_face(
    t: &Transaction,
    photo: i64,
    bbox: &[f32; 4],
) -> rusqlite::Result<i64> {
    let [x_min, y_min, x_max, y_max] = *bbox;
    let sql = "INSERT INTO faces (photo, detector, x_min, y_min, x_max, y_max, score, quality) \
               VALUES (?1, 'human', ?2, ?3, ?4, ?5, 1, zeroblob(32))";
    t.prepare_cached(sql)?
        .execute(params![photo, x_min, y_min, x_max, y_max])?;
    Ok(t.last_insert_rowid())
}

/// What humans said and did not take back; of several words about a face the latest counts.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) said: Constraints,
    /// Faces that belong to nobody for good, and why.
    pub(super) aside: BTreeMap<i64, String>,
    /// Pairs of face and person that a human could not tell.
    pub(super) unsure: BTreeSet<(i64, i64)>,
}

pub(super) fn load(t: &Transaction) -> rusqlite::Result<Facts> {
    let mut facts = Facts::default();
    // Merges take their turn among the facts: a word about two people who were two then must not count as said of one.
    let sql = "SELECT d.id, d.kind, d.person, d.other, f.face, f.kind, f.person FROM decisions d \
               LEFT JOIN facts f ON f.decision = d.id AND f.face IS NOT NULL WHERE d.undone = 0 ORDER BY d.id, f.id";
    let mut query = t.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut decision: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if decision.replace(id) != Some(id) && row.get_ref(1)?.as_str()? == "merge" {
            facts.rename(row.get(3)?, row.get(2)?);
        }
        if let (Some(face), Some(kind)) = (row.get(4)?, row.get::<_, Option<String>>(5)?) {
            facts.hear(face, &kind, row.get(6)?);
        }
    }
    Ok(facts)
}

impl Facts {
    fn hear(&mut self, face: i64, kind: &str, person: Option<i64>) {
        let said = &mut self.said;
        match (kind, person) {
            ("is", Some(person)) => {
                said.is.insert(face, person);
                said.is_not.remove(&(face, person));
                self.aside.remove(&face);
            }
            ("is_not", Some(person)) => {
                if said.is.get(&face) == Some(&person) {
                    said.is.remove(&face);
                }
                said.is_not.insert((face, person));
            }
            ("unsure", Some(person)) => {
                self.unsure.insert((face, person));
            }
            (why @ ("ignore" | "not_a_face" | "erase"), _) => {
                said.is.remove(&face);
                self.aside.insert(face, why.into());
            }
            _ => {}
        }
    }

    /// What was said of one person is said of another from now on.
    fn rename(&mut self, from: i64, into: i64) {
        let same = |person: &mut i64| *person = if *person == from { into } else { *person };
        self.said.is.values_mut().for_each(same);
        for pairs in [&mut self.said.is_not, &mut self.unsure] {
            let moved: Vec<i64> = pairs.iter().filter(|p| p.1 == from).map(|p| p.0).collect();
            for face in moved {
                pairs.remove(&(face, from));
                pairs.insert((face, into));
            }
        }
    }
}
