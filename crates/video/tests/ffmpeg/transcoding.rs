//! What ffmpeg decodes and encodes for this program.

use std::path::Path;
use std::time::Duration;

use fusiform_face::image::Image;
use fusiform_video::{Encoder, EncoderOptions, Video, VideoError, VideoLimits, checked_start_ms};

use super::clips::{X264, as_text, clip, compare, compare_times, ffmpeg, times};

fn opened(path: &Path) -> Video {
    Video::open_any(path, &VideoLimits::default()).expect("a video")
}

#[test]
fn other_videos_are_read_where_ffmpeg_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let av1 = [
        "-c:v",
        "libsvtav1",
        "-preset",
        "12",
        "-svtav1-params",
        "lp=1",
    ];
    let wide = [
        "-c:v",
        "libx265",
        "-pix_fmt",
        "yuv422p",
        "-x265-params",
        "log-level=none",
    ];
    for (name, coding) in [
        ("mpeg4.avi", &["-c:v", "mpeg4"][..]),
        (
            "vp9.webm",
            &[
                "-c:v",
                "libvpx-vp9",
                "-deadline",
                "realtime",
                "-c:a",
                "libopus",
            ],
        ),
        (
            "vp8.webm",
            &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"],
        ),
        ("av1.mkv", &av1),
        ("mjpeg.avi", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
        ("mpeg2.ts", &["-c:v", "mpeg2video"]),
        ("h264.ts", &X264),
        ("prores.mov", &["-c:v", "prores_ks"]),
        // H.265 of a kind that is not decoded here.
        ("wide.mkv", &wide),
    ] {
        let Some(path) = clip(folder.path(), name, coding) else {
            return;
        };
        let info = opened(&path).info().clone();
        assert_eq!(info.codec, None, "{name}");
        let mut pictures = opened(&path).pictures();
        let all: Vec<_> = pictures.by_ref().map(|p| p.expect("a picture")).collect();
        assert_eq!(pictures.damaged(), 0, "{name}");
        compare(&path, &all);
        // Colours, through the range that each says it has.
        let rgb = ["-i", as_text(&path), "-frames:v", "1", "-pix_fmt", "rgb24"];
        let rgb = ffmpeg(&[&rgb[..], &["-f", "rawvideo", "-"]].concat()).expect("a frame");
        let frame = opened(&path).frames(Duration::ZERO).next().expect("one");
        let frame = frame.expect("a frame").image;
        let off = frame
            .rgb()
            .iter()
            .zip(&rgb)
            .map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = off.sum::<f64>() / rgb.len() as f64;
        assert!(mean < 4.0, "{name}: {mean} levels off");
    }
}

#[test]
fn a_list_of_other_files_is_no_video() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = clip(folder.path(), "good.ts", &X264) else {
        return;
    };
    let lists = [
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nfile:{}\n",
            as_text(&path)
        ),
        format!("ffconcat version 1.0\nfile {}\n", as_text(&path)),
        "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n".to_owned(),
    ];
    for (n, list) in lists.iter().enumerate() {
        let name = folder.path().join(format!("list-{n}.avi"));
        std::fs::write(&name, list).expect("a file");
        let refused = Video::open_any(&name, &VideoLimits::default()).err();
        assert!(
            matches!(refused, Some(VideoError::Container(_))),
            "{list}: {refused:?}"
        );
    }
}

#[test]
fn limits_hold_for_the_other_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = clip(folder.path(), "mpeg4.avi", &["-c:v", "mpeg4"]) else {
        return;
    };
    let few = VideoLimits {
        max_samples: 49,
        ..VideoLimits::default()
    };
    let error = Video::open_any(&path, &few)
        .expect("a video")
        .pictures()
        .find_map(Result::err);
    assert!(
        matches!(error, Some(VideoError::Limit { value: 50, .. })),
        "{error:?}"
    );
    let small = VideoLimits {
        max_pixels: 320 * 240,
        ..VideoLimits::default()
    };
    let error = Video::open_any(&path, &small).err();
    assert!(
        matches!(error, Some(VideoError::Limit { limit: 76800, .. })),
        "{error:?}"
    );
    let hurried = VideoLimits {
        max_wait: Duration::ZERO,
        ..VideoLimits::default()
    };
    let error = Video::open_any(&path, &hurried)
        .map(|video| video.pictures().count())
        .err();
    let said = error.map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("did nothing for 0 s"), "{said}");
}

#[test]
fn damage_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = clip(folder.path(), "mpeg4.avi", &["-c:v", "mpeg4", "-g", "10"]) else {
        return;
    };
    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 600].fill(0x55);
    std::fs::write(&path, bytes).expect("a file");
    let mut pictures = opened(&path).pictures();
    let n_errors = pictures.by_ref().filter(Result::is_err).count() as u64;
    assert!(n_errors + pictures.damaged() > 0);
    // Over several frames, of which a decoder may take some for pictures.
    let coding = [&X264[..], &["-g", "50"]].concat();
    let large = clip(folder.path(), "large.mp4", &coding).expect("ffmpeg was here before");
    let limits = VideoLimits::default();
    assert!(checked_start_ms(&large, &limits).is_ok());
    let mut bytes = std::fs::read(&large).expect("a file");
    let data = bytes
        .windows(4)
        .position(|name| name == b"mdat")
        .expect("data");
    let middle = (data + bytes.len()) / 2;
    bytes[middle..][..6000].fill(0xa5);
    std::fs::write(&large, bytes).expect("a file");
    let refused = checked_start_ms(&large, &limits);
    assert!(
        matches!(refused, Err(VideoError::Damaged(n)) if n > 0),
        "{refused:?}"
    );
}

/// Frames of one colour each, at uneven times.
fn frames(width: u32, height: u32) -> Vec<(u64, Image)> {
    let frame = |n: u64| {
        let colour = [(n * 4) as u8, 120, 200 - (n * 4) as u8];
        let rgb = colour.repeat((width * height) as usize);
        (
            n * 40 + n % 3 * 11,
            Image::new(width, height, rgb).expect("an image"),
        )
    };
    (0..40).map(frame).collect()
}

#[test]
fn what_is_encoded_has_its_frames_times_colours_and_sound_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    // Places, titles, a cover, subtitles: what a phone or a program may have put in.
    let titles = [
        "-metadata",
        "title=At home",
        "-metadata",
        "location=+59.3+018.1/",
        "-metadata:s:v",
        "handler_name=Ida's phone",
        "-metadata:s:a",
        "title=Ida speaks",
    ];
    let coding = [&X264[..], &titles, &["-movflags", "use_metadata_tags"]].concat();
    let Some(source) = clip(folder.path(), "source.mp4", &coding) else {
        return;
    };
    for (name, width_px, height_px) in [
        ("a.mp4", 320, 240),
        ("b.mov", 321, 243),
        ("c.mkv", 200, 241),
        ("d.m4v", 64, 64),
    ] {
        let path = folder.path().join(name);
        let options = EncoderOptions {
            width_px,
            height_px,
            usual_step_ms: 40,
            start_ms: 0,
            rate_factor: 12,
        };
        let limits = VideoLimits::default();
        let mut encoder = Encoder::start(&path, &source, options, &limits).expect("an encoder");
        let frames = frames(width_px, height_px);
        for (time_ms, image) in &frames {
            encoder.write(*time_ms, image).expect("written");
        }
        encoder.finish().expect("a file");
        compare_times(&path, frames.iter().map(|f| f.0));
        let seen = Video::open(&path, &limits)
            .expect("a video")
            .frames(Duration::ZERO);
        let mut n_seen = 0;
        for (seen, (_, wanted)) in seen.zip(&frames) {
            let seen = seen.expect("a frame").image;
            let even = (width_px.next_multiple_of(2), height_px.next_multiple_of(2));
            assert_eq!((seen.width(), seen.height()), even, "{name}");
            let (a, b) = (seen.pixel(width_px - 1, height_px - 1), wanted.pixel(0, 0));
            let off = a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max();
            assert!(off <= Some(4), "{name}: {a:?} and not {b:?}");
            n_seen += 1;
        }
        assert_eq!(n_seen, 40, "{name}");
        let bytes = std::fs::read(&path).expect("a file");
        for word in ["At home", "+59.3", "Ida"] {
            let found = bytes.windows(word.len()).any(|w| w == word.as_bytes());
            assert!(!found, "{name} holds {word}");
        }
        let sound = [
            "-i",
            as_text(&path),
            "-map",
            "0:a:0",
            "-c",
            "copy",
            "-f",
            "md5",
            "-",
        ];
        let same = [
            "-i",
            as_text(&source),
            "-map",
            "0:a:0",
            "-c",
            "copy",
            "-f",
            "md5",
            "-",
        ];
        assert_eq!(ffmpeg(&sound), ffmpeg(&same), "{name}");
    }
}

#[test]
fn a_video_that_begins_after_its_sound_keeps_its_distance() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(whole) = clip(folder.path(), "whole.mp4", &X264) else {
        return;
    };
    let late = folder.path().join("late.mkv");
    let input = [
        "-itsoffset",
        "0.5",
        "-i",
        as_text(&whole),
        "-i",
        as_text(&whole),
    ];
    let choice = ["-map", "0:v", "-map", "1:a", "-c", "copy", as_text(&late)];
    ffmpeg(&[&input[..], &choice].concat()).expect("ffmpeg was here before");
    let limits = VideoLimits::default();
    let start = checked_start_ms(&late, &limits).expect("a time");
    assert!((499..=525).contains(&start), "{start}");
    assert!(checked_start_ms(&whole, &limits).expect("a time") <= 25);
    assert_eq!(times(&late).len(), 50);
}

#[test]
fn an_encoder_that_fails_says_why_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(source) = clip(folder.path(), "source.mp4", &X264) else {
        return;
    };
    let options = EncoderOptions {
        width_px: 64,
        height_px: 64,
        usual_step_ms: 40,
        start_ms: 0,
        rate_factor: 18,
    };
    let limits = VideoLimits::default();
    let nowhere = folder.path().join("none/a.mp4");
    let mut encoder = Encoder::start(&nowhere, &source, options, &limits);
    let mut written = Ok(());
    if let Ok(encoder) = &mut encoder {
        let frames = frames(64, 64);
        written = (0..200).try_for_each(|n| encoder.write(n, &frames[n as usize % 40].1));
    }
    let error = match encoder {
        Err(error) => Some(error),
        Ok(encoder) => written.and_then(|()| encoder.finish()).err(),
    };
    let said = error.map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("No such file or directory"), "{said}");
    let mut encoder = Encoder::start(&folder.path().join("a.mp4"), &source, options, &limits)
        .expect("an encoder");
    let other = Image::new(32, 32, vec![0; 32 * 32 * 3]).expect("an image");
    assert!(matches!(
        encoder.write(0, &other),
        Err(VideoError::Resized { .. })
    ));
}
