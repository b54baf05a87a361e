//! The commands of `cli/albums.rs`. In: a decision or a question about people. Out: the catalogue's answer.

use anyhow::{Result, ensure};
use fusiform::album::{Album, FaceId, FaceSummary, Page, PersonId, Reply, Subject};
use serde::Serialize;

use super::decide::{person_id, say};
use crate::albums::{AlbumCommand, Part, Said};
use crate::exit::Exit;
use crate::session::{Session, shown};

impl Part {
    fn page(self) -> Page {
        Page {
            offset: self.offset,
            limit: self.limit,
        }
    }
}

pub(crate) fn run(session: &Session, album: AlbumCommand) -> Result<Exit> {
    let mut catalogue = session.existing_catalogue()?;
    match album {
        AlbumCommand::Is { person, faces } => {
            let person = match catalogue.find_person(&person) {
                Ok(id) => {
                    catalogue.assert_is(&ids(&faces), id)?;
                    id
                }
                Err(_) => catalogue.assert_is_called(&ids(&faces), &person)?,
            };
            say(session, &catalogue, "said to be", Some(person))
        }
        AlbumCommand::Not { person, faces } => {
            let person = person_id(&catalogue, &person)?;
            catalogue.assert_is_not(&ids(&faces), person)?;
            say(session, &catalogue, "said not to be", Some(person))
        }
        AlbumCommand::Differ { one, other } => {
            let (one, other) = (person_id(&catalogue, &one)?, person_id(&catalogue, &other)?);
            catalogue.differ(one, other)?;
            say(session, &catalogue, "kept apart from", Some(other))
        }
        AlbumCommand::NotAFace { faces } => {
            catalogue.not_a_face(&ids(&faces))?;
            say(session, &catalogue, "said to be no face", None)
        }
        AlbumCommand::Hide { person, show } => {
            let person = person_id(&catalogue, &person)?;
            catalogue.hide(person, !show)?;
            let done = if show { "shown again" } else { "hidden" };
            say(session, &catalogue, done, Some(person))
        }
        AlbumCommand::Erase { person, yes } => erase(session, &mut catalogue, &person, yes),
        AlbumCommand::History { part } => history(session, &catalogue, part),
        AlbumCommand::Review {
            question,
            answer,
            part,
        } => match question.zip(answer) {
            None => review(session, &mut catalogue, part),
            Some((question, answer)) => {
                let reply = match answer {
                    Said::Yes => Reply::Yes,
                    Said::No => Reply::No,
                    Said::Unsure => Reply::NotSure,
                };
                catalogue.reply(question, reply)?;
                say(session, &catalogue, "answered", None)
            }
        },
        AlbumCommand::Leftovers { aside, part } => leftovers(session, &catalogue, aside, part),
        AlbumCommand::Together { people, part } => together(session, &catalogue, &people, part),
        AlbumCommand::Photo { photo } => {
            let path = std::path::absolute(&photo)?;
            let view = catalogue.photo(catalogue.photo_at(&path)?)?;
            let taken = view.taken_at.as_deref().unwrap_or("-");
            let size = (view.width_px, view.height_px);
            session.printer.row(format_args!(
                "{} x {}\t{taken}\t{}",
                size.0,
                size.1,
                shown(&path)
            ))?;
            let faces = view.faces.iter().map(FaceRow::of).collect();
            faces_out(session, faces, view.faces.len())
        }
    }
}

fn ids(faces: &[i64]) -> Vec<FaceId> {
    faces.iter().map(|id| FaceId(*id)).collect()
}

/// A part of a list, and how long all of it is.
#[derive(Serialize)]
struct Listing<T> {
    total: usize,
    items: Vec<T>,
}

#[derive(Serialize)]
struct FaceRow {
    face: i64,
    photo: i64,
    taken_at: Option<String>,
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    bbox: [f32; 4],
    quality: f32,
    person: Option<i64>,
    name: Option<String>,
    /// Similarity to the person; none where a human said so.
    similarity: Option<f32>,
    /// `ignored`, `not a face`.
    aside: Option<&'static str>,
}

impl FaceRow {
    fn of(card: &FaceSummary) -> FaceRow {
        use fusiform::album::Exclusion;
        FaceRow {
            face: card.face.0,
            photo: card.photo.0,
            taken_at: card.taken_at.clone(),
            bbox: [
                card.bbox.x_min,
                card.bbox.y_min,
                card.bbox.x_max,
                card.bbox.y_max,
            ],
            quality: card.quality,
            person: card.person.map(|p| p.0),
            name: card.name.clone(),
            similarity: card.similarity,
            aside: card.excluded.map(|why| match why {
                Exclusion::Ignored => "ignored",
                Exclusion::NotAFace => "not a face",
                Exclusion::Erased => "erased",
            }),
        }
    }
}

fn faces_out(session: &Session, items: Vec<FaceRow>, total: usize) -> Result<Exit> {
    for row in &items {
        let [x_min, y_min, x_max, y_max] = row.bbox;
        let who = match (&row.name, row.person, row.aside) {
            (Some(name), _, _) => name.clone(),
            (None, Some(person), _) => format!("person {person}"),
            (None, None, why) => why.unwrap_or("nobody yet").into(),
        };
        session.printer.row(format_args!(
            "  face {:>6}  {x_min:.0},{y_min:.0} {:.0}x{:.0}\t{who}",
            row.face,
            x_max - x_min,
            y_max - y_min
        ))?;
    }
    session.printer.record(&Listing { total, items })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct ErasedAnswer {
    faces: Vec<i64>,
    n_templates: usize,
    log_emptied: bool,
}

fn erase(session: &Session, catalogue: &mut Album, person: &str, yes: bool) -> Result<Exit> {
    let id = person_id(catalogue, person)?;
    let n_faces = catalogue.person_stats(id)?.n_faces;
    ensure!(
        yes,
        "{person} has {n_faces} faces, and erasing cannot be undone; add --yes to do it"
    );
    let erased = catalogue.erase(id)?;
    session.printer.row(format_args!(
        "erased: {} faces, {} templates",
        erased.faces.len(),
        erased.n_templates
    ))?;
    if !erased.log_emptied {
        session.printer.problem(
            "another process is reading the catalogue, so its write-ahead log still holds old pages; \
             close that process and run any command",
        );
    }
    session
        .printer
        .note("not reached: the photos, exported sidecars, copies of the catalogue");
    session.printer.record(&ErasedAnswer {
        faces: erased.faces.iter().map(|f| f.0).collect(),
        n_templates: erased.n_templates,
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

fn history(session: &Session, catalogue: &Album, part: Part) -> Result<Exit> {
    let history = catalogue.history(part.page())?;
    let mut items = Vec::new();
    for d in history.items {
        let undone = if d.undone { "  (taken back)" } else { "" };
        let at = catalogue.local_time(d.at_ms)?;
        session.printer.row(format_args!(
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
    let total = history.total;
    session.printer.record(&Listing { total, items })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct QuestionRow {
    id: i64,
    group: Option<i64>,
    /// The face to look at.
    face: i64,
    candidate: i64,
    candidate_name: Option<String>,
    similarity: f32,
    next: Option<i64>,
    next_similarity: Option<f32>,
    reason: String,
    settles: usize,
}

fn review(session: &Session, catalogue: &mut Album, part: Part) -> Result<Exit> {
    // Answers and corrections since the last grouping may have settled more than they said.
    session.engine()?.group(catalogue)?;
    let open = catalogue.questions(part.page())?;
    let mut items = Vec::new();
    for q in open.items {
        let (what, group) = match q.subject {
            Subject::Group(person) => (format!("group {person}"), Some(person.0)),
            Subject::Face(face) => (format!("face {face}"), None),
        };
        let who = q.candidate_name.clone();
        let who = who.unwrap_or_else(|| format!("person {}", q.candidate));
        let reason = q.reason();
        session.printer.row(format_args!(
            "{:>6}  is {what} {who}?\tsettles {}\t{reason}",
            q.id, q.settles
        ))?;
        items.push(QuestionRow {
            id: q.id,
            group,
            face: q.face.0,
            candidate: q.candidate.0,
            candidate_name: q.candidate_name,
            similarity: q.similarity,
            next: q.next.map(|n| n.0.0),
            next_similarity: q.next.map(|n| n.1),
            reason,
            settles: q.settles,
        });
    }
    if items.is_empty() {
        session.printer.note("nothing to ask");
    } else {
        let hint = "`fusiform review NUMBER yes|no|unsure` answers one";
        session.printer.note(hint);
    }
    let total = open.total;
    session.printer.record(&Listing { total, items })?;
    Ok(Exit::Done)
}

fn leftovers(session: &Session, catalogue: &Album, aside: bool, part: Part) -> Result<Exit> {
    let faces = if aside {
        catalogue.excluded_faces(part.page())?
    } else {
        catalogue.unassigned_faces(part.page())?
    };
    let items = faces.items.iter().map(FaceRow::of).collect();
    faces_out(session, items, faces.total)
}

#[derive(Serialize)]
struct PhotoRow {
    photo: i64,
    taken_at: Option<String>,
    paths: Vec<String>,
    n_faces: usize,
}

fn together(session: &Session, catalogue: &Album, people: &[String], part: Part) -> Result<Exit> {
    let people: Vec<PersonId> = people
        .iter()
        .map(|p| person_id(catalogue, p))
        .collect::<Result<_>>()?;
    let found = catalogue.photos_with(&people, part.page())?;
    let mut items = Vec::new();
    for card in found.items {
        let paths = catalogue.photo(card.photo)?.paths;
        let paths: Vec<String> = paths.iter().map(|p| shown(p)).collect();
        let taken = card.taken_at.as_deref().unwrap_or("-");
        session
            .printer
            .row(format_args!("{taken}\t{}", paths.join(", ")))?;
        items.push(PhotoRow {
            photo: card.photo.0,
            taken_at: card.taken_at,
            paths,
            n_faces: card.n_faces,
        });
    }
    let total = found.total;
    session.printer.record(&Listing { total, items })?;
    Ok(if total == 0 { Exit::No } else { Exit::Done })
}
