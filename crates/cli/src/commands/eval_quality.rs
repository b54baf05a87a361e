//! `fusiform eval quality`. In: photos in a folder per person. Out: for each quality measure, the
//! false-non-match rate that remains when the worst photos are set apart.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fusiform::Quality;
use fusiform_eval::calibration::LabelledEmbedding;
use fusiform_eval::curve_svg::discard_curves;
use fusiform_eval::dataset::identities;
use fusiform_eval::discard::{Comparisons, DISCARDED, DiscardCurve};
use serde::Serialize;

use super::eval::embed;
use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

/// A measure's name, and how it is read of a face; higher is better.
type Measure = (&'static str, fn(&Quality) -> f32);

const MEASURES: [Measure; 7] = [
    ("overall", |q| q.overall),
    ("recognisability", |q| q.recognisability),
    ("size", |q| q.size),
    ("sharpness", |q| q.sharpness),
    ("exposure", |q| q.exposure),
    ("frontal", |q| q.frontal),
    ("detector score", |q| q.detector_score),
];

#[derive(Serialize)]
struct Answer {
    pack: String,
    n_faces: usize,
    photos_without_face: usize,
    false_match_rate: f64,
    threshold: f32,
    measures: Vec<MeasureRow>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct MeasureRow {
    measure: String,
    points: Vec<PointRow>,
}

#[derive(Serialize)]
struct PointRow {
    discarded: f64,
    n_discarded: usize,
    least: Option<f32>,
    false_non_match_rate: Option<f64>,
    low: f64,
    high: f64,
    n_genuine: u64,
}

pub(crate) fn run(
    context: &Context,
    images: &Path,
    fmr: f64,
    svg: Option<&Path>,
    detect: DetectArgs,
) -> Result<Exit> {
    let engine = context.engine()?;
    let identities = identities(images)?;
    let people = identities.iter().enumerate();
    let people: Vec<u32> = people
        .flat_map(|(i, who)| vec![i as u32; who.photos.len()])
        .collect();
    let photos: Vec<PathBuf> = identities.into_iter().flat_map(|who| who.photos).collect();
    let (faces, problems) = embed(context, &engine, &photos, detect)?;
    let found = || {
        faces
            .iter()
            .zip(&people)
            .filter_map(|(face, person)| Some((face.as_ref()?, *person)))
    };
    let labelled: Vec<LabelledEmbedding<'_>> = found()
        .map(|(face, person)| LabelledEmbedding {
            person,
            vector: &face.vector,
        })
        .collect();
    let comparisons = context
        .on_all_threads(|| Comparisons::at_fmr(&labelled, fmr))?
        .with_context(|| shown(images))?;
    let curves = MEASURES.iter().map(|(name, value)| {
        let values: Vec<f32> = found().map(|(face, _)| value(&face.quality)).collect();
        comparisons.discard_curve(name, &values, &DISCARDED)
    });
    let curves: Vec<DiscardCurve> = curves.collect::<Result<_, _>>()?;
    print(
        context,
        engine.pack(),
        &comparisons,
        &curves,
        [photos.len(), labelled.len()],
    )?;
    if let Some(file) = svg {
        let title = format!(
            "{}: FNMR at FMR {fmr:.0e}, threshold {:.3}",
            engine.pack(),
            comparisons.threshold
        );
        std::fs::write(file, discard_curves(&curves, &title)).with_context(|| shown(file))?;
        let name = shown(file);
        context
            .printer
            .note(format_args!("curves written to {name}"));
    }
    let exit = Exit::of(&problems);
    context.printer.record(&Answer {
        pack: engine.pack().into(),
        n_faces: labelled.len(),
        photos_without_face: photos.len() - labelled.len(),
        false_match_rate: fmr,
        threshold: comparisons.threshold,
        measures: curves.iter().map(row).collect(),
        problems,
    })?;
    Ok(exit)
}

fn row(curve: &DiscardCurve) -> MeasureRow {
    let points = curve.points.iter().map(|point| PointRow {
        discarded: point.discarded,
        n_discarded: point.n_discarded,
        least: point.least.is_finite().then_some(point.least),
        false_non_match_rate: (point.fnmr.trials > 0).then(|| point.fnmr.value()),
        low: point.fnmr.low,
        high: point.fnmr.high,
        n_genuine: point.fnmr.trials,
    });
    MeasureRow {
        measure: curve.measure.clone(),
        points: points.collect(),
    }
}

fn print(
    context: &Context,
    pack: &str,
    comparisons: &Comparisons,
    curves: &[DiscardCurve],
    [n_photos, n_faces]: [usize; 2],
) -> Result<()> {
    let printer = context.printer;
    printer.row(format_args!("pack            {pack}"))?;
    printer.row(format_args!(
        "photos          {n_photos}; no face found in {}",
        n_photos - n_faces
    ))?;
    printer.row(format_args!(
        "threshold       {:.3}, at which {:.2e} of {} impostor comparisons match",
        comparisons.threshold,
        comparisons.fmr.value(),
        comparisons.fmr.trials
    ))?;
    let head: String = DISCARDED
        .iter()
        .map(|share| format!(" {:>8.0} %", share * 100.0))
        .collect();
    printer.row(format_args!("FNMR without the worst{head}"))?;
    for curve in curves {
        let rates = curve.points.iter().map(|point| match point.fnmr.trials {
            0 => format!("{:>11}", "–"),
            _ => format!(" {:>10.4}", point.fnmr.value()),
        });
        let rates: String = rates.collect();
        printer.row(format_args!("  {:<19}{rates}", curve.measure))?;
    }
    Ok(())
}
