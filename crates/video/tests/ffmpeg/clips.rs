//! Clips that ffmpeg writes, and what it says of them. In: how they are coded. Out: files, planes
//! and times.

use std::path::{Path, PathBuf};
use std::process::Command;

use fusiform_video::{Picture, Video, VideoInfo, VideoLimits};

/// Runs ffmpeg; `None` where there is none, and the calling test is listed as skipped.
#[track_caller]
pub(crate) fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(arguments)
        .output();
    let done = match done {
        Ok(done) => done,
        Err(_) => {
            fusiform_skips::skip("no ffmpeg", "install Debian's package ffmpeg");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ffmpeg {arguments:?}: {said}");
    Some(done.stdout)
}

pub(crate) fn open(path: &Path) -> (VideoInfo, Vec<Picture>) {
    let video = Video::open(path, &VideoLimits::default()).expect("a video");
    let info = video.info().clone();
    let mut pictures = video.pictures();
    let all = pictures.by_ref().map(|p| p.expect("a picture")).collect();
    assert_eq!(pictures.damaged(), 0);
    (info, all)
}

pub(crate) fn as_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Planes and times are ffmpeg's, for a clip of eight bits with a quarter of the colours.
#[track_caller]
pub(crate) fn compare(path: &Path, pictures: &[Picture]) {
    compare_stored(path, pictures, "yuv420p");
}

/// As [`compare`], for a clip with these pixels; those of more than eight bits are rounded.
#[track_caller]
pub(crate) fn compare_stored(path: &Path, pictures: &[Picture], pixels: &str) {
    let stored = [
        "-noautorotate",
        "-i",
        as_text(path),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
    ];
    let raw = ffmpeg(&[&stored[..], &["-pix_fmt", pixels, "-f", "rawvideo", "-"]].concat());
    let raw = raw.expect("ffmpeg was here before");
    let raw: Vec<u8> = match pixels.ends_with("10le") {
        false => raw,
        true => raw
            .chunks(2)
            .map(|b| ((u16::from_le_bytes([b[0], b[1]]) + 2) >> 2).min(255) as u8)
            .collect(),
    };
    let first = &pictures[0].planes;
    let size = first.y.len() + first.cb.len() + first.cr.len();
    assert_eq!(raw.len(), size * pictures.len(), "{}", path.display());
    for (n, (picture, wanted)) in pictures.iter().zip(raw.chunks(size)).enumerate() {
        let planes = &picture.planes;
        let found = [&planes.y[..], &planes.cb, &planes.cr].concat();
        assert!(found == wanted, "{}: picture {n}", path.display());
    }
    compare_times(path, pictures.iter().map(|p| p.time_ms));
}

/// Times from the first frame on are those that ffprobe finds.
#[track_caller]
pub(crate) fn compare_times(path: &Path, found_ms: impl Iterator<Item = u64>) {
    let wanted = times(path);
    let found: Vec<f64> = found_ms.map(|ms| ms as f64 / 1000.0).collect();
    let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    let is_near = found.len() == wanted.len() && off.fold(0.0, f64::max) < 0.002;
    assert!(is_near, "{}: {found:?} and not {wanted:?}", path.display());
}

/// Seconds from the first frame on.
#[track_caller]
pub(crate) fn times(path: &Path) -> Vec<f64> {
    let times = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0"])
        .args(["-show_entries", "frame=pts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe");
    let times: Vec<f64> = String::from_utf8_lossy(&times.stdout)
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_matches(',').parse().expect("a time"))
        .collect();
    times.iter().map(|time| time - times[0]).collect()
}

/// A moving test picture, written by ffmpeg.
#[track_caller]
pub(crate) fn clip(folder: &Path, name: &str, coding: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name);
    let source = "testsrc2=size=324x244:rate=25:duration=2";
    let input = [
        "-f",
        "lavfi",
        "-i",
        source,
        "-f",
        "lavfi",
        "-i",
        "sine=duration=2",
    ];
    ffmpeg(&[&input[..], coding, &[as_text(&path)]].concat())?;
    Some(path)
}

pub(crate) const X264: [&str; 4] = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
pub(crate) const X265: [&str; 6] = [
    "-c:v",
    "libx265",
    "-x265-params",
    "log-level=none",
    "-pix_fmt",
    "yuv420p",
];
