//! Assignment of few new faces to existing people, without grouping all faces again. In: faces that
//! no grouping has seen. Out: members and questions; no earlier member changes.
//!
//! Beyond [`EXACT_UP_TO`](fusiform_search::cluster::EXACT_UP_TO) faces, a grouping of all faces
//! stores the cells of its inverted file. A new face is then compared only with the faces in its
//! nearest cells and with their people, so that the time for one photo does not grow with the
//! album. Groups are neither joined nor split here. A decision, another model or options, or more
//! new faces than a tenth of the album lead to a grouping of all faces, whose result does not
//! depend on what was assigned before.

use std::collections::{BTreeMap, BTreeSet};

use fusiform_search::cluster::{
    ClusterFace, ClusterOptions, Clustering, Constraints, MAX_NEIGHBORS, assign,
};
use fusiform_search::ivf::Centroids;
use fusiform_search::template::{ModelId, from_blob, similarity, to_blob};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::Assertions;
use crate::database::Abort;
use crate::decisions::insert_person;
use crate::grouped_face::{GroupedFace, mean, named_people};
use crate::ids::PersonId;
use crate::suggest::suggestions;
use crate::{person_stats, review};

/// Largest share of new faces among all; with more, all faces are grouped.
const MAX_NEW_SHARE: f64 = 0.1;
/// People per new face whose faces are all compared, nearest first.
const MAX_CANDIDATES: usize = 8;

/// The state `cells`: from which grouping the stored cells are.
struct CellState<'a> {
    n_faces: usize,
    /// The floor that the grouping used; it can lie above that of the options.
    floor_similarity: f32,
    /// Model and options of the grouping.
    grouping: &'a str,
}

impl<'a> CellState<'a> {
    fn to_text(&self) -> String {
        let CellState {
            n_faces,
            floor_similarity,
            grouping,
        } = self;
        format!("{n_faces} {floor_similarity} {grouping}")
    }

    fn parse(text: &'a str) -> Option<CellState<'a>> {
        let (n_faces, rest) = text.split_once(' ')?;
        let (floor_similarity, grouping) = rest.split_once(' ')?;
        Some(CellState {
            n_faces: n_faces.parse().ok()?,
            floor_similarity: floor_similarity.parse().ok()?,
            grouping,
        })
    }
}

/// Stores the cells of a grouping of all faces, if it made any.
pub(crate) fn store_cells(
    t: &Transaction,
    grouping: &str,
    faces: &[&GroupedFace],
    clustering: &Clustering,
) -> rusqlite::Result<()> {
    clear_cells(t)?;
    t.execute("DELETE FROM ungrouped", [])?;
    let Some(assignment) = clustering.assignment() else {
        return Ok(());
    };
    let mut insert = t.prepare("INSERT INTO cell_centroids (cell, vector) VALUES (?1, ?2)")?;
    for (cell, vector) in assignment.centroids.vectors().enumerate() {
        insert.execute(params![cell as i64, to_blob(vector)])?;
    }
    for (face, cells) in faces.iter().zip(&assignment.lists) {
        insert_face_cells(t, face.id, cells)?;
    }
    let state = CellState {
        n_faces: faces.len(),
        floor_similarity: clustering.floor_similarity(),
        grouping,
    };
    let sql = "INSERT OR REPLACE INTO state (key, value) VALUES ('cells', ?1)";
    t.execute(sql, [state.to_text()])?;
    Ok(())
}

/// Deletes the stored cells; the next grouping is one of all faces.
pub(crate) fn clear_cells(t: &Transaction) -> rusqlite::Result<()> {
    t.execute_batch(
        "DELETE FROM face_cells; DELETE FROM cell_centroids; DELETE FROM state WHERE key = 'cells'",
    )
}

fn insert_face_cells(t: &Transaction, face: i64, cells: &[u32]) -> rusqlite::Result<()> {
    let mut insert =
        t.prepare_cached("INSERT OR IGNORE INTO face_cells (cell, face) VALUES (?1, ?2)")?;
    for cell in cells {
        insert.execute([i64::from(*cell), face])?;
    }
    Ok(())
}

/// Assigns new faces, if the cells of the same grouping are stored and the new faces are few;
/// returns whether it did.
pub(crate) fn assign_new(
    t: &Transaction,
    model: &ModelId,
    grouping: &str,
    options: &ClusterOptions,
) -> Result<bool, Abort> {
    let stored: Option<String> = t
        .prepare_cached("SELECT value FROM state WHERE key = 'cells'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let state = stored.as_deref().and_then(CellState::parse);
    let Some(state) = state.filter(|s| s.grouping == grouping) else {
        return Ok(false);
    };
    // `ungrouped` comes first, so that SQLite walks the few new faces and not all.
    let sql = format!(
        "{} CROSS JOIN faces f ON f.id = u.face {} WHERE f.excluded IS NULL ORDER BY f.id",
        GroupedFace::columns("ungrouped u"),
        GroupedFace::TEMPLATE
    );
    let new: Vec<GroupedFace> = t
        .prepare_cached(&sql)?
        .query_map([&model.0], GroupedFace::from_row)?
        .collect::<rusqlite::Result<_>>()?;
    if new.len() as f64 > state.n_faces as f64 * MAX_NEW_SHARE {
        return Ok(false);
    }
    if !new.is_empty() {
        assign_faces(t, model, new, state.floor_similarity, options)?;
    }
    t.execute("DELETE FROM ungrouped", [])?;
    Ok(true)
}

fn assign_faces(
    t: &Transaction,
    model: &ModelId,
    new: Vec<GroupedFace>,
    floor_similarity: f32,
    options: &ClusterOptions,
) -> Result<(), Abort> {
    let centroids: Vec<Vec<f32>> = t
        .prepare_cached("SELECT vector FROM cell_centroids ORDER BY cell")?
        .query_map([], |row| Ok(from_blob(row.get_ref(0)?.as_blob()?)))?
        .collect::<rusqlite::Result<_>>()?;
    let centroids = Centroids::from_vectors(&centroids);
    let assertions = Assertions::load(t)?;
    let mut neighborhood = Neighborhood::default();
    for face in &new {
        neighborhood.extend(t, model, face, &centroids, &assertions, options)?;
    }
    for face in &new {
        insert_face_cells(t, face.id, &centroids.assign(&face.vector))?;
    }
    let new_ids: BTreeSet<i64> = new.iter().map(|f| f.id).collect();
    let (earlier, person_of) = neighborhood.load(t, model, &new_ids)?;
    let first_new = earlier.len();
    let faces: Vec<&GroupedFace> = earlier.iter().chain(&new).collect();

    // Earlier members are constrained to their people, so that clustering cannot move them.
    let mut constraints = Constraints {
        is: person_of.clone(),
        is_not: assertions.constraints.is_not.clone(),
    };
    for face in &new {
        if let Some(person) = assertions.constraints.is.get(&face.id) {
            constraints.is.insert(face.id, *person);
        }
    }
    let items: Vec<ClusterFace> = faces
        .iter()
        .map(|f| ClusterFace::new(f.id, f.photo, &f.vector, f.quality))
        .collect();
    let labels = assign(&items, first_new, &constraints, options, floor_similarity)?.labels();
    let mut by_label: BTreeMap<usize, Vec<&GroupedFace>> = BTreeMap::new();
    for (face, label) in faces.into_iter().zip(labels) {
        by_label.entry(label).or_default().push(face);
    }
    let groups: Vec<Vec<&GroupedFace>> = by_label.into_values().collect();
    let mut people = Vec::with_capacity(groups.len());
    let mut grown = BTreeSet::new();
    for group in &groups {
        let known = group.iter().find_map(|f| constraints.is.get(&f.id));
        let has_new = group.iter().any(|f| new_ids.contains(&f.id));
        let person = match known {
            Some(person) => Some(PersonId(*person)),
            None if group.len() > 1 => Some(insert_person(t)?),
            None => None,
        };
        if let (Some(person), true) = (person, has_new) {
            insert_members(t, group, person, &person_of, &assertions)?;
            grown.insert(person);
        }
        people.push(person);
    }
    let grown: Vec<PersonId> = grown.into_iter().collect();
    person_stats::refresh(t, &grown)?;
    let sql = "SELECT count(*) FROM person_stats WHERE n_faces > 0";
    let n_people: i64 = t.query_row(sql, [], |row| row.get(0))?;
    let named = named_people(t)?;
    let mut found = suggestions(&groups, &people, &named, n_people as usize, options);
    found.retain(|s| s.faces.iter().any(|f| new_ids.contains(f)));
    review::insert_questions(t, &found, &assertions)?;
    // Of a group that has grown the questions about such names were dropped, too.
    let sql = "SELECT EXISTS (SELECT 1 FROM stated_names)";
    let is_stated: bool = t.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    if is_stated {
        review::ask_about_stated(t, &assertions)?;
    }
    Ok(())
}

/// Makes the faces of a group that are assigned to nobody yet members of its person, and drops the
/// questions that this changes.
fn insert_members(
    t: &Transaction,
    group: &[&GroupedFace],
    person: PersonId,
    person_of: &BTreeMap<i64, i64>,
    assertions: &Assertions,
) -> rusqlite::Result<()> {
    let mean = mean(group);
    let sql = "INSERT OR REPLACE INTO members (face, person, similarity) VALUES (?1, ?2, ?3)";
    let mut insert = t.prepare_cached(sql)?;
    for face in group.iter().filter(|f| !person_of.contains_key(&f.id)) {
        let by_human = assertions.constraints.is.contains_key(&face.id);
        let near = (!by_human).then(|| similarity(&face.vector, &mean).0);
        insert.execute(params![face.id, person.0, near])?;
        t.prepare_cached("DELETE FROM questions WHERE face = ?1")?
            .execute([face.id])?;
    }
    t.prepare_cached("DELETE FROM questions WHERE subject = ?1")?
        .execute([person.0])?;
    Ok(())
}

/// People and lone faces near new faces.
#[derive(Default)]
struct Neighborhood {
    people: BTreeSet<i64>,
    lone_faces: BTreeSet<i64>,
}

impl Neighborhood {
    /// Adds what lies near a new face, as far as its cells hold it.
    fn extend(
        &mut self,
        t: &Transaction,
        model: &ModelId,
        face: &GroupedFace,
        centroids: &Centroids,
        assertions: &Assertions,
        options: &ClusterOptions,
    ) -> rusqlite::Result<()> {
        self.people.extend(assertions.constraints.is.get(&face.id));
        let sql = "SELECT DISTINCT c.face, m.person, t.vector FROM face_cells c \
                   JOIN templates t ON t.face = c.face AND t.model = ?1 \
                   JOIN faces f ON f.id = c.face LEFT JOIN members m ON m.face = c.face \
                   WHERE c.cell = ?2 AND f.excluded IS NULL";
        let min_similarity = options.floor_similarity.min(options.ask_similarity);
        let mut near: BTreeMap<i64, (f32, Option<i64>)> = BTreeMap::new();
        for cell in centroids.probe(&face.vector) {
            let mut query = t.prepare_cached(sql)?;
            let mut rows = query.query(params![model.0, cell])?;
            while let Some(row) = rows.next()? {
                let vector = from_blob(row.get_ref(2)?.as_blob()?);
                let similarity = similarity(&face.vector, &vector).0;
                if similarity >= min_similarity {
                    near.insert(row.get(0)?, (similarity, row.get(1)?));
                }
            }
        }
        let mut near: Vec<(i64, (f32, Option<i64>))> = near.into_iter().collect();
        near.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(&b.0)));
        let mut people = BTreeSet::new();
        for (other, (_, person)) in near.into_iter().take(MAX_NEIGHBORS) {
            match person {
                None => {
                    self.lone_faces.insert(other);
                }
                Some(person) if people.len() < MAX_CANDIDATES => {
                    people.insert(person);
                }
                Some(_) => {}
            }
        }
        self.people.append(&mut people);
        Ok(())
    }

    /// The lone faces and all faces of the people, by number, and the person of each of the latter.
    fn load(
        &self,
        t: &Transaction,
        model: &ModelId,
        new: &BTreeSet<i64>,
    ) -> rusqlite::Result<(Vec<GroupedFace>, BTreeMap<i64, i64>)> {
        let of_person = format!(
            "{} WHERE f.id IN (SELECT face FROM members WHERE person = ?2) ORDER BY f.id",
            GroupedFace::select()
        );
        let alone = format!("{} WHERE f.id = ?2", GroupedFace::select());
        let (mut faces, mut person_of) = (Vec::new(), BTreeMap::new());
        for person in &self.people {
            let mut query = t.prepare_cached(&of_person)?;
            for face in query.query_map(params![model.0, person], GroupedFace::from_row)? {
                let face = face?;
                if !new.contains(&face.id) {
                    person_of.insert(face.id, *person);
                    faces.push(face);
                }
            }
        }
        for face in self.lone_faces.difference(new) {
            let mut query = t.prepare_cached(&alone)?;
            faces.extend(
                query
                    .query_map(params![model.0, face], GroupedFace::from_row)?
                    .collect::<rusqlite::Result<Vec<_>>>()?,
            );
        }
        faces.sort_by_key(|f| f.id);
        Ok((faces, person_of))
    }
}
