//! `fusiform report`. In: the catalogue and the photos it names. Out: one page with a strip of
//! faces per person.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fusiform::DecodeLimits;
use fusiform::album::{Album, MissingRoot, PersonPhoto, PersonSummary, counted};
use fusiform::image;
use fusiform::scan::read_photo;
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::report::{Crop, Page, PersonStrip, Problem, render};
use fusiform::image::{CROP_PX, square};

#[derive(Serialize)]
struct Answer {
    page: String,
    people: usize,
    /// Faces that were drawn.
    faces: usize,
    /// Faces whose photos cannot be read now.
    faces_missing: usize,
    /// Scanned folders that are not there.
    missing_folders: Vec<String>,
    size_bytes: u64,
}

pub(crate) fn run(context: &Context, out: &Path, faces: usize, people: usize) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let mut shown_people = catalogue.people()?;
    shown_people.truncate(people);
    let health = catalogue.health()?;
    let page = Page {
        title: "People in your photos".into(),
        created: catalogue.local_now()?,
        n_photos: health.n_photos,
        n_faces: health.n_faces,
        n_named: health.n_named,
        n_unnamed: health.n_people - health.n_named,
        n_unsorted_faces: health.n_unassigned,
        problems: catalogue
            .problems()?
            .into_iter()
            .map(|(file, text)| Problem {
                file: shown(&file),
                text,
            })
            .collect(),
    };
    let missing = catalogue.missing_roots()?;
    let in_videos = catalogue.video_counts()?;
    let (n_drawn, n_missing) = (Cell::new(0), Cell::new(0));
    check_is_page(out)?;
    // Written under another name and renamed: the page is there whole or not at all.
    let mut partial = out.as_os_str().to_owned();
    partial.push(".part");
    let of_out = || out.display().to_string();
    let mut file = BufWriter::new(File::create(&partial).with_context(of_out)?);
    let bar = context
        .printer
        .bar(shown_people.len() as u64, "cutting faces");
    let strips = shown_people.iter().map(|person| {
        bar.inc(1);
        let (mut strip, n_wanted) = strip(context, &catalogue, person, faces)?;
        strip.n_videos = in_videos.get(&person.id).copied().unwrap_or(0);
        n_drawn.set(n_drawn.get() + strip.crops.len());
        n_missing.set(n_missing.get() + n_wanted - strip.crops.len());
        Ok(strip)
    });
    let written = render(&mut file, &page, strips)
        .and_then(|()| file.flush().map_err(Into::into))
        // A page of names without a face must not take the place of a good one.
        .and_then(|()| check_drawn(n_drawn.get(), n_missing.get(), &missing))
        .and_then(|()| fs::rename(&partial, out).map_err(Into::into));
    bar.finish_and_clear();
    if written.is_err() {
        // The error to report is the one of writing.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(of_out)?;
    let size_bytes = fs::metadata(out).with_context(of_out)?.len();
    let answer = Answer {
        page: shown(out),
        people: shown_people.len(),
        faces: n_drawn.get(),
        faces_missing: n_missing.get(),
        missing_folders: missing.iter().map(|m| shown(&m.path)).collect(),
        size_bytes,
    };
    context.printer.row(format_args!(
        "{}: {}, {:.1} MB; open it in a browser",
        answer.page,
        counted(answer.people, "person", "people"),
        size_bytes as f64 / 1e6
    ))?;
    let printer = context.printer;
    if answer.faces_missing > 0 {
        printer.problem(format_args!(
            "{} not shown, because no file of the photo can be read now",
            counted(answer.faces_missing, "face is", "faces are")
        ));
    }
    for folder in &missing {
        printer.problem(format_args!(
            "{}: {} ({}); connect its disk and write the page again",
            shown(&folder.path),
            folder.state(),
            folder.holds()
        ));
    }
    printer.record(&answer)?;
    Ok(match answer.faces_missing {
        0 => Exit::Done,
        _ => Exit::SomeProblems,
    })
}

/// Fails if faces were wanted and none could be drawn, and names the folders that are not there.
fn check_drawn(n_drawn: usize, n_missing: usize, missing: &[MissingRoot]) -> Result<()> {
    if n_drawn > 0 || n_missing == 0 {
        return Ok(());
    }
    let folders: Vec<String> = missing.iter().map(|m| shown(&m.path)).collect();
    let remedy = match &*folders {
        [] => "no file of their photos can be read; look whether they were moved, and scan again"
            .into(),
        all => format!(
            "not there: {}; connect the disk and try again",
            all.join(", ")
        ),
    };
    bail!(
        "nothing was written, since none of {} can be shown; {remedy}",
        counted(n_missing, "face", "faces")
    )
}

/// The faces of a person, and how many were wanted.
fn strip(
    context: &Context,
    catalogue: &Album,
    person: &PersonSummary,
    n_faces: usize,
) -> Result<(PersonStrip, usize)> {
    let photos = catalogue.photos_of(person.id)?;
    let mut best: Vec<&PersonPhoto> = photos.iter().collect();
    best.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(a.face.cmp(&b.face)));
    let n_wanted = best.len().min(n_faces);
    let crops: Vec<Crop> = best
        .iter()
        .take(n_faces)
        .filter_map(|photo| crop(photo, &context.config.limits))
        .collect();
    let strip = PersonStrip {
        name: person.name.clone(),
        id: person.id.0.to_string(),
        n_photos: person.n_photos,
        n_faces: person.n_faces,
        n_videos: 0,
        n_more: person.n_faces.saturating_sub(crops.len()),
        crops,
    };
    Ok((strip, n_wanted))
}

/// Refuses a file that is no page: a photo may have been named by mistake.
fn check_is_page(out: &Path) -> Result<()> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(out) {
        file.take(64).read_to_end(&mut head)?;
    }
    let is_page = head.is_empty() || head.trim_ascii_start().starts_with(b"<");
    ensure!(
        is_page,
        "{}: is there already and is no page; name another file",
        out.display()
    );
    Ok(())
}

/// The face cut out of the first of its files that can still be read; none if the photos are gone.
fn crop(photo: &PersonPhoto, limits: &DecodeLimits) -> Option<Crop> {
    let (path, image) = photo.paths.iter().find_map(|path| {
        let bytes = read_photo(path, limits.max_bytes).ok()?;
        let decoded = image::decode(&bytes, limits).ok()?;
        Some((path, decoded.image))
    })?;
    let jpeg = image::encode_jpeg(&square(&image, &photo.bbox, CROP_PX)?, 85).ok()?;
    Some(Crop {
        jpeg,
        photo_name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        taken_at: photo.date.as_ref().map(|date| date.local.clone()),
        similarity: photo.similarity,
    })
}
