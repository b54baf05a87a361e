//! The history of decisions, and undo. In: decisions. Out: a list; people as they were before a
//! decision. Knows nothing of how decisions are made.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::assertions::{correct_assignments, faces_of, person_of, revert_assertions};
use crate::bulk::batch_of;
use crate::database::{Abort, Album, now_ms};
use crate::drawing::erase_drawing;
use crate::error::Error;
use crate::face_at::Stamp;
use crate::ids::{FaceId, PersonId};
use crate::page::{Page, Paged};
use crate::{person_stats, videos};

/// One decision of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its number; later decisions have larger ones.
    pub id: i64,
    /// When: UTC in milliseconds since 1970; [`Album::local_time`] shows it to people.
    pub at_ms: i64,
    /// By whom: "command line", "web page", an import.
    pub actor: String,
    /// What was decided, in words.
    pub what: String,
    /// How many faces it says something about; those that a new name only holds are not counted.
    pub n_faces: usize,
    /// Whether it was undone.
    pub undone: bool,
    /// Whether it can be undone: not an erasure or a note, and not undone already.
    pub undoable: bool,
    /// How many decisions were made in one step with it, itself included; undone are all of them.
    pub n_in_batch: usize,
}

const COLUMNS: &str = "id, kind, person, other, old_name, new_name";

/// Decisions that can be undone: no erasure, no note of a grouping, no link that was made or
/// revoked, and none about a person who was erased.
const UNDOABLE: &str = "undone = 0 AND kind NOT IN ('erase', 'held', 'share', 'revoke') \
     AND NOT EXISTS (SELECT 1 FROM people p WHERE p.erased = 1 AND p.id IN (person, other))";

impl Album {
    /// Undoes the latest `count` decisions; gives them in words, latest first. Those made in one
    /// step count as one.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if there is none; [`Error::AfterErasure`] if an erasure is among
    /// them, which is for good: it names what comes before it, for [`Album::undo_decision`].
    /// [`Error::NameTaken`]; [`Error::Sqlite`].
    pub fn undo(&mut self, count: usize) -> Result<Vec<String>, Error> {
        self.try_transaction(|t| {
            let mut undone = Vec::new();
            for _ in 0..count {
                let sql = format!(
                    "SELECT {COLUMNS} FROM decisions WHERE {UNDOABLE} ORDER BY id DESC LIMIT 1"
                );
                let latest = t.query_row(&sql, [], StoredDecision::from_row).optional()?;
                refuse_to_pass_an_erasure(t, latest.as_ref())?;
                let Some(latest) = latest else { break };
                for decision in batch_of(t, latest.id)? {
                    undone.extend(undo_one(t, decision)?);
                }
            }
            if undone.is_empty() {
                let what = "there is no decision to undo";
                return Err(Error::InvalidRequest(what.into()).into());
            }
            Ok(undone)
        })
    }

    /// Undoes one decision, which need not be the latest, and those made in one step with it; gives
    /// it in words.
    ///
    /// # Errors
    /// [`Error::NoSuchDecision`] if it is undone already or an erasure, [`Error::InvalidRequest`]
    /// if a later decision depends on it (the text names which), [`Error::NameTaken`];
    /// [`Error::Sqlite`].
    pub fn undo_decision(&mut self, id: i64) -> Result<String, Error> {
        self.try_transaction(|t| {
            let undoable =
                format!("SELECT EXISTS (SELECT 1 FROM decisions WHERE id = ?1 AND {UNDOABLE})");
            if !t.query_row(&undoable, [id], |row| row.get::<_, bool>(0))? {
                return Err(Error::NoSuchDecision(id).into());
            }
            let mut words = String::new();
            for decision in batch_of(t, id)? {
                refuse_if_built_on(t, decision)?;
                if let Some(undone) = undo_one(t, decision)?.filter(|_| decision == id) {
                    words = undone;
                }
            }
            Ok(words)
        })
    }

    /// All decisions, latest first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn history(&self, page: Page) -> Result<Paged<Decision>, Error> {
        let sql = format!(
            "SELECT {COLUMNS}, at_ms, actor, undone, \
             (SELECT count(*) FROM assertions WHERE decision = decisions.id AND kind != 'held'), \
             {UNDOABLE}, max(1, (SELECT count(*) FROM decision_batches b WHERE b.batch = \
             (SELECT c.batch FROM decision_batches c WHERE c.decision = decisions.id))) \
             FROM decisions ORDER BY id DESC LIMIT ?1 OFFSET ?2"
        );
        let row = |row: &Row| {
            Ok(Decision {
                id: row.get(0)?,
                at_ms: row.get(6)?,
                actor: row.get(7)?,
                what: StoredDecision::from_row(row)?.words(),
                n_faces: row.get::<_, i64>(9)? as usize,
                undone: row.get(8)?,
                undoable: row.get(10)?,
                n_in_batch: row.get::<_, i64>(11)? as usize,
            })
        };
        let items = self.query_rows(&sql, params![page.limit(), page.offset()], row)?;
        let total: i64 = self.query_value("SELECT count(*) FROM decisions")?;
        Ok(Paged {
            items,
            total: total as usize,
        })
    }
}

/// A row of `decisions`.
struct StoredDecision {
    id: i64,
    kind: String,
    person: Option<i64>,
    other: Option<i64>,
    old_name: Option<String>,
    new_name: Option<String>,
}

impl StoredDecision {
    fn from_row(row: &Row) -> rusqlite::Result<StoredDecision> {
        Ok(StoredDecision {
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
        match (&*self.kind, &self.new_name) {
            ("name", Some(new)) => format!("person {person} named {new:?}"),
            ("name", None) => format!("person {person} named"),
            ("merge", _) => format!("person {other} merged into person {person}"),
            ("split", _) => format!("person {other} split off person {person}"),
            ("differ", _) => format!("persons {person} and {other} said to be two"),
            ("is", Some(new)) => format!("faces said to be {new:?}, who is new: person {person}"),
            ("is", None) => format!("faces said to be person {person}"),
            ("is_not", _) => format!("faces said not to be person {person}"),
            ("not_in_video", _) => format!("said not to be person {person} in a video"),
            ("not_a_face", _) => "said to be no face".into(),
            ("unsure", _) => format!("not sure whether it is person {person}"),
            ("hide", _) => format!("person {person} hidden"),
            ("show", _) => format!("person {person} shown again"),
            ("held", _) => format!(
                "faces kept with person {person} though nearer to person {other}; the review asks"
            ),
            ("cover", _) => format!("another face shown for person {person}"),
            ("draw", Some(new)) => {
                format!("face drawn, said to be {new:?}, who is new: person {person}")
            }
            ("draw", None) if self.person.is_some() => {
                format!("face drawn, said to be person {person}")
            }
            ("draw", None) => "face drawn".into(),
            ("erase", _) => format!("person {person} erased"),
            ("share", Some(link)) => format!("link {link} made: photos shared with whoever has it"),
            ("revoke", Some(link)) => format!("link {link} revoked"),
            _ => "faces ignored".into(),
        }
    }
}

/// Refuses to take back something older than an erasure: whoever says "undo" means the last step,
/// and that one is for good. Links to photos are no decisions about people, and are passed over.
fn refuse_to_pass_an_erasure(t: &Transaction, older: Option<&StoredDecision>) -> Result<(), Abort> {
    let sql = format!(
        "SELECT {COLUMNS} FROM decisions WHERE undone = 0 AND kind = 'erase' AND id > ?1 \
         ORDER BY id DESC LIMIT 1"
    );
    let after = older.map_or(0, |older| older.id);
    let last = t.query_row(&sql, [after], StoredDecision::from_row);
    let Some(last) = last.optional()? else {
        return Ok(());
    };
    Err(Error::AfterErasure {
        erasure: last.words(),
        before: older.map(|older| (older.id, older.words())),
    }
    .into())
}

/// Refuses to undo a decision that a later one depends on: one about one of its faces, or about a
/// person whose name or existence it changed.
fn refuse_if_built_on(t: &Transaction, id: i64) -> Result<(), Abort> {
    let sql = "SELECT l.id FROM decisions d JOIN decisions l ON l.id > d.id AND l.undone = 0 \
               AND l.kind != 'held' WHERE d.id = ?1 AND (EXISTS \
               (SELECT 1 FROM assertions a JOIN assertions b ON b.face = a.face \
               WHERE a.decision = d.id AND b.decision = l.id) \
               OR l.person IN (d.person, d.other) OR l.other IN (d.person, d.other)) \
               ORDER BY l.id LIMIT 1";
    let later: Option<i64> = t.query_row(sql, [id], |row| row.get(0)).optional()?;
    if let Some(later) = later {
        let what = format!(
            "decision {later} is about the same faces or people and later; undo that first"
        );
        return Err(Error::InvalidRequest(what).into());
    }
    Ok(())
}

/// Undoes a decision that can be undone; gives it in words.
fn undo_one(t: &Transaction, id: i64) -> Result<Option<String>, Abort> {
    let sql = format!("SELECT {COLUMNS} FROM decisions WHERE id = ?1 AND {UNDOABLE}");
    let found = t.query_row(&sql, [id], StoredDecision::from_row);
    match found.optional()? {
        Some(decision) => {
            undo(t, &decision)?;
            Ok(Some(decision.words()))
        }
        None => Ok(None),
    }
}

fn undo(t: &Transaction, decision: &StoredDecision) -> Result<(), Abort> {
    // When, so that an import of what was written earlier does not bring it back.
    t.execute(
        "UPDATE decisions SET undone = ?2 WHERE id = ?1",
        [decision.id, now_ms().max(Stamp::last(t)?.at_ms + 1)],
    )?;
    match &*decision.kind {
        "name" => rename(t, decision.person, decision.old_name.as_deref())?,
        // The person that the decision added; the next grouping deletes them once they have no
        // face.
        "is" | "is_not" | "unsure" | "draw" if decision.new_name.is_some() => {
            rename(t, decision.person, None)?;
        }
        "differ" if decision.new_name.is_some() => rename(t, decision.other, None)?,
        "merge" => {
            rename(t, decision.person, decision.old_name.as_deref())?;
            let sql = "UPDATE people SET merged_into = NULL WHERE id = ?1";
            t.execute(sql, [decision.other])?;
            rename(t, decision.other, decision.new_name.as_deref())?;
        }
        "hide" | "show" => {
            let sql = "UPDATE people SET hidden = ?2 WHERE id = ?1";
            t.execute(sql, params![decision.person, decision.kind == "show"])?;
        }
        _ => {}
    }
    videos::look_again(t, decision.id)?;
    let faces = revert_assertions(t, decision.id)?;
    if decision.kind == "draw" {
        let sql = "SELECT face FROM assertions WHERE decision = ?1 AND kind = 'drawn' \
                   AND face IS NOT NULL";
        let drawn: Vec<FaceId> = t
            .prepare(sql)?
            .query_map([decision.id], |row| row.get(0).map(FaceId))?
            .collect::<rusqlite::Result<_>>()?;
        for face in drawn {
            erase_drawing(t, face)?;
        }
    }
    // A face that came back after the merge stands with the merged person without being listed.
    if let ("merge", Some(into)) = (&*decision.kind, decision.person) {
        correct_assignments(t, &faces_of(t, PersonId(into))?)?;
    }
    let mut people: Vec<PersonId> = [decision.person, decision.other]
        .into_iter()
        .flatten()
        .map(PersonId)
        .collect();
    for face in faces {
        people.extend(person_of(t, face)?);
    }
    people.sort_unstable();
    people.dedup();
    Ok(person_stats::refresh(t, &people)?)
}

/// Restores a name, unless another person has it by now.
fn rename(t: &Transaction, person: Option<i64>, name: Option<&str>) -> Result<(), Abort> {
    let sql = "SELECT id FROM people WHERE name_key(name) = name_key(?1) AND id IS NOT ?2";
    let taken = t.query_row(sql, params![name, person], |row| row.get(0));
    if let (Some(name), Some(id)) = (name, taken.optional()?) {
        let name = name.into();
        return Err(Error::NameTaken { name, id }.into());
    }
    let sql = "UPDATE people SET name = ?2 WHERE id = ?1";
    t.execute(sql, params![person, name])?;
    Ok(())
}
