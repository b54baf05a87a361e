//! `fusiform eval redact`. In: photos in a folder per person. Out: how much of a covered face still
//! matches it.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use fusiform::image;
use fusiform::redact::redact;
use fusiform::template::similarity;
use fusiform::verify::DIFFERENT_FMR;
use fusiform_eval::dataset::identities;
use rayon::prelude::*;
use serde::Serialize;

use super::redact::JPEG_QUALITY;
use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

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

/// Covers the largest face of every photo, embeds the same box again, and compares that with the
/// face as it was.
pub(crate) fn run(context: &Context, images: &Path, detect: DetectArgs) -> Result<Exit> {
    let engine = context.engine()?;
    let threshold = engine.thresholds()?.at_fmr(DIFFERENT_FMR)?;
    let photos: Vec<PathBuf> = identities(images)?
        .into_iter()
        .flat_map(|who| who.photos)
        .collect();
    let options = context.analysing(detect);
    let bar = context.printer.bar(photos.len() as u64, "covering faces");
    let one = |path: &PathBuf| -> Option<(f32, bool)> {
        bar.inc(1);
        let bytes = context.read_photo(path).ok()?;
        let photo = engine.analyse(&bytes, &options).ok()?;
        let face = photo.largest().ok()?;
        let b = face.bbox;
        let mut covered = engine.decode(&bytes).ok()?.image;
        redact(&mut covered, &[b], &[]);
        let bytes = image::encode_jpeg(&covered, JPEG_QUALITY).ok()?;
        let pixels = engine.decode(&bytes).ok()?.image;
        let after = engine.embed_at(&pixels, &face.detected()).ok()?;
        let again = engine.analyse(&bytes, &options).ok()?;
        let again = again.faces.iter().any(|f| f.bbox.iou(&b) > 0.5);
        let before = face.template.as_ref()?;
        Some((similarity(&before.vector, &after).0, again))
    };
    let scored: Vec<(f32, bool)> =
        context.on_all_threads(|| photos.par_iter().filter_map(one).collect())?;
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
    context
        .printer
        .row(format_args!("pack           {}", proof.pack))?;
    context.printer.row(format_args!(
        "covered faces  {n}; similarity to what was there: median {:.3}, highest {:.3}",
        proof.median, proof.highest
    ))?;
    context.printer.row(format_args!(
        "under {:.3} (FMR {:.0e}): {:.4}; detected as a face again: {:.4}",
        proof.threshold, proof.false_match_rate, proof.below, proof.detected_again
    ))?;
    context.printer.record(&proof)?;
    Ok(Exit::Done)
}
