//! Grouping of faces into people. In: templates, assertions, earlier people. Out: members of
//! people, whose numbers and names stay the same from one grouping to the next.
//!
//! A group that holds faces assigned by a human is that human's person. Any other group keeps the
//! number of the earlier person with whom it shares most faces; of equals the lower number. People
//! with a name never vanish. A lone face is a person only if a human assigned it; else it is
//! assigned to nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fusiform_search::cluster::{ClusterFace, ClusterOptions, Constraints, cluster};
use fusiform_search::template::{ModelId, similarity};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::Assertions;
use crate::assign::{assign_new, store_cells};
use crate::database::Album;
use crate::decisions::insert_person;
use crate::error::Error;
use crate::grouped_face::{GroupedFace, mean, named_people};
use crate::ids::PersonId;
use crate::suggest::{drawn_away, suggestions};
use crate::{person_stats, review};

/// What a grouping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSummary {
    /// People with at least one face.
    pub n_people: usize,
    /// Faces assigned to a person.
    pub n_members: usize,
    /// Faces assigned to nobody and not excluded.
    pub n_unassigned: usize,
}

impl Album {
    /// Groups all faces that have a template of `model`, unless nothing has changed since the last
    /// grouping with this model and these options.
    ///
    /// Equal albums give equal people, and a second call changes nothing. Where more than
    /// `exact_up_to` faces are grouped and few came since, the new ones are only assigned to the
    /// existing people; [`Album::group_all`] always groups all.
    ///
    /// # Errors
    /// [`Error`]; then the people stay as they were.
    pub fn group(
        &mut self,
        model: &ModelId,
        options: &ClusterOptions,
    ) -> Result<GroupSummary, Error> {
        let grouping = grouping_key(model, options);
        let sql = "SELECT value FROM state WHERE key = 'grouped'";
        let last: Option<String> = self
            .db
            .query_row(sql, [], |row| row.get(0))
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        if last.as_ref() != Some(&grouping) {
            let assigned = self.try_transaction(|t| {
                let assigned = assign_new(t, model, &grouping, options)?;
                if assigned {
                    set_grouped(t, &grouping)?;
                }
                Ok(assigned)
            })?;
            if !assigned {
                return self.group_all(model, options);
            }
        }
        self.group_summary()
    }

    /// Groups all faces that have a template of `model`, whatever was grouped before.
    ///
    /// # Errors
    /// [`Error`]; then the people stay as they were.
    pub fn group_all(
        &mut self,
        model: &ModelId,
        options: &ClusterOptions,
    ) -> Result<GroupSummary, Error> {
        let grouping = grouping_key(model, options);
        self.try_transaction(|t| {
            let faces = load_faces(t, model)?;
            let assertions = Assertions::load(t)?;
            let wanted: Vec<&GroupedFace> = faces
                .iter()
                .filter(|f| !assertions.excluded.contains_key(&f.id))
                .collect();
            let items: Vec<ClusterFace> = wanted
                .iter()
                .map(|f| ClusterFace::new(f.id, f.photo, &f.vector, f.quality))
                .collect();
            let found = cluster(&items, &assertions.constraints, options)?;
            let labels = found.labels();
            let mut groups: BTreeMap<usize, Vec<&GroupedFace>> = BTreeMap::new();
            for (face, label) in wanted.iter().zip(labels) {
                groups.entry(label).or_default().push(face);
            }
            let groups: Vec<Vec<&GroupedFace>> = groups.into_values().collect();
            let people = people_of_groups(t, &groups, &assertions.constraints)?;
            t.execute("DELETE FROM questions", [])?;
            t.execute("DELETE FROM person_stats", [])?;
            replace_members(t, &groups, &people, &assertions)?;
            person_stats::refresh_all(t)?;
            let named = named_people(t)?;
            let n_people = people.iter().flatten().collect::<BTreeSet<_>>().len();
            let found_people = suggestions(&groups, &people, &named, n_people, options);
            review::insert_questions(t, &found_people, &assertions)?;
            let drawn = drawn_away(&groups, &people, &named, &assertions.held, options);
            review::ask_about_held(t, &drawn, &assertions)?;
            review::ask_about_stated(t, &assertions)?;
            store_cells(t, &grouping, &wanted, &found)?;
            set_grouped(t, &grouping)?;
            Ok(())
        })?;
        self.group_summary()
    }

    fn group_summary(&self) -> Result<GroupSummary, Error> {
        let count = |sql: &str| self.query_value::<i64>(sql).map(|n| n as usize);
        Ok(GroupSummary {
            n_people: count("SELECT count(*) FROM person_stats WHERE n_faces > 0")?,
            n_members: count("SELECT count(*) FROM members")?,
            n_unassigned: self.n_unassigned()?,
        })
    }

    /// Faces assigned to nobody and not excluded.
    pub(crate) fn n_unassigned(&self) -> Result<usize, Error> {
        // An excluded face is never a member, so that nothing is subtracted twice.
        let sql = "SELECT (SELECT count(*) FROM faces) - (SELECT count(*) FROM members) \
                   - (SELECT count(*) FROM faces WHERE excluded IS NOT NULL) \
                   - (SELECT count(*) FROM photos h JOIN faces f ON f.photo = h.id \
                   WHERE h.gone = 1 AND f.excluded IS NULL)";
        self.query_value::<i64>(sql).map(|n| n as usize)
    }
}

/// By what two groupings are the same.
fn grouping_key(model: &ModelId, options: &ClusterOptions) -> String {
    format!("{model} {options:?}")
}

fn load_faces(t: &Transaction, model: &ModelId) -> rusqlite::Result<Vec<GroupedFace>> {
    let mut query = t.prepare(&format!("{} ORDER BY f.id", GroupedFace::select()))?;
    query
        .query_map([&model.0], GroupedFace::from_row)?
        .collect()
}

fn set_grouped(t: &Transaction, grouping: &str) -> rusqlite::Result<usize> {
    let sql = "INSERT OR REPLACE INTO state (key, value) VALUES ('grouped', ?1)";
    t.execute(sql, [grouping])
}

/// The person of each group; `None` for a lone face about which nothing is asserted.
fn people_of_groups(
    t: &Transaction,
    groups: &[Vec<&GroupedFace>],
    constraints: &Constraints,
) -> rusqlite::Result<Vec<Option<PersonId>>> {
    let sql = "SELECT m.face, m.person, p.name IS NOT NULL FROM members m \
               JOIN people p ON p.id = m.person";
    let earlier: HashMap<i64, (i64, bool)> = t
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect::<rusqlite::Result<_>>()?;

    let mut people: Vec<Option<PersonId>> = vec![None; groups.len()];
    let mut taken: BTreeSet<i64> = BTreeSet::new();
    for (group, person) in groups.iter().zip(&mut people) {
        *person = group
            .iter()
            .find_map(|f| constraints.is.get(&f.id))
            .map(|id| PersonId(*id));
        taken.extend(person.map(|p| p.0));
    }
    // Earlier people go to the groups that share most faces with them.
    let mut claims = Vec::new();
    for (index, group) in groups
        .iter()
        .enumerate()
        .filter(|(index, _)| people[*index].is_none())
    {
        let mut shared: BTreeMap<(i64, bool), usize> = BTreeMap::new();
        for before in group.iter().filter_map(|f| earlier.get(&f.id)) {
            *shared.entry(*before).or_default() += 1;
        }
        let is_not = |p: i64| {
            group
                .iter()
                .any(|f| constraints.is_not.contains(&(f.id, p)))
        };
        for ((person, named), n_shared) in shared {
            // A lone face may keep a name, but not a number without a name.
            if (group.len() > 1 || named) && !is_not(person) {
                claims.push((std::cmp::Reverse(n_shared), person, index));
            }
        }
    }
    claims.sort_unstable();
    for (_, person, index) in claims {
        if people[index].is_none() && taken.insert(person) {
            people[index] = Some(PersonId(person));
        }
    }
    for (group, person) in groups.iter().zip(&mut people) {
        if person.is_none() && group.len() > 1 {
            *person = Some(insert_person(t)?);
        }
    }
    Ok(people)
}

fn replace_members(
    t: &Transaction,
    groups: &[Vec<&GroupedFace>],
    people: &[Option<PersonId>],
    assertions: &Assertions,
) -> rusqlite::Result<()> {
    t.execute("DELETE FROM members", [])?;
    let asserted = &assertions.constraints.is;
    let mut insert =
        t.prepare("INSERT INTO members (face, person, similarity) VALUES (?1, ?2, ?3)")?;
    for (group, person) in groups.iter().zip(people) {
        let Some(person) = person else { continue };
        let mean = mean(group);
        for face in group {
            let by_human = asserted.contains_key(&face.id);
            let near = (!by_human).then(|| similarity(&face.vector, &mean).0);
            insert.execute(params![face.id, person.0, near])?;
        }
    }
    // Faces assigned by a human stay assigned even where this model has no template of them.
    let mut keep = t.prepare(
        "INSERT OR IGNORE INTO members (face, person) SELECT ?1, p.id FROM people p \
         JOIN faces f ON f.id = ?1 JOIN photos h ON h.id = f.photo AND h.gone = 0 WHERE p.id = ?2",
    )?;
    for (face, person) in asserted {
        keep.execute([face, person])?;
    }
    // Groups without a name, a face, an assertion or a decision are deleted.
    let sql = "DELETE FROM people WHERE name IS NULL AND merged_into IS NULL \
               AND id NOT IN (SELECT person FROM members) \
               AND id NOT IN (SELECT person FROM gone_members) \
               AND id NOT IN (SELECT person FROM assertions WHERE person IS NOT NULL) \
               AND id NOT IN (SELECT person FROM appearances) \
               AND id NOT IN (SELECT person FROM decisions WHERE person IS NOT NULL) \
               AND id NOT IN (SELECT other FROM decisions WHERE other IS NOT NULL) \
               AND id NOT IN (SELECT merged_into FROM people WHERE merged_into IS NOT NULL)";
    t.execute(sql, [])?;
    Ok(())
}
