//! Decisions of humans: names, merges, splits, assignments, exclusions. In: what a human decides.
//! Out: assertions that no grouping contradicts, each of which can be undone.
//!
//! A decision is one row, which is never deleted, and one assertion for each of its faces. Merging,
//! splitting and separating two people assert all faces of both: a human who compares two people
//! and answers "one" or "two" has answered for every face shown. Naming, hiding and assigning more
//! faces assert the person's cover, by which a grouping knows the person again. Naming also *holds*
//! the other faces: they were shown under the name and stay with it. What a later decision would
//! draw away becomes a question.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::{Assertion, check_faces, faces_of, insert_assertion, person_of};
use crate::copy_links::with_copies;
use crate::database::Album;
use crate::decisions::{insert_decision, insert_person};
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::names::composed;
use crate::person_stats;

/// Longest name, in characters.
const MAX_NAME: usize = 200;

impl Album {
    /// Gives a person a name, or another name.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::BadName`], [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn name(&mut self, person: PersonId, name: &str) -> Result<(), Error> {
        let name = valid_name(name)?;
        self.person(person)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            if let Some(id) = person_named(t, &name)?.filter(|id| *id != person) {
                let name = name.clone();
                return Err(Error::NameTaken { name, id: id.0 }.into());
            }
            Ok(name_in(t, &actor, person, &name)?)
        })
    }

    /// Makes two people one; `into` keeps number and name, and takes the other's name if it has
    /// none.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for one person twice, [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn merge(&mut self, into: PersonId, from: PersonId) -> Result<(), Error> {
        if into == from {
            let what = format!("person {into} cannot be merged with itself");
            return Err(Error::InvalidRequest(what));
        }
        self.person(into)?;
        self.person(from)?;
        let actor = self.actor().to_owned();
        self.transaction(|t| merge_in(t, &actor, into, from))
    }

    /// Moves faces of a person to a new person; gives the new person's number.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`] for a face of another person, [`Error::InvalidRequest`] for none or
    /// all of the person's faces; [`Error::Sqlite`].
    pub fn split(&mut self, person: PersonId, faces: &[FaceId]) -> Result<PersonId, Error> {
        self.person(person)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            let all = faces_of(t, person)?;
            if let Some(other) = faces.iter().find(|f| !all.contains(f)) {
                return Err(Error::NoSuchFace(other.0).into());
            }
            let kept: Vec<FaceId> = all.into_iter().filter(|f| !faces.contains(f)).collect();
            if faces.is_empty() || kept.is_empty() {
                let what = "a split needs some of the person's faces, not none and not all";
                return Err(Error::InvalidRequest(what.into()).into());
            }
            let new = insert_person(t)?;
            let decision = insert_decision(t, &actor, "split", Some(person), Some(new))?;
            for face in faces {
                insert_assertion(t, decision, *face, Assertion::Is(new))?;
                insert_assertion(t, decision, *face, Assertion::IsNot(person))?;
            }
            for face in kept {
                insert_assertion(t, decision, face, Assertion::Is(person))?;
            }
            person_stats::refresh(t, &[person, new])?;
            Ok(new)
        })
    }

    /// Separates two people, so that no grouping joins them.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for one person twice, [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn differ(&mut self, one: PersonId, other: PersonId) -> Result<(), Error> {
        if one == other {
            let what = format!("person {one} cannot differ from itself");
            return Err(Error::InvalidRequest(what));
        }
        self.person(one)?;
        self.person(other)?;
        let actor = self.actor().to_owned();
        self.transaction(|t| differ_in(t, &actor, one, other).map(drop))
    }

    /// Assigns faces to a person.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::NoSuchPerson`], [`Error::InvalidRequest`];
    /// [`Error::Sqlite`].
    pub fn assert_is(&mut self, faces: &[FaceId], person: PersonId) -> Result<(), Error> {
        self.person(person)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            check_faces(t, faces)?;
            assign(t, &actor, faces, person)?;
            Ok(())
        })
    }

    /// Assigns faces to the person of that name; makes the person if there is none.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::BadName`], [`Error::InvalidRequest`]; [`Error::Sqlite`].
    pub fn assert_is_called(&mut self, faces: &[FaceId], name: &str) -> Result<PersonId, Error> {
        let name = valid_name(name)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            check_faces(t, faces)?;
            let (person, is_new) = person_for(t, &name)?;
            let decision = assign(t, &actor, faces, person)?;
            if is_new {
                note_new_name(t, decision, &name)?;
            }
            Ok(person)
        })
    }

    /// Keeps faces from being assigned to a person; those that were theirs are assigned to nobody
    /// until the next grouping.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::NoSuchPerson`], [`Error::InvalidRequest`];
    /// [`Error::Sqlite`].
    pub fn assert_is_not(&mut self, faces: &[FaceId], person: PersonId) -> Result<(), Error> {
        self.person(person)?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            check_faces(t, faces)?;
            is_not_in(t, &actor, faces, person)?;
            Ok(())
        })
    }

    /// Excludes faces from all people: strangers in the background.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::InvalidRequest`]; [`Error::Sqlite`].
    pub fn ignore(&mut self, faces: &[FaceId]) -> Result<(), Error> {
        self.exclude(faces, "ignore", Assertion::Ignore)
    }

    /// Excludes false detections.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::InvalidRequest`]; [`Error::Sqlite`].
    pub fn not_a_face(&mut self, faces: &[FaceId]) -> Result<(), Error> {
        self.exclude(faces, "not_a_face", Assertion::NotAFace)
    }

    fn exclude(&mut self, faces: &[FaceId], kind: &str, assertion: Assertion) -> Result<(), Error> {
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            check_faces(t, faces)?;
            let people = people_of(t, faces)?;
            let decision = insert_decision(t, &actor, kind, None, None)?;
            for face in faces {
                insert_assertion(t, decision, *face, assertion)?;
            }
            Ok(person_stats::refresh(t, &people)?)
        })
    }

    /// Hides a person from lists, or shows them again; their faces stay assigned.
    ///
    /// # Errors
    /// [`Error::NoSuchPerson`]; [`Error::Sqlite`].
    pub fn hide(&mut self, person: PersonId, hidden: bool) -> Result<(), Error> {
        self.person(person)?;
        let actor = self.actor().to_owned();
        self.transaction(|t| hide_in(t, &actor, person, hidden))
    }
}

/// Gives a person a name that nobody else has.
pub(crate) fn name_in(
    t: &Transaction,
    actor: &str,
    person: PersonId,
    name: &str,
) -> rusqlite::Result<()> {
    let old = name_of(t, person)?;
    set_name(t, person, Some(name))?;
    let decision = insert_decision(t, actor, "name", Some(person), None)?;
    let sql = "UPDATE decisions SET old_name = ?2, new_name = ?3 WHERE id = ?1";
    t.execute(sql, params![decision, old, name])?;
    assert_cover(t, decision, person)?;
    hold(t, decision, person)?;
    person_stats::refresh(t, &[person])
}

/// Makes two people one, as [`Album::merge`].
pub(crate) fn merge_in(
    t: &Transaction,
    actor: &str,
    into: PersonId,
    from: PersonId,
) -> rusqlite::Result<()> {
    let (kept, merged) = (name_of(t, into)?, name_of(t, from)?);
    let decision = insert_decision(t, actor, "merge", Some(into), Some(from))?;
    let sql = "UPDATE decisions SET old_name = ?2, new_name = ?3 WHERE id = ?1";
    t.execute(sql, params![decision, kept, merged])?;
    for face in faces_of(t, into)?.into_iter().chain(faces_of(t, from)?) {
        insert_assertion(t, decision, face, Assertion::Is(into))?;
    }
    // Names are unique, so the old holder loses it before the new one gets it.
    t.execute(
        "UPDATE people SET name = NULL, merged_into = ?2 WHERE id = ?1",
        [from.0, into.0],
    )?;
    set_name(t, into, kept.or(merged).as_deref())?;
    person_stats::refresh(t, &[into, from])
}

/// Separates two people, as [`Album::differ`]; gives the decision's number.
pub(crate) fn differ_in(
    t: &Transaction,
    actor: &str,
    one: PersonId,
    other: PersonId,
) -> rusqlite::Result<i64> {
    let decision = insert_decision(t, actor, "differ", Some(one), Some(other))?;
    for (person, not) in [(one, other), (other, one)] {
        for face in faces_of(t, person)? {
            insert_assertion(t, decision, face, Assertion::Is(person))?;
            insert_assertion(t, decision, face, Assertion::IsNot(not))?;
        }
    }
    person_stats::refresh(t, &[one, other])?;
    Ok(decision)
}

/// Keeps faces from a person, as [`Album::assert_is_not`]; gives the decision's number.
pub(crate) fn is_not_in(
    t: &Transaction,
    actor: &str,
    faces: &[FaceId],
    person: PersonId,
) -> rusqlite::Result<i64> {
    let decision = insert_decision(t, actor, "is_not", Some(person), None)?;
    for face in faces {
        insert_assertion(t, decision, *face, Assertion::IsNot(person))?;
    }
    // The decision names the person by number, so the number must stay this person's.
    assert_cover(t, decision, person)?;
    person_stats::refresh(t, &[person])?;
    Ok(decision)
}

/// Hides or shows a person. No change is no decision, so that there is nothing to undo.
pub(crate) fn hide_in(
    t: &Transaction,
    actor: &str,
    person: PersonId,
    hidden: bool,
) -> rusqlite::Result<()> {
    let sql = "UPDATE people SET hidden = ?2 WHERE id = ?1 AND hidden != ?2";
    if t.execute(sql, params![person.0, hidden])? == 0 {
        return Ok(());
    }
    let kind = if hidden { "hide" } else { "show" };
    let decision = insert_decision(t, actor, kind, Some(person), None)?;
    assert_cover(t, decision, person)
}

fn name_of(t: &Transaction, person: PersonId) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT name FROM people WHERE id = ?1";
    t.query_row(sql, [person.0], |row| row.get(0))
}

/// The person of that name, and whether they were made because there was none.
pub(crate) fn person_for(t: &Transaction, name: &str) -> rusqlite::Result<(PersonId, bool)> {
    if let Some(person) = person_named(t, name)? {
        return Ok((person, false));
    }
    let person = insert_person(t)?;
    set_name(t, person, Some(name))?;
    Ok((person, true))
}

/// Notes that a decision gave a new person their name.
pub(crate) fn note_new_name(t: &Transaction, decision: i64, name: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE decisions SET new_name = ?2 WHERE id = ?1";
    t.execute(sql, params![decision, name]).map(drop)
}

/// Adds the decision that faces are a person; gives its number.
pub(crate) fn assign(
    t: &Transaction,
    actor: &str,
    faces: &[FaceId],
    person: PersonId,
) -> rusqlite::Result<i64> {
    let mut people = people_of(t, faces)?;
    let decision = insert_decision(t, actor, "is", Some(person), None)?;
    // Who was shown is who is meant: without it the number would follow the new faces alone.
    assert_cover(t, decision, person)?;
    for face in faces {
        insert_assertion(t, decision, *face, Assertion::Is(person))?;
    }
    people.push(person);
    person_stats::refresh(t, &people)?;
    Ok(decision)
}

/// Asserts the person's cover, unless a human assigned one of their faces before.
///
/// A grouping keeps the number of a person with an asserted face; of any other it may not.
fn assert_cover(t: &Transaction, decision: i64, person: PersonId) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM members WHERE person = ?1 AND similarity IS NULL)";
    if t.query_row(sql, [person.0], |row| row.get(0))? {
        return Ok(());
    }
    match person_stats::cover(t, person)? {
        Some(face) => insert_assertion(t, decision, face, Assertion::Is(person)),
        None => Ok(()),
    }
}

/// Holds the faces that a person has by a grouping alone.
fn hold(t: &Transaction, decision: i64, person: PersonId) -> rusqlite::Result<()> {
    let sql = "SELECT face FROM members WHERE person = ?1 AND similarity IS NOT NULL ORDER BY face";
    let faces: Vec<FaceId> = t
        .prepare_cached(sql)?
        .query_map([person.0], |row| row.get(0).map(FaceId))?
        .collect::<rusqlite::Result<_>>()?;
    for face in faces {
        insert_assertion(t, decision, face, Assertion::Held(person))?;
    }
    Ok(())
}

/// The name as it is stored, if it is acceptable.
pub(crate) fn valid_name(name: &str) -> Result<String, Error> {
    let name = composed(name);
    let is_number = name.chars().all(|c| c.is_ascii_digit());
    if is_number || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        return Err(Error::BadName(name));
    }
    Ok(name)
}

fn set_name(t: &Transaction, person: PersonId, name: Option<&str>) -> rusqlite::Result<usize> {
    let sql = "UPDATE people SET name = ?2 WHERE id = ?1";
    t.execute(sql, params![person.0, name])
}

pub(crate) fn person_named(t: &Transaction, name: &str) -> rusqlite::Result<Option<PersonId>> {
    let sql = "SELECT id FROM people WHERE name_key(name) = name_key(?1) \
               ORDER BY name IS NOT ?1, id LIMIT 1";
    t.query_row(sql, [name], |row| row.get(0).map(PersonId))
        .optional()
}

/// The people to whom faces are assigned now.
fn people_of(t: &Transaction, faces: &[FaceId]) -> rusqlite::Result<Vec<PersonId>> {
    let mut people = Vec::new();
    for face in faces {
        for copy in with_copies(t, *face)? {
            people.extend(person_of(t, copy)?);
        }
    }
    people.sort_unstable();
    people.dedup();
    Ok(people)
}
