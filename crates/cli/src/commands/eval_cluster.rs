//! `fusiform eval cluster`. In: photos in a folder per person. Out: BCubed and pairwise scores of
//! the grouping.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fusiform::cluster::{self, ClusterFace, Constraints};
use fusiform::metrics;
use fusiform_eval::dataset::identities;
use fusiform_eval::npy;
use serde::Serialize;

use super::eval::embed;
use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct ClusterAnswer {
    pack: String,
    link_similarity: f32,
    floor_similarity: f32,
    n_identities: usize,
    n_photos: usize,
    photos_without_face: usize,
    n_clusters: usize,
    bcubed: Score,
    pairwise: Score,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Score {
    precision: f64,
    recall: f64,
    f: f64,
}

/// How to group, and what to write beside the answer.
pub(crate) struct Settings {
    pub(crate) link: Option<f32>,
    pub(crate) export: Option<PathBuf>,
    pub(crate) exact_up_to: Option<usize>,
}

pub(crate) fn run(
    context: &Context,
    images: &Path,
    settings: &Settings,
    detect: DetectArgs,
) -> Result<Exit> {
    let engine = context.engine()?;
    let mut options = engine.cluster_options()?;
    if let Some(link) = settings.link {
        // The floor is moved by the same amount as the link.
        options.floor_similarity += link - options.link_similarity;
        options.link_similarity = link;
    }
    let link_similarity = options.link_similarity;
    let identities = identities(images)?;
    let labels: Vec<usize> = identities
        .iter()
        .enumerate()
        .flat_map(|(i, who)| vec![i; who.photos.len()])
        .collect();
    let photos: Vec<PathBuf> = identities
        .iter()
        .flat_map(|who| who.photos.clone())
        .collect();
    let (faces, problems) = embed(context, &engine, &photos, detect)?;

    // Every photo is one face here, so no two faces share one.
    let found: Vec<ClusterFace> = faces
        .iter()
        .enumerate()
        .filter_map(|(i, face)| {
            let face = face.as_ref()?;
            Some(ClusterFace::new(
                i as i64,
                i as i64,
                &face.vector,
                face.quality.overall,
            ))
        })
        .collect();
    options.exact_up_to = settings.exact_up_to.unwrap_or(options.exact_up_to);
    let clustering = cluster::cluster(&found, &Constraints::default(), &options)?;
    let truth: Vec<usize> = faces
        .iter()
        .zip(&labels)
        .filter_map(|(f, l)| f.as_ref().map(|_| *l))
        .collect();
    let assigned = clustering.labels();
    if let Some(dir) = &settings.export {
        export(dir, &found, &truth, &assigned).with_context(|| shown(dir))?;
    }
    let bcubed = metrics::bcubed(&truth, &assigned);
    let pairwise = metrics::pairwise(&truth, &assigned);

    let answer = ClusterAnswer {
        pack: engine.pack().into(),
        link_similarity,
        floor_similarity: clustering.floor_similarity(),
        n_identities: identities.len(),
        n_photos: photos.len(),
        photos_without_face: faces.iter().filter(|f| f.is_none()).count(),
        n_clusters: clustering.n_clusters(),
        bcubed: Score {
            precision: bcubed.precision,
            recall: bcubed.recall,
            f: bcubed.f,
        },
        pairwise: Score {
            precision: pairwise.precision,
            recall: pairwise.recall,
            f: pairwise.f,
        },
        problems,
    };
    let printer = context.printer;
    printer.row(format_args!(
        "pack          {} at link similarity {link_similarity:.3}, floor {:.3}",
        answer.pack, answer.floor_similarity
    ))?;
    printer.row(format_args!(
        "photos        {} of {} identities in {}; no face found in {}",
        answer.n_photos,
        answer.n_identities,
        shown(images),
        answer.photos_without_face
    ))?;
    printer.row(format_args!("clusters      {}", answer.n_clusters))?;
    for (name, s) in [("BCubed", &answer.bcubed), ("pairwise", &answer.pairwise)] {
        printer.row(format_args!(
            "{name:<13} precision {:.4}  recall {:.4}  F {:.4}",
            s.precision, s.recall, s.f
        ))?;
    }
    printer.record(&answer)?;
    Ok(if answer.problems.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

/// Writes what was grouped, for NumPy.
fn export(
    dir: &Path,
    faces: &[ClusterFace],
    truth: &[usize],
    assigned: &[usize],
) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let (n, width) = (faces.len(), faces.first().map_or(0, |f| f.vector.len()));
    let vectors = faces.iter().flat_map(|f| f.vector.iter().copied());
    npy::write_f32(&dir.join("embeddings.npy"), &[n, width], vectors)?;
    let qualities = faces.iter().map(|f| f.quality);
    npy::write_f32(&dir.join("qualities.npy"), &[n], qualities)?;
    for (file, labels) in [("labels.npy", truth), ("groups.npy", assigned)] {
        let labels = labels.iter().map(|label| *label as i64);
        npy::write_i64(&dir.join(file), &[n], labels)?;
    }
    Ok(())
}
