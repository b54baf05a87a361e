//! People of the album. In: their names, or a human's answer about each. Out: the best faces of
//! each, as upright crops that show nobody else, enrolled.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use fusiform::Face;
use fusiform::album::{Album, MAX_PAGE, Page, PeopleFilter, PersonId, PersonPhoto};
use fusiform::image::encode_png;
use fusiform::verify::SAME_FMR;
use rayon::prelude::*;

use super::answer::{Answer, Problem, Row};
use super::enrolment::{Enrolment, Looked, Picture};
use crate::args::EnrolArgs;
use crate::commands::scan::stop_on_ctrl_c;
use crate::context::shown;
use crate::question::Questions;

/// Shared area over joint area from which on a face found now is the one in the album.
const SAME_IOU: f32 = 0.5;
/// Faces that are tried for each that is wanted: photos may be away, or changed.
const TRIES: usize = 3;

struct Person {
    id: PersonId,
    name: String,
}

pub(super) fn enrol(
    enrolment: &Enrolment<'_>,
    args: &EnrolArgs,
    answer: &mut Answer,
) -> Result<()> {
    let context = enrolment.context;
    let album = context.existing_catalogue()?;
    let people = people(&album, args)?;
    let is_asked = args.person.is_empty() && !args.all && !args.dry_run;
    let mut questions = match is_asked {
        true => Some(Questions::of_terminal().context(
            "whose faces are enrolled is decided for each person: --person NAME … names them, \
             --all takes everybody who has a name, and a terminal is asked",
        )?),
        false => None,
    };
    let stop = stop_on_ctrl_c()?;
    let wanted = usize::from(args.faces);
    for person in people {
        if stop.load(Ordering::Relaxed) {
            answer.interrupted = true;
            break;
        }
        let faces = best_faces(enrolment, &album, person.id, wanted * TRIES)?;
        if let Some(questions) = &mut questions {
            let n = wanted.min(faces.len());
            let question = format!("Enrol {} from {n} faces?", person.name);
            if !questions.yes_or_no(&question, false)? {
                continue;
            }
        }
        if let Some(name) = enrolment.admit(&person.name, answer)? {
            let row = take(enrolment, name, &faces, wanted, &stop, answer)?;
            answer.add(row);
        }
    }
    answer.interrupted |= stop.load(Ordering::Relaxed);
    Ok(())
}

/// Those whom the flags name; else everybody who has a name and is not hidden.
fn people(album: &Album, args: &EnrolArgs) -> Result<Vec<Person>> {
    let mut people: Vec<Person> = Vec::new();
    for text in &args.person {
        let id = album.find_person(text)?;
        let name = album.person(id)?.name;
        let name = name.with_context(|| {
            format!("person {id} has no name yet; `fusiform name {id} NAME` gives one")
        })?;
        if people.iter().all(|there| there.id != id) {
            people.push(Person { id, name });
        }
    }
    if !people.is_empty() {
        return Ok(people);
    }
    loop {
        let page = Page {
            offset: people.len(),
            limit: MAX_PAGE,
        };
        let found = album.people_page(PeopleFilter::Named, page)?;
        let named = found.items.into_iter();
        let named = named.map(|stats| Person {
            id: stats.id,
            name: stats.name.unwrap_or_default(),
        });
        let before = people.len();
        people.extend(named);
        if people.len() == before {
            break;
        }
    }
    ensure!(
        !people.is_empty(),
        "nobody in the catalogue has a name yet; `fusiform name NUMBER NAME` gives one"
    );
    Ok(people)
}

/// A person's clear faces, best first, one of each photo. Faces that the program assigned count if
/// they are as near to the person as two photos of one person have to be.
fn best_faces(
    enrolment: &Enrolment<'_>,
    album: &Album,
    person: PersonId,
    most: usize,
) -> Result<Vec<PersonPhoto>> {
    let sure = enrolment.engine.thresholds()?.at_fmr(SAME_FMR)?.similarity;
    let mut faces = album.photos_of(person)?;
    let is_sure = |face: &PersonPhoto| face.similarity.is_none_or(|near| near >= sure);
    faces.retain(|face| face.quality > 0.0 && !face.paths.is_empty() && is_sure(face));
    faces.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(a.face.cmp(&b.face)));
    let mut photos: HashSet<Vec<PathBuf>> = HashSet::new();
    faces.retain(|face| photos.insert(face.paths.clone()));
    faces.truncate(most);
    Ok(faces)
}

/// Enrols faces of one person until there are as many as are wanted.
fn take(
    enrolment: &Enrolment<'_>,
    name: String,
    faces: &[PersonPhoto],
    wanted: usize,
    stop: &AtomicBool,
    answer: &mut Answer,
) -> Result<Row> {
    let context = enrolment.context;
    let mut row = Row {
        name,
        ..Row::default()
    };
    let mut left = faces;
    while row.enrolled + row.there < wanted && !left.is_empty() && !stop.load(Ordering::Relaxed) {
        let n = (wanted - row.enrolled - row.there).min(left.len());
        let (batch, after) = left.split_at(n);
        left = after;
        let looked: Vec<_> = context.on_all_threads(|| {
            let look = |face: &PersonPhoto| look(enrolment, face);
            batch.par_iter().map(look).collect()
        })?;
        for (face, looked) in batch.iter().zip(looked) {
            let path = face.paths.first().map(|path| shown(path));
            let picture = format!(
                "face {} of {} (quality {:.2})",
                face.face,
                path.unwrap_or_default(),
                face.quality
            );
            enrolment.record(&mut row, picture, looked, answer)?;
        }
    }
    if row.enrolled + row.there == 0 && !stop.load(Ordering::Relaxed) {
        answer.problems.push(Problem {
            person: row.name.clone(),
            picture: None,
            problem: "no clear face of theirs is in a photo that can be read".into(),
        });
    }
    Ok(row)
}

/// The face of the album in its photo as it is now. What is kept of it is the crop that the
/// embedder sees: other people of the photo gave no consent.
fn look(enrolment: &Enrolment<'_>, wanted: &PersonPhoto) -> Result<Looked> {
    let paths = wanted.paths.iter();
    let bytes = paths.map(|path| enrolment.context.read_photo(path));
    let bytes = bytes.reduce(|first, next| first.or(next));
    let bytes = bytes.context("its photo has no file")??;
    let options = enrolment.engine.usual_options();
    let photo = enrolment.engine.analyse(&bytes, &options)?;
    let iou = |face: &&Face| face.bbox.iou(&wanted.bbox);
    let by_iou = |a: &&Face, b: &&Face| iou(a).total_cmp(&iou(b));
    let face = photo.faces.iter().max_by(by_iou);
    let Some(face) = face.filter(|face| iou(face) >= SAME_IOU) else {
        bail!("the face is not found in its photo any more; scan it again");
    };
    ensure!(!face.is_unclear(), "nobody can be recognised in the face");
    let crop = encode_png(&face.aligned.to_image())?;
    let (id, holder) = enrolment.holder(&crop);
    Ok(match holder {
        Some(holder) => Looked::There(holder),
        None => Looked::Shows(Picture {
            id,
            vector: face.template()?.vector.clone(),
            image: crop,
        }),
    })
}
