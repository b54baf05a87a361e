//! `fusiform calibrate`. In: labelled photos. Out: the similarity at each stated false-match rate,
//! written on demand.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use fusiform::models::{Origin, Threshold, UnrecognisableManifest};
use fusiform_eval::calibration::{CALIBRATED_FMRS, LabelledEmbedding, impostor_thresholds};
use fusiform_eval::dataset::identities;
use fusiform_eval::recognisability::measure_unrecognisable;
use serde::Serialize;

use super::eval::{embed, interval};
use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

/// People of whom unrecognisable faces are made: their mean changes no more with more of them.
const MAX_UNRECOGNISABLE: usize = 500;

#[derive(Serialize)]
struct Answer {
    pack: String,
    n_people: usize,
    n_faces: usize,
    n_genuine_pairs: u64,
    n_impostor_pairs: u64,
    thresholds: Vec<Threshold>,
    unrecognisable: Option<UnrecognisableManifest>,
    written_to: Option<String>,
}

pub(crate) fn run(context: &Context, images: &Path, write: bool) -> Result<Exit> {
    let library = context.library();
    let pack = context.config.pack.as_deref();
    let folder = if write {
        match library.origin(pack)? {
            Origin::Folder(dir) => Some(dir),
            Origin::CompiledIn => bail!(
                "the compiled-in pack cannot be written to; copy it to a folder and name that \
                 with --pack"
            ),
        }
    } else {
        None
    };
    let engine = context.engine()?;
    let identities = identities(images)?;
    let photos: Vec<PathBuf> = identities
        .iter()
        .flat_map(|who| who.photos.clone())
        .collect();
    let people = identities
        .iter()
        .enumerate()
        .flat_map(|(i, who)| vec![i as u32; who.photos.len()]);
    let people: Vec<u32> = people.collect();
    let detect = DetectArgs {
        min_face: None,
        min_score: None,
    };
    let (faces, problems) = embed(context, &engine, &photos, detect)?;
    let labelled: Vec<LabelledEmbedding> = faces
        .iter()
        .zip(people)
        .filter_map(|(f, person)| {
            Some(LabelledEmbedding {
                person,
                vector: &f.as_ref()?.vector,
            })
        })
        .collect();
    let calibration = impostor_thresholds(&labelled, &CALIBRATED_FMRS)?;

    let printer = context.printer;
    printer.row(format_args!(
        "{} faces of {} people: {} genuine and {} impostor pairs",
        calibration.n_faces, calibration.n_people, calibration.n_genuine, calibration.n_impostor
    ))?;
    let mut thresholds = Vec::new();
    for point in &calibration.points {
        let caution = if point.rests_on_30_errors() {
            ""
        } else {
            "  (fewer than 30 false matches: rough)"
        };
        printer.row(format_args!(
            "FMR {:<5} similarity {:.4}  FNMR {}{caution}",
            format!("{:.0e}", point.stated_fmr),
            point.threshold,
            interval(&point.fnmr)
        ))?;
        thresholds.push(Threshold {
            fmr: point.stated_fmr,
            similarity: point.threshold,
            fnmr: point.fnmr.value(),
        });
    }
    // One photo a person: their unrecognisable faces must have nothing else in common.
    let one_each: Vec<PathBuf> = identities
        .iter()
        .filter_map(|who| who.photos.first().cloned())
        .take(MAX_UNRECOGNISABLE)
        .collect();
    let never = AtomicBool::new(false);
    let unrecognisable = measure_unrecognisable(&engine, &one_each, context.threads(), &never)?;
    match &unrecognisable {
        Some(found) => printer.row(format_args!(
            "a face whose recognisability is below {:.2} is unclear (usual length of an embedding: \
             {:.1})",
            found.min_recognisability, found.usual_length
        ))?,
        None => printer.row("unrecognisable faces do not resemble each other: none is unclear")?,
    }
    if let Some(dir) = &folder {
        let evidence = format!(
            "{} faces of {} people in {}: {} genuine and {} impostor pairs, by \
             `fusiform calibrate`",
            calibration.n_faces,
            calibration.n_people,
            images.file_name().unwrap_or_default().to_string_lossy(),
            calibration.n_genuine,
            calibration.n_impostor
        );
        library
            .write_calibration(dir, &thresholds, &evidence, unrecognisable.clone())
            .with_context(|| dir.display().to_string())?;
        printer.note(format_args!(
            "written to {}",
            dir.join("manifest.toml").display()
        ));
    }
    printer.record(&Answer {
        pack: engine.pack().into(),
        n_people: calibration.n_people,
        n_faces: calibration.n_faces,
        n_genuine_pairs: calibration.n_genuine,
        n_impostor_pairs: calibration.n_impostor,
        thresholds,
        unrecognisable,
        written_to: folder.as_deref().map(shown),
    })?;
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}
