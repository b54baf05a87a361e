//! `fusiform people` and `fusiform person`. In: the catalogue. Out: who is in it, and in which photos.

use anyhow::Result;
use serde::Serialize;

use super::decide::person_id;
use crate::exit::Exit;
use crate::session::{Session, shown};

#[derive(Serialize)]
struct PersonRow {
    id: i64,
    name: Option<String>,
    n_photos: usize,
    n_faces: usize,
}

#[derive(Serialize)]
struct PersonAnswer {
    id: i64,
    name: Option<String>,
    photos: Vec<PhotoRow>,
}

#[derive(Serialize)]
struct PhotoRow {
    face: i64,
    /// Every place where this content lies; names that are not UTF-8 are shown with replacement characters.
    paths: Vec<String>,
    taken_at: Option<String>,
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    bbox: [f32; 4],
    /// Similarity to the person; none where a human said so.
    similarity: Option<f32>,
}

pub(crate) fn list(session: &Session, named: bool, limit: Option<usize>) -> Result<Exit> {
    let catalogue = session.existing_catalogue()?;
    let rows: Vec<PersonRow> = catalogue
        .people()?
        .into_iter()
        .filter(|p| !named || p.name.is_some())
        .take(limit.unwrap_or(usize::MAX))
        .map(|p| PersonRow {
            id: p.id.0,
            name: p.name,
            n_photos: p.n_photos,
            n_faces: p.n_faces,
        })
        .collect();
    let printer = session.printer;
    for row in &rows {
        let name = row.name.as_deref().unwrap_or("(no name yet)");
        printer.row(format_args!(
            "{:>6}  {name}\t{} photos",
            row.id, row.n_photos
        ))?;
    }
    if rows.is_empty() {
        printer.note("nobody yet; `fusiform scan DIR` looks for people");
    } else {
        printer
            .note("`fusiform name NUMBER NAME` names one, `fusiform person NUMBER` lists photos");
    }
    printer.record(&rows)?;
    Ok(Exit::Done)
}

pub(crate) fn show(session: &Session, person: &str) -> Result<Exit> {
    let catalogue = session.existing_catalogue()?;
    let id = person_id(&catalogue, person)?;
    let summary = catalogue.person(id)?;
    let photos: Vec<PhotoRow> = catalogue
        .photos_of(id)?
        .into_iter()
        .map(|p| PhotoRow {
            face: p.face.0,
            paths: p.paths.iter().map(|path| shown(path)).collect(),
            taken_at: p.taken_at,
            bbox: [p.bbox.x_min, p.bbox.y_min, p.bbox.x_max, p.bbox.y_max],
            similarity: p.similarity,
        })
        .collect();
    let printer = session.printer;
    let name = summary.name.as_deref().unwrap_or("(no name yet)");
    printer.row(format_args!("{name} ({})", id.0))?;
    for photo in &photos {
        let taken = photo.taken_at.as_deref().unwrap_or("-");
        let similarity = photo
            .similarity
            .map_or("by you".into(), |s| format!("{s:.3}"));
        let paths = photo.paths.join(", ");
        printer.row(format_args!(
            "  face {:>6}  {similarity}\t{taken}\t{paths}",
            photo.face
        ))?;
    }
    printer.record(&PersonAnswer {
        id: id.0,
        name: summary.name,
        photos,
    })?;
    Ok(Exit::Done)
}
