//! `fusiform redact` and `fusiform eval redact`. In: photos and whom to keep. Out: copies in which nobody else can be recognised.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fusiform::album::{Album, FaceCard, Index, PersonId};
use fusiform::engine::Engine;
use fusiform::geometry::BoundingBox;
use fusiform::image::{self, Image};
use fusiform::pipeline::DescribedFace;
use fusiform::redact::redact;
use fusiform::template::similarity;
use fusiform::verify::{DIFFERENT_FMR, Verdict};
use fusiform_eval::dataset::identities;
use rayon::prelude::*;
use serde::Serialize;

use super::decide::person_id;
use crate::args::Looking;
use crate::exit::Exit;
use crate::session::{Session, shown};

/// Detector score from which on a face is covered: a face too many is better than one too few.
const COVER_SCORE: f32 = 0.3;
/// Quality of the JPEG that is written.
const JPEG_QUALITY: u8 = 92;

/// Photos, whom to keep, where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// The photos
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Names or numbers of those who stay recognisable
    #[arg(long, num_args = 1.., value_name = "NAME")]
    keep: Vec<String>,
    /// Folder for the copies; the photos themselves are not touched
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    looking: Looking,
}

#[derive(Serialize)]
struct Answer {
    photos: Vec<Redacted>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Redacted {
    photo: String,
    copy: String,
    kept: usize,
    covered: usize,
}

/// Who stays recognisable.
struct Keep<'a> {
    catalogue: &'a Album,
    people: Vec<PersonId>,
    index: Index,
    engine: &'a Engine,
}

pub(crate) fn run(session: &Session, wanted: &Wanted) -> Result<Exit> {
    let engine = session.engine()?;
    // Nobody to keep needs no catalogue.
    let catalogue = match wanted.keep.is_empty() {
        true => None,
        false => Some(session.existing_catalogue()?),
    };
    let keep = match &catalogue {
        None => None,
        Some(catalogue) => Some(Keep {
            people: wanted
                .keep
                .iter()
                .map(|p| person_id(catalogue, p))
                .collect::<Result<_>>()?,
            index: catalogue.index(engine.embedder_id()?)?,
            catalogue,
            engine: &engine,
        }),
    };
    fs::create_dir_all(&wanted.out).with_context(|| shown(&wanted.out))?;
    let printer = session.printer;
    let bar = printer.bar(wanted.photos.len() as u64, "covering faces");
    let (mut photos, mut problems) = (Vec::new(), Vec::new());
    for photo in &wanted.photos {
        bar.inc(1);
        match one(&engine, keep.as_ref(), photo, wanted) {
            Ok(done) => photos.push(done),
            Err(e) => problems.push(crate::printer::chain(&e.context(shown(photo)))),
        }
    }
    bar.finish_and_clear();
    for p in &photos {
        printer.row(format_args!(
            "{}: {} kept, {} covered",
            p.copy, p.kept, p.covered
        ))?;
    }
    for problem in &problems {
        printer.problem(problem);
    }
    printer.note("look at the copies: a face that no detector sees is not covered");
    let exit = if problems.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    };
    printer.record(&Answer { photos, problems })?;
    Ok(exit)
}

fn one(engine: &Engine, keep: Option<&Keep>, photo: &Path, wanted: &Wanted) -> Result<Redacted> {
    let name = photo.file_stem().context("has no file name")?;
    let png = photo
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let mut copy = wanted.out.join(name).into_os_string();
    copy.push(if png { ".png" } else { ".jpg" });
    let copy = PathBuf::from(copy);
    ensure!(
        !copy.exists(),
        "{} is there already; name another folder with -o",
        shown(&copy)
    );

    let mut image = engine.read(photo)?.image;
    let mut options = wanted.looking.options();
    options.min_score = options.min_score.or(Some(COVER_SCORE));
    let faces = engine.describe(&image, &options)?;
    let known = match keep {
        Some(keep) => keep.catalogued(photo)?,
        None => Vec::new(),
    };
    let (mut covered, mut kept) = (Vec::new(), Vec::new());
    for face in &faces {
        let place = face.face.bbox;
        match keep.map_or(Ok(false), |k| k.keeps(face, &known))? {
            true => kept.push(place),
            false => covered.push(place),
        }
    }
    // What only the catalogue knows of: faces that a human drew, or that another detector saw.
    for card in &known {
        let seen = faces.iter().any(|f| overlap(f, card) > 0.3);
        let theirs = keep.is_some_and(|k| card.person.is_some_and(|p| k.people.contains(&p)));
        match (seen, theirs) {
            (true, _) => {}
            (false, true) => kept.push(BoundingBox::from_array(card.bbox)),
            (false, false) => covered.push(BoundingBox::from_array(card.bbox)),
        }
    }
    redact(&mut image, &covered, &kept);
    // Written from pixels alone: no EXIF, XMP, IPTC or thumbnail of the original comes along.
    let bytes = match png {
        true => image::encode_png(&image)?,
        false => image::encode_jpeg(&image, JPEG_QUALITY)?,
    };
    fs::write(&copy, bytes).with_context(|| shown(&copy))?;
    Ok(Redacted {
        photo: shown(photo),
        copy: shown(&copy),
        kept: kept.len(),
        covered: covered.len(),
    })
}

impl Keep<'_> {
    /// What the catalogue knows of the faces of a photo; nothing if the photo is not in it.
    fn catalogued(&self, photo: &Path) -> Result<Vec<FaceCard>> {
        let path = std::path::absolute(photo)?;
        match self.catalogue.photo_at(&path) {
            Ok(id) => Ok(self.catalogue.photo(id)?.faces),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Whether a face is of somebody to be kept: as the catalogue has it, else by its similarity.
    fn keeps(&self, face: &DescribedFace, known: &[FaceCard]) -> Result<bool> {
        let card = known
            .iter()
            .map(|card| (overlap(face, card), card))
            .filter(|(iou, _)| *iou > 0.3)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, card)) = card {
            return Ok(card.person.is_some_and(|p| self.people.contains(&p)));
        }
        let matches = self.index.identify(&self.engine.template(face)?, 1)?;
        let Some(best) = matches.first() else {
            return Ok(false);
        };
        let verdict = self.engine.thresholds()?.judge(best.similarity)?.verdict;
        Ok(verdict == Verdict::Same && self.people.contains(&best.person))
    }
}

fn overlap(face: &DescribedFace, card: &FaceCard) -> f32 {
    let [x_min, y_min, x_max, y_max] = card.bbox;
    let mut other = face.face.bbox;
    (other.x_min, other.y_min, other.x_max, other.y_max) = (x_min, y_min, x_max, y_max);
    face.face.bbox.iou(&other)
}

#[derive(Serialize)]
struct Proof {
    pack: String,
    n_faces: usize,
    threshold: f32,
    false_match_rate: f64,
    below: f64,
    detected_again: f64,
    median: f32,
    highest: f32,
}

/// Covers the main face of every photo, looks again at the very place, and compares with the face as it was.
pub(crate) fn prove(session: &Session, images: &Path, looking: Looking) -> Result<Exit> {
    let engine = session.engine()?;
    let threshold = engine.thresholds()?.at_fmr(DIFFERENT_FMR)?;
    let photos: Vec<PathBuf> = identities(images)?
        .into_iter()
        .flat_map(|who| who.photos)
        .collect();
    let options = looking.options();
    let bar = session.printer.bar(photos.len() as u64, "covering faces");
    let one = |path: &PathBuf| -> Option<(f32, bool)> {
        bar.inc(1);
        let image = engine.read(path).ok()?.image;
        let (face, _) = engine.main_face(&image, &options).ok()?;
        let b = face.face.bbox;
        let mut covered: Image = image.clone();
        redact(&mut covered, &[b], &[]);
        let bytes = image::encode_jpeg(&covered, JPEG_QUALITY).ok()?;
        let covered = engine.decode(&bytes).ok()?.image;
        let after = engine.embed_at(&covered, &face.face).ok()?;
        let again = engine.describe(&covered, &options).ok()?;
        let again = again.iter().any(|f| f.face.bbox.iou(&b) > 0.5);
        Some((similarity(&face.embedding?.0, &after).0, again))
    };
    let scored: Vec<(f32, bool)> =
        session.on_all_threads(|| photos.par_iter().filter_map(one).collect())?;
    bar.finish_and_clear();
    ensure!(!scored.is_empty(), "{}: no face found", shown(images));
    let mut similarities: Vec<f32> = scored.iter().map(|s| s.0).collect();
    similarities.sort_by(f32::total_cmp);
    let n = similarities.len();
    let share = |count: usize| count as f64 / n as f64;
    let proof = Proof {
        pack: engine.pack().into(),
        n_faces: n,
        threshold: threshold.similarity,
        false_match_rate: threshold.fmr,
        below: share(
            similarities
                .iter()
                .filter(|s| **s < threshold.similarity)
                .count(),
        ),
        detected_again: share(scored.iter().filter(|s| s.1).count()),
        median: similarities[n / 2],
        highest: similarities[n - 1],
    };
    session
        .printer
        .row(format_args!("pack           {}", proof.pack))?;
    session.printer.row(format_args!(
        "covered faces  {n}; similarity to what was there: median {:.3}, highest {:.3}",
        proof.median, proof.highest
    ))?;
    session.printer.row(format_args!(
        "under {:.3} (FMR {:.0e}): {:.4}; detected as a face again: {:.4}",
        proof.threshold, proof.false_match_rate, proof.below, proof.detected_again
    ))?;
    session.printer.record(&proof)?;
    Ok(Exit::Done)
}
