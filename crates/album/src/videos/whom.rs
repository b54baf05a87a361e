//! Who somebody is now. In: numbers of people, as they were stored once. Out: the person they were
//! merged into, if that person has a name.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::ids::PersonId;

/// All merges, and who has a name.
#[derive(Debug, Default)]
pub(super) struct Whom {
    merged_into: BTreeMap<i64, i64>,
    named: BTreeSet<i64>,
}

impl Whom {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Whom> {
        let sql = "SELECT id, merged_into, name IS NOT NULL AND erased = 0 FROM people \
                   WHERE name IS NOT NULL OR merged_into IS NOT NULL";
        let mut query = db.prepare_cached(sql)?;
        let mut rows = query.query([])?;
        let mut people = Whom::default();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if let Some(into) = row.get(1)? {
                people.merged_into.insert(id, into);
            } else if row.get(2)? {
                people.named.insert(id);
            }
        }
        Ok(people)
    }

    /// The person whom this one was merged into, at the end; itself if it was not merged.
    pub(super) fn root(&self, person: PersonId) -> PersonId {
        let mut root = person.0;
        // No longer than all merges in a row: a damaged file may lead in a circle.
        for _ in 0..self.merged_into.len() {
            match self.merged_into.get(&root) {
                Some(into) => root = *into,
                None => break,
            }
        }
        PersonId(root)
    }

    /// As [`Whom::root`], if that person has a name.
    pub(super) fn named(&self, person: PersonId) -> Option<PersonId> {
        let root = self.root(person);
        self.named.contains(&root.0).then_some(root)
    }

    /// Those who were merged into somebody with a name.
    pub(super) fn merged_into_named(&self) -> impl Iterator<Item = PersonId> {
        let merged = self.merged_into.keys().map(|id| PersonId(*id));
        merged.filter(|person| self.named(*person).is_some())
    }
}
