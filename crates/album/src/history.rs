//! Who decided what and when, and taking it back. In: decisions. Out: their history; people as they were before one.

use rusqlite::{OptionalExtension, Transaction, params};

use super::assertions::{put_back, touch};
use super::browse::{Page, Paged};
use super::{Album, Failed, PersonId, person_stats};
use crate::error::Error;

/// One decision of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its number; later decisions have larger ones.
    pub id: i64,
    /// When, local time.
    pub at: String,
    /// Who decided: "command line", "web", an import.
    pub who: String,
    /// What was decided, in words.
    pub what: String,
    /// How many facts about faces it made.
    pub n_faces: usize,
    /// Whether it was taken back.
    pub undone: bool,
}

const COLUMNS: &str = "id, kind, person, other, old_name, new_name";

/// What can be taken back: not an erasure, nor anything about somebody erased.
const STANDS: &str = "undone = 0 AND kind != 'erase' \
     AND NOT EXISTS (SELECT 1 FROM people p WHERE p.erased = 1 AND p.id IN (person, other))";

impl Album {
    /// Takes back the latest `count` decisions that stand; the answer says which, latest first.
    ///
    /// An erasure is for good and is passed over.
    ///
    /// # Errors
    /// [`Error::Pointless`] if none stands; [`Error::Sqlite`].
    pub fn undo(&mut self, count: usize) -> Result<Vec<String>, Error> {
        self.try_change(|t| {
            let mut undone = Vec::new();
            for _ in 0..count {
                let sql = format!(
                    "SELECT {COLUMNS} FROM decisions WHERE {STANDS} ORDER BY id DESC LIMIT 1"
                );
                let latest = t.query_row(&sql, [], Standing::of).optional()?;
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

    /// Takes back one decision, which need not be the latest; the answer says what it was.
    ///
    /// # Errors
    /// [`Error::Pointless`] if it does not stand, is an erasure, or a later one rests on it (the message says which);
    /// [`Error::Sqlite`].
    pub fn undo_decision(&mut self, id: i64) -> Result<String, Error> {
        self.try_change(|t| {
            let sql = format!("SELECT {COLUMNS} FROM decisions WHERE id = ?1 AND {STANDS}");
            let found = t.query_row(&sql, [id], Standing::of).optional()?;
            let refuse = |what: String| Err(Failed::from(Error::Pointless(what)));
            let Some(decision) = found else {
                return refuse(format!(
                    "there is no decision {id} that can be taken back; `fusiform history` lists them, \
                     and an erasure is for good"
                ));
            };
            // Later word about the same faces, or about the people whose names or existence this one changed.
            let sql = "SELECT d.id FROM decisions d WHERE d.undone = 0 AND d.id > ?1 AND (EXISTS \
                       (SELECT 1 FROM facts f JOIN facts g ON g.face = f.face WHERE f.decision = ?1 AND g.decision = d.id) \
                       OR d.person IN (?2, ?3) OR d.other IN (?2, ?3)) ORDER BY d.id LIMIT 1";
            let later: Option<i64> = t
                .query_row(sql, params![id, decision.person, decision.other], |row| {
                    row.get(0)
                })
                .optional()?;
            if let Some(later) = later {
                return refuse(format!(
                    "decision {later} was taken about the same faces or people later; take that back first"
                ));
            }
            take_back(t, &decision)?;
            Ok(decision.words())
        })
    }

    /// All decisions, latest first.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn history(&self, page: Page) -> Result<Paged<Decision>, Error> {
        let sql = format!(
            "SELECT {COLUMNS}, at, who, undone, (SELECT count(*) FROM facts WHERE decision = decisions.id) \
             FROM decisions ORDER BY id DESC LIMIT ?1 OFFSET ?2"
        );
        let row = |row: &rusqlite::Row| {
            Ok(Decision {
                id: row.get(0)?,
                at: row.get(6)?,
                who: row.get(7)?,
                what: Standing::of(row)?.words(),
                n_faces: row.get::<_, i64>(9)? as usize,
                undone: row.get(8)?,
            })
        };
        let items = self.rows(&sql, params![page.limit(), page.offset()], row)?;
        let total: i64 = self.one("SELECT count(*) FROM decisions")?;
        Ok(Paged {
            items,
            total: total as usize,
        })
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
        match (&*self.kind, &self.new_name) {
            ("name", Some(new)) => format!("person {person} named {new:?}"),
            ("name", None) => format!("person {person} named"),
            ("merge", _) => format!("person {other} merged into person {person}"),
            ("split", _) => format!("person {other} split off person {person}"),
            ("differ", _) => format!("persons {person} and {other} said to be two"),
            ("is", Some(new)) => format!("faces said to be {new:?}, who is new: person {person}"),
            ("is", None) => format!("faces said to be person {person}"),
            ("is_not", _) => format!("faces said not to be person {person}"),
            ("not_a_face", _) => "said to be no face".into(),
            ("unsure", _) => format!("not sure whether it is person {person}"),
            ("hide", _) => format!("person {person} hidden"),
            ("show", _) => format!("person {person} shown again"),
            ("erase", _) => format!("person {person} erased"),
            _ => "faces ignored".into(),
        }
    }
}

fn take_back(t: &Transaction, decision: &Standing) -> Result<(), Failed> {
    t.execute(
        "UPDATE decisions SET undone = 1 WHERE id = ?1",
        [decision.id],
    )?;
    match &*decision.kind {
        "name" => rename(t, decision.person, decision.old_name.as_deref())?,
        // Whoever was made by it goes again, once no face is theirs.
        "is" if decision.new_name.is_some() => rename(t, decision.person, None)?,
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
    let faces = put_back(t, decision.id)?;
    touch(t)?;
    let mut people: Vec<PersonId> = [decision.person, decision.other]
        .into_iter()
        .flatten()
        .map(PersonId)
        .collect();
    for face in faces {
        let sql = "SELECT person FROM members WHERE face = ?1";
        let owner = t
            .prepare_cached(sql)?
            .query_row([face.0], |row| row.get(0))
            .optional()?;
        people.extend(owner.map(PersonId));
    }
    people.sort_unstable();
    people.dedup();
    Ok(person_stats::refresh(t, &people)?)
}

/// Gives a name back, unless somebody else has got it since.
fn rename(t: &Transaction, person: Option<i64>, name: Option<&str>) -> Result<(), Failed> {
    let sql = "SELECT id FROM people WHERE name = ?1 AND id IS NOT ?2";
    let taken = t.query_row(sql, params![name, person], |row| row.get(0));
    if let (Some(name), Some(id)) = (name, taken.optional()?) {
        let name = name.into();
        return Err(Error::NameTaken { name, id }.into());
    }
    let sql = "UPDATE people SET name = ?2 WHERE id = ?1";
    t.execute(sql, params![person, name])?;
    Ok(())
}
