//! Frames of clips that ffmpeg wrote, compared with ffmpeg's own decoding: to the bit as stored,
//! within one level as RGB. Needs ffmpeg with libx264 and libx265.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fusiform_video::{Codec, Picture, Video, VideoError, VideoInfo, VideoLimits};

/// Runs ffmpeg; `None` where there is none, and the calling test is listed as skipped.
#[track_caller]
fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
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

fn open(path: &Path) -> (VideoInfo, Vec<Picture>) {
    let video = Video::open(path, &VideoLimits::default()).expect("a video");
    let info = video.info().clone();
    let mut pictures = video.pictures();
    let all = pictures.by_ref().map(|p| p.expect("a picture")).collect();
    assert_eq!(pictures.damaged(), 0);
    (info, all)
}

fn as_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Planes and times are ffmpeg's.
fn compare(path: &Path, pictures: &[Picture]) -> Option<()> {
    let stored = [
        "-noautorotate",
        "-i",
        as_text(path),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
    ];
    let raw = ffmpeg(&[&stored[..], &["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]].concat())?;
    let first = &pictures[0].planes;
    let size = first.y.len() + first.cb.len() + first.cr.len();
    assert_eq!(raw.len(), size * pictures.len(), "{}", path.display());
    for (n, (picture, wanted)) in pictures.iter().zip(raw.chunks(size)).enumerate() {
        let found = [
            &picture.planes.y[..],
            &picture.planes.cb,
            &picture.planes.cr,
        ]
        .concat();
        assert!(found == wanted, "{}: picture {n}", path.display());
    }
    let times = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "frame=pts_time",
        ])
        .args(["-of", "csv=p=0", as_text(path)])
        .output()
        .expect("ffprobe");
    let times: Vec<f64> = String::from_utf8_lossy(&times.stdout)
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_matches(',').parse().expect("a time"))
        .collect();
    let found: Vec<f64> = pictures.iter().map(|p| p.time_ms as f64 / 1000.0).collect();
    let wanted: Vec<f64> = times.iter().map(|time| time - times[0]).collect();
    let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    let is_near = found.len() == wanted.len() && off.fold(0.0, f64::max) < 0.002;
    assert!(is_near, "{}: {found:?} and not {wanted:?}", path.display());
    Some(())
}

/// A moving test picture, written by ffmpeg.
#[track_caller]
fn clip(folder: &Path, name: &str, coding: &[&str]) -> Option<PathBuf> {
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

const X264: [&str; 4] = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
const X265: [&str; 6] = [
    "-c:v",
    "libx265",
    "-x265-params",
    "log-level=none",
    "-pix_fmt",
    "yuv420p",
];

#[test]
fn frames_are_ffmpegs_to_the_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let with = |coding: &[&'static str], more: &[&'static str]| [coding, more].concat();
    for (name, codec, coding) in [
        (
            "high.mp4",
            Codec::H264,
            with(&X264, &["-bf", "3", "-g", "20"]),
        ),
        (
            "baseline.mov",
            Codec::H264,
            with(&X264, &["-profile:v", "baseline"]),
        ),
        ("high.mkv", Codec::H264, with(&X264, &["-bf", "2"])),
        (
            "fragments.mp4",
            Codec::H264,
            with(&X264, &["-movflags", "frag_keyframe+empty_moov"]),
        ),
        (
            "interlaced.mp4",
            Codec::H264,
            with(&X264, &["-flags", "+ilme+ildct"]),
        ),
        ("main.mp4", Codec::H265, with(&X265, &["-tag:v", "hvc1"])),
        (
            "hev1.mp4",
            Codec::H265,
            with(&X265, &["-tag:v", "hev1", "-bf", "4"]),
        ),
        ("main.mkv", Codec::H265, with(&X265, &[])),
    ] {
        let Some(path) = clip(folder.path(), name, &coding) else {
            return;
        };
        let (info, pictures) = open(&path);
        assert_eq!(info.codec, codec, "{name}");
        assert_eq!(pictures.len(), 50, "{name}");
        compare(&path, &pictures);
    }
}

#[test]
fn the_clip_of_the_cases_is_ffmpegs_to_the_bit() {
    let Some(shared) = fusiform_skips::shared(&["cases/video"]) else {
        return;
    };
    let path = shared.join("cases/video/clip.mp4");
    let (info, pictures) = open(&path);
    assert_eq!((info.duration_ms, pictures.len()), (9175, 275));
    compare(&path, &pictures);
}

#[test]
fn rgb_is_ffmpegs_within_one_level_and_upright() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, colour) in [("sd.mp4", ["bt470bg", "tv"]), ("hd.mp4", ["bt709", "pc"])] {
        let [matrix, range] = colour;
        let coding = [&X264[..], &["-colorspace", matrix, "-color_range", range]].concat();
        let Some(path) = clip(folder.path(), name, &coding) else {
            return;
        };
        let turned = folder.path().join("turned.mp4");
        let mut bytes = std::fs::read(&path).expect("a file");
        // Version 0 of the track's header: 40 bytes, then the matrix; a, b, c, d are every 12 or 4.
        let matrix = bytes
            .windows(4)
            .position(|name| name == b"tkhd")
            .expect("a track")
            + 44;
        for (at, value) in [(0, 0i32), (4, 1 << 16), (12, -1 << 16), (16, 0)] {
            bytes[matrix + at..][..4].copy_from_slice(&value.to_be_bytes());
        }
        std::fs::write(&turned, &bytes).expect("a file");
        let interval = Duration::from_millis(400);
        for path in [path, turned] {
            let video = Video::open(&path, &VideoLimits::default()).expect("a video");
            let frames: Vec<_> = video
                .frames(interval)
                .map(|f| f.expect("a frame"))
                .collect();
            let times: Vec<u64> = frames.iter().map(|f| f.time_ms).collect();
            assert_eq!(times, [0, 400, 800, 1200, 1600]);
            // The converter's accurate way, with each chroma sample repeated.
            let how = "select=not(mod(n\\,10)),scale=flags=neighbor+accurate_rnd+full_chroma_int";
            let same = ["-i", as_text(&path), "-vf", how, "-fps_mode", "passthrough"];
            let raw = ffmpeg(&[&same[..], &["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]].concat());
            let raw = raw.expect("ffmpeg was here before");
            let size = frames[0].image.rgb().len();
            assert_eq!(raw.len(), size * frames.len());
            for (frame, wanted) in frames.iter().zip(raw.chunks(size)) {
                let pairs = frame.image.rgb().iter().zip(wanted);
                let most = pairs.map(|(a, b)| a.abs_diff(*b)).max();
                assert!(most <= Some(1), "{}: {most:?} levels off", path.display());
            }
        }
    }
}

#[test]
fn what_is_not_decoded_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |path: &Path, limits: &VideoLimits| match Video::open(path, limits) {
        Err(error) => error,
        Ok(video) => match video.pictures().find_map(Result::err) {
            Some(error) => error,
            None => panic!("{} is read", path.display()),
        },
    };
    let usual = VideoLimits::default();
    let Some(vp9) = clip(
        folder.path(),
        "vp9.webm",
        &["-c:v", "libvpx-vp9", "-c:a", "libopus"],
    ) else {
        return;
    };
    assert!(matches!(refused(&vp9, &usual), VideoError::Codec(name) if name == "V_VP9"));
    let sound = clip(folder.path(), "sound.mp4", &["-vn"]).expect("a clip");
    assert!(matches!(refused(&sound, &usual), VideoError::NoVideo(_)));
    let good = clip(folder.path(), "good.mp4", &X264).expect("a clip");
    let small = VideoLimits {
        max_pixels: 320 * 240,
        ..VideoLimits::default()
    };
    let said = refused(&good, &small).to_string();
    assert_eq!(
        said,
        "a frame of so many pixels: 86016 is more than the limit of 76800"
    );
    let few = VideoLimits {
        max_samples: 49,
        ..VideoLimits::default()
    };
    assert!(matches!(
        refused(&good, &few),
        VideoError::Limit {
            what: "samples:",
            ..
        }
    ));
    let none = folder.path().join("none.mp4");
    std::fs::write(&none, b"a text that is no video").expect("a file");
    assert!(matches!(refused(&none, &usual), VideoError::Container(_)));
}

#[test]
fn damage_costs_pictures_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, coding) in [
        ("a.mp4", &X264[..]),
        ("b.mp4", &X265[..]),
        ("c.mkv", &X264[..]),
    ] {
        let Some(path) = clip(folder.path(), name, coding) else {
            return;
        };
        let good = std::fs::read(&path).expect("a file");
        let damaged = folder.path().join(format!("damaged-{name}"));
        let mut state = 7u64;
        let mut random = move |below: usize| {
            // Knuth's MMIX generator.
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        for round in 0..60 {
            let mut bytes = good.clone();
            for _ in 0..=round % 8 {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            if round % 5 == 0 {
                bytes.truncate(random(good.len()));
            }
            std::fs::write(&damaged, &bytes).expect("a file");
            // Whatever it says, it ends, and gives no more pictures than there were.
            if let Ok(video) = Video::open(&damaged, &VideoLimits::default()) {
                assert!(video.pictures().count() <= 60, "{name}, round {round}");
            }
        }
    }
}
