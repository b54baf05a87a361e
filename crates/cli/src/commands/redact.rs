//! `fusiform redact`. In: photos and whom to keep. Out: copies in which nobody else can be
//! recognised.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fusiform::album::{Album, FaceSummary, Index, PersonId, full_path};
use fusiform::cover::{COVER_SCORE, MAX_LOOKS};
use fusiform::engine::Engine;
use fusiform::image::{self, Image};
use fusiform::redact::redact;
use fusiform::scan::read_photo;
use fusiform::verify::Verdict;
use fusiform::{AnalyseOptions, BoundingBox, Face};
use serde::Serialize;

use crate::args::RedactArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Quality of the JPEG that is written.
pub(super) const JPEG_QUALITY: u8 = 92;

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

pub(crate) fn run(context: &Context, args: &RedactArgs) -> Result<Exit> {
    let engine = context.engine()?;
    // Nobody to keep needs no catalogue.
    let catalogue = match args.keep.is_empty() {
        true => None,
        false => Some(context.readable_catalogue()?),
    };
    let keep = match &catalogue {
        None => None,
        Some(catalogue) => Some(Keep {
            people: args
                .keep
                .iter()
                .map(|p| catalogue.find_person(p))
                .collect::<Result<_, _>>()?,
            index: catalogue.index(engine.embedder_id()?)?,
            catalogue,
            engine: &engine,
        }),
    };
    fs::create_dir_all(&args.out).with_context(|| shown(&args.out))?;
    let printer = context.printer;
    let bar = printer.bar(args.photos.len() as u64, "covering faces");
    let (mut photos, mut problems) = (Vec::new(), Vec::new());
    for photo in &args.photos {
        bar.inc(1);
        match one(&engine, keep.as_ref(), photo, args) {
            Ok(done) => photos.push(done),
            Err(e) => problems.push(explain(&e.context(shown(photo)))),
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

fn one(engine: &Engine, keep: Option<&Keep>, photo: &Path, args: &RedactArgs) -> Result<Redacted> {
    let name = photo.file_stem().context("has no file name")?;
    let png = photo
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let mut copy = args.out.join(name).into_os_string();
    copy.push(if png { ".png" } else { ".jpg" });
    let copy = PathBuf::from(copy);
    ensure!(
        !copy.exists(),
        "{} is there already; name another folder with -o",
        shown(&copy)
    );

    let bytes = read_photo(photo, engine.limits().max_bytes)?;
    let mut options = AnalyseOptions {
        detect: args.detect.options(),
        limits: *engine.limits(),
    };
    options.detect.min_score = options.detect.min_score.or(Some(COVER_SCORE));
    options.detect.keep_doubtful = true;
    let faces = engine.analyse(&bytes, &options)?.faces;
    // Every pixel is needed for the copy; the faces came from a decoding that may be smaller.
    let mut image = engine.decode(&bytes)?.image;
    let known = match keep {
        Some(keep) => keep.catalogued(photo)?,
        None => Vec::new(),
    };
    let (mut covered, mut kept) = (Vec::new(), Vec::new());
    for face in &faces {
        let bbox = face.bbox;
        match keep.map_or(Ok(false), |k| k.keeps(face, &known))? {
            true => kept.push(bbox),
            false => covered.push(bbox),
        }
    }
    // Faces that only the catalogue has: a human drew them, or another detector found them.
    for card in &known {
        let found = faces.iter().any(|f| overlap(f, card) > 0.3);
        let is_kept = keep.is_some_and(|k| card.person.is_some_and(|p| k.people.contains(&p)));
        match (found, is_kept) {
            (true, _) => {}
            (false, true) => kept.push(card.bbox),
            (false, false) => covered.push(card.bbox),
        }
    }
    redact(&mut image, &covered, &kept);
    cover_what_is_left(engine, &mut image, &mut covered, &kept, &options)?;
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

/// Covers what a second look finds.
///
/// # Errors
/// If after some rounds something still looks like a face.
fn cover_what_is_left(
    engine: &Engine,
    image: &mut Image,
    covered: &mut Vec<BoundingBox>,
    kept: &[BoundingBox],
    options: &AnalyseOptions,
) -> Result<()> {
    let left = engine.cover_remaining(image, covered, kept, options)?;
    let Some([x_min, y_min, x_max, y_max]) = left.first().map(BoundingBox::as_array) else {
        return Ok(());
    };
    bail!(
        "after {MAX_LOOKS} rounds of covering something still looks like a face, at \
         {x_min:.0},{y_min:.0} {:.0}x{:.0} px; nothing was written: cover it by hand first",
        x_max - x_min,
        y_max - y_min
    )
}

impl Keep<'_> {
    /// What the catalogue knows of the faces of a photo; nothing if the photo is not in it.
    fn catalogued(&self, photo: &Path) -> Result<Vec<FaceSummary>> {
        let path = full_path(photo)?;
        match self.catalogue.photo_at(&path) {
            Ok(id) => Ok(self.catalogue.photo(id)?.faces),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Whether a face is of somebody to be kept: as the catalogue has it, else by its similarity.
    fn keeps(&self, face: &Face, known: &[FaceSummary]) -> Result<bool> {
        let card = known
            .iter()
            .map(|card| (overlap(face, card), card))
            .filter(|(iou, _)| *iou > 0.3)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, card)) = card {
            return Ok(card.person.is_some_and(|p| self.people.contains(&p)));
        }
        // A pack without an embedder was refused when the index was made.
        let Some(probe) = &face.template else {
            return Ok(false);
        };
        let matches = self.index.identify(probe, 1)?;
        let Some(best) = matches.first() else {
            return Ok(false);
        };
        let verdict = self.engine.thresholds()?.judge(best.similarity)?.verdict;
        Ok(verdict == Verdict::Same && self.people.contains(&best.person))
    }
}

fn overlap(face: &Face, card: &FaceSummary) -> f32 {
    face.bbox.iou(&card.bbox)
}
