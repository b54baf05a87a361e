//! `fusiform face add | cover`. In: a box on a photo, or a face. Out: a face that was missed, and
//! the face that stands for a person.

use std::path::Path;

use anyhow::Result;
use fusiform::album::FaceId;
use fusiform::geometry::BoundingBox;
use serde::Serialize;

use super::edit::confirm;
use crate::context::Context;
use crate::exit::Exit;

#[derive(Serialize)]
struct Drawn {
    face: i64,
    person: Option<i64>,
    name: Option<String>,
    /// Whose it was before, if it was somebody else's.
    was_person: Option<i64>,
    was_name: Option<String>,
    /// Whether the box showed no face that was known.
    is_new: bool,
    /// Whether nobody can be recognised in it.
    is_unclear: bool,
}

pub(crate) fn add(
    context: &Context,
    photo: &Path,
    bbox: BoundingBox,
    name: Option<&str>,
) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let engine = context.engine()?;
    let id = catalogue.photo_at(&context.absolute(photo)?)?;
    let drawn = engine.draw_face(&mut catalogue, id, bbox, name)?;
    // Before grouping, which may leave nobody of them.
    let was = drawn.was.map(|id| catalogue.person(id)).transpose()?;
    engine.group(&mut catalogue)?;
    let person = drawn.person.map(|id| catalogue.person(id)).transpose()?;
    let name = person.and_then(|person| person.name);
    let printer = context.printer;
    let done = if drawn.is_new { "drawn" } else { "known" };
    let who = name.as_deref().unwrap_or("nobody yet");
    printer.row(format_args!("{done}: face {}, {who}", drawn.face))?;
    if let Some(was) = &was {
        let of = was.name.clone();
        let of = of.unwrap_or_else(|| format!("person {}, who has no name yet", was.id));
        printer.problem(format_args!(
            "until now it was a face of {of}; `fusiform undo` gives it back"
        ));
    }
    if drawn.is_unclear {
        printer.problem(
            "it is unclear: nobody can be recognised in it, so it is kept with what you said, and \
             finds no others",
        );
    }
    printer.record(&Drawn {
        face: drawn.face.0,
        person: drawn.person.map(|id| id.0),
        name,
        was_person: was.as_ref().map(|was| was.id.0),
        was_name: was.and_then(|was| was.name),
        is_new: drawn.is_new,
        is_unclear: drawn.is_unclear,
    })?;
    Ok(Exit::Done)
}

pub(crate) fn cover(context: &Context, face: i64) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let person = catalogue.choose_cover(FaceId(face))?;
    confirm(context, &catalogue, "shown for", Some(person))
}
