//! Who appears when in a video, on clips that ffmpeg makes of the sample album's people: portraits
//! over which a view pans, so that who is to be seen in which frame is known.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::stage::{Stage, sample_album};

/// Two of one person and one of another.
pub(crate) const IDA: &str = "01-portrait.jpg";
pub(crate) const IDA_AGAIN: &str = "02-portrait.jpg";
pub(crate) const BO: &str = "05-portrait.jpg";

/// Three seconds of one portrait, three of the other, through a filter; one of grey; then the first
/// again for three. `None` without ffmpeg, and the calling test is listed as skipped.
#[track_caller]
pub(crate) fn clip(stage: &Stage, name: &str, filter: &str, coding: &[&str]) -> Option<PathBuf> {
    let path = stage.path(name);
    let view = "scale=480:-2,crop=400:360:'t*20':'60+t*15',fps=25,format=yuv420p,setsar=1";
    let graph = format!(
        "[0]{view}[a];[1]{view},{filter}[b];\
         color=gray:s=400x360:r=25:d=1,format=yuv420p,setsar=1[c];\
         [2]{view}[d];[a][b][c][d]concat=n=4"
    );
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-y"]);
    for portrait in [IDA, BO, IDA] {
        let portrait = sample_album().join(portrait);
        ffmpeg.args(["-loop", "1", "-t", "3", "-i"]).arg(portrait);
    }
    let made = ffmpeg
        .args(["-filter_complex", &graph])
        .args(coding)
        .arg(&path)
        .output();
    let Ok(made) = made else {
        fusiform_skips::skip("no ffmpeg", "install Debian's package ffmpeg");
        return None;
    };
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Some(path)
}

/// A catalogue in which these photos' people have these names.
pub(crate) fn named(people: &[(&str, &str)]) -> Stage {
    let stage = Stage::bare();
    let photos: Vec<&str> = people.iter().map(|(photo, _)| *photo).collect();
    let dir = stage.photos(&photos);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    for (photo, name) in people {
        let path = dir.join(photo);
        let shown = stage.json(&["photo".as_ref(), path.as_os_str()]);
        let face = shown["items"][0]["face"].to_string();
        stage.run(&["is", name, &face]).ended_with(0);
    }
    stage
}

/// Name, first and last time of each appearance.
fn appearances(answer: &Value) -> Vec<(String, u64, u64)> {
    let all = answer["videos"][0]["appearances"].as_array().unwrap();
    let time = |seen: &Value, which: &str| seen[which].as_u64().unwrap();
    let row = |seen: &Value| {
        let name = seen["name"].as_str().unwrap().to_owned();
        (name, time(seen, "start_ms"), time(seen, "end_ms"))
    };
    all.iter().map(row).collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn each_named_person_is_found_in_the_seconds_where_they_are() {
    let stage = named(&[(IDA_AGAIN, "Ida"), (BO, "Bo")]);
    for (name, coding) in [
        ("clip.mp4", &["-c:v", "libx264", "-bf", "2"][..]),
        (
            "clip.mkv",
            &["-c:v", "libx265", "-x265-params", "log-level=none"],
        ),
    ] {
        let Some(clip) = clip(&stage, name, "null", coding) else {
            return;
        };
        let answer = stage.json(&["video", text(&clip)]);
        let wanted = [("Ida", 0, 2960), ("Bo", 3000, 5960), ("Ida", 7000, 9960)];
        let found = appearances(&answer);
        assert_eq!(found.len(), wanted.len(), "{answer:#}");
        for ((name, start, end), (of, from, to)) in found.iter().zip(wanted) {
            assert_eq!(name, of, "{answer:#}");
            assert!(from <= *start && *start <= from + 200, "{answer:#}");
            assert!(to - 200 <= *end && *end <= to, "{answer:#}");
        }
        let video = &answer["videos"][0];
        assert_eq!(
            (&video["unknown"], &video["frames"]),
            (&0.into(), &50.into())
        );
    }
}

#[test]
fn nobody_without_a_name_is_named_or_written() {
    let stage = named(&[(IDA_AGAIN, "Ida")]);
    let Some(clip) = clip(&stage, "clip.mp4", "null", &["-c:v", "libx264"]) else {
        return;
    };
    let (cues, sheet) = (stage.path("clip.vtt"), stage.path("clip.png"));
    let arguments = [
        "video",
        text(&clip),
        "--webvtt",
        text(&cues),
        "--sheet",
        text(&sheet),
    ];
    let ran = stage.run(&arguments).ended_with(0);
    assert_eq!(ran.stdout().matches("Ida").count(), 2, "{}", ran.stdout());
    ran.says(&["one appearance of somebody without a name"]);
    let cues = std::fs::read_to_string(&cues).unwrap();
    assert_eq!(cues.matches("-->").count(), 2, "{cues}");
    assert!(cues.starts_with("WEBVTT\n\n00:00:00.000 --> "), "{cues}");
    // Two crops and no third.
    let size = image::image_dimensions(&sheet).unwrap();
    assert_eq!(size, (40 + 2 * 264, 40 + 264));
    let again = stage.run(&arguments).ended_with(4);
    again.says(&["clip.vtt is there already"]);
    // Nothing of a video is kept.
    let people = stage.json(&["people"]);
    assert_eq!(people.as_array().unwrap().len(), 1, "{people}");
    let left = stage.json(&["leftovers"]);
    assert_eq!(left["total"], 0, "{left}");
}

#[test]
fn a_video_that_breaks_off_keeps_what_was_seen() {
    let stage = named(&[(IDA_AGAIN, "Ida")]);
    let coding = ["-c:v", "libx264", "-movflags", "+faststart"];
    let Some(clip) = clip(&stage, "clip.mp4", "null", &coding) else {
        return;
    };
    let bytes = std::fs::read(&clip).unwrap();
    let cut = stage.path("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let none = stage.path("none.mp4");
    std::fs::write(&none, "no video").unwrap();
    let ran = stage
        .run(&["video", text(&none), text(&cut), "missing.mp4"])
        .ended_with(3);
    assert_eq!(ran.stdout().matches("Ida").count(), 1, "{}", ran.stdout());
    ran.says(&["none.mp4", "no MP4, MOV, MKV or WebM"]);
    ran.says(&["missing.mp4"]);
    ran.says(&["cut.mp4: broke off", "ends within a frame"]);
}

/// Two portraits side by side for four seconds, panned over in opposite directions; then the next
/// two. `None` without ffmpeg, and the calling test is listed as skipped.
#[track_caller]
fn pairs(stage: &Stage, name: &str, pairs: &[[&str; 2]]) -> Option<PathBuf> {
    let path = stage.path(name);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-y"]);
    let mut graph = String::new();
    for (n, pair) in pairs.iter().enumerate() {
        for (side, portrait) in pair.iter().enumerate() {
            let portrait = sample_album().join(portrait);
            ffmpeg.args(["-loop", "1", "-t", "4", "-i"]).arg(portrait);
            let x = ["t*18", "70-t*18"][side];
            graph += &format!(
                "[{}]scale=400:-2,crop=320:360:'{x}':'20+t*12',fps=25,format=yuv420p,\
                 setsar=1[side{n}_{side}];",
                2 * n + side
            );
        }
        graph += &format!("[side{n}_0][side{n}_1]hstack[pair{n}];");
    }
    let all: String = (0..pairs.len()).map(|n| format!("[pair{n}]")).collect();
    graph += &format!("{all}concat=n={}", pairs.len());
    let made = ffmpeg.args(["-filter_complex", &graph]).arg(&path).output();
    let Ok(made) = made else {
        fusiform_skips::skip("no ffmpeg", "install Debian's package ffmpeg");
        return None;
    };
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Some(path)
}

#[test]
fn people_side_by_side_are_told_apart_from_each_other_and_from_strangers() {
    // Of persons 1 to 8; 4 and 6 are known to nobody. No portrait of the clip is in the catalogue.
    let known = [
        ("02", "P1"),
        ("05", "P2"),
        ("08", "P3"),
        ("14", "P5"),
        ("18", "P7"),
        ("20", "P8"),
    ];
    let files = known.map(|(n, name)| (format!("{n}-portrait.jpg"), name));
    let people: Vec<(&str, &str)> = files.iter().map(|(f, name)| (f.as_str(), *name)).collect();
    let stage = named(&people);
    let shown = [
        [("01", "P1"), ("09", "P3")],
        [("06", "P2"), ("11", "")],
        [("16", ""), ("15", "P5")],
        [("19", "P7"), ("21", "P8")],
        [("10", "P3"), ("03", "P1")],
        [("12", ""), ("17", "")],
    ];
    let files = shown.map(|pair| pair.map(|(n, _)| format!("{n}-portrait.jpg")));
    let files = files
        .each_ref()
        .map(|pair| pair.each_ref().map(String::as_str));
    let Some(clip) = pairs(&stage, "pairs.mp4", &files) else {
        return;
    };
    let answer = stage.json(&["video", text(&clip)]);
    let video = &answer["videos"][0];
    let seen = video["appearances"].as_array().unwrap();
    // A track for each of the eight places with a known person, and none for both of a pair.
    assert_eq!(seen.len(), 8, "{answer:#}");
    assert_eq!(video["unknown"], 4, "{answer:#}");
    for seen in seen {
        let start_ms = seen["start_ms"].as_u64().unwrap();
        let end_ms = seen["end_ms"].as_u64().unwrap();
        let best_ms = seen["best_ms"].as_u64().unwrap();
        let (pair, x) = (best_ms / 4000, seen["best_bbox"][0].as_f64().unwrap());
        let truth = shown[pair as usize][usize::from(x > 300.0)];
        assert_eq!(seen["name"], truth.1, "{seen:#}");
        assert_eq!((start_ms / 4000, end_ms / 4000), (pair, pair), "{seen:#}");
        assert!(end_ms - start_ms > 3600, "{seen:#}");
    }
}

#[test]
fn people_of_the_vault_are_named_too_and_the_log_says_so() {
    let stage = named(&[(BO, "Bo")]);
    let Some(clip) = clip(&stage, "clip.mp4", "null", &["-c:v", "libx264"]) else {
        return;
    };
    let people = stage.path("people/Ida");
    std::fs::create_dir_all(&people).unwrap();
    std::fs::copy(sample_album().join(IDA_AGAIN), people.join("a.jpg")).unwrap();
    let without = stage
        .run(&["video", text(&clip), "--enrolled"])
        .ended_with(4);
    without.says(&["no vault yet"]);
    stage.run(&["key", "recognition"]).ended_with(0);
    let enrol = ["enrol", "people", "--basis", "consent", "--no-expiry"];
    stage.run(&enrol).ended_with(0);
    let answer = stage.json(&["video", text(&clip), "--enrolled"]);
    let found: Vec<_> = appearances(&answer)
        .into_iter()
        .map(|seen| seen.0)
        .collect();
    assert_eq!(found, ["Ida", "Bo", "Ida"], "{answer:#}");
    let of = |n: usize| answer["videos"][0]["appearances"][n]["of"].clone();
    assert_eq!(
        (of(0), of(1)),
        ("vault".into(), "catalogue".into()),
        "{answer:#}"
    );
    let log = stage.run(&["audit", "list"]).ended_with(0);
    assert!(log.stdout().contains("identify"), "{}", log.stdout());
    stage.run(&["audit", "verify"]).ended_with(0);
    // Without the flag nobody of the vault is named.
    let answer = stage.json(&["video", text(&clip)]);
    assert_eq!(appearances(&answer).len(), 1, "{answer:#}");
    // Who is enrolled may be kept; nobody of that name may not.
    let keep = [
        "redact",
        text(&clip),
        "--enrolled",
        "--keep",
        "ida",
        "-o",
        "ida.mp4",
    ];
    let answer = stage.json(&keep);
    assert!(
        answer["videos"][0]["kept_tracks"].as_u64() >= Some(2),
        "{answer:#}"
    );
    let nobody = [
        "redact",
        text(&clip),
        "--enrolled",
        "--keep",
        "Eve",
        "-o",
        "eve.mp4",
    ];
    stage.run(&nobody).ended_with(4).says(&["Eve"]);
}
