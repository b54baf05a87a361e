//! H.264 and H.265, decoded here.

use std::path::Path;
use std::time::Duration;

use fusiform_video::{Codec, Video, VideoError, VideoLimits};

use super::clips::{X264, X265, as_text, clip, compare, compare_stored, ffmpeg, open};

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
        // Segment and clusters of unknown size.
        (
            "live.mkv",
            Codec::H264,
            with(&X264, &["-f", "matroska", "-live", "1"]),
        ),
    ] {
        let Some(path) = clip(folder.path(), name, &coding) else {
            return;
        };
        let (info, pictures) = open(&path);
        assert_eq!(info.codec, Some(codec), "{name}");
        assert_eq!(pictures.len(), 50, "{name}");
        compare(&path, &pictures);
    }
}

#[test]
fn depths_colours_and_orders_are_ffmpegs_to_the_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let x264 = ["-c:v", "libx264", "-pix_fmt"];
    let x265 = [
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=none",
        "-pix_fmt",
    ];
    let with = |coding: &[&'static str], more: &[&'static str]| [coding, more].concat();
    // Every other frame 40 ms later than it would be.
    let uneven = "setpts=N/25/TB+mod(N\\,2)*0.02/TB";
    for (name, pixels, coding) in [
        ("deep.mp4", "yuv420p10le", with(&x264, &["yuv420p10le"])),
        ("wide.mp4", "yuv422p", with(&x264, &["yuv422p"])),
        (
            "wide-deep.mkv",
            "yuv422p10le",
            with(&x264, &["yuv422p10le"]),
        ),
        ("deep-5.mp4", "yuv420p10le", with(&x265, &["yuv420p10le"])),
        ("full-5.mkv", "yuv444p", with(&x265, &["yuv444p"])),
        (
            "open.mp4",
            "yuv420p",
            with(
                &x264,
                &[
                    "yuv420p",
                    "-g",
                    "12",
                    "-bf",
                    "4",
                    "-x264-params",
                    "open-gop=1",
                ],
            ),
        ),
        (
            "uneven.mp4",
            "yuv420p",
            with(&x264, &["yuv420p", "-vf", uneven, "-vsync", "0"]),
        ),
        (
            "uneven.mkv",
            "yuv420p",
            with(&x265, &["yuv420p", "-vf", uneven, "-vsync", "0"]),
        ),
        (
            "odd.mp4",
            "yuv420p",
            with(&x264, &["yuv420p", "-vf", "scale=318:242"]),
        ),
        (
            "faststart.mov",
            "yuv420p",
            with(&x265, &["yuv420p", "-movflags", "+faststart"]),
        ),
    ] {
        let Some(path) = clip(folder.path(), name, &coding) else {
            return;
        };
        let (_, pictures) = open(&path);
        assert_eq!(pictures.len(), 50, "{name}");
        compare_stored(&path, &pictures, pixels);
    }
}

#[test]
fn what_an_edit_list_leaves_out_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let coding = [&X264[..], &["-g", "10", "-bf", "2"]].concat();
    let Some(whole) = clip(folder.path(), "whole.mp4", &coding) else {
        return;
    };
    for (name, from, length) in [("a.mp4", "0.7", "0.8"), ("b.mov", "1.24", "0.5")] {
        let cut = folder.path().join(name);
        let copy = [
            "-ss",
            from,
            "-i",
            as_text(&whole),
            "-t",
            length,
            "-c",
            "copy",
        ];
        ffmpeg(&[&copy[..], &[as_text(&cut)]].concat()).expect("ffmpeg was here before");
        let (_, pictures) = open(&cut);
        compare(&cut, &pictures);
        assert!(pictures.len() < 30, "{name}: {}", pictures.len());
    }
}

#[test]
fn a_sparse_file_takes_no_more_memory_than_its_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = clip(folder.path(), "good.mkv", &X264) else {
        return;
    };
    let mut bytes = std::fs::read(&path).expect("a file");
    // The last block, in a cluster of unknown size, has 8 TB, in a file that is as long: more than
    // any machine has.
    let size = 8u64 << 40;
    bytes.extend([
        0x1f, 0x43, 0xb6, 0x75, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    bytes.extend([0xe7, 0x81, 0x00, 0xa3]);
    bytes.extend((1 << 56 | size).to_be_bytes());
    bytes.extend([0x81, 0x00, 0x00, 0x80]);
    let sparse = folder.path().join("sparse.mkv");
    std::fs::write(&sparse, &bytes).expect("a file");
    let file = std::fs::OpenOptions::new().write(true).open(&sparse);
    let grown = file.and_then(|file| file.set_len(bytes.len() as u64 + size));
    if grown.is_err() {
        fusiform_skips::skip("no sparse files of 8 TB", "use a file system that has them");
        return;
    }
    let video = Video::open(&sparse, &VideoLimits::default()).expect("a video");
    let seen: Vec<_> = video.pictures().collect();
    assert_eq!(seen.iter().filter(|p| p.is_ok()).count(), 50);
    let last = seen.last().map(|p| p.as_ref().map(|p| p.time_ms));
    assert!(
        matches!(last, Some(Err(VideoError::Container(_)))),
        "{last:?}"
    );
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
    let five = clip(folder.path(), "five.mp4", &X265).expect("a clip");
    assert!(matches!(
        refused(&five, &small),
        VideoError::TooManyPixels(76800)
    ));
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
