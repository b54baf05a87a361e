//! What humans decide. In: decisions. Out: facts that no grouping contradicts, each of which can be taken back.
//!
//! A decision is one row that is never deleted, and a fact for each face it speaks of. Merging, splitting and telling
//! two people apart make facts of all faces of both, because whoever looks at two people and says "one" or "two" has
//! said it of every face shown. Naming somebody makes a fact of their cover, which holds the name to a face.

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::{Fact, check_faces, faces_of, state};
use super::person_stats;
use super::{Album, FaceId, Failed, PersonId};
use crate::error::Error;

/// Longest name, in characters.
const MAX_NAME: usize = 200;

impl Album {
    /// Says who decides from now on; the history shows it. At first it is "command line".
    pub fn act_as(&mut self, who: &str) {
        self.who = who.chars().filter(|c| !c.is_control()).take(200).collect();
    }

    /// Gives a person a name, or another name.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::BadName`], [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn name(&mut self, person: PersonId, name: &str) -> Result<(), Error> {
        let name = checked(name)?;
        let old = self.person(person)?.name;
        let who = self.who.clone();
        self.try_change(|t| {
            if let Some(id) = person_called(t, name)?.filter(|id| *id != person) {
                return Err(Error::NameTaken {
                    name: name.into(),
                    id: id.0,
                }
                .into());
            }
            t.execute(
                "UPDATE people SET name = ?2 WHERE id = ?1",
                params![person.0, name],
            )?;
            let decision = decide(t, &who, "name", Some(person), None)?;
            let sql = "UPDATE decisions SET old_name = ?2, new_name = ?3 WHERE id = ?1";
            t.execute(sql, params![decision, old, name])?;
            hold(t, decision, person)?;
            Ok(person_stats::refresh(t, &[person])?)
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
        let who = self.who.clone();
        self.change(|t| {
            let new_name = kept.name.clone().or_else(|| gone.name.clone());
            let decision = decide(t, &who, "merge", Some(into), Some(from))?;
            let sql = "UPDATE decisions SET old_name = ?2, new_name = ?3 WHERE id = ?1";
            t.execute(sql, params![decision, kept.name, gone.name])?;
            for face in faces_of(t, into)?.into_iter().chain(faces_of(t, from)?) {
                state(t, decision, face, Fact::Is(into))?;
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
            person_stats::refresh(t, &[into, from])
        })
    }

    /// Moves faces of a person to a new person, whose number is the answer.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`] for a face that is not theirs, [`Error::Pointless`] for none or all of them;
    /// [`Error::Sqlite`].
    pub fn split(&mut self, person: PersonId, faces: &[FaceId]) -> Result<PersonId, Error> {
        self.person(person)?;
        let who = self.who.clone();
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
            let decision = decide(t, &who, "split", Some(person), Some(new))?;
            for face in faces {
                state(t, decision, *face, Fact::Is(new))?;
                state(t, decision, *face, Fact::IsNot(person))?;
            }
            for face in stay {
                state(t, decision, face, Fact::Is(person))?;
            }
            person_stats::refresh(t, &[person, new])?;
            Ok(new)
        })
    }

    /// Says that two people are two, so that no grouping ever joins them.
    ///
    /// # Errors
    /// [`Error::Pointless`] for one person twice, [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn differ(&mut self, one: PersonId, other: PersonId) -> Result<(), Error> {
        if one == other {
            return Err(Error::Pointless(format!(
                "person {one} cannot differ from itself"
            )));
        }
        self.person(one)?;
        self.person(other)?;
        let who = self.who.clone();
        self.change(|t| {
            let decision = decide(t, &who, "differ", Some(one), Some(other))?;
            for (person, not) in [(one, other), (other, one)] {
                for face in faces_of(t, person)? {
                    state(t, decision, face, Fact::Is(person))?;
                    state(t, decision, face, Fact::IsNot(not))?;
                }
            }
            person_stats::refresh(t, &[one, other])
        })
    }

    /// Says that faces are a certain person.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::NoSuchPerson`], [`Error::Pointless`]; [`Error::Sqlite`].
    pub fn assert_is(&mut self, faces: &[FaceId], person: PersonId) -> Result<(), Error> {
        self.person(person)?;
        let who = self.who.clone();
        self.try_change(|t| {
            check_faces(t, faces)?;
            assert_is(t, &who, faces, person)
        })
    }

    /// Says that faces are the person of that name, who is made if there is nobody of that name.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::BadName`], [`Error::Pointless`]; [`Error::Sqlite`].
    pub fn assert_is_called(&mut self, faces: &[FaceId], name: &str) -> Result<PersonId, Error> {
        let name = checked(name)?;
        let who = self.who.clone();
        self.try_change(|t| {
            check_faces(t, faces)?;
            if let Some(person) = person_called(t, name)? {
                assert_is(t, &who, faces, person)?;
                return Ok(person);
            }
            let person = new_person(t)?;
            t.execute(
                "UPDATE people SET name = ?2 WHERE id = ?1",
                params![person.0, name],
            )?;
            let decision = assert_is_new(t, &who, faces, person)?;
            let sql = "UPDATE decisions SET new_name = ?2 WHERE id = ?1";
            t.execute(sql, params![decision, name])?;
            Ok(person)
        })
    }

    /// Says that faces are not a certain person; those that were theirs belong to nobody until the next grouping.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::NoSuchPerson`], [`Error::Pointless`]; [`Error::Sqlite`].
    pub fn assert_is_not(&mut self, faces: &[FaceId], person: PersonId) -> Result<(), Error> {
        self.person(person)?;
        let who = self.who.clone();
        self.try_change(|t| {
            check_faces(t, faces)?;
            let decision = decide(t, &who, "is_not", Some(person), None)?;
            for face in faces {
                state(t, decision, *face, Fact::IsNot(person))?;
            }
            // Without a face that is theirs by a human's word the person would be a number that means nothing.
            hold(t, decision, person)?;
            Ok(person_stats::refresh(t, &[person])?)
        })
    }

    /// Leaves faces out of all people: strangers in the background.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::Pointless`]; [`Error::Sqlite`].
    pub fn ignore(&mut self, faces: &[FaceId]) -> Result<(), Error> {
        self.set_aside(faces, "ignore", Fact::Ignore)
    }

    /// Says that these are no faces at all.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::Pointless`]; [`Error::Sqlite`].
    pub fn not_a_face(&mut self, faces: &[FaceId]) -> Result<(), Error> {
        self.set_aside(faces, "not_a_face", Fact::NotAFace)
    }

    fn set_aside(&mut self, faces: &[FaceId], kind: &str, fact: Fact) -> Result<(), Error> {
        let who = self.who.clone();
        self.try_change(|t| {
            check_faces(t, faces)?;
            let people = people_of(t, faces)?;
            let decision = decide(t, &who, kind, None, None)?;
            for face in faces {
                state(t, decision, *face, fact)?;
            }
            Ok(person_stats::refresh(t, &people)?)
        })
    }

    /// Leaves a person out of the list of people, or shows them again; their faces stay theirs.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn hide(&mut self, person: PersonId, hidden: bool) -> Result<(), Error> {
        // Nothing to decide, and nothing to take back.
        if self.card(person)?.hidden == hidden {
            return Ok(());
        }
        let who = self.who.clone();
        self.change(|t| {
            let kind = if hidden { "hide" } else { "show" };
            let decision = decide(t, &who, kind, Some(person), None)?;
            t.execute(
                "UPDATE people SET hidden = ?2 WHERE id = ?1",
                params![person.0, hidden],
            )?;
            hold(t, decision, person)
        })
    }
}

fn assert_is(t: &Transaction, who: &str, faces: &[FaceId], person: PersonId) -> Result<(), Failed> {
    assert_is_new(t, who, faces, person)?;
    Ok(())
}

/// Writes the decision and facts of "these are that person"; gives the decision's number.
fn assert_is_new(
    t: &Transaction,
    who: &str,
    faces: &[FaceId],
    person: PersonId,
) -> rusqlite::Result<i64> {
    let mut people = people_of(t, faces)?;
    let decision = decide(t, who, "is", Some(person), None)?;
    for face in faces {
        state(t, decision, *face, Fact::Is(person))?;
    }
    people.push(person);
    person_stats::refresh(t, &people)?;
    Ok(decision)
}

/// Makes a fact of the person's cover if no fact holds them yet.
fn hold(t: &Transaction, decision: i64, person: PersonId) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM members WHERE person = ?1 AND similarity IS NULL)";
    if t.query_row(sql, [person.0], |row| row.get(0))? {
        return Ok(());
    }
    match person_stats::cover(t, person)? {
        Some(face) => state(t, decision, face, Fact::Is(person)),
        None => Ok(()),
    }
}

/// The trimmed name, if it can be one.
fn checked(name: &str) -> Result<&str, Error> {
    let name = name.trim();
    let digits = name.chars().all(|c| c.is_ascii_digit());
    if digits || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        return Err(Error::BadName(name.into()));
    }
    Ok(name)
}

fn person_called(t: &Transaction, name: &str) -> rusqlite::Result<Option<PersonId>> {
    let sql = "SELECT id FROM people WHERE name = ?1";
    t.query_row(sql, [name], |row| row.get(0).map(PersonId))
        .optional()
}

/// Whose faces these are now.
fn people_of(t: &Transaction, faces: &[FaceId]) -> rusqlite::Result<Vec<PersonId>> {
    let mut people = Vec::new();
    for face in faces {
        let sql = "SELECT person FROM members WHERE face = ?1";
        let person: Option<i64> = t
            .prepare_cached(sql)?
            .query_row([face.0], |row| row.get(0))
            .optional()?;
        people.extend(person.map(PersonId));
    }
    people.sort_unstable();
    people.dedup();
    Ok(people)
}

pub(super) fn decide(
    t: &Transaction,
    who: &str,
    kind: &str,
    person: Option<PersonId>,
    other: Option<PersonId>,
) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO decisions (at, who, kind, person, other) VALUES (datetime('now', 'localtime'), ?1, ?2, ?3, ?4)";
    t.execute(
        sql,
        params![who, kind, person.map(|p| p.0), other.map(|p| p.0)],
    )?;
    Ok(t.last_insert_rowid())
}

pub(super) fn new_person(t: &Transaction) -> rusqlite::Result<PersonId> {
    t.prepare_cached("INSERT INTO people DEFAULT VALUES")?
        .execute([])?;
    Ok(PersonId(t.last_insert_rowid()))
}
