//! `fusiform name | merge | split | ignore | undo`. In: a human decision. Out: a fact in the catalogue.

use anyhow::Result;
use fusiform::album::{Album, FaceId, PersonId};
use serde::Serialize;

use crate::exit::Exit;
use crate::session::Session;

#[derive(Serialize)]
struct Answer<'a> {
    done: &'a str,
    person: Option<i64>,
    name: Option<String>,
}

/// The person that a number or a name means.
pub(crate) fn person_id(catalogue: &Album, person: &str) -> Result<PersonId> {
    Ok(catalogue.find_person(person)?)
}

pub(crate) fn say(
    session: &Session,
    catalogue: &Album,
    done: &str,
    person: Option<PersonId>,
) -> Result<Exit> {
    let name = person
        .map(|id| catalogue.person(id))
        .transpose()?
        .and_then(|p| p.name);
    match (person, &name) {
        (Some(id), Some(name)) => session.printer.row(format_args!("{done}: {name} ({id})"))?,
        (Some(id), None) => session.printer.row(format_args!("{done}: {id}"))?,
        (None, _) => session.printer.row(done)?,
    }
    session.printer.record(&Answer {
        done,
        person: person.map(|id| id.0),
        name,
    })?;
    Ok(Exit::Done)
}

pub(crate) fn name(session: &Session, person: &str, name: &str) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    let id = person_id(&catalogue, person)?;
    catalogue.name(id, name)?;
    say(session, &catalogue, "named", Some(id))
}

pub(crate) fn merge(session: &Session, into: &str, from: &[String]) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    let into = person_id(&catalogue, into)?;
    // All are looked up first, so that a wrong one leaves nothing half done.
    let from: Vec<PersonId> = from
        .iter()
        .map(|p| person_id(&catalogue, p))
        .collect::<Result<_>>()?;
    for other in from {
        catalogue.merge(into, other)?;
    }
    say(session, &catalogue, "merged", Some(into))
}

pub(crate) fn split(session: &Session, person: &str, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    let person = person_id(&catalogue, person)?;
    let faces: Vec<FaceId> = faces.iter().map(|id| FaceId(*id)).collect();
    let new = catalogue.split(person, &faces)?;
    say(session, &catalogue, "split off as", Some(new))
}

pub(crate) fn ignore(session: &Session, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    let faces: Vec<FaceId> = faces.iter().map(|id| FaceId(*id)).collect();
    catalogue.ignore(&faces)?;
    say(session, &catalogue, "ignored", None)
}

pub(crate) fn undo(session: &Session, count: usize, decision: Option<i64>) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    let undone = match decision {
        Some(id) => vec![catalogue.undo_decision(id)?],
        None => catalogue.undo(count)?,
    };
    say(
        session,
        &catalogue,
        &format!("taken back: {}", undone.join("; ")),
        None,
    )
}
