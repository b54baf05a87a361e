//! `fusiform eval detect`. In: a folder of photos and their labelled faces. Out: recall, average
//! precision, landmark error.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fusiform::scan::read_photo;
use fusiform::{AnalyseOptions, Engine, Photo};
use fusiform_eval::Proportion;
use fusiform_eval::detection::labels::{self, LabelledPhoto};
use fusiform_eval::detection::{FoundFace, PhotoMatches, detection_report, match_faces};
use rayon::prelude::*;
use serde::Serialize;

use super::eval::interval;
use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Average precision needs the detections that the engine would not show.
const LEAST_SCORE: f32 = 0.02;

#[derive(Serialize)]
struct Answer {
    pack: String,
    n_photos: u64,
    n_labelled: u64,
    recall: Share,
    precision: Share,
    false_per_photo: f64,
    average_precision: f64,
    landmark_error_eyes: Option<f64>,
    landmark_error_median_eyes: Option<f64>,
    recall_by_size: Vec<SizeRow>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Share {
    value: f64,
    low: f64,
    high: f64,
    n: u64,
}

#[derive(Serialize)]
struct SizeRow {
    from_px: f32,
    below_px: Option<f32>,
    recall: Share,
}

impl Share {
    fn of(p: &Proportion) -> Share {
        Share {
            value: p.value(),
            low: p.low,
            high: p.high,
            n: p.trials,
        }
    }
}

pub(crate) fn run(context: &Context, folder: &Path, detect: DetectArgs) -> Result<Exit> {
    let file = folder.join(labels::FILE);
    let photos = labels::parse(&text(&file)?).with_context(|| shown(&file))?;
    ensure!(!photos.is_empty(), "{}: labels no photo", shown(&file));
    let engine = context.engine()?;
    let bar = context.printer.bar(photos.len() as u64, "detecting");
    let one = |photo: &LabelledPhoto| {
        let matches = measured(&engine, folder, photo, detect);
        bar.inc(1);
        matches
    };
    let done: Vec<Result<[PhotoMatches; 2]>> =
        context.on_all_threads(|| photos.par_iter().map(one).collect())?;
    bar.finish_and_clear();
    let (mut working, mut all, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for matches in done {
        match matches {
            Ok([shown, every]) => {
                working.push(shown);
                all.push(every);
            }
            Err(e) => {
                context.printer.problem(explain(&e));
                problems.push(explain(&e));
            }
        }
    }
    ensure!(
        !working.is_empty(),
        "{}: no photo could be read",
        shown(folder)
    );
    let report = detection_report(&working, &all);

    let printer = context.printer;
    let labelled = report.recall.trials;
    printer.row(format_args!("pack             {}", engine.pack()))?;
    printer.row(format_args!(
        "photos           {} with {labelled} labelled faces that count",
        report.n_photos
    ))?;
    printer.row(format_args!(
        "recall           {}",
        interval(&report.recall)
    ))?;
    printer.row(format_args!(
        "precision        {}",
        interval(&report.precision)
    ))?;
    printer.row(format_args!(
        "false boxes      {:.4} per photo",
        report.false_per_photo
    ))?;
    printer.row(format_args!(
        "AP at IoU 0.5    {:.4}",
        report.average_precision
    ))?;
    if let Some((mean, median)) = report.landmark_error.zip(report.landmark_error_median) {
        printer.row(format_args!(
            "landmark error   {mean:.4} eye distances, median {median:.4}"
        ))?;
    }
    for (from, below, recall) in &report.by_size {
        let size = match below.is_finite() {
            true => format!("{from:.0} to {below:.0} px"),
            false => format!("{from:.0} px and more"),
        };
        let (found, all) = (recall.count, recall.trials);
        let recall = interval(recall);
        printer.row(format_args!(
            "recall           {recall}, {found} of {all}, at {size}"
        ))?;
    }
    let exit = Exit::of(&problems);
    printer.record(&Answer {
        pack: engine.pack().into(),
        n_photos: report.n_photos,
        n_labelled: labelled,
        recall: Share::of(&report.recall),
        precision: Share::of(&report.precision),
        false_per_photo: report.false_per_photo,
        average_precision: report.average_precision,
        landmark_error_eyes: report.landmark_error,
        landmark_error_median_eyes: report.landmark_error_median,
        recall_by_size: report
            .by_size
            .iter()
            .map(|(from, below, recall)| SizeRow {
                from_px: *from,
                below_px: below.is_finite().then_some(*below),
                recall: Share::of(recall),
            })
            .collect(),
        problems,
    })?;
    Ok(exit)
}

/// The labels' text, within their limit.
fn text(file: &Path) -> Result<String> {
    let opened = std::fs::File::open(file).with_context(|| {
        let name = shown(file);
        format!("{name}: the labelled faces are wanted there, one photo a line")
    })?;
    let mut text = String::new();
    let read = opened.take(labels::MAX_BYTES + 1).read_to_string(&mut text);
    let bytes = read.with_context(|| shown(file))?;
    ensure!(
        bytes as u64 <= labels::MAX_BYTES,
        "{}: more than {} MiB of labels; split the folder",
        shown(file),
        labels::MAX_BYTES >> 20
    );
    Ok(text)
}

/// What is found at the engine's own least score, or the one asked for, and at a very low one.
fn measured(
    engine: &Engine,
    folder: &Path,
    photo: &LabelledPhoto,
    detect: DetectArgs,
) -> Result<[PhotoMatches; 2]> {
    let path = folder.join(&photo.photo);
    let bytes = read_photo(&path, engine.limits().max_bytes).map_err(anyhow::Error::from);
    let bytes = bytes.with_context(|| shown(&path))?;
    let found = |options: &AnalyseOptions| -> Result<PhotoMatches> {
        let analysed = engine
            .analyse(&bytes, options)
            .with_context(|| shown(&path))?;
        Ok(match_faces(&photo.faces, &faces(&analysed)))
    };
    let working = AnalyseOptions {
        detect: detect.options(),
        limits: *engine.limits(),
    };
    let mut every = working.clone();
    every.detect.min_score = Some(LEAST_SCORE);
    Ok([found(&working)?, found(&every)?])
}

fn faces(photo: &Photo) -> Vec<FoundFace> {
    let face = |face: &fusiform::Face| FoundFace {
        bbox: face.bbox,
        score: face.score,
        landmarks: face.landmarks.map(|points| points.as_array()),
    };
    photo.faces.iter().map(face).collect()
}
