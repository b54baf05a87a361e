//! `fusiform eval …`. In: labelled photos. Out: accuracy, rates with intervals, a DET curve.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use fusiform::engine::Engine;
use fusiform::template::similarity;
use fusiform_eval::Proportion;
use fusiform_eval::curve_svg::det_curve;
use fusiform_eval::dataset::{Labelled, embed_photos};
use fusiform_eval::lfw::Pairs;
use fusiform_eval::verification::{PairScore, TarAtFar, VerificationReport, evaluate};
use serde::Serialize;

use crate::args::DetectArgs;
use crate::context::Context;
use crate::exit::Exit;

#[derive(Serialize)]
struct LfwAnswer {
    pack: String,
    n_pairs: usize,
    n_photos: usize,
    photos_without_face: usize,
    accuracy: f64,
    accuracy_standard_error: f64,
    threshold: f32,
    tar_at_far: Vec<TarRow>,
    equal_error_rate: f64,
    area_under_curve: f64,
    problems: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct TarRow {
    far: f64,
    tar: f64,
    low: f64,
    high: f64,
    threshold: f32,
}

impl TarRow {
    pub(super) fn of(t: &TarAtFar) -> TarRow {
        TarRow {
            far: t.far,
            tar: t.tar.value(),
            low: t.tar.low,
            high: t.tar.high,
            threshold: t.threshold,
        }
    }
}

pub(crate) fn lfw(
    context: &Context,
    images: &Path,
    pairs: &Path,
    svg: Option<&Path>,
    detect: DetectArgs,
) -> Result<Exit> {
    let of_pairs = || pairs.display().to_string();
    let text = std::fs::read_to_string(pairs).with_context(of_pairs)?;
    let pairs = Pairs::parse(&text).with_context(of_pairs)?;
    let engine = context.engine()?;

    let mut photos: Vec<PathBuf> = pairs
        .pairs
        .iter()
        .flat_map(|p| [&p.a, &p.b])
        .map(|p| images.join(p.file()))
        .collect();
    photos.sort();
    photos.dedup();
    let (faces, problems) = embed(context, &engine, &photos, detect)?;
    let by_photo: HashMap<&PathBuf, &Labelled> = photos
        .iter()
        .zip(&faces)
        .filter_map(|(p, f)| Some((p, f.as_ref()?)))
        .collect();
    let scores: Vec<PairScore> = pairs
        .pairs
        .iter()
        .map(|pair| {
            let a = by_photo.get(&images.join(pair.a.file()));
            let b = by_photo.get(&images.join(pair.b.file()));
            let similarity = a.zip(b).map(|(a, b)| similarity(&a.vector, &b.vector).0);
            PairScore {
                fold: pair.fold,
                similarity,
                same: pair.same,
            }
        })
        .collect();
    let report = evaluate(&scores)?;

    let photos_without_face = faces.iter().filter(|f| f.is_none()).count();
    print_verification(context, &engine, &report, photos.len(), photos_without_face)?;
    if let Some(file) = svg {
        let drawing = det_curve(&[(engine.pack(), &report)]);
        std::fs::write(file, drawing).with_context(|| file.display().to_string())?;
        context
            .printer
            .note(format_args!("DET curve written to {}", file.display()));
    }
    context.printer.record(&LfwAnswer {
        pack: engine.pack().into(),
        n_pairs: scores.len(),
        n_photos: photos.len(),
        photos_without_face,
        accuracy: report.accuracy,
        accuracy_standard_error: report.accuracy_standard_error,
        threshold: report.threshold,
        tar_at_far: report.tar_at_far.iter().map(TarRow::of).collect(),
        equal_error_rate: report.eer,
        area_under_curve: report.auc,
        problems: problems.clone(),
    })?;
    Ok(Exit::of(&problems))
}

fn print_verification(
    context: &Context,
    engine: &Engine,
    report: &VerificationReport,
    n_photos: usize,
    without_face: usize,
) -> Result<()> {
    let printer = context.printer;
    let (genuine, impostor) = (report.n_genuine, report.n_impostor);
    printer.row(format_args!("pack          {}", engine.pack()))?;
    printer.row(format_args!(
        "pairs         {genuine} genuine, {impostor} impostor, from {n_photos} photos; \
         no face found in {without_face}"
    ))?;
    printer.row(format_args!(
        "accuracy      {:.4} ± {:.4} over {} folds (threshold {:.3})",
        report.accuracy,
        report.accuracy_standard_error,
        report.folds.len(),
        report.threshold
    ))?;
    for t in &report.tar_at_far {
        printer.row(format_args!(
            "TAR@FAR {:<5} {} (threshold {:.3})",
            format!("{:.0e}", t.far),
            interval(&t.tar),
            t.threshold
        ))?;
    }
    printer.row(format_args!("EER           {:.4}", report.eer))?;
    printer.row(format_args!("AUC           {:.5}", report.auc))?;
    Ok(())
}

/// A share with its 95 % interval.
pub(crate) fn interval(p: &Proportion) -> String {
    format!("{:.4} [{:.4}, {:.4}]", p.value(), p.low, p.high)
}

/// Embeds photos behind a progress bar; problems are listed, and their photos count as without a
/// face.
pub(crate) fn embed(
    context: &Context,
    engine: &Engine,
    photos: &[PathBuf],
    detect: DetectArgs,
) -> Result<(Vec<Option<Labelled>>, Vec<String>)> {
    let bar = context.printer.bar(photos.len() as u64, "embedding");
    let never = AtomicBool::new(false);
    let options = context.analysing(detect);
    let done = embed_photos(engine, photos, &options, context.threads(), &never, || {
        bar.inc(1)
    })?;
    bar.finish_and_clear();
    let mut problems = Vec::new();
    let faces = done
        .into_iter()
        .map(|face| {
            face.unwrap_or_else(|e| {
                problems.push(e.to_string());
                None
            })
        })
        .collect();
    for problem in &problems {
        context.printer.problem(problem);
    }
    Ok((faces, problems))
}
