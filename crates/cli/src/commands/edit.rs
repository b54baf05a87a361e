//! Human decisions: `fusiform name | merge | split | ignore | is | not | differ | not-a-face | hide
//! | erase | undo | history`. In: who is whom. Out: an assertion in the catalogue, or the list of
//! them.

use anyhow::{Result, bail, ensure};
use fusiform::album::{Album, AppearanceId, FaceId, PersonId, counted};
use serde::Serialize;

use crate::args::PageArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer<'a> {
    done: &'a str,
    person: Option<i64>,
    name: Option<String>,
}

/// Prints what was done, and to whom.
pub(crate) fn confirm(
    context: &Context,
    catalogue: &Album,
    done: &str,
    person: Option<PersonId>,
) -> Result<Exit> {
    let name = person
        .map(|id| catalogue.person(id))
        .transpose()?
        .and_then(|p| p.name);
    match (person, &name) {
        (Some(id), Some(name)) => context.printer.row(format_args!("{done}: {name} ({id})"))?,
        (Some(id), None) => context.printer.row(format_args!("{done}: {id}"))?,
        (None, _) => context.printer.row(done)?,
    }
    context.printer.record(&Answer {
        done,
        person: person.map(|id| id.0),
        name,
    })?;
    Ok(Exit::Done)
}

fn ids(faces: &[i64]) -> Vec<FaceId> {
    faces.iter().map(|id| FaceId(*id)).collect()
}

pub(crate) fn name(context: &Context, person: &str, name: &str) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let id = catalogue.find_person(person)?;
    catalogue.name(id, name)?;
    confirm(context, &catalogue, "named", Some(id))
}

pub(crate) fn merge(context: &Context, into: &str, from: &[String], anyway: bool) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let into = catalogue.find_person(into)?;
    // All names are resolved before the first merge, so that a wrong one changes nothing.
    let from = from.iter().map(|p| catalogue.find_person(p));
    let from: Vec<PersonId> = from.collect::<Result<_, _>>()?;
    let mut all = vec![into];
    all.extend(&from);
    if let Some(found) = catalogue.in_one_photo(&all)?.filter(|_| !anyway) {
        let paths = catalogue.photo(found.photo)?.paths;
        let photo = paths.first().map_or("a photo".into(), |path| shown(path));
        bail!(
            "{} and {} are both in {photo}, so they are hardly one person; if it shows somebody \
             twice, merge with --anyway",
            called(&catalogue, found.one)?,
            called(&catalogue, found.other)?
        );
    }
    for other in from {
        catalogue.merge(into, other)?;
    }
    confirm(context, &catalogue, "merged", Some(into))
}

/// The name, or the number of an unnamed person.
fn called(catalogue: &Album, person: PersonId) -> Result<String> {
    let name = catalogue.person(person)?.name;
    Ok(name.unwrap_or_else(|| format!("person {person}")))
}

pub(crate) fn split(context: &Context, person: &str, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let person = catalogue.find_person(person)?;
    let new = catalogue.split(person, &ids(faces))?;
    confirm(context, &catalogue, "split off as", Some(new))
}

pub(crate) fn ignore(context: &Context, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    catalogue.ignore(&ids(faces))?;
    confirm(context, &catalogue, "ignored", None)
}

pub(crate) fn is(context: &Context, person: &str, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let person = match catalogue.find_person(person) {
        Ok(id) => {
            catalogue.assert_is(&ids(faces), id)?;
            id
        }
        Err(_) => catalogue.assert_is_called(&ids(faces), person)?,
    };
    confirm(context, &catalogue, "said to be", Some(person))
}

pub(crate) fn is_not(
    context: &Context,
    person: &str,
    faces: &[i64],
    appearances: &[i64],
) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let person = catalogue.find_person(person)?;
    if appearances.is_empty() {
        catalogue.assert_is_not(&ids(faces), person)?;
    } else {
        let appearances: Vec<_> = appearances.iter().map(|id| AppearanceId(*id)).collect();
        catalogue.not_in_video(&appearances, person)?;
    }
    confirm(context, &catalogue, "said not to be", Some(person))
}

pub(crate) fn differ(context: &Context, one: &str, other: &str) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let (one, other) = (catalogue.find_person(one)?, catalogue.find_person(other)?);
    catalogue.differ(one, other)?;
    confirm(context, &catalogue, "kept apart from", Some(other))
}

pub(crate) fn not_a_face(context: &Context, faces: &[i64]) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    catalogue.not_a_face(&ids(faces))?;
    confirm(context, &catalogue, "said to be no face", None)
}

pub(crate) fn hide(context: &Context, person: &str, show: bool) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let person = catalogue.find_person(person)?;
    catalogue.hide(person, !show)?;
    let done = if show { "shown again" } else { "hidden" };
    confirm(context, &catalogue, done, Some(person))
}

pub(crate) fn undo(context: &Context, count: usize, decision: Option<i64>) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let undone = match decision {
        Some(id) => vec![catalogue.undo_decision(id)?],
        None => catalogue.undo(count)?,
    };
    let done = format!("taken back: {}", undone.join("; "));
    confirm(context, &catalogue, &done, None)
}

#[derive(Serialize)]
struct ErasedAnswer {
    faces: Vec<i64>,
    n_templates: usize,
    n_appearances: usize,
    log_emptied: bool,
}

pub(crate) fn erase(context: &Context, person: &str, yes: bool) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let id = catalogue.find_person(person)?;
    let n_faces = catalogue.person_stats(id)?.n_faces;
    ensure!(
        yes,
        "{person} has {}, and erasing cannot be undone; add --yes to do it",
        counted(n_faces, "face", "faces")
    );
    let erased = catalogue.erase(id)?;
    let printer = context.printer;
    printer.row(format_args!(
        "erased: {}, {}, {}",
        counted(erased.faces.len(), "face", "faces"),
        counted(erased.n_templates, "template", "templates"),
        counted(erased.n_appearances, "appearance", "appearances") + " in videos"
    ))?;
    if !erased.log_emptied {
        printer.problem(
            "another process is reading the catalogue, so its write-ahead log still holds old \
             pages; close that process and run any command",
        );
    }
    printer.note("not reached: the photos and videos, exported sidecars, copies of the catalogue");
    printer.record(&ErasedAnswer {
        faces: erased.faces.iter().map(|f| f.0).collect(),
        n_templates: erased.n_templates,
        n_appearances: erased.n_appearances,
        log_emptied: erased.log_emptied,
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct DecisionRow {
    id: i64,
    at: String,
    who: String,
    what: String,
    n_faces: usize,
    undone: bool,
}

pub(crate) fn history(context: &Context, page: PageArgs) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let history = catalogue.history(page.page())?;
    let mut items = Vec::new();
    for d in history.items {
        let at = catalogue.local_time(d.at_ms)?;
        let undone = if d.undone { "  (taken back)" } else { "" };
        context.printer.row(format_args!(
            "{:>6}  {at}  {}\t{}{undone}",
            d.id, d.actor, d.what
        ))?;
        items.push(DecisionRow {
            id: d.id,
            at,
            who: d.actor,
            what: d.what,
            n_faces: d.n_faces,
            undone: d.undone,
        });
    }
    context.printer.record_page(history.total, &items)?;
    Ok(Exit::Done)
}
