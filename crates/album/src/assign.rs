//! New faces among people that stand. In: faces no grouping has seen. Out: members, questions; nobody else is touched.
//!
//! Past [`EXACT_UP_TO`](fusiform_search::cluster::EXACT_UP_TO) faces a grouping of all keeps the cells it looked into. A new face
//! is then compared with the faces of its cells, and with the people these belong to, so a photo costs the same in any
//! album. Groups that stand are neither joined nor parted here; a decision of a human, a model that changed, or new
//! faces beyond a tenth of the album lead to a grouping of all, which ends the same whatever came first.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::{self, Facts};
use super::edit::new_person;
use super::group::{Face, face_row, named_people};
use super::suggest::{self, guesses};
use super::{Failed, PersonId, person_stats, review};
use fusiform_search::cluster::{
    ClusterFace, ClusterOptions, Clustering, Constraints, MAX_NEIGHBORS, assign,
};
use fusiform_search::ivf::Centroids;
use fusiform_search::template::{ModelId, from_blob, similarity, to_blob};

/// When new faces are more than this share of those that stand, all are grouped.
const MOST_NEW: f64 = 0.1;
/// People near a new face whose faces are looked at, nearest first.
const PEOPLE_LOOKED_AT: usize = 8;

/// Keeps the cells that a grouping of all faces looked into, if it did.
pub(super) fn keep_cells(
    t: &Transaction,
    done: &str,
    faces: &[&Face],
    found: &Clustering,
) -> rusqlite::Result<()> {
    forget_cells(t)?;
    t.execute("DELETE FROM unplaced", [])?;
    let Some(assignment) = found.assignment() else {
        return Ok(());
    };
    let mut insert = t.prepare("INSERT INTO centres (cell, vector) VALUES (?1, ?2)")?;
    for (cell, vector) in assignment.centroids.vectors().enumerate() {
        insert.execute(params![cell as i64, to_blob(vector)])?;
    }
    for (face, cells) in faces.iter().zip(&assignment.lists) {
        settle(t, face.id, cells)?;
    }
    let sql = "INSERT OR REPLACE INTO state (key, value) VALUES ('standing', ?1)";
    let floor = found.floor_similarity();
    t.execute(sql, [format!("{} {floor} {done}", faces.len())])?;
    Ok(())
}

/// How many faces stand, and the floor they were grouped with, if it was done this way.
fn parsed(standing: &str, done: &str) -> Option<(usize, f32)> {
    let (n, rest) = standing.split_once(' ')?;
    let (floor, how) = rest.split_once(' ')?;
    (how == done).then_some((n.parse().ok()?, floor.parse().ok()?))
}

/// Forgets the cells; the next grouping looks at all faces.
pub(super) fn forget_cells(t: &Transaction) -> rusqlite::Result<()> {
    t.execute_batch(
        "DELETE FROM homes; DELETE FROM centres; DELETE FROM state WHERE key = 'standing'",
    )
}

fn settle(t: &Transaction, face: i64, cells: &[u32]) -> rusqlite::Result<()> {
    let mut insert =
        t.prepare_cached("INSERT OR IGNORE INTO homes (cell, face) VALUES (?1, ?2)")?;
    for cell in cells {
        insert.execute([i64::from(*cell), face])?;
    }
    Ok(())
}

/// Places new faces, if a grouping of all stands and they are few; says whether it did.
pub(super) fn place_new(
    t: &Transaction,
    model: &ModelId,
    done: &str,
    options: &ClusterOptions,
) -> Result<bool, Failed> {
    let standing: Option<String> = t
        .prepare_cached("SELECT value FROM state WHERE key = 'standing'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some((n_standing, floor)) = standing.as_deref().and_then(|s| parsed(s, done)) else {
        return Ok(false);
    };
    let sql = "SELECT f.id, f.photo, t.vector, t.quality, h.taken_at FROM unplaced u JOIN faces f ON f.id = u.face \
               JOIN templates t ON t.face = f.id AND t.model = ?1 JOIN photos h ON h.id = f.photo \
               WHERE f.aside IS NULL ORDER BY f.id";
    let new: Vec<Face> = t
        .prepare_cached(sql)?
        .query_map([&model.0], face_row)?
        .collect::<rusqlite::Result<_>>()?;
    if new.len() as f64 > n_standing as f64 * MOST_NEW {
        return Ok(false);
    }
    if !new.is_empty() {
        put_among(t, model, new, floor, options)?;
    }
    t.execute("DELETE FROM unplaced", [])?;
    Ok(true)
}

fn put_among(
    t: &Transaction,
    model: &ModelId,
    new: Vec<Face>,
    floor: f32,
    options: &ClusterOptions,
) -> Result<(), Failed> {
    let centres: Vec<Vec<f32>> = t
        .prepare_cached("SELECT vector FROM centres ORDER BY cell")?
        .query_map([], |row| Ok(from_blob(row.get_ref(0)?.as_blob()?)))?
        .collect::<rusqlite::Result<_>>()?;
    let centres = Centroids::from_vectors(&centres);
    let facts = assertions::load(t)?;
    let mut around = Around::default();
    for face in &new {
        around.look(t, model, face, &centres, &facts, options)?;
    }
    for face in &new {
        settle(t, face.id, &centres.assign(&face.vector))?;
    }
    let fresh: BTreeSet<i64> = new.iter().map(|f| f.id).collect();
    let (standing, person_of) = around.load(t, model, &fresh)?;
    let first = standing.len();
    let faces: Vec<&Face> = standing.iter().chain(&new).collect();

    let mut said = Constraints {
        is: person_of.clone(),
        is_not: facts.said.is_not.clone(),
    };
    for face in &new {
        if let Some(person) = facts.said.is.get(&face.id) {
            said.is.insert(face.id, *person);
        }
    }
    let items: Vec<ClusterFace> = faces
        .iter()
        .map(|f| ClusterFace::new(f.id, f.photo, &f.vector, f.quality))
        .collect();
    let labels = assign(&items, first, &said, options, floor)?.labels();
    let mut by_label: BTreeMap<usize, Vec<&Face>> = BTreeMap::new();
    for (face, label) in faces.into_iter().zip(labels) {
        by_label.entry(label).or_default().push(face);
    }
    let groups: Vec<Vec<&Face>> = by_label.into_values().collect();
    let mut people = Vec::with_capacity(groups.len());
    let mut touched = BTreeSet::new();
    for group in &groups {
        let known = group.iter().find_map(|f| said.is.get(&f.id)).copied();
        let grew = group.iter().any(|f| fresh.contains(&f.id));
        let person = match known {
            Some(person) => Some(PersonId(person)),
            None if group.len() > 1 => Some(new_person(t)?),
            None => None,
        };
        if let (Some(person), true) = (person, grew) {
            write(t, group, person, &person_of, &facts)?;
            touched.insert(person);
        }
        people.push(person);
    }
    let touched: Vec<PersonId> = touched.into_iter().collect();
    person_stats::refresh(t, &touched)?;
    let named = named_people(t)?;
    let about_new = |g: &review::Guess| g.faces.iter().any(|f| fresh.contains(f));
    let mut asked = guesses(&groups, &people, &named, options);
    asked.retain(about_new);
    review::ask(t, &asked, &facts)?;
    Ok(())
}

/// Makes the faces of a group that were not members yet members of its person.
fn write(
    t: &Transaction,
    group: &[&Face],
    person: PersonId,
    person_of: &BTreeMap<i64, i64>,
    facts: &Facts,
) -> rusqlite::Result<()> {
    let mean = suggest::mean(group);
    let sql = "INSERT OR REPLACE INTO members (face, person, similarity) VALUES (?1, ?2, ?3)";
    let mut insert = t.prepare_cached(sql)?;
    for face in group.iter().filter(|f| !person_of.contains_key(&f.id)) {
        let by_human = facts.said.is.contains_key(&face.id);
        let near = (!by_human).then(|| similarity(&face.vector, &mean).0);
        insert.execute(params![face.id, person.0, near])?;
        // Whoever was asked about as a lone face is one no longer.
        t.prepare_cached("DELETE FROM questions WHERE face = ?1")?
            .execute([face.id])?;
    }
    // Of a group that grew, what was asked is asked anew.
    t.prepare_cached("DELETE FROM questions WHERE subject = ?1")?
        .execute([person.0])?;
    Ok(())
}

/// Who lies around new faces.
#[derive(Default)]
struct Around {
    people: BTreeSet<i64>,
    lone: BTreeSet<i64>,
}

impl Around {
    fn look(
        &mut self,
        t: &Transaction,
        model: &ModelId,
        face: &Face,
        centres: &Centroids,
        facts: &Facts,
        options: &ClusterOptions,
    ) -> rusqlite::Result<()> {
        self.people.extend(facts.said.is.get(&face.id));
        let sql = "SELECT DISTINCT h.face, m.person, t.vector FROM homes h \
                   JOIN templates t ON t.face = h.face AND t.model = ?1 JOIN faces f ON f.id = h.face \
                   LEFT JOIN members m ON m.face = h.face WHERE h.cell = ?2 AND f.aside IS NULL";
        let least = options.floor_similarity.min(options.ask_similarity);
        let mut near: BTreeMap<i64, (f32, Option<i64>)> = BTreeMap::new();
        for cell in centres.probe(&face.vector) {
            let mut query = t.prepare_cached(sql)?;
            let mut rows = query.query(params![model.0, cell])?;
            while let Some(row) = rows.next()? {
                let vector = from_blob(row.get_ref(2)?.as_blob()?);
                let alike = similarity(&face.vector, &vector).0;
                if alike >= least {
                    near.insert(row.get(0)?, (alike, row.get(1)?));
                }
            }
        }
        let mut near: Vec<(i64, (f32, Option<i64>))> = near.into_iter().collect();
        near.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
        let mut people = BTreeSet::new();
        for (other, (_, person)) in near.into_iter().take(MAX_NEIGHBORS) {
            match person {
                None => {
                    self.lone.insert(other);
                }
                Some(person) if people.len() < PEOPLE_LOOKED_AT => {
                    people.insert(person);
                }
                Some(_) => {}
            }
        }
        self.people.append(&mut people);
        Ok(())
    }

    /// The faces that were found and all of the people found, and whose they are.
    fn load(
        &self,
        t: &Transaction,
        model: &ModelId,
        fresh: &BTreeSet<i64>,
    ) -> rusqlite::Result<(Vec<Face>, BTreeMap<i64, i64>)> {
        let columns = "SELECT f.id, f.photo, t.vector, t.quality, h.taken_at FROM faces f \
                       JOIN templates t ON t.face = f.id AND t.model = ?1 JOIN photos h ON h.id = f.photo";
        let of_person = format!(
            "{columns} WHERE f.id IN (SELECT face FROM members WHERE person = ?2) ORDER BY f.id"
        );
        let alone = format!("{columns} WHERE f.id = ?2");
        let (mut faces, mut person_of) = (Vec::new(), BTreeMap::new());
        for person in &self.people {
            let mut query = t.prepare_cached(&of_person)?;
            for face in query.query_map(params![model.0, person], face_row)? {
                let face = face?;
                if !fresh.contains(&face.id) {
                    person_of.insert(face.id, *person);
                    faces.push(face);
                }
            }
        }
        for face in self.lone.difference(fresh) {
            let mut query = t.prepare_cached(&alone)?;
            faces.extend(
                query
                    .query_map(params![model.0, face], face_row)?
                    .collect::<rusqlite::Result<Vec<_>>>()?,
            );
        }
        faces.sort_by_key(|f| f.id);
        Ok((faces, person_of))
    }
}
