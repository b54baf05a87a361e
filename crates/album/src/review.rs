//! Questions for a human, "is this that person?". In: suggestions of a grouping. Out: questions
//! with reasons, and decisions from the answers. Knows nothing of how suggestions are found.
//!
//! The question whose answer is expected to settle most comes first (`crate::worth_asking`), and
//! one that is expected to settle little is not asked. Yes merges the group (or assigns the face),
//! no separates the two for good, "not sure" is stored so that the question does not come again.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::assertions::{Assertion, Assertions, faces_of, insert_assertion, insert_for_one};
use crate::database::Album;
use crate::decisions::insert_decision;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::page::{Page, Paged};
use crate::worth_asking::is_worth;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A group without a name.
    Group(PersonId),
    /// A face assigned to nobody, or one that was shown when another person was named.
    Face(FaceId),
}

/// "Is this that person?"
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its number, valid until the next grouping.
    pub id: i64,
    /// What is asked about.
    pub subject: Subject,
    /// The face to show for the subject.
    pub face: FaceId,
    /// The person it may be.
    pub candidate: PersonId,
    /// The candidate's name, if there is one.
    pub candidate_name: Option<String>,
    /// The face to show for the candidate.
    pub candidate_cover: Option<FaceId>,
    /// Similarity of subject and candidate; larger is nearer.
    pub similarity: f32,
    /// The second nearest person and its similarity.
    pub next: Option<(PersonId, f32)>,
    /// How many faces a "yes" settles.
    pub settles: usize,
    /// How likely the answer is "yes", 0…1: from the model's measured error rates and from how near
    /// everybody else comes.
    pub probability: f32,
    /// How many faces the answer is expected to settle.
    pub expected_gain: f32,
}

impl Question {
    /// Why it is asked, for people: `0.71 to this person, 0.41 to the next best`.
    pub fn reason(&self) -> String {
        match self.next {
            Some((_, next)) => format!(
                "{:.2} to this person, {next:.2} to the next best",
                self.similarity
            ),
            None => format!("{:.2} to this person, nobody else is near", self.similarity),
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

const QUESTION: &str = "SELECT q.id, q.subject, q.face, c.cover, q.candidate, p.name, d.cover, \
     q.similarity, q.next, q.next_similarity, q.settles, q.probability, q.gain FROM questions q \
     JOIN people p ON p.id = q.candidate LEFT JOIN person_stats c ON c.person = q.subject \
     LEFT JOIN person_stats d ON d.person = q.candidate";

fn question(row: &Row) -> rusqlite::Result<Question> {
    let subject = match row.get::<_, Option<i64>>(1)? {
        Some(person) => Subject::Group(PersonId(person)),
        None => Subject::Face(FaceId(row.get(2)?)),
    };
    let face: Option<i64> = row.get::<_, Option<i64>>(2)?.or(row.get(3)?);
    let next: Option<i64> = row.get(8)?;
    let next_similarity: Option<f32> = row.get(9)?;
    Ok(Question {
        id: row.get(0)?,
        subject,
        face: FaceId(face.unwrap_or(0)),
        candidate: PersonId(row.get(4)?),
        candidate_name: row.get(5)?,
        candidate_cover: row.get::<_, Option<i64>>(6)?.map(FaceId),
        similarity: row.get(7)?,
        next: next.map(PersonId).zip(next_similarity),
        settles: row.get::<_, i64>(10)? as usize,
        probability: row.get(11)?,
        expected_gain: row.get(12)?,
    })
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

    /// Answers a question; the answer is a decision that can be undone.
    ///
    /// # Errors
    /// [`Error::NoSuchQuestion`] if it is not open any more; [`Error::Sqlite`].
    pub fn reply(&mut self, id: i64, reply: Reply) -> Result<(), Error> {
        let sql = format!("{QUESTION} WHERE q.id = ?1");
        let found = self
            .db
            .query_row(&sql, [id], question)
            .optional()
            .map_err(|e| self.sqlite_error(e))?;
        let asked = found.ok_or(Error::NoSuchQuestion(id))?;
        match (asked.subject, reply) {
            (Subject::Group(group), Reply::Yes) => self.merge(asked.candidate, group)?,
            (Subject::Group(group), Reply::No) => self.differ(group, asked.candidate)?,
            (Subject::Face(face), Reply::Yes) => self.assert_is(&[face], asked.candidate)?,
            (Subject::Face(face), Reply::No) => self.assert_is_not(&[face], asked.candidate)?,
            (subject, Reply::NotSure) => self.assert_unsure(subject, asked.candidate)?,
        }
        self.transaction(|t| {
            t.execute("DELETE FROM questions WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    fn assert_unsure(&mut self, subject: Subject, candidate: PersonId) -> Result<(), Error> {
        let actor = self.actor().to_owned();
        self.transaction(|t| {
            let (other, faces) = match subject {
                Subject::Group(group) => (Some(group), faces_of(t, group)?),
                Subject::Face(face) => (None, vec![face]),
            };
            let decision = insert_decision(t, &actor, "unsure", Some(candidate), other)?;
            for face in faces {
                insert_assertion(t, decision, face, Assertion::Unsure(candidate))?;
            }
            Ok(())
        })
    }
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
