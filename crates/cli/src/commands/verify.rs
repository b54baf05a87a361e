//! `fusiform verify`. In: two photos. Out: similarity, what it means, and at which stated error
//! rate.

use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform::template::Template;
use fusiform::verify::Verdict;
use fusiform::{AnalyseOptions, Engine};
use serde::Serialize;

use crate::args::DetectArgs;
use crate::context::{Context, analyse, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer {
    answer: &'static str,
    similarity: f32,
    same_at: Point,
    different_below: Point,
    pack: String,
    photos: [Photo; 2],
}

#[derive(Serialize)]
struct Point {
    similarity: f32,
    false_match_rate: f64,
    false_non_match_rate: f64,
}

#[derive(Serialize)]
struct Photo {
    photo: String,
    n_faces: usize,
    quality: f32,
}

impl From<fusiform::models::Threshold> for Point {
    fn from(t: fusiform::models::Threshold) -> Point {
        Point {
            similarity: t.similarity,
            false_match_rate: t.fmr,
            false_non_match_rate: t.fnmr,
        }
    }
}

pub(crate) fn run(context: &Context, a: &Path, b: &Path, detect: DetectArgs) -> Result<Exit> {
    let engine = context.engine()?;
    let thresholds = engine.thresholds()?;
    let options = context.analysing(detect);
    let (first, photo_a) = template(&engine, a, &options)?;
    let (second, photo_b) = template(&engine, b, &options)?;
    let verification = thresholds.judge(first.similarity(&second)?)?;

    let word = match verification.verdict {
        Verdict::Same => "same",
        Verdict::Different => "different",
        Verdict::Unsure => "unsure",
    };
    let printer = context.printer;
    for photo in [&photo_a, &photo_b] {
        if photo.n_faces > 1 {
            printer.note(format_args!(
                "{}: {} faces; the largest is compared",
                photo.photo, photo.n_faces
            ));
        }
    }
    let (same_at, different_below) = (verification.same_at, verification.different_below);
    printer.row(format_args!(
        "{word}\tsimilarity {:.3}",
        verification.similarity.0
    ))?;
    printer.row(format_args!(
        "  same from {:.3} on (false-match rate {} as measured); different below {:.3} ({})",
        same_at.similarity,
        share(same_at.fmr),
        different_below.similarity,
        share(different_below.fmr)
    ))?;
    printer.record(&Answer {
        answer: word,
        similarity: verification.similarity.0,
        same_at: same_at.into(),
        different_below: different_below.into(),
        pack: engine.pack().into(),
        photos: [photo_a, photo_b],
    })?;
    Ok(if verification.verdict == Verdict::Same {
        Exit::Done
    } else {
        Exit::No
    })
}

fn template(engine: &Engine, file: &Path, options: &AnalyseOptions) -> Result<(Template, Photo)> {
    let analysed = analyse(engine, file, options)?;
    let of_file = || shown(file);
    let face = analysed.largest().with_context(of_file)?;
    // The pack has an embedder, or it would have no thresholds.
    let template = face.template.clone();
    let template = template.context("the pack has no embedder")?;
    let photo = Photo {
        photo: shown(file),
        n_faces: analysed.faces.len(),
        quality: face.quality.overall,
    };
    Ok((template, photo))
}

/// A rate in words: `1 in 1000`.
pub(crate) fn share(rate: f64) -> String {
    format!("1 in {:.0}", 1.0 / rate)
}
