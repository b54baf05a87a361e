//! Every format, layout and orientation against one drawing. The pictures come from
//! `testdata/make.py` or are made here.

use fusiform_face::image::{
    DecodeLimits, Decoded, Format, Image, ImageError, Orientation, decode, encode_jpeg, encode_png,
};
use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn open(name: &str) -> Decoded {
    decode(&bytes_of(name), &DecodeLimits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Mean absolute difference in 8-bit steps.
#[track_caller]
fn assert_near(found: &Image, expected: &Image, tolerance: f64, what: &str) {
    assert_eq!(
        (found.width(), found.height()),
        (expected.width(), expected.height()),
        "{what}"
    );
    let sum: u64 = found
        .rgb()
        .iter()
        .zip(expected.rgb())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    let mean = sum as f64 / found.rgb().len() as f64;
    assert!(mean <= tolerance, "{what}: {mean:.2} steps away on average");
}

#[test]
fn every_layout_gives_the_drawing() {
    let tolerances = [
        ("baseline_420.jpg", Format::Jpeg, 1.5),
        ("progressive.jpg", Format::Jpeg, 1.0),
        ("cmyk_adobe.jpg", Format::Jpeg, 2.0),
        ("lossy.webp", Format::WebP, 2.0),
        ("lossless.webp", Format::WebP, 0.0),
        ("animated.webp", Format::WebP, 0.0),
        ("lzw.tif", Format::Tiff, 0.0),
        ("deflate.tif", Format::Tiff, 0.0),
        ("packbits.tif", Format::Tiff, 0.0),
        ("cmyk.tif", Format::Tiff, 2.0),
        ("rgb.bmp", Format::Bmp, 0.0),
    ];
    let reference = open("reference.png").image;
    for (name, format, tolerance) in tolerances {
        let decoded = open(name);
        assert_eq!(decoded.format, format, "{name}");
        assert_eq!(decoded.orientation, Orientation::Upright, "{name}");
        assert_near(&decoded.image, &reference, tolerance, name);
    }
}

#[test]
fn palettes_bilevel_and_transparency_become_rgb() {
    for (name, reference) in [
        ("palette.png", "palette_reference.png"),
        ("palette.gif", "palette_reference.png"),
        ("animated.gif", "palette_reference.png"),
        ("palette.bmp", "palette_reference.png"),
        ("bilevel.png", "bilevel_reference.png"),
        ("bilevel.tif", "bilevel_reference.png"),
    ] {
        assert_near(&open(name).image, &open(reference).image, 0.0, name);
    }
    for name in ["alpha.png", "alpha.webp"] {
        // Pillow rounds its blend differently by at most one step.
        assert_near(
            &open(name).image,
            &open("alpha_reference.png").image,
            0.5,
            name,
        );
    }
}

#[test]
fn grey_jpeg_has_equal_channels_of_the_right_lightness() {
    let (grey, reference) = (open("grey.jpg").image, open("reference.png").image);
    for (a, b) in grey.rgb().chunks(3).zip(reference.rgb().chunks(3)) {
        assert!(a[0] == a[1] && a[1] == a[2]);
        // ITU-R BT.601 luma, as JFIF has it.
        let luma = 0.299 * f64::from(b[0]) + 0.587 * f64::from(b[1]) + 0.114 * f64::from(b[2]);
        assert!((f64::from(a[0]) - luma).abs() < 8.0, "{} for {luma}", a[0]);
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let reference = open("reference.png").image;
    let samples: Vec<u8> = reference
        .rgb()
        .iter()
        // The two bytes differ, so that their order matters.
        .flat_map(|&v| (u16::from(v) * 257).saturating_add(100).to_ne_bytes())
        .collect();
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(
            &samples,
            reference.width(),
            reference.height(),
            ExtendedColorType::Rgb16,
        )
        .unwrap();
    let decoded = decode(&file, &DecodeLimits::default()).unwrap();
    assert!(decoded.image == reference);
}

#[test]
fn the_content_decides_and_our_own_encoders_are_read() {
    let reference = open("reference.png").image;
    let png = decode(&encode_png(&reference).unwrap(), &DecodeLimits::default()).unwrap();
    assert!(png.image == reference && png.format == Format::Png);
    let jpeg = decode(
        &encode_jpeg(&reference, 95).unwrap(),
        &DecodeLimits::default(),
    )
    .unwrap();
    assert_eq!(jpeg.format, Format::Jpeg);
    assert_near(&jpeg.image, &reference, 1.5, "our JPEG");
}

/// An EXIF block with an orientation and a moment.
fn exif(orientation: u16) -> Vec<u8> {
    let mut block = Vec::from(b"MM\0*\0\0\0\x08\0\x02");
    block.extend(b"\x01\x12\0\x03\0\0\0\x01");
    block.extend(orientation.to_be_bytes());
    block.extend(b"\0\0\x87\x69\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0");
    block.extend(b"\0\x01\x90\x03\0\x02\0\0\0\x14\0\0\0\x38\0\0\0\0");
    block.extend(b"1998:12:31 23:59:58\0");
    block
}

/// The stored form of a drawing that a camera held this way would write; orientations 6 and 8 undo
/// each other.
fn stored(upright: &Image, orientation: Orientation) -> Image {
    let inverse = match orientation {
        Orientation::RotatedLeft => Orientation::RotatedRight,
        Orientation::RotatedRight => Orientation::RotatedLeft,
        other => other,
    };
    inverse.upright(upright.clone())
}

#[track_caller]
fn check_upright(file: &[u8], orientation: Orientation, tolerance: f64, what: &str) {
    let decoded = decode(file, &DecodeLimits::default()).unwrap();
    assert_eq!(decoded.orientation, orientation, "{what}");
    assert_near(
        &decoded.image,
        &open("reference.png").image,
        tolerance,
        what,
    );
}

#[test]
fn all_eight_orientations_come_out_upright_from_every_format_that_states_them() {
    let reference = open("reference.png").image;
    for orientation in Orientation::ALL {
        let picture = stored(&reference, orientation);
        let (width, height) = (picture.width(), picture.height());
        let block = exif(orientation as u16);
        let rgb8 = ExtendedColorType::Rgb8;
        let what = format!("{orientation:?}");

        let plain = encode_jpeg(&picture, 95).unwrap();
        let segment = [b"Exif\0\0", &block[..]].concat();
        let length = (segment.len() as u16 + 2).to_be_bytes();
        let jpeg = [&plain[..2], b"\xFF\xE1", &length, &segment, &plain[2..]].concat();
        check_upright(&jpeg, orientation, 1.5, &what);
        let moment = decode(&jpeg, &DecodeLimits::default()).unwrap().taken_at;
        assert_eq!(moment.as_deref(), Some("1998-12-31T23:59:58"));

        let mut png = Vec::new();
        let mut encoder = PngEncoder::new(&mut png);
        encoder.set_exif_metadata(block.clone()).unwrap();
        encoder
            .write_image(picture.rgb(), width, height, rgb8)
            .unwrap();
        check_upright(&png, orientation, 0.0, &what);

        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(block).unwrap();
        encoder
            .write_image(picture.rgb(), width, height, rgb8)
            .unwrap();
        check_upright(&webp, orientation, 0.0, &what);
    }
}

#[test]
fn a_png_may_state_its_orientation_behind_its_pixels() {
    let reference = open("reference.png").image;
    let picture = stored(&reference, Orientation::RotatedLeft);
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder
        .write_image(
            picture.rgb(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    let start = png.windows(4).position(|w| w == b"eXIf").unwrap() - 4;
    let chunk: Vec<u8> = png.drain(start..start + 12 + exif(6).len()).collect();
    let end = png.len() - 12;
    png.splice(end..end, chunk);
    check_upright(&png, Orientation::RotatedLeft, 0.0, "eXIf before IEND");
}

#[test]
fn a_tiff_states_its_orientation_in_its_own_directory() {
    let mut file = bytes_of("packbits.tif");
    let entry = file
        .windows(8)
        .position(|w| w == b"\x12\x01\x03\x00\x01\x00\x00\x00")
        .expect("make.py writes the tag");
    file[entry + 8] = Orientation::UpsideDown as u8;
    let turned = decode(&file, &DecodeLimits::default()).unwrap();
    assert_eq!(turned.orientation, Orientation::UpsideDown);
    let expected = Orientation::UpsideDown.upright(open("reference.png").image);
    assert!(turned.image == expected);
}

#[test]
fn an_orientation_out_of_range_is_upright() {
    let reference = open("reference.png").image;
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_exif_metadata(exif(9)).unwrap();
    encoder
        .write_image(
            reference.rgb(),
            reference.width(),
            reference.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    check_upright(&png, Orientation::Upright, 0.0, "orientation 9");
}

#[test]
fn text_and_nothing_are_named_for_what_they_are() {
    let limits = DecodeLimits::default();
    assert_eq!(decode(b"", &limits).unwrap_err(), ImageError::Empty);
    let text = decode(b"Dear diary, today", &limits)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("Dear diary") && text.contains("convert it to JPEG"),
        "{text}"
    );
}
