//! What questions are called. In: what a question asks. Out: a short name, the same for as long as
//! it is asked, and back. Knows nothing of the database.
//!
//! `g12-3` asks whether group 12 is person 3, `f311-3` whether face 311 is. Where a file states a
//! name that nobody has yet, a mark of the name stands for the person: `f311-n3fa9c1`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::ids::{FaceId, PersonId};
use crate::names::name_key;

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A group without a name.
    Group(PersonId),
    /// A face assigned to nobody, or one that was shown when another person was named.
    Face(FaceId),
}

/// What a question is called: made of what it asks, so that an answer never reaches another one.
///
/// # Example
/// ```
/// use fusiform_album::QuestionId;
/// let id: QuestionId = "g12-3".parse()?;
/// assert_eq!(id.to_string(), "g12-3");
/// assert!("17".parse::<QuestionId>().is_err());
/// # Ok::<(), fusiform_album::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId {
    subject: Subject,
    candidate: Candidate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Candidate {
    Person(PersonId),
    /// A mark of a name that nobody has: the head of its hash, six hexadecimal digits.
    Name(u32),
}

impl QuestionId {
    /// Of a question about a person, else about a name that nobody has.
    pub(crate) fn of(
        subject: Subject,
        candidate: Option<PersonId>,
        name: Option<&str>,
    ) -> QuestionId {
        let candidate = match candidate {
            Some(person) => Candidate::Person(person),
            None => Candidate::Name(mark_of(name.unwrap_or_default())),
        };
        QuestionId { subject, candidate }
    }

    /// What it asks about.
    pub(crate) fn subject(self) -> Subject {
        self.subject
    }

    /// Whether it asks about this name, which nobody had.
    pub(crate) fn is_of_name(self, name: &str) -> bool {
        self.candidate == Candidate::Name(mark_of(name))
    }

    /// The person it asks about, unless it is a name that nobody had.
    pub(crate) fn person(self) -> Option<PersonId> {
        match self.candidate {
            Candidate::Person(person) => Some(person),
            Candidate::Name(_) => None,
        }
    }
}

fn mark_of(name: &str) -> u32 {
    let [a, b, c, ..] = *blake3::hash(name_key(name).as_bytes()).as_bytes();
    u32::from_be_bytes([0, a, b, c])
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Subject::Group(group) => write!(f, "g{group}-")?,
            Subject::Face(face) => write!(f, "f{face}-")?,
        }
        match self.candidate {
            Candidate::Person(person) => write!(f, "{person}"),
            Candidate::Name(mark) => write!(f, "n{mark:06x}"),
        }
    }
}

impl FromStr for QuestionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<QuestionId, Error> {
        let parse = || {
            let (subject, candidate) = text.trim().split_once('-')?;
            let subject = match (subject.strip_prefix('g'), subject.strip_prefix('f')) {
                (Some(group), _) => Subject::Group(PersonId(group.parse().ok()?)),
                (_, Some(face)) => Subject::Face(FaceId(face.parse().ok()?)),
                _ => return None,
            };
            let candidate = match candidate.strip_prefix('n') {
                Some(mark) => Candidate::Name(u32::from_str_radix(mark, 16).ok()?),
                None => Candidate::Person(PersonId(candidate.parse().ok()?)),
            };
            Some(QuestionId { subject, candidate })
        };
        parse().ok_or_else(|| {
            let what =
                format!("{text:?} is no question: they are called by what they ask, such as g12-3");
            Error::InvalidRequest(what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_called_by_what_it_asks_and_by_nothing_else() {
        let (group, face) = (Subject::Group(PersonId(12)), Subject::Face(FaceId(311)));
        let of = |subject, person: Option<i64>, name: &str| {
            QuestionId::of(subject, person.map(PersonId), Some(name))
        };
        for (id, text) in [
            (of(group, Some(3), "Ida"), "g12-3"),
            (of(face, Some(3), "Ida"), "f311-3"),
        ] {
            assert_eq!((id.to_string().as_str(), text.parse().unwrap()), (text, id));
        }
        let stated = of(face, None, "Zoë");
        assert_eq!(stated.to_string().parse::<QuestionId>().unwrap(), stated);
        assert_eq!(stated, of(face, None, "ZOË"), "one name");
        assert_ne!(stated, of(face, None, "Zoe"));
        for bad in [
            "", "17", "g12", "12-3", "g-3", "x1-2", "g1-", "f1-nxyz", "g1-2-3",
        ] {
            let error = bad.parse::<QuestionId>().unwrap_err().to_string();
            assert!(error.contains("g12-3"), "{error}");
        }
    }
}
