//! What humans decide. In: decisions. Out: facts that no grouping contradicts, each of which can be taken back.
//!
//! A decision is one row that is never deleted, and a fact for each face it speaks of. The latest fact about a face
//! counts. Merging and splitting make facts of all faces of both people, because whoever looks at two people and says
//! "one" or "two" has said it of every face shown.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Catalogue, FaceId, Failed, PersonId};
use crate::error::Error;

/// Longest name, in characters.
const MAX_NAME: usize = 200;

/// One decision of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When, local time.
    pub at: String,
    /// What was decided, in words.
    pub what: String,
    /// Whether it was taken back.
    pub undone: bool,
}

impl Catalogue {
    /// Gives a person a name.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::BadName`], [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn name(&mut self, person: PersonId, name: &str) -> Result<(), Error> {
        let name = name.trim();
        let digits = name.chars().all(|c| c.is_ascii_digit());
        if digits || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
            return Err(Error::BadName(name.into()));
        }
        let old = self.person(person)?.name;
        self.try_change(|t| {
            let sql = "SELECT id FROM people WHERE name = ?1 AND id != ?2";
            let taken = t
                .query_row(sql, params![name, person.0], |row| row.get(0))
                .optional()?;
            if let Some(id) = taken {
                return Err(Error::NameTaken {
                    name: name.into(),
                    id,
                }
                .into());
            }
            t.execute(
                "UPDATE people SET name = ?2 WHERE id = ?1",
                params![person.0, name],
            )?;
            let sql = "INSERT INTO decisions (at, kind, person, old_name, new_name) \
                       VALUES (datetime('now', 'localtime'), 'name', ?1, ?2, ?3)";
            t.execute(sql, params![person.0, old, name])?;
            Ok(())
        })
    }

    /// Makes two people one; `into` keeps number and name, and takes the other's name if it has none.
    ///
    /// # Errors
    /// [`Error::Pointless`] for one person twice, [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn merge(&mut self, into: PersonId, from: PersonId) -> Result<(), Error> {
        if into == from {
            return Err(Error::Pointless(format!(
                "person {into} cannot be merged with itself"
            )));
        }
        let (kept, gone) = (self.person(into)?, self.person(from)?);
        self.change(|t| {
            let new_name = kept.name.clone().or_else(|| gone.name.clone());
            let decision = decide(t, "merge", into, Some(from))?;
            let sql = "UPDATE decisions SET old_name = ?2, new_name = ?3 WHERE id = ?1";
            t.execute(sql, params![decision, kept.name, gone.name])?;
            for face in faces_of(t, into)?.into_iter().chain(faces_of(t, from)?) {
                state(t, decision, face, "is", Some(into))?;
            }
            // The name is free before it is given anew.
            t.execute(
                "UPDATE people SET name = NULL, merged_into = ?2 WHERE id = ?1",
                [from.0, into.0],
            )?;
            t.execute(
                "UPDATE people SET name = ?2 WHERE id = ?1",
                params![into.0, new_name],
            )?;
            Ok(())
        })
    }

    /// Moves faces of a person to a new person, whose number is the answer.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`] for a face that is not theirs, [`Error::Pointless`] for none or all of them;
    /// [`Error::Sqlite`].
    pub fn split(&mut self, person: PersonId, faces: &[FaceId]) -> Result<PersonId, Error> {
        self.person(person)?;
        self.try_change(|t| {
            let all = faces_of(t, person)?;
            if let Some(stranger) = faces.iter().find(|f| !all.contains(f)) {
                return Err(Error::NoSuchFace(stranger.0).into());
            }
            let stay: Vec<FaceId> = all.into_iter().filter(|f| !faces.contains(f)).collect();
            if faces.is_empty() || stay.is_empty() {
                let what = "a split needs some of the person's faces, not none and not all";
                return Err(Error::Pointless(what.into()).into());
            }
            let new = new_person(t)?;
            let decision = decide(t, "split", person, Some(new))?;
            for face in faces {
                state(t, decision, *face, "is", Some(new))?;
                state(t, decision, *face, "is_not", Some(person))?;
            }
            for face in stay {
                state(t, decision, face, "is", Some(person))?;
            }
            Ok(new)
        })
    }

    /// Says that a face is not a certain person; if it was theirs it belongs to nobody until the next grouping.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn assert_is_not(&mut self, face: FaceId, person: PersonId) -> Result<(), Error> {
        self.person(person)?;
        self.try_change(|t| {
            check_face(t, face)?;
            let decision = decide(t, "is_not", person, None)?;
            Ok(state(t, decision, face, "is_not", Some(person))?)
        })
    }

    /// Leaves a face out of all people.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`]; [`Error::Sqlite`].
    pub fn ignore(&mut self, face: FaceId) -> Result<(), Error> {
        self.try_change(|t| {
            check_face(t, face)?;
            let sql =
                "INSERT INTO decisions (at, kind) VALUES (datetime('now', 'localtime'), 'ignore')";
            t.execute(sql, [])?;
            let decision = t.last_insert_rowid();
            Ok(state(t, decision, face, "ignore", None)?)
        })
    }

    /// Takes back the latest `count` decisions that stand; the answer says which, latest first.
    ///
    /// # Errors
    /// [`Error::Pointless`] if none stands; [`Error::Sqlite`].
    pub fn undo(&mut self, count: usize) -> Result<Vec<String>, Error> {
        self.try_change(|t| {
            let mut undone = Vec::new();
            for _ in 0..count {
                let sql = "SELECT id, kind, person, other, old_name, new_name FROM decisions \
                           WHERE undone = 0 ORDER BY id DESC LIMIT 1";
                let latest = t.query_row(sql, [], Standing::of).optional()?;
                let Some(latest) = latest else { break };
                take_back(t, &latest)?;
                undone.push(latest.words());
            }
            if undone.is_empty() {
                let what = "there is no decision to take back";
                return Err(Error::Pointless(what.into()).into());
            }
            Ok(undone)
        })
    }

    /// All decisions, oldest first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn history(&self) -> Result<Vec<Decision>, Error> {
        let sql = "SELECT id, kind, person, other, old_name, new_name, at, undone FROM decisions ORDER BY id";
        let read = || -> rusqlite::Result<Vec<Decision>> {
            let row = |row: &rusqlite::Row| {
                let what = Standing::of(row)?.words();
                Ok(Decision {
                    at: row.get(6)?,
                    what,
                    undone: row.get(7)?,
                })
            };
            self.db.prepare(sql)?.query_map([], row)?.collect()
        };
        read().map_err(|e| self.of(e))
    }
}

/// A decision as stored.
struct Standing {
    id: i64,
    kind: String,
    person: Option<i64>,
    other: Option<i64>,
    old_name: Option<String>,
    new_name: Option<String>,
}

impl Standing {
    fn of(row: &rusqlite::Row) -> rusqlite::Result<Standing> {
        Ok(Standing {
            id: row.get(0)?,
            kind: row.get(1)?,
            person: row.get(2)?,
            other: row.get(3)?,
            old_name: row.get(4)?,
            new_name: row.get(5)?,
        })
    }

    fn words(&self) -> String {
        let number = |n: Option<i64>| n.map_or_else(|| "?".into(), |n| n.to_string());
        let (person, other) = (number(self.person), number(self.other));
        match &*self.kind {
            "name" => {
                let new = self.new_name.as_deref().unwrap_or("");
                format!("person {person} named {new:?}")
            }
            "merge" => format!("person {other} merged into person {person}"),
            "split" => format!("person {other} split off person {person}"),
            "is_not" => format!("a face said not to be person {person}"),
            _ => "a face ignored".into(),
        }
    }
}

fn take_back(t: &Transaction, decision: &Standing) -> Result<(), Failed> {
    t.execute(
        "UPDATE decisions SET undone = 1 WHERE id = ?1",
        [decision.id],
    )?;
    // In reverse, so that a face that the decision speaks of twice ends as it was before the first.
    let sql = "SELECT face, before FROM facts WHERE decision = ?1 ORDER BY id DESC";
    let mut query = t.prepare(sql)?;
    let facts: Vec<(i64, Option<i64>)> = query
        .query_map([decision.id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (face, before) in facts {
        // Without a similarity it stands until the next grouping says otherwise.
        place(t, FaceId(face), before.map(PersonId))?;
    }
    match &*decision.kind {
        "name" => {
            let sql = "UPDATE people SET name = ?2 WHERE id = ?1";
            t.execute(sql, params![decision.person, decision.old_name])?;
        }
        "merge" => {
            t.execute(
                "UPDATE people SET name = ?2 WHERE id = ?1",
                params![decision.person, decision.old_name],
            )?;
            let sql = "UPDATE people SET name = ?2, merged_into = NULL WHERE id = ?1";
            t.execute(sql, params![decision.other, decision.new_name])?;
        }
        _ => {}
    }
    t.execute("DELETE FROM state WHERE key = 'grouped'", [])?;
    Ok(())
}

fn decide(
    t: &Transaction,
    kind: &str,
    person: PersonId,
    other: Option<PersonId>,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO decisions (at, kind, person, other) VALUES (datetime('now', 'localtime'), ?1, ?2, ?3)";
    t.execute(sql, params![kind, person.0, other.map(|p| p.0)])?;
    Ok(t.last_insert_rowid())
}

/// Writes a fact and lets the face follow it at once.
fn state(
    t: &Transaction,
    decision: i64,
    face: FaceId,
    kind: &str,
    person: Option<PersonId>,
) -> rusqlite::Result<()> {
    let sql = "SELECT person FROM members WHERE face = ?1";
    let before: Option<i64> = t
        .prepare_cached(sql)?
        .query_row([face.0], |r| r.get(0))
        .optional()?;
    let sql =
        "INSERT INTO facts (decision, face, kind, person, before) VALUES (?1, ?2, ?3, ?4, ?5)";
    t.prepare_cached(sql)?
        .execute(params![decision, face.0, kind, person.map(|p| p.0), before])?;
    match kind {
        "is" => place(t, face, person)?,
        "ignore" => place(t, face, None)?,
        _ if before == person.map(|p| p.0) => place(t, face, None)?,
        _ => {}
    }
    t.prepare_cached("DELETE FROM state WHERE key = 'grouped'")?
        .execute([])?;
    Ok(())
}

/// Makes a face somebody's, or nobody's.
fn place(t: &Transaction, face: FaceId, person: Option<PersonId>) -> rusqlite::Result<()> {
    match person {
        Some(person) => {
            let sql =
                "INSERT OR REPLACE INTO members (face, person, similarity) VALUES (?1, ?2, NULL)";
            t.prepare_cached(sql)?.execute([face.0, person.0])?;
        }
        None => {
            t.prepare_cached("DELETE FROM members WHERE face = ?1")?
                .execute([face.0])?;
        }
    }
    Ok(())
}

fn faces_of(t: &Transaction, person: PersonId) -> rusqlite::Result<Vec<FaceId>> {
    let mut query = t.prepare_cached("SELECT face FROM members WHERE person = ?1 ORDER BY face")?;
    query
        .query_map([person.0], |row| row.get(0).map(FaceId))?
        .collect()
}

fn check_face(t: &Transaction, face: FaceId) -> Result<(), Failed> {
    let sql = "SELECT EXISTS (SELECT 1 FROM faces WHERE id = ?1)";
    if t.query_row(sql, [face.0], |row| row.get(0))? {
        return Ok(());
    }
    Err(Error::NoSuchFace(face.0).into())
}

pub(super) fn new_person(t: &Transaction) -> rusqlite::Result<PersonId> {
    t.prepare_cached("INSERT INTO people DEFAULT VALUES")?
        .execute([])?;
    Ok(PersonId(t.last_insert_rowid()))
}
