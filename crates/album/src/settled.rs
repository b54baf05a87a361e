//! Why a question is not open any more. In: what it asked. Out: what became of it, in words.
//! Changes nothing.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::{Assertions, faces_of};
use crate::ids::{FaceId, PersonId};
use crate::question_id::{QuestionId, Subject};

/// What became of a question that is not asked now.
pub(crate) fn why_not_open(t: &Transaction, id: QuestionId) -> rusqlite::Result<String> {
    let of_subject = match id.subject() {
        Subject::Group(group) => of_group(t, group)?,
        Subject::Face(face) => of_face(t, face)?,
    };
    if let Some(why) = of_subject {
        return Ok(why);
    }
    let person = match id.person() {
        Some(person) => Some(person),
        None => person_of_the_name(t, id)?,
    };
    if let Some(person) = person {
        if let Some(why) = of_candidate(t, person)? {
            return Ok(why);
        }
        let faces = match id.subject() {
            Subject::Group(group) => faces_of(t, group)?,
            Subject::Face(face) => vec![face],
        };
        let said = Assertions::of(t, &faces)?;
        let about = |pairs: &std::collections::BTreeSet<(i64, i64)>| {
            faces.iter().any(|face| pairs.contains(&(face.0, person.0)))
        };
        if about(&said.constraints.is_not) {
            return Ok("it was answered with no".into());
        }
        if about(&said.unsure) {
            return Ok("it was answered with not sure".into());
        }
    }
    if id.person().is_none() && !is_stated(t, id)? {
        return Ok("no file states that name of a photo now".into());
    }
    Ok("the faces were sorted again since, and it is not in doubt now".into())
}

/// Who has the name by now that a question asked about.
fn person_of_the_name(t: &Transaction, id: QuestionId) -> rusqlite::Result<Option<PersonId>> {
    let mut query = t.prepare("SELECT name, id FROM people WHERE name IS NOT NULL ORDER BY id")?;
    let all = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    for row in all {
        let (name, person) = row?;
        if id.is_of_name(&name) {
            return Ok(Some(PersonId(person)));
        }
    }
    Ok(None)
}

fn is_stated(t: &Transaction, id: QuestionId) -> rusqlite::Result<bool> {
    let mut query = t.prepare("SELECT DISTINCT name FROM stated_names")?;
    for name in query.query_map([], |row| row.get::<_, String>(0))? {
        if id.is_of_name(&name?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Name, into whom they were merged, and whether they were erased.
type Fate = (Option<String>, Option<i64>, bool);

fn fate(t: &Transaction, person: PersonId) -> rusqlite::Result<Option<Fate>> {
    let sql = "SELECT name, merged_into, erased FROM people WHERE id = ?1";
    t.query_row(sql, [person.0], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })
    .optional()
}

fn of_group(t: &Transaction, group: PersonId) -> rusqlite::Result<Option<String>> {
    Ok(match fate(t, group)? {
        None => Some(format!("group {group} is not there any more")),
        Some((_, _, true)) => Some(format!("group {group} was erased")),
        Some((_, Some(into), _)) => Some(format!("group {group} was merged into person {into}")),
        Some((Some(name), ..)) => Some(format!("group {group} is called {name} by now")),
        Some((None, None, false)) => None,
    })
}

fn of_face(t: &Transaction, face: FaceId) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT f.excluded, h.gone, p.id, p.name FROM faces f \
               JOIN photos h ON h.id = f.photo LEFT JOIN members m ON m.face = f.id \
               LEFT JOIN people p ON p.id = m.person WHERE f.id = ?1";
    type Row = (Option<String>, bool, Option<i64>, Option<String>);
    let found: Option<Row> = t
        .query_row(sql, params![face.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    Ok(match found {
        None => Some(format!("face {face} is not there any more")),
        Some((_, true, ..)) => Some(format!("the photo of face {face} is gone")),
        Some((Some(why), ..)) => Some(match &*why {
            "ignore" => format!("face {face} is ignored by now"),
            "erase" => format!("face {face} was erased"),
            _ => format!("face {face} was said to be no face"),
        }),
        Some((None, _, _, Some(name))) => Some(format!("face {face} is {name} by now")),
        Some((None, _, Some(person), None)) => {
            Some(format!("face {face} is in group {person} by now"))
        }
        Some((None, _, None, None)) => None,
    })
}

fn of_candidate(t: &Transaction, person: PersonId) -> rusqlite::Result<Option<String>> {
    Ok(match fate(t, person)? {
        None => Some(format!("person {person} is not there any more")),
        Some((_, _, true)) => Some(format!("person {person} was erased")),
        Some((_, Some(into), _)) => Some(format!("person {person} was merged into {into}")),
        Some(_) => None,
    })
}
