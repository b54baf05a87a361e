//! `fusiform eval robustness`. In: photos and pairs as LFW has them. Out: accuracy and rates with
//! one photo of each pair changed, a row per change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, ensure};
use fusiform::template::similarity;
use fusiform_eval::dataset::Labelled;
use fusiform_eval::lfw::{Pair, Pairs};
use fusiform_eval::robustness::{ByChange, CHANGES, Change, embed_changed};
use fusiform_eval::verification::{PairScore, evaluate};
use serde::Serialize;

use super::eval::{TarRow, embed, interval};
use crate::args::{DetectArgs, RobustnessArgs};
use crate::context::Context;
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer {
    pack: String,
    n_pairs: usize,
    rows: Vec<Row>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    change: String,
    accuracy: f64,
    accuracy_standard_error: f64,
    tar_at_far: Vec<TarRow>,
    equal_error_rate: f64,
    photos_without_face: usize,
}

pub(crate) fn run(context: &Context, args: &RobustnessArgs) -> Result<Exit> {
    let changes = chosen(&args.rows)?;
    let of_pairs = || args.pairs.display().to_string();
    let text = std::fs::read_to_string(&args.pairs).with_context(of_pairs)?;
    let pairs = Pairs::parse(&text).with_context(of_pairs)?.pairs;
    let pairs: Vec<Pair> = pairs.into_iter().step_by(args.every.get().into()).collect();
    let engine = context.engine()?;

    let first = photos(&args.images, pairs.iter().map(|pair| pair.a.file()));
    let second = photos(&args.images, pairs.iter().map(|pair| pair.b.file()));
    let (plain, mut problems) = embed(context, &engine, &first, args.detect)?;
    let plain: HashMap<&PathBuf, &Labelled> = first
        .iter()
        .zip(&plain)
        .filter_map(|(photo, face)| Some((photo, face.as_ref()?)))
        .collect();
    let changed = changed(
        context,
        &engine,
        &second,
        &changes,
        args.detect,
        &mut problems,
    )?;
    let place: HashMap<&PathBuf, usize> = second
        .iter()
        .enumerate()
        .map(|(i, photo)| (photo, i))
        .collect();

    let printer = context.printer;
    printer.row(format_args!("pack            {}", engine.pack()))?;
    printer.row(format_args!(
        "pairs           {}; the second photo of each is changed",
        pairs.len()
    ))?;
    printer.row(format_args!(
        "{:<15} {:<16} {:<26} no face",
        "change", "accuracy", "TAR@FAR 1e-3"
    ))?;
    let mut rows = Vec::new();
    for (n, change) in changes.iter().enumerate() {
        let scores: Vec<PairScore> = pairs
            .iter()
            .map(|pair| {
                let a = plain.get(&args.images.join(pair.a.file()));
                let b = place
                    .get(&args.images.join(pair.b.file()))
                    .and_then(|&i| changed[i][n].as_ref());
                PairScore {
                    fold: pair.fold,
                    similarity: a.zip(b).map(|(a, b)| similarity(&a.vector, &b.vector).0),
                    same: pair.same,
                }
            })
            .collect();
        let report = evaluate(&scores)?;
        let photos_without_face = changed.iter().filter(|faces| faces[n].is_none()).count();
        let strictest = report.tar_at_far.last();
        printer.row(format_args!(
            "{:<15} {:.4} ± {:.4}  {:<26} {photos_without_face}",
            change.to_string(),
            report.accuracy,
            report.accuracy_standard_error,
            strictest.map(|t| interval(&t.tar)).unwrap_or_default(),
        ))?;
        rows.push(Row {
            change: change.to_string(),
            accuracy: report.accuracy,
            accuracy_standard_error: report.accuracy_standard_error,
            tar_at_far: report.tar_at_far.iter().map(TarRow::of).collect(),
            equal_error_rate: report.eer,
            photos_without_face,
        });
    }
    let exit = Exit::of(&problems);
    printer.record(&Answer {
        pack: engine.pack().into(),
        n_pairs: pairs.len(),
        rows,
        problems,
    })?;
    Ok(exit)
}

/// The changes of these names, or all.
fn chosen(names: &[String]) -> Result<Vec<Change>> {
    if names.is_empty() {
        return Ok(CHANGES.to_vec());
    }
    let known = || CHANGES.map(|change| change.to_string()).join(", ");
    let find = |name: &String| {
        let found = CHANGES
            .into_iter()
            .find(|change| change.to_string() == *name);
        found.with_context(|| format!("`{name}` is no row; there are: {}", known()))
    };
    names.iter().map(find).collect()
}

/// Paths of photos, each once.
fn photos(images: &Path, files: impl Iterator<Item = String>) -> Vec<PathBuf> {
    let mut photos: Vec<PathBuf> = files.map(|file| images.join(file)).collect();
    photos.sort();
    photos.dedup();
    photos
}

fn changed(
    context: &Context,
    engine: &fusiform::Engine,
    photos: &[PathBuf],
    changes: &[Change],
    detect: DetectArgs,
    problems: &mut Vec<String>,
) -> Result<Vec<ByChange>> {
    ensure!(!changes.is_empty(), "no rows to measure");
    let bar = context
        .printer
        .bar(photos.len() as u64, "changing and embedding");
    let never = AtomicBool::new(false);
    let tell = || bar.inc(1);
    let options = context.analysing(detect);
    let threads = context.threads();
    let done = embed_changed(engine, photos, changes, &options, threads, &never, tell)?;
    bar.finish_and_clear();
    let faces = done.into_iter().map(|faces| {
        faces.unwrap_or_else(|e| {
            context.printer.problem(&e);
            problems.push(e.to_string());
            vec![None; changes.len()]
        })
    });
    Ok(faces.collect())
}
