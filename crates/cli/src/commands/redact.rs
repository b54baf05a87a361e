//! `fusiform redact`. In: photos, videos, and whom to keep. Out: copies in which nobody else can be
//! recognised.

mod keep;
#[cfg(feature = "video")]
mod video;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail, ensure};
use fusiform::cover::{COVER_SCORE, MAX_LOOKS};
use fusiform::engine::Engine;
use fusiform::image::{self, Image};
use fusiform::redact::redact;
use fusiform::scan::read_photo;
use fusiform::{AnalyseOptions, BoundingBox};
use serde::Serialize;

use self::keep::{Keep, is_found};
use super::scan::stop_on_ctrl_c;
use crate::args::RedactArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Quality of the JPEG that is written.
pub(super) const JPEG_QUALITY: u8 = 92;

#[derive(Default, Serialize)]
struct Answer {
    photos: Vec<Redacted>,
    #[cfg(feature = "video")]
    videos: Vec<video::Redacted>,
    problems: Vec<String>,
    interrupted: bool,
}

#[derive(Serialize)]
struct Redacted {
    photo: String,
    copy: String,
    kept: usize,
    covered: usize,
}

pub(crate) fn run(context: &Context, args: &RedactArgs) -> Result<Exit> {
    let engine = context.engine()?;
    let keep = Keep::of(context, &engine, args)?;
    let stop = stop_on_ctrl_c()?;
    let mut answer = Answer::default();
    let printer = context.printer;
    let bar = printer.bar(args.files.len() as u64, "covering faces");
    for file in &args.files {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        bar.inc(1);
        #[cfg(feature = "video")]
        if video::is_video(file) {
            let redaction = video::Redaction {
                context,
                engine: &engine,
                keep: keep.as_ref(),
                args,
                stop: &stop,
            };
            match bar.suspend(|| redaction.copy(file)) {
                Ok(done) => answer.videos.extend(done),
                Err(e) => answer.problems.push(explain(&e.context(shown(file)))),
            }
            continue;
        }
        match one(&engine, keep.as_ref(), file, args) {
            Ok(done) => answer.photos.push(done),
            Err(e) => answer.problems.push(explain(&e.context(shown(file)))),
        }
    }
    bar.finish_and_clear();
    answer.interrupted = stop.load(Ordering::Relaxed);
    answer.tell(context)?;
    Ok(match answer.interrupted {
        true => Exit::Interrupted,
        false => Exit::of(&answer.problems),
    })
}

impl Answer {
    fn tell(&self, context: &Context) -> Result<()> {
        let printer = context.printer;
        for p in &self.photos {
            printer.row(format_args!(
                "{}: {} kept, {} covered",
                p.copy, p.kept, p.covered
            ))?;
        }
        #[cfg(feature = "video")]
        for video in &self.videos {
            video.tell(context)?;
        }
        for problem in &self.problems {
            printer.problem(problem);
        }
        printer.note("look at the copies: a face that no detector sees is not covered");
        Ok(printer.record(self)?)
    }
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
    if let Some(keep) = keep {
        keep.note(faces.len())?;
    }
    // Faces that only the catalogue has: a human drew them, or another detector found them.
    for card in known.iter().filter(|card| !is_found(&faces, card)) {
        match keep.is_some_and(|keep| keep.keeps_card(card)) {
            true => kept.push(card.bbox),
            false => covered.push(card.bbox),
        }
    }
    redact(&mut image, &covered, &kept);
    cover_what_is_left(engine, &mut image, &mut covered, &kept, &options)?;
    // Written from pixels alone: no EXIF, XMP, IPTC or thumbnail of the original comes along.
    let bytes = match png {
        true => image::encode_png(&image)?,
        false => image::encode_jpeg(&image, JPEG_QUALITY)?,
    };
    fs::create_dir_all(&args.out).with_context(|| shown(&args.out))?;
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
