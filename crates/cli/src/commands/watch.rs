//! `fusiform watch`. In: folders, or those that are remembered. Out: a catalogue that follows them
//! until Ctrl-C, and a line for each change.

use std::path::PathBuf;

use anyhow::Result;
use fusiform::album::watch::Watch;
use fusiform::album::{Album, counted};
use fusiform::scan::{Exclude, ScanOptions};
use serde::Serialize;

use super::scan::{Work, roots_or_remembered, stop_on_ctrl_c};
use crate::args::{DetectArgs, ExcludeArgs};
use crate::context::{Context, shown};
use crate::exit::Exit;

/// One change, as one line of JSON.
#[derive(Serialize)]
struct ChangeRow {
    folders: Vec<String>,
    photos: usize,
    new_photos: usize,
    new_faces: usize,
    gone_photos: usize,
    people: usize,
    /// Videos that were looked at, and appearances of people with a name in them.
    videos: usize,
    appearances: usize,
    problems: Vec<String>,
}

pub(crate) fn run(
    context: &Context,
    roots: &[PathBuf],
    leaving_out: &ExcludeArgs,
    detect: DetectArgs,
) -> Result<Exit> {
    let engine = context.engine()?;
    engine.cluster_options()?;
    let mut catalogue = context.catalogue()?;
    let roots = roots_or_remembered(context, &catalogue, roots)?;
    let roots: Vec<PathBuf> = roots
        .iter()
        .map(|root| context.absolute(root))
        .collect::<Result<_>>()?;
    let exclude = Exclude::new(&context.config.exclude)?.and(&leaving_out.exclude)?;
    let options = ScanOptions {
        threads: context.threads(),
        exclude: exclude.clone(),
    };
    let stop = stop_on_ctrl_c()?;
    let work = Work {
        context,
        engine: &engine,
        options: &options,
        detect,
        #[cfg(feature = "video")]
        with_videos: leaving_out.with_videos(context.config.videos),
        stop: &stop,
    };
    // Before the first scan, so that nothing is missed that comes while it runs.
    let mut watch = Watch::new(&roots, exclude);
    let there: Vec<PathBuf> = roots.iter().filter(|root| root.is_dir()).cloned().collect();
    follow(&work, &mut catalogue, &there)?;
    context.printer.note("watching (Ctrl-C stops)");
    while let Some(changed) = watch.next(&stop) {
        for note in &changed.notes {
            context.printer.problem(note);
        }
        if !changed.folders.is_empty() {
            follow(&work, &mut catalogue, &changed.folders)?;
        }
    }
    context.printer.note("stopped");
    Ok(Exit::Done)
}

/// Scans folders and says what came of it.
fn follow(work: &Work, catalogue: &mut Album, folders: &[PathBuf]) -> Result<()> {
    let scanned = work.scan(catalogue, folders)?;
    let (summary, people) = (&scanned.photos, scanned.people);
    let row = ChangeRow {
        folders: folders.iter().map(|folder| shown(folder)).collect(),
        photos: summary.files,
        new_photos: summary.analysed,
        new_faces: summary.new_faces,
        gone_photos: summary.gone.n_photos,
        people: people.map_or(0, |p| p.n_people),
        videos: scanned.videos.looked_at,
        appearances: scanned.videos.appearances,
        problems: summary
            .problems
            .iter()
            .map(|(file, problem)| format!("{}: {problem}", shown(file)))
            .collect(),
    };
    let printer = work.context.printer;
    printer.row(format_args!(
        "{}: {}, {} new with {}, {} gone",
        row.folders.join(", "),
        counted(row.photos, "photo", "photos"),
        row.new_photos,
        counted(row.new_faces, "face", "faces"),
        row.gone_photos
    ))?;
    if row.videos > 0 {
        printer.row(format_args!(
            "  {} looked at, {} of people with a name",
            counted(row.videos, "video", "videos"),
            counted(row.appearances, "appearance", "appearances")
        ))?;
    }
    for problem in &row.problems {
        printer.problem(format_args!("  {problem}"));
    }
    printer.record_line(&row)?;
    Ok(())
}
