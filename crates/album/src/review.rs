//! Questions for a human, "is this that person?". In: suggestions of a grouping. Out: questions
//! with reasons, and decisions from the answers. Knows nothing of how suggestions are found.
//!
//! The question whose answer is expected to settle most comes first (`crate::worth_asking`), and
//! one that is expected to settle little is not asked. Yes merges the group (or assigns the face),
//! no separates the two for good, "not sure" is stored so that the question does not come again.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, Transaction, params};

use crate::assertions::{Assertion, Assertions, faces_of, insert_assertion, insert_for_one};
use crate::database::Album;
use crate::decisions::insert_decision;
use crate::edit::{
    assign, differ_in, is_not_in, merge_in, name_in, note_new_name, person_for, person_named,
};
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::page::{Page, Paged};
use crate::question_id::{QuestionId, Subject};
use crate::settled::why_not_open;
use crate::stated_names::likely;
use crate::worth_asking::is_worth;

/// "Is this that person?"
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it is called, for as long as it is asked: made of what it asks.
    pub id: QuestionId,
    /// What is asked about.
    pub subject: Subject,
    /// The face to show for the subject.
    pub face: FaceId,
    /// The person it may be; `None` if a file states a name that nobody has yet.
    pub candidate: Option<PersonId>,
    /// The candidate's name, if there is one; else the name that a file states.
    pub candidate_name: Option<String>,
    /// The face to show for the candidate.
    pub candidate_cover: Option<FaceId>,
    /// Similarity of subject and candidate, larger is nearer; `None` if only a file says so.
    pub similarity: Option<f32>,
    /// The second nearest person and its similarity.
    pub next: Option<(PersonId, f32)>,
    /// What states that this person is in the photo, without a place: `a sidecar`.
    pub stated_by: Option<String>,
    /// How many faces a "yes" settles.
    pub settles: usize,
    /// How likely the answer is "yes", 0…1: from the model's measured error rates and from how near
    /// everybody else comes. `None` if only a file says so.
    pub probability: Option<f32>,
    /// How many faces the answer is expected to settle. Where only a file names somebody, every
    /// face of the photo without a name is as likely as the others.
    pub expected_gain: f32,
}

impl Question {
    /// Why it is asked, for people: `0.71 to this person, 0.41 to the next best`, or `a sidecar
    /// names them in the photo, without a place`.
    pub fn reason(&self) -> String {
        let near = self.similarity.map(|similarity| match self.next {
            Some((_, next)) => {
                format!("{similarity:.2} to this person, {next:.2} to the next best")
            }
            None => format!("{similarity:.2} to this person, nobody else is near"),
        });
        let stated = (self.stated_by.as_ref())
            .map(|by| format!("{by} names them in the photo, without a place"));
        let both: Vec<String> = near.into_iter().chain(stated).collect();
        both.join("; ")
    }

    /// Who is asked about: the name, or the number of an unnamed person.
    pub fn candidate_called(&self) -> String {
        match (&self.candidate_name, self.candidate) {
            (Some(name), _) => name.clone(),
            (None, Some(person)) => format!("person {person}"),
            (None, None) => "somebody".into(),
        }
    }
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is that person.
    Yes,
    /// It is not that person.
    No,
    /// The human cannot tell.
    NotSure,
}

const QUESTION: &str = "SELECT q.subject, q.face, c.cover, q.candidate, \
     coalesce(p.name, q.stated_name), d.cover, q.similarity, q.next, q.next_similarity, q.settles, \
     q.probability, q.gain, q.stated_by, q.id FROM questions q \
     LEFT JOIN people p ON p.id = q.candidate LEFT JOIN person_stats c ON c.person = q.subject \
     LEFT JOIN person_stats d ON d.person = q.candidate";

fn question(row: &Row) -> rusqlite::Result<Question> {
    let subject = match row.get::<_, Option<i64>>(0)? {
        Some(person) => Subject::Group(PersonId(person)),
        None => Subject::Face(FaceId(row.get(1)?)),
    };
    let face: Option<i64> = row.get::<_, Option<i64>>(1)?.or(row.get(2)?);
    let next: Option<i64> = row.get(7)?;
    let next_similarity: Option<f32> = row.get(8)?;
    let candidate = row.get::<_, Option<i64>>(3)?.map(PersonId);
    let candidate_name: Option<String> = row.get(4)?;
    let similarity: Option<f32> = row.get(6)?;
    let probability: f32 = row.get(10)?;
    Ok(Question {
        id: QuestionId::of(subject, candidate, candidate_name.as_deref()),
        subject,
        face: FaceId(face.unwrap_or(0)),
        candidate,
        candidate_name,
        candidate_cover: row.get::<_, Option<i64>>(5)?.map(FaceId),
        similarity,
        next: next.map(PersonId).zip(next_similarity),
        stated_by: row.get(12)?,
        settles: row.get::<_, i64>(9)? as usize,
        probability: similarity.map(|_| probability),
        expected_gain: row.get(11)?,
    })
}

/// The open question of that name, and its row.
fn open_question(db: &Connection, id: QuestionId) -> rusqlite::Result<Option<(Question, i64)>> {
    let (column, key) = match id.subject() {
        Subject::Group(group) => ("subject", group.0),
        Subject::Face(face) => ("face", face.0),
    };
    let mut query =
        db.prepare_cached(&format!("{QUESTION} WHERE q.{column} = ?1 ORDER BY q.id"))?;
    let about = query.query_map([key], |row| Ok((question(row)?, row.get(13)?)))?;
    let about: Vec<(Question, i64)> = about.collect::<rusqlite::Result<_>>()?;
    Ok(about.into_iter().find(|(q, _)| q.id == id))
}

impl Album {
    /// The open questions, the one whose answer is expected to settle most first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn questions(&self, page: Page) -> Result<Paged<Question>, Error> {
        let sql =
            format!("{QUESTION} ORDER BY q.gain DESC, q.similarity DESC, q.id LIMIT ?1 OFFSET ?2");
        let items = self.query_rows(&sql, params![page.limit(), page.offset()], question)?;
        let total: i64 = self.query_value("SELECT count(*) FROM questions")?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// A question, if it is open.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn question(&self, id: QuestionId) -> Result<Option<Question>, Error> {
        let found = open_question(&self.db, id).map_err(|e| self.sqlite_error(e))?;
        Ok(found.map(|(question, _)| question))
    }

    /// Answers a question; the answer is a decision that can be undone.
    ///
    /// # Errors
    /// [`Error::NoSuchQuestion`] if it is not open any more, with the reason; [`Error::Sqlite`].
    pub fn reply(&mut self, id: QuestionId, reply: Reply) -> Result<(), Error> {
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            let Some((asked, row)) = open_question(t, id)? else {
                let (id, why) = (id.to_string(), why_not_open(t, id)?);
                return Err(Error::NoSuchQuestion { id, why }.into());
            };
            // A name that only a file has stated may be somebody's by now.
            let name = asked.candidate_name.unwrap_or_default();
            let known = match asked.candidate {
                Some(person) => Some(person),
                None => person_named(t, &name)?,
            };
            match (asked.subject, reply, known) {
                (Subject::Group(group), Reply::Yes, None) => name_in(t, &actor, group, &name)?,
                (Subject::Group(group), Reply::Yes, Some(person)) => {
                    merge_in(t, &actor, person, group)?;
                }
                (subject, reply, known) => {
                    let person = match known {
                        Some(person) => person,
                        None => person_for(t, &name)?.0,
                    };
                    let decision = match (subject, reply) {
                        (Subject::Face(face), Reply::Yes) => assign(t, &actor, &[face], person)?,
                        (Subject::Face(face), Reply::No) => is_not_in(t, &actor, &[face], person)?,
                        (Subject::Group(group), Reply::No) => differ_in(t, &actor, group, person)?,
                        (subject, _) => unsure_in(t, &actor, subject, person)?,
                    };
                    if known.is_none() {
                        note_new_name(t, decision, &name)?;
                    }
                }
            }
            t.execute("DELETE FROM questions WHERE id = ?1", [row])?;
            Ok(())
        })
    }
}

fn unsure_in(
    t: &Transaction,
    actor: &str,
    subject: Subject,
    candidate: PersonId,
) -> rusqlite::Result<i64> {
    let (other, faces) = match subject {
        Subject::Group(group) => (Some(group), faces_of(t, group)?),
        Subject::Face(face) => (None, vec![face]),
    };
    let decision = insert_decision(t, actor, "unsure", Some(candidate), other)?;
    for face in faces {
        insert_assertion(t, decision, face, Assertion::Unsure(candidate))?;
    }
    Ok(decision)
}

/// A person whom a subject may be, before it is known whether to ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Suggestion {
    pub(crate) subject: Subject,
    pub(crate) candidate: i64,
    pub(crate) similarity: f32,
    /// The second nearest person and its similarity.
    pub(crate) next: Option<(i64, f32)>,
    /// How likely it is right.
    pub(crate) probability: f32,
    /// How many faces an answer is expected to settle.
    pub(crate) gain: f32,
    /// Faces of the subject.
    pub(crate) faces: Vec<i64>,
}

/// Asks about faces that their person holds although another is nearer, and notes each once in the
/// history: for a human it is the line that says what their decision did not move.
pub(crate) fn ask_about_held(
    t: &Transaction,
    drawn: &[(i64, Suggestion)],
    assertions: &Assertions,
) -> rusqlite::Result<()> {
    let suggestions: Vec<Suggestion> = drawn.iter().map(|(_, s)| s.clone()).collect();
    insert_questions(t, &suggestions, assertions)?;
    let mut new: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
    for (holder, suggestion) in drawn {
        let face = suggestion.faces[0];
        if !assertions.asked.contains(&(face, suggestion.candidate)) {
            let both = (*holder, suggestion.candidate);
            new.entry(both).or_default().push(face);
        }
    }
    for ((holder, candidate), faces) in new {
        let (holder, candidate) = (PersonId(holder), PersonId(candidate));
        let line = insert_decision(t, "grouping", "held", Some(holder), Some(candidate))?;
        for face in faces {
            insert_for_one(t, line, FaceId(face), Assertion::Asked(candidate))?;
        }
    }
    Ok(())
}

/// Asks about the names that files state of photos without a place, instead of those asked before.
pub(crate) fn ask_about_stated(t: &Transaction, assertions: &Assertions) -> rusqlite::Result<()> {
    t.execute("DELETE FROM questions WHERE similarity IS NULL", [])?;
    t.execute(
        "UPDATE questions SET stated_by = NULL WHERE stated_by IS NOT NULL",
        [],
    )?;
    for stated in likely(t, assertions)? {
        let (subject, face) = match stated.subject {
            Subject::Group(person) => (Some(person.0), None),
            Subject::Face(face) => (None, Some(face.0)),
        };
        let candidate = stated.candidate.map(|p| p.0);
        let gain = stated.share * stated.prominence;
        // Faces may say the same.
        let sql = "UPDATE questions SET stated_by = ?4, gain = max(gain, ?5) \
                   WHERE subject IS ?1 AND face IS ?2 AND candidate = ?3";
        let key = params![subject, face, candidate, stated.source, gain];
        if t.prepare_cached(sql)?.execute(key)? > 0 {
            continue;
        }
        let sql = "INSERT INTO questions (subject, face, candidate, stated_name, stated_by, \
                   settles, probability, gain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        t.prepare_cached(sql)?.execute(params![
            subject,
            face,
            candidate,
            stated.name,
            stated.source,
            stated.faces.len() as i64,
            stated.share,
            gain
        ])?;
    }
    Ok(())
}

/// Makes questions of suggestions that are worth it, except where a human has answered before, even
/// with "not sure".
pub(crate) fn insert_questions(
    t: &Transaction,
    suggestions: &[Suggestion],
    assertions: &Assertions,
) -> rusqlite::Result<()> {
    let mut answered: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    let is_not = assertions.constraints.is_not.iter();
    for (face, person) in is_not.chain(&assertions.unsure) {
        answered.entry(*face).or_default().insert(*person);
    }
    let sql = "INSERT INTO questions \
               (subject, face, candidate, similarity, next, next_similarity, settles, \
               probability, gain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut insert = t.prepare(sql)?;
    let worth = suggestions
        .iter()
        .filter(|s| is_worth(s.probability, s.gain));
    for suggestion in worth {
        let is_answered = |face: &i64| {
            answered
                .get(face)
                .is_some_and(|people| people.contains(&suggestion.candidate))
        };
        if suggestion.faces.iter().any(is_answered) {
            continue;
        }
        let (subject, face) = match suggestion.subject {
            Subject::Group(person) => (Some(person.0), None),
            Subject::Face(face) => (None, Some(face.0)),
        };
        insert.execute(params![
            subject,
            face,
            suggestion.candidate,
            suggestion.similarity,
            suggestion.next.map(|n| n.0),
            suggestion.next.map(|n| n.1),
            suggestion.faces.len() as i64,
            suggestion.probability,
            suggestion.gain
        ])?;
    }
    Ok(())
}
