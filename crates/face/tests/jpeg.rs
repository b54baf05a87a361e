//! JPEGs as cameras, scanners and interrupted copies leave them: read as viewers show them.

use fusiform_face::image::{
    DecodeLimits, Decoded, Image, ImageError, Note, decode, decode_reduced, encode_jpeg,
};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read(file: &[u8]) -> Result<Decoded, ImageError> {
    decode(file, &DecodeLimits::default())
}

fn mean_difference(a: &Image, b: &Image) -> f64 {
    assert_eq!(a.size(), b.size());
    let pairs = a.rgb().iter().zip(b.rgb());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

/// A picture with detail in every block.
fn detailed(width: u32, height: u32) -> Image {
    let at = |x: u32, y: u32| [x * 3 % 200, y * 5 % 180, (x * y / 9) % 160].map(|v| v as u8 + 40);
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| at(x, y)));
    Image::new(width, height, pixels.collect()).unwrap()
}

#[test]
fn components_one_after_the_other_and_odd_samplings_are_read() {
    let reference = read(&bytes_of("reference.png")).unwrap().image;
    for name in [
        "apart_2x2",
        "apart_1x2",
        "apart_4x1",
        "apart_restarts",
        "restarts",
        "small_luma",
        "thirds",
        "no_tables",
    ] {
        let decoded = read(&bytes_of(&format!("jpeg/{name}.jpg"))).unwrap();
        let away = mean_difference(&decoded.image, &reference);
        // Chroma at a quarter of the width loses more than two steps of this drawing.
        let most = if name == "apart_4x1" { 3.0 } else { 2.0 };
        assert!(away <= most && decoded.notes.is_empty(), "{name}: {away}");
    }
}

#[test]
fn what_is_not_covered_is_named() {
    let error = read(&bytes_of("jpeg/arithmetic.jpg"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("arithmetic coding"), "{error}");
    let error = read(&bytes_of("jpeg/cmyk_apart.jpg"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("inks"), "{error}");
    for (process, name) in [(0xC3, "lossless"), (0xC5, "hierarchical")] {
        let mut file = bytes_of("baseline_420.jpg");
        let frame = file.windows(2).position(|w| w == b"\xFF\xC0").unwrap();
        file[frame + 1] = process;
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_missing_end_is_no_loss() {
    for name in [
        "baseline_420.jpg",
        "progressive.jpg",
        "grey.jpg",
        "jpeg/restarts.jpg",
    ] {
        let file = bytes_of(name);
        let whole = read(&file).unwrap();
        let cut = read(&file[..file.len() - 2]).unwrap();
        assert!(cut.image == whole.image, "{name}");
        // Whether the last pass of a progressive file is whole is not counted.
        let is_progressive = name == "progressive.jpg";
        assert_eq!(cut.notes.is_empty(), !is_progressive, "{name}");
    }
}

/// Rows of the picture that a note calls missing.
fn missing_rows(decoded: &Decoded) -> u32 {
    match decoded.notes[..] {
        [] => 0,
        [Note::RowsMissing { n_missing_px, .. }] => n_missing_px,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_rows_that_are_there_are_used_and_the_others_counted() {
    let original = detailed(640, 480);
    let file = encode_jpeg(&original, 90).unwrap();
    let whole = read(&file).unwrap().image;
    let mut last_missing = 480;
    for tenths in 1..10 {
        let cut = &file[..file.len() * tenths / 10];
        for closed in [false, true] {
            let bytes = [cut, if closed { b"\xFF\xD9" } else { b"" }].concat();
            let decoded = match read(&bytes) {
                Ok(decoded) => decoded,
                Err(error) => {
                    assert!(matches!(error, ImageError::Truncated { .. }), "{error}");
                    assert!(tenths <= 3, "{tenths} tenths are enough");
                    continue;
                }
            };
            let missing = missing_rows(&decoded);
            assert!(missing > 0 && missing <= last_missing, "{missing} of 480");
            let share = f64::from(missing) / 480.0 + tenths as f64 / 10.0;
            assert!((0.85..1.15).contains(&share), "{share}");
            let row = 640 * 3;
            let n_there = (480 - missing) as usize;
            assert!(
                decoded.image.rgb()[..(n_there - 1) * row] == whole.rgb()[..(n_there - 1) * row]
            );
            assert_eq!(decoded.image.pixel(639, 479), [128; 3]);
            let small = decode_reduced(&bytes, &DecodeLimits::default(), 160).unwrap();
            assert_eq!(missing_rows(&small), missing);
            assert_eq!(small.image.width(), 160);
            last_missing = missing;
        }
    }
}

#[test]
fn a_progressive_file_that_is_cut_is_coarse_or_lacks_rows() {
    let file = bytes_of("progressive.jpg");
    let whole = read(&file).unwrap().image;
    let first_scan = file.windows(2).position(|w| w == b"\xFF\xDA").unwrap();
    let mut n_used = 0;
    for end in first_scan..file.len() - 2 {
        if let Ok(decoded) = read(&file[..end]) {
            n_used += 1;
            let is_near = mean_difference(&decoded.image, &whole) < 12.0;
            let lacks_rows = matches!(decoded.notes[..], [Note::RowsMissing { .. }]);
            let is_coarse = decoded.notes == [Note::DetailMissing];
            assert!(
                lacks_rows || (is_coarse && is_near),
                "cut at {end}: {:?}",
                decoded.notes
            );
        }
    }
    assert!(n_used * 2 > file.len() - first_scan, "{n_used}");
}

#[test]
fn bytes_between_segments_and_a_hit_in_the_codes_do_no_more_than_they_must() {
    let file = bytes_of("jpeg/restarts.jpg");
    let whole = read(&file).unwrap().image;
    let first_segment = 2 + 18;
    let (head, tail) = file.split_at(first_segment);
    let junk = [head, b"\0\x12\x34", tail].concat();
    let decoded = read(&junk).unwrap();
    assert!(decoded.image == whole && decoded.notes.is_empty());
    // Restarts confine what a wrong byte can do to its rows of eight pixels.
    let second = file.windows(2).position(|w| w == b"\xFF\xD1").unwrap();
    let mut hit = file.clone();
    hit.drain(second - 12..second - 2);
    let decoded = read(&hit).unwrap();
    assert_eq!(missing_rows(&decoded), 8);
    let rows = 8 * 48 * 3;
    assert!(decoded.image.rgb()[..rows] == whole.rgb()[..rows]);
    assert!(decoded.image.rgb()[2 * rows..] == whole.rgb()[2 * rows..]);
    // Without a whole interval: the numbers of the restarts tell.
    let third = file.windows(2).position(|w| w == b"\xFF\xD2").unwrap();
    let mut lost = file.clone();
    lost.drain(second..third);
    let decoded = read(&lost).unwrap();
    assert_eq!(missing_rows(&decoded), 8);
    assert!(decoded.image.rgb()[3 * rows..] == whole.rgb()[3 * rows..]);
}

/// The files that owners reported.
#[test]
fn the_reported_files_are_read_as_viewers_show_them() {
    let Some(shared) = fusiform_skips::shared(&["cases/album"]) else {
        return;
    };
    let case = |name: &str| std::fs::read(shared.join("cases/album").join(name));
    let apart = case("02-noninterleaved-420.jpg").unwrap();
    let image = read(&apart).unwrap().image;
    let mean = |channel: usize| {
        let values = image.rgb().chunks(3).map(|p| u64::from(p[channel]));
        values.sum::<u64>() as f64 / (image.rgb().len() / 3) as f64
    };
    // As libjpeg has it.
    for (channel, expected) in [171.2, 178.8, 178.6].into_iter().enumerate() {
        assert!((mean(channel) - expected).abs() < 0.5, "{}", mean(channel));
    }
    let cut = read(&case("06-no-eoi.jpg").unwrap()).unwrap();
    assert_eq!(cut.notes, []);
    let half = read(&case("07-half-plus-eoi.jpg").unwrap()).unwrap();
    assert_eq!(missing_rows(&half), 216);
    assert!(half.image.rgb()[..200 * 490 * 3] == cut.image.rgb()[..200 * 490 * 3]);
}
