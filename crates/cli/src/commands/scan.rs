//! `fusiform scan`. In: folders, or those that are remembered. Out: a catalogue that knows their
//! photos, and a summary.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fusiform::Engine;
#[cfg(feature = "video")]
use fusiform::album::AlbumVideoOptions;
use fusiform::album::{Album, GroupSummary, MissingRoot, ProblemKind, Unusable, counted};
use fusiform::scan::{Event, Exclude, LeftOut, Reason, ScanOptions, ScanSummary, VideoSummary};
use serde::Serialize;

use crate::args::{DetectArgs, ExcludeArgs};
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::MORE_OF_A_PHOTO;

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
    /// How many problems of each kind.
    problems_by_kind: BTreeMap<&'static str, usize>,
    notes: Vec<Note>,
    /// How many pictures and films of each kind are not read.
    unread_by_kind: BTreeMap<String, usize>,
    unread: Vec<Unread>,
    /// How many folders and files were left out for each reason.
    excluded_by_reason: BTreeMap<String, usize>,
    excluded: Vec<Left>,
    /// Files that were scanned earlier and are left out now.
    excluded_now: usize,
    /// How many files are neither pictures nor films, by the ending of their names.
    no_pictures_by_ending: BTreeMap<String, usize>,
    /// Folders that hold nothing now, although photos of the catalogue were there.
    emptied: Vec<Emptied>,
    videos: Videos,
}

/// What was done with videos.
#[derive(Serialize)]
struct Videos {
    files: usize,
    /// Those that needed no look.
    known: usize,
    looked_at: usize,
    /// Appearances of people with a name in those.
    appearances: usize,
    /// Those that wait until somebody has a name.
    waiting: usize,
    /// Those that have no file any more.
    gone: usize,
}

#[derive(Serialize)]
struct Left {
    path: String,
    reason: String,
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
    /// `over_limit`, `damaged`, `no_photo`, `not_covered`, `unreadable` or `failed`.
    kind: &'static str,
    problem: String,
}

/// A folder that holds nothing now.
#[derive(Serialize)]
struct Emptied {
    folder: String,
    /// Photos of the catalogue that were there; they are kept.
    photos: usize,
    videos: usize,
}

pub(crate) fn run(
    context: &Context,
    roots: &[PathBuf],
    exclude: &ExcludeArgs,
    detect: DetectArgs,
) -> Result<Exit> {
    let started = Instant::now();
    let engine = context.engine()?;
    // A pack that cannot group is better refused before an hour of reading than after.
    engine.cluster_options()?;
    let mut catalogue = context.catalogue()?;
    let roots = roots_or_remembered(context, &catalogue, roots)?;
    let options = ScanOptions {
        threads: context.threads(),
        exclude: Exclude::new(&context.config.exclude)?.and(&exclude.exclude)?,
    };
    let stop = stop_on_ctrl_c()?;
    let work = Work {
        context,
        engine: &engine,
        options: &options,
        detect,
        #[cfg(feature = "video")]
        with_videos: exclude.with_videos(context.config.videos),
        stop: &stop,
    };
    let scanned = work.scan(&mut catalogue, &roots)?;
    let answer = Answer::of(&scanned, started.elapsed().as_secs_f64());
    let summary = scanned.photos;
    let left_out = summary.left_out();
    tell(context, &answer, &left_out)?;
    context.printer.record(&answer)?;
    Ok(match answer.interrupted {
        true => Exit::Interrupted,
        false if left_out.iter().any(|left| left.reason.is_problem()) => Exit::SomeProblems,
        false => Exit::Done,
    })
}

/// A flag that Ctrl-C sets.
pub(super) fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // A second Ctrl-C does not wait: what is recorded is safe at any instant.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("Ctrl-C cannot be caught")?;
    Ok(stop)
}

/// The folders that were named, else those of the settings and of the catalogue.
pub(super) fn roots_or_remembered(
    context: &Context,
    catalogue: &Album,
    named: &[PathBuf],
) -> Result<Vec<PathBuf>> {
    if !named.is_empty() {
        return named.iter().map(|root| context.expanded(root)).collect();
    }
    let mut roots = context.config.folders.clone();
    roots.extend(catalogue.remembered()?);
    roots.sort();
    roots.dedup();
    ensure!(
        !roots.is_empty(),
        "no folder is remembered yet; `fusiform scan DIR` scans one and remembers it"
    );
    Ok(roots)
}

/// What a scan did.
pub(super) struct Scanned {
    /// With what is to be said of videos.
    pub(super) photos: ScanSummary,
    /// None if the scan was stopped before.
    pub(super) people: Option<GroupSummary>,
    pub(super) videos: VideoSummary,
}

/// What a scan needs beside a catalogue and folders.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    pub(super) engine: &'a Engine,
    pub(super) options: &'a ScanOptions,
    pub(super) detect: DetectArgs,
    #[cfg(feature = "video")]
    pub(super) with_videos: bool,
    pub(super) stop: &'a AtomicBool,
}

impl Work<'_> {
    /// Scans, groups, and looks for people with a name in videos; a scan that was stopped leaves
    /// the rest to the next.
    pub(super) fn scan(&self, catalogue: &mut Album, roots: &[PathBuf]) -> Result<Scanned> {
        let printer = self.context.printer;
        let bar = printer.bar(0, "scanning");
        let photos = self.engine.scan_with(
            catalogue,
            roots,
            &self.context.analysing(self.detect),
            self.options,
            self.stop,
            |event| match event {
                Event::Found(n) => bar.set_length(n as u64),
                Event::Recorded(n) => bar.set_position(n as u64),
            },
        )?;
        bar.finish_and_clear();
        let mut scanned = Scanned {
            photos,
            people: None,
            videos: VideoSummary::default(),
        };
        if scanned.photos.interrupted {
            return Ok(scanned);
        }
        // Grouping is cheap beside reading.
        let waiting = printer.bar(1, "grouping faces");
        scanned.people = Some(self.engine.group(catalogue)?);
        waiting.finish_and_clear();
        #[cfg(feature = "video")]
        self.look_at_videos(catalogue, &mut scanned)?;
        Ok(scanned)
    }

    #[cfg(feature = "video")]
    fn look_at_videos(&self, catalogue: &mut Album, scanned: &mut Scanned) -> Result<()> {
        // A pack without a stated false-match rate names nobody.
        if !self.with_videos || self.engine.album_video_threshold().is_err() {
            return Ok(());
        }
        let videos = scanned.photos.take_videos();
        let mut options = AlbumVideoOptions::default();
        options.video.detect = self.detect.options();
        let bar = self.context.printer.bar(0, "looking at videos");
        let (engine, stop) = (self.engine, self.stop);
        let looked = self.context.on_all_threads(|| {
            engine.look_at_videos(catalogue, &videos, &options, stop, |event| match event {
                Event::Found(n) => bar.set_length(n as u64),
                Event::Recorded(n) => bar.set_position(n as u64),
            })
        });
        bar.finish_and_clear();
        let looked = looked??;
        let photos = &mut scanned.photos;
        photos.problems.extend(looked.problems.iter().cloned());
        photos.problems.sort();
        photos.notes.extend(looked.notes.iter().cloned());
        photos.notes.sort();
        photos.interrupted |= looked.interrupted;
        scanned.videos = looked;
        Ok(())
    }
}

impl Answer {
    fn of(scanned: &Scanned, seconds: f64) -> Answer {
        let (summary, people) = (&scanned.photos, scanned.people.as_ref());
        let videos = &scanned.videos;
        Answer {
            photos: summary.files,
            unchanged: summary.unchanged,
            known_content: summary.known_content,
            new_photos: summary.analysed,
            new_faces: summary.new_faces,
            gone_photos: summary.gone.n_photos,
            people: people.map_or(0, |p| p.n_people),
            unsorted_faces: people.map_or(0, |p| p.n_unassigned),
            seconds,
            interrupted: summary.interrupted,
            problems: summary.problems.iter().map(problem).collect(),
            problems_by_kind: counts(summary.problems.iter().map(|(_, p)| p.kind.word())),
            notes: told(&summary.notes, |file, note| Note { file, note }),
            unread_by_kind: by_kind(&summary.unread),
            unread: told(&summary.unread, |file, kind| Unread { file, kind }),
            excluded_by_reason: counts(summary.excluded.iter().map(|(_, why)| why.clone())),
            excluded: told(&summary.excluded, |path, reason| Left { path, reason }),
            excluded_now: summary.n_excluded_files,
            no_pictures_by_ending: summary.no_pictures.clone(),
            emptied: summary.emptied.iter().map(emptied).collect(),
            videos: Videos {
                files: videos.files,
                known: videos.known,
                looked_at: videos.looked_at,
                appearances: videos.appearances,
                waiting: videos.waiting,
                gone: summary.n_gone_videos,
            },
        }
    }
}

fn problem((file, problem): &(PathBuf, Unusable)) -> Problem {
    Problem {
        file: shown(file),
        kind: problem.kind.word(),
        problem: problem.why.clone(),
    }
}

fn emptied(root: &MissingRoot) -> Emptied {
    Emptied {
        folder: shown(&root.path),
        photos: root.n_photos,
        videos: root.n_videos,
    }
}

fn told<T>(lines: &[(PathBuf, String)], row: impl Fn(String, String) -> T) -> Vec<T> {
    let line = |(path, text): &(PathBuf, String)| row(shown(path), text.clone());
    lines.iter().map(line).collect()
}

fn tell(context: &Context, answer: &Answer, left_out: &[LeftOut]) -> Result<()> {
    let printer = context.printer;
    printer.row(format_args!(
        "{} ({} new, {} unchanged, {} known by their picture), {}, {:.1} s",
        counted(answer.photos, "photo", "photos"),
        answer.new_photos,
        answer.unchanged,
        answer.known_content,
        counted(answer.new_faces, "new face", "new faces"),
        answer.seconds
    ))?;
    if answer.excluded_now > 0 {
        printer.row(format_args!(
            "{} left out now; what you decided about them is kept",
            counted(
                answer.excluded_now,
                "file that was scanned earlier is",
                "files that were scanned earlier are"
            )
        ))?;
    }
    if answer.gone_photos > 0 {
        printer.row(format_args!(
            "{} taken out; what you decided about them is kept",
            counted(
                answer.gone_photos,
                "photo is gone and was",
                "photos are gone and were"
            )
        ))?;
        printer.note("they come back with their files; `fusiform prune` shows what to forget");
    }
    tell_of_videos(context, &answer.videos)?;
    if answer.interrupted {
        printer.note("stopped; run the same command again to go on from here");
    } else {
        printer.row(format_args!(
            "{}, {} to nobody yet",
            counted(answer.people, "person", "people"),
            counted(
                answer.unsorted_faces,
                "face that belongs",
                "faces that belong"
            )
        ))?;
        printer.note("`fusiform people` lists them, `fusiform report people.html` shows them");
    }
    // As it should be first, so that problems are the last to be read.
    for left in left_out.iter().filter(|left| !left.reason.is_problem()) {
        printer.note(&left.what);
        if left.reason == Reason::Noted {
            for line in left.lines.iter().take(SHOWN_PROBLEMS) {
                printer.note(format_args!("  {line}"));
            }
            tell_more(context, left.lines.len());
        }
    }
    for left in left_out.iter().filter(|left| left.reason.is_problem()) {
        printer.problem(format_args!("{}:", left.what));
        for line in left.lines.iter().take(SHOWN_PROBLEMS) {
            printer.problem(format_args!("  {line}"));
        }
        tell_more(context, left.lines.len());
        match left.reason {
            Reason::Problem(ProblemKind::OverLimit) => printer.note(MORE_OF_A_PHOTO),
            Reason::Emptied => printer.note(
                "if they were deleted, `fusiform prune --root DIR --yes` forgets what was there",
            ),
            _ => {}
        }
    }
    Ok(())
}

fn tell_of_videos(context: &Context, videos: &Videos) -> Result<()> {
    let printer = context.printer;
    if videos.files > 0 && videos.waiting < videos.files {
        printer.row(format_args!(
            "{} ({} looked at now), {} of people with a name",
            counted(videos.files, "video", "videos"),
            videos.looked_at,
            counted(videos.appearances, "new appearance", "new appearances")
        ))?;
    }
    if videos.gone > 0 {
        printer.row(format_args!(
            "{} taken out, gone or left out now; what you decided about them is kept",
            counted(videos.gone, "video was", "videos were")
        ))?;
    }
    if videos.waiting > 0 {
        printer.note(format_args!(
            "{} for somebody with a name to look for; name people, and scan again",
            counted(videos.waiting, "video waits", "videos wait")
        ));
    }
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
    // What stands behind the semicolon is advice.
    let kinds = unread.iter().map(|(_, kind)| kind.split(';').next());
    counts(kinds.map(|kind| kind.unwrap_or_default().to_owned()))
}

fn counts<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}
