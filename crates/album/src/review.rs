//! Questions for a human. In: what a grouping was not sure of. Out: questions with reasons, and what an answer does.
//!
//! The question whose answer settles most faces comes first; among equals the surer guess. A yes merges the group (or
//! assigns the face), a no tells the two apart for good, "not sure" is remembered and not asked again.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::{Fact, Facts, faces_of, state};
use super::browse::{Page, Paged};
use super::edit::decide;
use super::{Album, FaceId, PersonId};
use crate::error::Error;

/// Whom a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A group that nobody named.
    Group(PersonId),
    /// A face that belongs to nobody.
    Face(FaceId),
}

/// "Is this that person?"
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its number, until the next grouping.
    pub id: i64,
    /// Who is asked about.
    pub subject: Subject,
    /// The face to show for them.
    pub face: FaceId,
    /// Who it may be.
    pub candidate: PersonId,
    /// Their name, if they have one.
    pub candidate_name: Option<String>,
    /// The face to show for the candidate.
    pub candidate_cover: Option<FaceId>,
    /// How near the subject is to the candidate.
    pub similarity: f32,
    /// The next best person and how near the subject is to them.
    pub next: Option<(PersonId, f32)>,
    /// How many faces the answer settles.
    pub settles: usize,
}

impl Question {
    /// Why it is asked, in words.
    ///
    /// # Example
    /// `0.71 to this person, 0.41 to the next best`
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

/// What a human answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Cannot tell.
    NotSure,
}

const QUESTION: &str = "SELECT q.id, q.subject, q.face, c.cover, q.candidate, p.name, d.cover, q.similarity, q.next, \
     q.next_similarity, q.settles FROM questions q JOIN people p ON p.id = q.candidate \
     LEFT JOIN cards c ON c.person = q.subject LEFT JOIN cards d ON d.person = q.candidate";

fn question(row: &rusqlite::Row) -> rusqlite::Result<Question> {
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
    })
}

impl Album {
    /// The open questions, the one that settles most first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn questions(&self, page: Page) -> Result<Paged<Question>, Error> {
        let sql = format!(
            "{QUESTION} ORDER BY q.settles DESC, q.similarity DESC, q.id LIMIT ?1 OFFSET ?2"
        );
        let items = self.rows(&sql, params![page.limit(), page.offset()], question)?;
        let total: i64 = self.one("SELECT count(*) FROM questions")?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`Error::Pointless`] if it is open no longer; [`Error::Sqlite`].
    pub fn reply(&mut self, id: i64, reply: Reply) -> Result<(), Error> {
        let sql = format!("{QUESTION} WHERE q.id = ?1");
        let found = self
            .db
            .query_row(&sql, [id], question)
            .optional()
            .map_err(|e| self.of(e))?;
        let Some(asked) = found else {
            let what = format!("there is no question {id} any more; `fusiform review` lists them");
            return Err(Error::Pointless(what));
        };
        match (asked.subject, reply) {
            (Subject::Group(group), Reply::Yes) => self.merge(asked.candidate, group)?,
            (Subject::Group(group), Reply::No) => self.differ(group, asked.candidate)?,
            (Subject::Face(face), Reply::Yes) => self.assert_is(&[face], asked.candidate)?,
            (Subject::Face(face), Reply::No) => self.assert_is_not(&[face], asked.candidate)?,
            (subject, Reply::NotSure) => self.not_sure(subject, asked.candidate)?,
        }
        self.change(|t| {
            t.execute("DELETE FROM questions WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    fn not_sure(&mut self, subject: Subject, candidate: PersonId) -> Result<(), Error> {
        let who = self.who.clone();
        self.change(|t| {
            let (other, faces) = match subject {
                Subject::Group(group) => (Some(group), faces_of(t, group)?),
                Subject::Face(face) => (None, vec![face]),
            };
            let decision = decide(t, &who, "unsure", Some(candidate), other)?;
            for face in faces {
                state(t, decision, face, Fact::Unsure(candidate))?;
            }
            Ok(())
        })
    }
}

/// A guess of the grouping, before it is known whether to ask.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guess {
    pub(super) subject: Subject,
    pub(super) candidate: i64,
    pub(super) similarity: f32,
    pub(super) next: Option<(i64, f32)>,
    /// Faces of the subject.
    pub(super) faces: Vec<i64>,
}

/// Asks; but what a human has answered, even with "not sure", is not asked again.
pub(super) fn ask(t: &Transaction, guesses: &[Guess], facts: &Facts) -> rusqlite::Result<()> {
    let mut answered: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (face, person) in facts.said.is_not.iter().chain(&facts.unsure) {
        answered.entry(*face).or_default().insert(*person);
    }
    let sql = "INSERT INTO questions (subject, face, candidate, similarity, next, next_similarity, settles) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = t.prepare(sql)?;
    for guess in guesses {
        let known = |f: &i64| {
            answered
                .get(f)
                .is_some_and(|of| of.contains(&guess.candidate))
        };
        if guess.faces.iter().any(known) {
            continue;
        }
        let (subject, face) = match guess.subject {
            Subject::Group(person) => (Some(person.0), None),
            Subject::Face(face) => (None, Some(face.0)),
        };
        insert.execute(params![
            subject,
            face,
            guess.candidate,
            guess.similarity,
            guess.next.map(|n| n.0),
            guess.next.map(|n| n.1),
            guess.faces.len() as i64
        ])?;
    }
    Ok(())
}
