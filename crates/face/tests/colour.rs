//! An `Image` promises sRGB: photos in wider spaces come out right from every format that states
//! them.

#[path = "made/files.rs"]
mod made;

use fusiform_face::image::{DecodeLimits, Decoded, Image, Note, decode, encode_jpeg, encode_png};
use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::{ExtendedColorType, ImageEncoder};
use made::{Tag, rgb_tiff, with_jpeg_segment, with_png_chunk};
use moxcms::{ColorProfile, Layout, TransformOptions};

/// Soft slopes, so that JPEG stays close; in gamut of every space here.
fn drawing() -> Image {
    let pixel = |i: u32| {
        let (x, y) = (i % 48, i / 48);
        [90 + 3 * x, 220 - 4 * y, 100 + 2 * y].map(|v| v as u8)
    };
    Image::new(48, 32, (0..48 * 32).flat_map(pixel).collect()).unwrap()
}

/// What the drawing's pixels are called in another space.
fn stored_in(profile: &ColorProfile) -> Image {
    let (srgb, layout) = (ColorProfile::new_srgb(), Layout::Rgb);
    let there = srgb
        .create_transform_8bit(layout, profile, layout, TransformOptions::default())
        .unwrap();
    let mut rgb = vec![0; drawing().rgb().len()];
    there.transform(drawing().rgb(), &mut rgb).unwrap();
    Image::new(48, 32, rgb).unwrap()
}

fn open(file: &[u8]) -> Decoded {
    decode(file, &DecodeLimits::default()).unwrap()
}

#[track_caller]
fn check(file: &[u8], most: u8, what: &str) {
    let decoded = open(file);
    assert_eq!(decoded.notes, [], "{what}");
    let found = decoded.image.rgb().iter();
    let largest = found
        .zip(drawing().rgb())
        .map(|(a, b)| a.abs_diff(*b))
        .max();
    assert!(largest.unwrap() <= most, "{what}: {largest:?} levels away");
}

/// Parts of a profile as APP2 segments, in the wrong order.
fn jpeg_with_profile(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = profile.chunks(profile.len().div_ceil(3)).collect();
    let count = parts.len() as u8;
    let mut file = jpeg.to_vec();
    for (i, part) in parts.iter().enumerate() {
        let content = [&b"ICC_PROFILE\0"[..], &[i as u8 + 1, count], *part].concat();
        file = with_jpeg_segment(&file, 0xE2, &content);
    }
    file
}

fn png_with_profile(image: &Image, profile: Vec<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(profile).unwrap();
    encoder
        .write_image(image.rgb(), 48, 32, ExtendedColorType::Rgb8)
        .unwrap();
    file
}

#[test]
fn wide_spaces_come_out_right_from_every_format() {
    for (name, profile) in [
        ("Display P3", ColorProfile::new_display_p3()),
        ("Adobe RGB", ColorProfile::new_adobe_rgb()),
    ] {
        let (image, icc) = (stored_in(&profile), profile.encode().unwrap());
        assert!(image != drawing());

        // JPEG's own rounding comes on top.
        let jpeg = jpeg_with_profile(&encode_jpeg(&image, 100).unwrap(), &icc);
        check(&jpeg, 6, &format!("{name} JPEG"));

        check(
            &png_with_profile(&image, icc.clone()),
            2,
            &format!("{name} PNG"),
        );

        let mut webp = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_icc_profile(icc.clone()).unwrap();
        encoder
            .write_image(image.rgb(), 48, 32, ExtendedColorType::Rgb8)
            .unwrap();
        check(&webp, 2, &format!("{name} WebP"));

        let tag = Tag {
            tag: 34_675,
            kind: 7,
            count: icc.len() as u32,
            bytes: icc,
        };
        check(&rgb_tiff(&image, vec![tag]), 2, &format!("{name} TIFF"));
    }
}

#[test]
fn an_srgb_profile_changes_no_pixel() {
    let icc = ColorProfile::new_srgb().encode().unwrap();
    check(&png_with_profile(&drawing(), icc), 0, "sRGB PNG");
}

#[test]
fn a_broken_profile_is_a_note_and_not_an_error() {
    let jpeg = encode_jpeg(&drawing(), 95).unwrap();
    let plain = open(&jpeg);
    assert_eq!(plain.notes, []);
    let half = ColorProfile::new_display_p3().encode().unwrap();
    for profile in [&b"no profile at all"[..], &half[..200]] {
        let decoded = open(&jpeg_with_profile(&jpeg, profile));
        assert!(decoded.image == plain.image);
        assert!(
            matches!(&decoded.notes[..], [Note::ProfileIgnored { .. }]),
            "{:?}",
            decoded.notes
        );
    }
    let png = encode_png(&drawing()).unwrap();
    let decoded = open(&with_png_chunk(&png, b"iCCP", b"name\0\0no deflate stream"));
    assert!(decoded.image == drawing());
    let note = decoded.notes[0].to_string();
    assert!(
        note.contains("does not inflate") && note.contains("read as sRGB"),
        "{note}"
    );
}
