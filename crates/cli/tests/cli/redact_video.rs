//! Videos in which everybody but those to keep is covered, in every frame, on clips whose truth is
//! known: portraits over which a view pans.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fusiform::redact::redact;
use fusiform::template::similarity;
use fusiform::{BoundingBox, DetectedFace, Engine, Image};

use super::stage::{Stage, sample_album};
use super::video::{BO, IDA, IDA_AGAIN, clip, named, text};

/// Seconds of the clip in which Bo, whom nobody finds in half a second of them, is to be seen.
const BO_S: std::ops::Range<f32> = 3.0..6.0;

/// The face of a portrait in its own pixels, and how wide the portrait is.
fn portrait(engine: &Engine, name: &str) -> (DetectedFace, f32) {
    let photo = engine.analyse_file(sample_album().join(name)).unwrap();
    let width = photo.width_px as f32;
    (photo.largest().unwrap().detected(), width)
}

/// The same face in a frame of the clip, so many seconds after the portrait came in.
fn truth(portrait: &(DetectedFace, f32), seconds: f32) -> DetectedFace {
    let scale = 480.0 / portrait.1;
    let place = |face: &DetectedFace| {
        let (x, y) = (-20.0 * seconds, -(60.0 + 15.0 * seconds));
        DetectedFace {
            bbox: face.bbox.scaled(scale, scale).shifted(x, y),
            score: face.score,
            landmarks: face.landmarks.map(|l| l.scaled(scale, scale).shifted(x, y)),
        }
    };
    place(&portrait.0)
}

fn frames(engine: &Engine, stage: &Stage, video: &Path) -> Vec<Image> {
    let folder = stage.path(&format!(
        "{}-frames",
        video.file_name().unwrap().to_str().unwrap()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let done = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-i",
            text(video),
            "-fps_mode",
            "passthrough",
        ])
        .arg(folder.join("%04d.png"))
        .status();
    assert!(done.unwrap().success());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let decode = |file: &PathBuf| engine.decode_file(file).unwrap().image;
    files.iter().map(decode).collect()
}

/// The share of a face's pixels that are not as they were.
fn changed(before: &Image, after: &Image, face: &BoundingBox) -> f32 {
    let (mut n, mut n_changed) = (0, 0);
    let (middle, width, height) = (face.center(), face.width() / 2.0, face.height() / 2.0);
    for y in 0..before.height().min(after.height()) {
        for x in 0..before.width().min(after.width()) {
            let (dx, dy) = (
                (x as f32 - middle.x) / width,
                (y as f32 - middle.y) / height,
            );
            if dx.hypot(dy) > 0.9 {
                continue;
            }
            let (a, b) = (before.pixel(x, y), after.pixel(x, y));
            let off = a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max();
            n += 1;
            n_changed += i32::from(off > Some(12));
        }
    }
    n_changed as f32 / n.max(1) as f32
}

#[test]
fn strangers_are_covered_in_every_frame_and_who_is_kept_is_seen() {
    let stage = named(&[(IDA_AGAIN, "Ida")]);
    // Half a second in which a face is still to be seen through a fence, and is not found.
    let fence = "drawgrid=w=20:h=20:t=9:c=black:enable='between(t,1.2,1.7)'";
    let Some(clip) = clip(
        &stage,
        "clip.mp4",
        fence,
        &["-c:v", "libx264", "-crf", "12"],
    ) else {
        return;
    };
    let out = stage.path("out.mp4");
    let answer = stage.json(&["redact", text(&clip), "--keep", "Ida", "-o", text(&out)]);
    let video = &answer["videos"][0];
    assert_eq!(video["frames"], 250, "{answer:#}");
    assert!(video["kept_tracks"].as_u64() >= Some(2), "{answer:#}");
    assert!(video["bridged"].as_u64() > Some(0), "{answer:#}");
    let engine = Engine::builtin().unwrap();
    let (before, after) = (
        frames(&engine, &stage, &clip),
        frames(&engine, &stage, &out),
    );
    assert_eq!((before.len(), after.len()), (250, 250));
    let (ida, bo) = (portrait(&engine, IDA), portrait(&engine, BO));
    let own = engine.analyse_file(sample_album().join(BO)).unwrap();
    let own = own.largest().unwrap().template().unwrap().clone();
    let limit = engine
        .thresholds()
        .unwrap()
        .at_fmr(1e-2)
        .unwrap()
        .similarity;
    let (mut n_bo, mut n_under, mut n_lost, mut n_ida, mut n_seen) = (0, 0, 0, 0, 0);
    for (n, (before, after)) in before.iter().zip(&after).enumerate() {
        let seconds = n as f32 / 25.0;
        if BO_S.contains(&seconds) {
            let face = truth(&bo, seconds - BO_S.start);
            let share = changed(before, after, &face.bbox);
            assert!(share > 0.6, "frame {n}: {share} of the face is covered");
            let left = engine.embed_at(after, &face).unwrap();
            n_bo += 1;
            n_under += i32::from(similarity(&own.vector, &left).0 < limit);
            let found = engine
                .analyse_image(before, &Default::default())
                .unwrap()
                .faces;
            n_lost += i32::from(!found.iter().any(|f| f.bbox.iou(&face.bbox) > 0.3));
        } else if !(6.0..7.0).contains(&seconds) {
            let face = truth(&ida, seconds % 7.0);
            n_ida += 1;
            n_seen += i32::from(changed(before, after, &face.bbox) < 0.1);
        }
    }
    assert!(
        n_lost >= 10,
        "the fence hides the face from the detector in {n_lost} frames only"
    );
    assert!(
        f64::from(n_under) >= 0.995 * f64::from(n_bo),
        "{n_under} of {n_bo}"
    );
    assert!(
        f64::from(n_seen) >= 0.9 * f64::from(n_ida),
        "{n_seen} of {n_ida} are seen"
    );
    // The measure itself: a face that is not covered is found out.
    let face = truth(&bo, 0.4);
    let mut one = before[85].clone();
    assert_eq!(changed(&before[85], &one, &face.bbox), 0.0);
    redact(&mut one, &[face.bbox], &[]);
    assert!(changed(&before[85], &one, &face.bbox) > 0.6);
}

#[test]
fn copies_are_whole_or_not_there_and_nothing_is_written_over() {
    let stage = Stage::bare();
    let Some(clip) = clip(&stage, "clip.mp4", "null", &["-c:v", "libx264"]) else {
        return;
    };
    let photos = stage.photos(&[IDA]);
    let photo = photos.join(IDA);
    // A photo and a video in one run, into a folder.
    let answer = stage.json(&["redact", text(&clip), text(&photo), "-o", "copies"]);
    assert_eq!(answer["videos"][0]["copy"], "copies/clip.mp4", "{answer:#}");
    assert_eq!(answer["photos"].as_array().unwrap().len(), 1, "{answer:#}");
    let names = |dir: &str| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(stage.path(dir)) else {
            return Vec::new();
        };
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|e| name(e).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("copies"), ["01-portrait.jpg", "clip.mp4"]);
    let written = std::fs::read(stage.path("copies/clip.mp4")).unwrap();
    let again = stage
        .run(&["redact", text(&clip), "-o", "copies"])
        .ended_with(3);
    again.says(&["copies/clip.mp4 is there already"]);
    assert_eq!(
        std::fs::read(stage.path("copies/clip.mp4")).unwrap(),
        written
    );
    stage
        .run(&["redact", text(&clip), "-o", text(&clip)])
        .ended_with(3)
        .says(&["there already"]);
    let both = ["redact", text(&clip), text(&photo), "-o", "one.mp4"];
    stage
        .run(&both)
        .ended_with(3)
        .says(&["the name of one video", "2 files"]);
    // Damage is not shown, and named.
    let mut bytes = std::fs::read(&clip).unwrap();
    let (start, end) = (bytes.len() / 3, bytes.len() / 3 + 4000);
    bytes[start..end].fill(0xa5);
    let damaged = stage.path("damaged.mp4");
    std::fs::write(&damaged, bytes).unwrap();
    let ran = stage
        .run(&["redact", text(&damaged), "-o", "none"])
        .ended_with(3);
    ran.says(&["damaged.mp4"]);
    assert_eq!(names("none"), [""; 0]);
    // Without ffmpeg it says what is missing, before any work.
    let without = stage
        .command()
        .args(["redact", text(&clip), "-o", "none"])
        .env("PATH", stage.path("nowhere"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(
        said.contains("the program ffmpeg is needed and is not installed"),
        "{said}"
    );
    assert_eq!(
        (without.status.code(), names("none")),
        (Some(3), Vec::new())
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_no_half_of_a_video() {
    let stage = Stage::bare();
    let Some(clip) = clip(&stage, "clip.mp4", "null", &["-c:v", "libx264"]) else {
        return;
    };
    let mut running = stage
        .command()
        .args([
            "redact",
            text(&clip),
            "-o",
            "out/copy.mp4",
            "--threads",
            "1",
        ])
        .spawn()
        .unwrap();
    let files = || std::fs::read_dir(stage.path("out")).map_or(0, Iterator::count);
    // The unfinished file is there from the first frame that is looked at.
    while files() == 0 && running.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert_eq!(files(), 0);
}
