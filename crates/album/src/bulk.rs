//! One decision about many people. In: people and what all of them are. Out: decisions that are
//! undone together. Knows nothing of single faces.

use rusqlite::{Transaction, params};

use crate::database::Album;
use crate::edit::{hide_in, merge_in, name_in, person_named, valid_name};
use crate::error::Error;
use crate::ids::PersonId;

impl Album {
    /// Gives all of these people one name, which makes them one person; if somebody has the name,
    /// they are merged into them. Gives who has the name in the end.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::NoSuchPerson`], [`Error::InvalidRequest`] if nobody is named;
    /// [`Error::Sqlite`]. Then nothing has changed.
    pub fn name_all(&mut self, people: &[PersonId], name: &str) -> Result<PersonId, Error> {
        let name = valid_name(name)?;
        let people = self.several(people)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            let first = next_decision(t)?;
            let into = match person_named(t, &name)? {
                Some(person) => person,
                None => {
                    name_in(t, &actor, people[0], &name)?;
                    people[0]
                }
            };
            for person in people.iter().filter(|person| **person != into) {
                merge_in(t, &actor, into, *person)?;
            }
            batch_since(t, first)?;
            Ok(into)
        })
    }

    /// Hides people from lists; their faces stay assigned.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`], [`Error::InvalidRequest`] if nobody is named; [`Error::Sqlite`].
    /// Then nothing has changed.
    pub fn hide_all(&mut self, people: &[PersonId]) -> Result<(), Error> {
        let people = self.several(people)?;
        let actor = self.actor().to_owned();
        self.transaction(|t| {
            let first = next_decision(t)?;
            for person in &people {
                hide_in(t, &actor, *person, true)?;
            }
            batch_since(t, first)
        })
    }

    /// Excludes all faces of people from everybody: strangers in the background.
    ///
    /// # Errors
    /// As [`Album::hide_all`].
    pub fn ignore_all(&mut self, people: &[PersonId]) -> Result<(), Error> {
        let people = self.several(people)?;
        let mut faces = Vec::new();
        for person in people {
            let sql = "SELECT face FROM members WHERE person = ?1 ORDER BY face";
            faces.extend(self.query_rows(sql, [person.0], |row| row.get(0).map(crate::FaceId))?);
        }
        self.ignore(&faces)
    }

    /// The same people once each, if all are there.
    fn several(&self, people: &[PersonId]) -> Result<Vec<PersonId>, Error> {
        let mut once: Vec<PersonId> = Vec::new();
        for person in people {
            self.person(*person)?;
            if !once.contains(person) {
                once.push(*person);
            }
        }
        if once.is_empty() {
            return Err(Error::InvalidRequest("nobody is selected".into()));
        }
        Ok(once)
    }
}

/// The number that the next decision has at least.
fn next_decision(t: &Transaction) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) + 1 FROM decisions";
    t.query_row(sql, [], |row| row.get(0))
}

/// Makes the decisions from `first` on one step.
fn batch_since(t: &Transaction, first: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO decision_batches (decision, batch) SELECT id, ?1 FROM decisions \
               WHERE id >= ?1 AND (SELECT count(*) FROM decisions WHERE id >= ?1) > 1";
    t.execute(sql, params![first])?;
    Ok(())
}

/// The decisions made in one step with this one, latest first; itself if it was made alone.
pub(crate) fn batch_of(t: &Transaction, decision: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT decision FROM decision_batches WHERE batch = \
               (SELECT batch FROM decision_batches WHERE decision = ?1) ORDER BY decision DESC";
    let batch: Vec<i64> = t
        .prepare_cached(sql)?
        .query_map([decision], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(if batch.is_empty() {
        vec![decision]
    } else {
        batch
    })
}
