//! `fusiform video`. In: videos. Out: who of the catalogue is to be seen in them, and when.
//! Writes nothing of people without a name.

#[cfg(feature = "draw")]
mod contact_sheet;
mod seen;
mod webvtt;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fusiform::engine::Engine;
use fusiform::models::Threshold;
use fusiform::video::Appearance;
use fusiform::{Clip, VideoOptions};
use serde::Serialize;

use self::seen::Seen;
use super::clock::clock;
use super::known_people::{KnownPeople, Nearest};
use super::scan::stop_on_ctrl_c;
use super::verify::share;
use crate::args::VideoArgs;
use crate::context::{Context, corners, shown};
use crate::exit::Exit;
use crate::remedy::explain;

#[derive(Serialize)]
struct Answer {
    /// Similarity at and above which a face counts as that person.
    same_at: f32,
    false_match_rate: f64,
    videos: Vec<Watched>,
    problems: Vec<String>,
    interrupted: bool,
}

#[derive(Serialize)]
struct Watched {
    video: String,
    codec: String,
    duration_ms: u64,
    frames: usize,
    damaged_frames: u64,
    broke_off: Option<String>,
    appearances: Vec<Seen>,
    /// Appearances of people without a name, or of whom nobody can be sure.
    unknown: usize,
}

pub(crate) fn run(context: &Context, args: &VideoArgs) -> Result<Exit> {
    refuse_to_overwrite(args)?;
    let engine = context.engine()?;
    let known = KnownPeople::open(context, &engine, &args.enrolled)?;
    let same_at = engine.thresholds()?.at_fmr(fusiform::verify::SAME_FMR)?;
    let stop = stop_on_ctrl_c()?;
    let options = VideoOptions {
        interval: Duration::from_millis(args.interval_ms.into()),
        detect: args.detect.options(),
        ..VideoOptions::default()
    };
    let (mut videos, mut problems) = (Vec::new(), Vec::new());
    for file in &args.files {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match watched(context, &engine, &known, file, &options, &stop) {
            Ok(video) => videos.push(video),
            Err(error) => problems.push(explain(&error)),
        }
    }
    let answer = Answer {
        same_at: same_at.similarity,
        false_match_rate: same_at.fmr,
        videos,
        problems,
        interrupted: stop.load(Ordering::Relaxed),
    };
    tell(context, &answer, &same_at)?;
    if let (Some(out), Some(video)) = (&args.webvtt, answer.videos.first()) {
        fs::write(out, webvtt::cues(&video.appearances)).with_context(|| shown(out))?;
    }
    #[cfg(feature = "draw")]
    if let Some(out) = &args.sheet {
        let seen = answer.videos.iter().flat_map(|video| &video.appearances);
        match contact_sheet::drawn(seen)? {
            Some(sheet) => super::draw::write(&sheet, out)?,
            None => context.printer.note("nobody with a name: no contact sheet"),
        }
    }
    context.printer.record(&answer)?;
    let broke_off = answer.videos.iter().any(|video| video.broke_off.is_some());
    Ok(match answer.interrupted {
        true => Exit::Interrupted,
        false if broke_off => Exit::SomeProblems,
        false => Exit::of(&answer.problems),
    })
}

impl VideoArgs {
    /// With paths as they are meant where one begins with `~`.
    pub(crate) fn expanded(self, context: &Context) -> Result<VideoArgs> {
        let files = self.files.iter().map(|file| context.expanded(file));
        Ok(VideoArgs {
            files: files.collect::<Result<_, _>>()?,
            webvtt: self.webvtt.map(|out| context.expanded(&out)).transpose()?,
            #[cfg(feature = "draw")]
            sheet: self.sheet.map(|out| context.expanded(&out)).transpose()?,
            ..self
        })
    }
}

fn refuse_to_overwrite(args: &VideoArgs) -> Result<()> {
    ensure!(
        args.webvtt.is_none() || args.files.len() == 1,
        "one WebVTT file is about one video; run the command for each"
    );
    let mut outputs: Vec<&Path> = args.webvtt.as_deref().into_iter().collect();
    #[cfg(feature = "draw")]
    if let Some(sheet) = args.sheet.as_deref() {
        ensure!(
            super::draw::is_picture(sheet),
            "{}: a contact sheet is a .jpg or .png file",
            sheet.display()
        );
        outputs.push(sheet);
    }
    for out in outputs {
        ensure!(
            !out.exists(),
            "{} is there already; name another file",
            out.display()
        );
    }
    Ok(())
}

fn watched(
    context: &Context,
    engine: &Engine,
    known: &KnownPeople,
    file: &Path,
    options: &VideoOptions,
    stop: &AtomicBool,
) -> Result<Watched> {
    let bar = context.printer.bar(0, "looking at frames");
    let interval_ms = options.interval.as_millis().max(1) as u64;
    let clip = context.on_all_threads(|| {
        engine.analyse_video(file, options, |time_ms, duration_ms| {
            bar.set_length(duration_ms / interval_ms);
            bar.set_position(time_ms / interval_ms);
            !stop.load(Ordering::Relaxed)
        })
    });
    bar.finish_and_clear();
    let clip: Clip = clip??;
    let mut appearances = Vec::new();
    for seen in &clip.appearances {
        appearances.extend(named(known, seen)?);
    }
    known.note(clip.appearances.len())?;
    Ok(Watched {
        video: shown(file),
        codec: clip.codec_name,
        duration_ms: clip.duration_ms,
        frames: clip.n_frames,
        damaged_frames: clip.n_damaged,
        broke_off: clip.broke_off,
        unknown: clip.appearances.len() - appearances.len(),
        appearances,
    })
}

/// Who an appearance is, if it is somebody with a name beyond doubt.
fn named(known: &KnownPeople, seen: &Appearance) -> Result<Option<Seen>> {
    let Some(template) = &seen.template else {
        return Ok(None);
    };
    let Some((
        name,
        Nearest {
            who, similarity, ..
        },
    )) = known.named(template)?
    else {
        return Ok(None);
    };
    Ok(Some(Seen {
        start_ms: seen.start_ms,
        end_ms: seen.end_ms,
        who,
        name,
        similarity: similarity.0,
        best_ms: seen.best_ms,
        best_bbox: corners(&seen.best.bbox),
        aligned: seen.best.aligned.rgb.clone(),
    }))
}

fn tell(context: &Context, answer: &Answer, same_at: &Threshold) -> Result<()> {
    let printer = context.printer;
    for video in &answer.videos {
        for seen in &video.appearances {
            printer.row(format_args!(
                "{}\t{}-{}\t{}\t{:.3}",
                video.video,
                clock(seen.start_ms),
                clock(seen.end_ms),
                seen.name,
                seen.similarity
            ))?;
        }
        let unknown = match video.unknown {
            0 => String::new(),
            1 => "; one appearance of somebody without a name".to_owned(),
            n => format!("; {n} appearances of people without a name"),
        };
        printer.note(format_args!(
            "{}: {} frames of {} looked at{unknown}",
            video.video,
            video.frames,
            clock(video.duration_ms)
        ));
        if let Some(reason) = &video.broke_off {
            printer.problem(format_args!("{}: broke off: {reason}", video.video));
        }
        if video.damaged_frames > 0 {
            printer.problem(format_args!(
                "{}: {} coded frames are damaged",
                video.video, video.damaged_frames
            ));
        }
    }
    for problem in &answer.problems {
        printer.problem(problem);
    }
    printer.note(format_args!(
        "named: similarity at least {:.3}, where {} pairs of strangers would match",
        same_at.similarity,
        share(same_at.fmr)
    ));
    Ok(())
}
