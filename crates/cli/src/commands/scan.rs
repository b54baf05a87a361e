//! `fusiform scan`. In: folders. Out: a catalogue that knows their photos, and a summary.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use fusiform::scan::{Event, ScanOptions};
use serde::Serialize;

use crate::args::DetectArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

/// Problems shown in full at the end; `--json` lists all of them.
const SHOWN_PROBLEMS: usize = 50;

#[derive(Serialize)]
struct Answer {
    photos: usize,
    unchanged: usize,
    known_content: usize,
    new_photos: usize,
    new_faces: usize,
    /// Photos that have no file any more.
    gone_photos: usize,
    people: usize,
    unsorted_faces: usize,
    seconds: f64,
    interrupted: bool,
    problems: Vec<Problem>,
    notes: Vec<Note>,
    /// How many pictures and films of each kind are not read.
    unread_by_kind: BTreeMap<String, usize>,
    unread: Vec<Unread>,
}

#[derive(Serialize)]
struct Note {
    file: String,
    note: String,
}

#[derive(Serialize)]
struct Unread {
    file: String,
    kind: String,
}

#[derive(Serialize)]
struct Problem {
    file: String,
    problem: String,
}

pub(crate) fn run(context: &Context, roots: &[PathBuf], detect: DetectArgs) -> Result<Exit> {
    let started = Instant::now();
    let engine = context.engine()?;
    // A pack that cannot group is better refused before an hour of reading than after.
    engine.cluster_options()?;
    let mut catalogue = context.catalogue()?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // A second Ctrl-C does not wait: what is recorded is safe at any instant.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("Ctrl-C cannot be caught")?;

    let printer = context.printer;
    let options = ScanOptions {
        threads: context.threads(),
    };
    let bar = printer.bar(0, "scanning");
    let summary = engine.scan_with(
        &mut catalogue,
        roots,
        &detect.options(),
        &options,
        &stop,
        |event| match event {
            Event::Found(n) => bar.set_length(n as u64),
            Event::Recorded(n) => bar.set_position(n as u64),
        },
    )?;
    bar.finish_and_clear();

    // Grouping is cheap beside reading; a run that was stopped leaves it to the next.
    let people = if summary.interrupted {
        None
    } else {
        let waiting = printer.bar(1, "grouping faces");
        let people = engine.group(&mut catalogue)?;
        waiting.finish_and_clear();
        Some(people)
    };
    let answer = Answer {
        photos: summary.files,
        unchanged: summary.unchanged,
        known_content: summary.known_content,
        new_photos: summary.analysed,
        new_faces: summary.new_faces,
        gone_photos: summary.gone.n_photos,
        people: people.as_ref().map_or(0, |p| p.n_people),
        unsorted_faces: people.as_ref().map_or(0, |p| p.n_unassigned),
        seconds: started.elapsed().as_secs_f64(),
        interrupted: summary.interrupted,
        problems: summary
            .problems
            .iter()
            .map(|(file, problem)| Problem {
                file: shown(file),
                problem: problem.clone(),
            })
            .collect(),
        notes: summary
            .notes
            .iter()
            .map(|(file, note)| Note {
                file: shown(file),
                note: note.clone(),
            })
            .collect(),
        unread_by_kind: by_kind(&summary.unread),
        unread: summary
            .unread
            .iter()
            .map(|(file, kind)| Unread {
                file: shown(file),
                kind: kind.clone(),
            })
            .collect(),
    };
    tell(context, &answer)?;
    printer.record(&answer)?;
    Ok(match answer {
        Answer {
            interrupted: true, ..
        } => Exit::Interrupted,
        Answer {
            problems, unread, ..
        } if !problems.is_empty() || !unread.is_empty() => Exit::SomeProblems,
        _ => Exit::Done,
    })
}

fn tell(context: &Context, answer: &Answer) -> Result<()> {
    let printer = context.printer;
    printer.row(format_args!(
        "{} photos ({} new, {} unchanged, {} known by their picture), {} new faces, {:.1} s",
        answer.photos,
        answer.new_photos,
        answer.unchanged,
        answer.known_content,
        answer.new_faces,
        answer.seconds
    ))?;
    if answer.gone_photos > 0 {
        printer.row(format_args!(
            "{} photos are gone and were taken out; what you decided about them is kept",
            answer.gone_photos
        ))?;
        printer.note("they come back with their files; `fusiform prune` shows what to forget");
    }
    if answer.interrupted {
        printer.note("stopped; run the same command again to go on from here");
    } else {
        printer.row(format_args!(
            "{} people, {} faces that belong to nobody yet",
            answer.people, answer.unsorted_faces
        ))?;
        printer.note("`fusiform people` lists them, `fusiform report people.html` shows them");
    }
    if !answer.notes.is_empty() {
        printer.note(format_args!(
            "{} were used with a note:",
            answer.notes.len()
        ));
        for note in answer.notes.iter().take(SHOWN_PROBLEMS) {
            printer.note(format_args!("  {}: {}", note.file, note.note));
        }
        tell_more(context, answer.notes.len());
    }
    if !answer.unread.is_empty() {
        let kinds: Vec<String> = answer
            .unread_by_kind
            .iter()
            .map(|(kind, n)| format!("{n} {kind}"))
            .collect();
        printer.problem(format_args!(
            "{} pictures or films are of kinds that are not read: {}",
            answer.unread.len(),
            kinds.join(", ")
        ));
        for unread in answer.unread.iter().take(SHOWN_PROBLEMS) {
            printer.problem(format_args!("  {}: {}", unread.file, unread.kind));
        }
        tell_more(context, answer.unread.len());
    }
    if answer.problems.is_empty() {
        return Ok(());
    }
    printer.problem(format_args!("{} could not be used:", answer.problems.len()));
    for problem in answer.problems.iter().take(SHOWN_PROBLEMS) {
        printer.problem(format_args!("  {}: {}", problem.file, problem.problem));
    }
    tell_more(context, answer.problems.len());
    Ok(())
}

/// That a list was not shown in full.
fn tell_more(context: &Context, n_lines: usize) {
    if let Some(more) = n_lines.checked_sub(SHOWN_PROBLEMS).filter(|n| *n > 0) {
        let printer = context.printer;
        printer.problem(format_args!("  and {more} more; --json lists all"));
    }
}

fn by_kind(unread: &[(PathBuf, String)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, kind) in unread {
        // What stands behind the semicolon is advice.
        let kind = kind.split(';').next().unwrap_or(kind);
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    counts
}
