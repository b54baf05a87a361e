//! Faces to people, kept. In: templates, facts, earlier people. Out: members, with numbers and names that stay.
//!
//! A group with faces that a human assigned is that person. Any other keeps the number of the earlier person with whom
//! it shares most faces; ties go to the lower number. Named people never vanish. A lone face is a person only if a
//! human made it one: else it belongs to nobody, which is a normal answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::{self, Facts};
use super::edit::new_person;
use super::suggest::{self, guesses};
use super::{Album, PersonId, assign, person_stats, review};
use crate::error::Error;
use fusiform_search::cluster::{ClusterFace, ClusterOptions, Constraints, cluster};
use fusiform_search::template::{ModelId, from_blob, similarity};

/// What a grouping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSummary {
    /// People with at least one face.
    pub n_people: usize,
    /// Faces that belong to somebody.
    pub n_members: usize,
    /// Faces that belong to nobody and are not ignored.
    pub n_unsorted: usize,
}

/// A face as the grouping sees it.
pub(super) struct Face {
    pub(super) id: i64,
    pub(super) photo: i64,
    pub(super) vector: Vec<f32>,
    pub(super) quality: f32,
    /// ISO 8601, if the photo says so.
    pub(super) taken_at: Option<String>,
}

impl Album {
    /// Groups all faces with a template of `model`, unless nothing changed since that was last done the same way.
    ///
    /// Equal catalogues end equal; doing it twice changes nothing. Past `exact_up_to` faces, where only a few faces came
    /// since, these are placed among the people that stand; [`Album::group_all`] does not stop at that.
    ///
    /// # Errors
    /// [`Error`]; then the people stay as they were.
    pub fn group(
        &mut self,
        model: &ModelId,
        options: &ClusterOptions,
    ) -> Result<GroupSummary, Error> {
        let done = format!("{model} {options:?}");
        let last: Option<String> = self
            .db
            .query_row("SELECT value FROM state WHERE key = 'grouped'", [], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|e| self.of(e))?;
        if last.as_ref() != Some(&done) {
            let placed = self.try_change(|t| {
                let placed = assign::place_new(t, model, &done, options)?;
                if placed {
                    set_grouped(t, &done)?;
                }
                Ok(placed)
            })?;
            if !placed {
                return self.group_all(model, options);
            }
        }
        self.group_summary()
    }

    /// Groups all faces with a template of `model`, whoever stands.
    ///
    /// # Errors
    /// [`Error`]; then the people stay as they were.
    pub fn group_all(
        &mut self,
        model: &ModelId,
        options: &ClusterOptions,
    ) -> Result<GroupSummary, Error> {
        let done = format!("{model} {options:?}");
        self.try_change(|t| {
            let faces = load_faces(t, model)?;
            let facts = assertions::load(t)?;
            let wanted: Vec<&Face> = faces
                .iter()
                .filter(|f| !facts.aside.contains_key(&f.id))
                .collect();
            let items: Vec<ClusterFace> = wanted
                .iter()
                .map(|f| ClusterFace::new(f.id, f.photo, &f.vector, f.quality))
                .collect();
            let found = cluster(&items, &facts.said, options)?;
            let labels = found.labels();
            let mut groups: BTreeMap<usize, Vec<&Face>> = BTreeMap::new();
            for (face, label) in wanted.iter().zip(labels) {
                groups.entry(label).or_default().push(face);
            }
            let groups: Vec<Vec<&Face>> = groups.into_values().collect();
            let people = assign(t, &groups, &facts.said)?;
            t.execute("DELETE FROM questions", [])?;
            t.execute("DELETE FROM cards", [])?;
            write(t, &groups, &people, &facts)?;
            person_stats::refresh_all(t)?;
            let named = named_people(t)?;
            review::ask(t, &guesses(&groups, &people, &named, options), &facts)?;
            assign::keep_cells(t, &done, &wanted, &found)?;
            set_grouped(t, &done)?;
            Ok(())
        })?;
        self.group_summary()
    }

    fn group_summary(&self) -> Result<GroupSummary, Error> {
        let count = |sql: &str| self.one::<i64>(sql).map(|n| n as usize);
        Ok(GroupSummary {
            n_people: count("SELECT count(*) FROM cards WHERE n_faces > 0")?,
            n_members: count("SELECT count(*) FROM members")?,
            n_unsorted: self.n_unsorted()?,
        })
    }

    /// Faces that belong to nobody and that nobody set aside.
    pub(super) fn n_unsorted(&self) -> Result<usize, Error> {
        // Who is set aside is nobody's, so nothing is counted twice.
        let sql = "SELECT (SELECT count(*) FROM faces) - (SELECT count(*) FROM members) \
                   - (SELECT count(*) FROM faces WHERE aside IS NOT NULL)";
        self.one::<i64>(sql).map(|n| n as usize)
    }
}

fn load_faces(t: &Transaction, model: &ModelId) -> rusqlite::Result<Vec<Face>> {
    let sql = "SELECT f.id, f.photo, t.vector, t.quality, h.taken_at FROM faces f JOIN templates t ON t.face = f.id \
               JOIN photos h ON h.id = f.photo WHERE t.model = ?1 ORDER BY f.id";
    let mut query = t.prepare(sql)?;
    query.query_map([&model.0], face_row)?.collect()
}

/// A row of number, photo, vector, quality, date.
pub(super) fn face_row(row: &rusqlite::Row) -> rusqlite::Result<Face> {
    Ok(Face {
        id: row.get(0)?,
        photo: row.get(1)?,
        vector: from_blob(row.get_ref(2)?.as_blob()?),
        quality: row.get(3)?,
        taken_at: row.get(4)?,
    })
}

fn set_grouped(t: &Transaction, done: &str) -> rusqlite::Result<usize> {
    let sql = "INSERT OR REPLACE INTO state (key, value) VALUES ('grouped', ?1)";
    t.execute(sql, [done])
}

/// The person of each group; none for a lone face nobody spoke of.
fn assign(
    t: &Transaction,
    groups: &[Vec<&Face>],
    said: &Constraints,
) -> rusqlite::Result<Vec<Option<PersonId>>> {
    let mut query = t.prepare("SELECT m.face, m.person, p.name IS NOT NULL FROM members m JOIN people p ON p.id = m.person")?;
    let earlier: HashMap<i64, (i64, bool)> = query
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect::<rusqlite::Result<_>>()?;

    let mut people: Vec<Option<PersonId>> = vec![None; groups.len()];
    let mut taken: BTreeSet<i64> = BTreeSet::new();
    for (group, person) in groups.iter().zip(&mut people) {
        *person = group
            .iter()
            .find_map(|f| said.is.get(&f.id))
            .map(|id| PersonId(*id));
        taken.extend(person.map(|p| p.0));
    }
    let mut claims = Vec::new();
    for (at, group) in groups
        .iter()
        .enumerate()
        .filter(|(at, _)| people[*at].is_none())
    {
        let mut shared: BTreeMap<(i64, bool), usize> = BTreeMap::new();
        for before in group.iter().filter_map(|f| earlier.get(&f.id)) {
            *shared.entry(*before).or_default() += 1;
        }
        let forbidden = |p: i64| group.iter().any(|f| said.is_not.contains(&(f.id, p)));
        for ((person, named), n) in shared {
            // A lone face may keep a name, not a number that means nothing.
            if (group.len() > 1 || named) && !forbidden(person) {
                claims.push((std::cmp::Reverse(n), person, at));
            }
        }
    }
    claims.sort_unstable();
    for (_, person, at) in claims {
        if people[at].is_none() && taken.insert(person) {
            people[at] = Some(PersonId(person));
        }
    }
    for (group, person) in groups.iter().zip(&mut people) {
        if person.is_none() && group.len() > 1 {
            *person = Some(new_person(t)?);
        }
    }
    Ok(people)
}

fn write(
    t: &Transaction,
    groups: &[Vec<&Face>],
    people: &[Option<PersonId>],
    facts: &Facts,
) -> rusqlite::Result<()> {
    t.execute("DELETE FROM members", [])?;
    let mut insert =
        t.prepare("INSERT INTO members (face, person, similarity) VALUES (?1, ?2, ?3)")?;
    for (group, person) in groups.iter().zip(people) {
        let Some(person) = person else { continue };
        let mean = suggest::mean(group);
        for face in group {
            let by_human = facts.said.is.contains_key(&face.id);
            let near = (!by_human).then(|| similarity(&face.vector, &mean).0);
            insert.execute(params![face.id, person.0, near])?;
        }
    }
    // Faces a human assigned stay assigned even where this model has no template of them.
    let mut keep = t.prepare(
        "INSERT OR IGNORE INTO members (face, person) SELECT ?1, id FROM people WHERE id = ?2",
    )?;
    for (face, person) in &facts.said.is {
        keep.execute([face, person])?;
    }
    // Groups that nobody named, spoke of or belongs to leave no trace.
    let sql = "DELETE FROM people WHERE name IS NULL AND merged_into IS NULL \
               AND id NOT IN (SELECT person FROM members) \
               AND id NOT IN (SELECT person FROM facts WHERE person IS NOT NULL) \
               AND id NOT IN (SELECT person FROM decisions WHERE person IS NOT NULL) \
               AND id NOT IN (SELECT other FROM decisions WHERE other IS NOT NULL) \
               AND id NOT IN (SELECT merged_into FROM people WHERE merged_into IS NOT NULL)";
    t.execute(sql, [])?;
    Ok(())
}

pub(super) fn named_people(t: &Transaction) -> rusqlite::Result<BTreeSet<i64>> {
    let mut query = t.prepare("SELECT id FROM people WHERE name IS NOT NULL")?;
    query.query_map([], |row| row.get(0))?.collect()
}
