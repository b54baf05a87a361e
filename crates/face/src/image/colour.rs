//! Colours of a profile to sRGB. In: RGB pixels as a file stores them and its ICC profile. Out: the
//! same pixels in sRGB, or a note why the profile had no effect. Knows nothing of file formats.
//!
//! - An RGB profile is applied to RGB and grey pixels (relative colorimetric, or the profile's
//!   tables).
//! - A grey profile is applied to grey pixels.
//! - A CMYK profile is not applied: the decoders have already made RGB of the inks without it, so
//!   such colours are approximate.
//! - An sRGB profile, which most files with a profile have, is recognised by its numbers and
//!   skipped.

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ParsingOptions, ToneReprCurve, TransformOptions, Xyzd,
};

use super::pixels::Image;
use super::stored::{Note, Samples};

/// Pixels converted at once: two copies of so many fit in the second-level cache.
const PIXELS_PER_RUN: usize = 16 << 10;

/// Tags of a profile; they may overlap, and each is parsed. Real profiles have up to 30.
const MAX_TAGS: u32 = 100;

/// Largest difference of a colorant from sRGB's: 16-bit rounding and the two common adaptations of
/// white differ by 0.001, the nearest other space (Display P3) by 0.08.
const SAME_COLORANT: f64 = 0.003;
/// Largest difference of a tone curve from sRGB's: tables of 1,024 points differ by 0.0005, a plain
/// gamma of 2.2 by 0.008.
const SAME_TONE: f32 = 0.002;

/// Converts in place.
pub(super) fn convert_to_srgb(image: &mut Image, profile: &[u8], samples: Samples) -> Option<Note> {
    let ignored = |why: &str| Some(Note::ProfileIgnored { why: why.into() });
    // ICC.1:2010, 7.2: the colour space at byte 16, the signature "acsp" at byte 36.
    if profile.get(36..40) != Some(b"acsp") {
        return ignored("it is not an ICC profile");
    }
    match (profile.get(16..20), samples) {
        (Some(b"RGB "), Samples::Rgb | Samples::Grey) | (Some(b"GRAY"), Samples::Grey) => {}
        (Some(b"CMYK"), Samples::Cmyk) => return ignored("profiles of inks are not applied"),
        _ => return ignored("it is for other colours than the file has"),
    }
    let n_tags = profile.get(128..132).and_then(|b| b.try_into().ok());
    if n_tags.map(u32::from_be_bytes).is_none_or(|n| n > MAX_TAGS) {
        return ignored("it has no table of tags, or too many");
    }
    let options = ParsingOptions {
        // The limit itself is refused.
        max_profile_size: profile.len() + 1,
        // Enough for a table of 33 steps in three colours, four times over.
        max_allowed_clut_size: 500_000,
        ..ParsingOptions::default()
    };
    let profile = match ColorProfile::new_from_slice_with_options(profile, options) {
        Ok(profile) => profile,
        Err(e) => return ignored(&format!("it is damaged: {e}")),
    };
    if is_srgb(&profile) {
        return None;
    }
    let converted = match profile.color_space {
        DataColorSpace::Gray => convert_grey(image, &profile),
        _ => convert_rgb(image, &profile),
    };
    match converted {
        Ok(()) => None,
        Err(e) => ignored(&format!("it cannot be applied: {e}")),
    }
}

fn convert_rgb(image: &mut Image, profile: &ColorProfile) -> Result<(), moxcms::CmsError> {
    let srgb = ColorProfile::new_srgb();
    let (layout, options) = (Layout::Rgb, TransformOptions::default());
    let transform = profile.create_transform_8bit(layout, &srgb, layout, options)?;
    let mut stored = Vec::with_capacity(PIXELS_PER_RUN * 3);
    for run in image.rgb_mut().chunks_mut(PIXELS_PER_RUN * 3) {
        stored.clear();
        stored.extend_from_slice(run);
        transform.transform(&stored, run)?;
    }
    Ok(())
}

/// Grey has 256 values, so a table is converted and not the picture.
fn convert_grey(image: &mut Image, profile: &ColorProfile) -> Result<(), moxcms::CmsError> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    let transform = profile.create_transform_8bit(Layout::Gray, &srgb, Layout::Rgb, options)?;
    let greys: [u8; 256] = std::array::from_fn(|v| v as u8);
    let mut table = [0; 256 * 3];
    transform.transform(&greys, &mut table)?;
    let table = table.as_chunks::<3>().0;
    for pixel in image.rgb_mut().as_chunks_mut::<3>().0 {
        *pixel = table[usize::from(pixel[0])];
    }
    Ok(())
}

/// Whether a profile's colorants and tone curves are sRGB's.
fn is_srgb(profile: &ColorProfile) -> bool {
    let has_tables = [
        &profile.lut_a_to_b_perceptual,
        &profile.lut_a_to_b_colorimetric,
        &profile.lut_a_to_b_saturation,
    ]
    .iter()
    .any(|table| table.is_some());
    let srgb = ColorProfile::new_srgb();
    let near = |a: Xyzd, b: Xyzd| {
        [a.x - b.x, a.y - b.y, a.z - b.z]
            .iter()
            .all(|d| d.abs() < SAME_COLORANT)
    };
    profile.color_space == DataColorSpace::Rgb
        && !has_tables
        && near(profile.red_colorant, srgb.red_colorant)
        && near(profile.green_colorant, srgb.green_colorant)
        && near(profile.blue_colorant, srgb.blue_colorant)
        && [&profile.red_trc, &profile.green_trc, &profile.blue_trc]
            .into_iter()
            .all(|curve| curve.as_ref().is_some_and(has_srgb_tone))
}

/// Whether a tone curve is sRGB's at 33 points.
fn has_srgb_tone(curve: &ToneReprCurve) -> bool {
    let Ok(curve) = curve.make_linear_evaluator() else {
        return false;
    };
    (0..=32).map(|i| i as f32 / 32.0).all(|x| {
        // IEC 61966-2-1.
        let linear = match x <= 0.04045 {
            true => x / 12.92,
            false => ((x + 0.055) / 1.055).powf(2.4),
        };
        (curve.evaluate_value(x) - linear).abs() < SAME_TONE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(profile: &ColorProfile) -> Vec<u8> {
        profile.encode().unwrap()
    }

    /// Values of 112 to 240: a dark channel beside bright ones cannot be held in 8 bits of another
    /// space.
    fn ramp() -> Image {
        let rgb = (0..64 * 64u32)
            .flat_map(|i| [i % 64 * 2, i / 64 * 2, i * 7 % 128].map(|v| v as u8 + 112))
            .collect();
        Image::new(64, 64, rgb).unwrap()
    }

    /// What the pixels of an sRGB picture are called in another space, and back.
    #[track_caller]
    fn check_round_trip(profile: &ColorProfile, most: u8) {
        let srgb = ColorProfile::new_srgb();
        let (layout, options) = (Layout::Rgb, TransformOptions::default());
        let there = srgb
            .create_transform_8bit(layout, profile, layout, options)
            .unwrap();
        let original = ramp();
        let mut stored = vec![0; original.rgb().len()];
        there.transform(original.rgb(), &mut stored).unwrap();
        assert!(stored != original.rgb());
        let mut image = Image::new(64, 64, stored).unwrap();
        let note = convert_to_srgb(&mut image, &encoded(profile), Samples::Rgb);
        assert_eq!(note, None);
        let pairs = image.rgb().iter().zip(original.rgb());
        let largest = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= most, "{largest}");
    }

    #[test]
    fn wide_spaces_come_back_as_srgb() {
        check_round_trip(&ColorProfile::new_display_p3(), 2);
        check_round_trip(&ColorProfile::new_adobe_rgb(), 2);
    }

    #[test]
    fn srgb_profiles_are_recognised_and_change_nothing() {
        let written_as_table = {
            let mut profile = ColorProfile::new_srgb();
            let point = |i: u32| {
                let x = f64::from(i) / 1023.0;
                let linear = match x <= 0.04045 {
                    true => x / 12.92,
                    false => ((x + 0.055) / 1.055).powf(2.4),
                };
                (linear * 65_535.0).round() as u16
            };
            let table = ToneReprCurve::Lut((0..1024).map(point).collect());
            profile.red_trc = Some(table.clone());
            profile.green_trc = Some(table.clone());
            profile.blue_trc = Some(table);
            profile
        };
        for profile in [ColorProfile::new_srgb(), written_as_table] {
            let parsed = ColorProfile::new_from_slice(&encoded(&profile)).unwrap();
            assert!(is_srgb(&parsed));
            let mut image = ramp();
            assert_eq!(
                convert_to_srgb(&mut image, &encoded(&profile), Samples::Rgb),
                None
            );
            assert!(image == ramp());
        }
        for other in [
            ColorProfile::new_display_p3(),
            ColorProfile::new_adobe_rgb(),
            ColorProfile::new_gray_with_gamma(2.2),
        ] {
            assert!(!is_srgb(&other));
        }
        let mut plain_gamma = ColorProfile::new_srgb();
        plain_gamma.green_trc = Some(moxcms::curve_from_gamma(2.2));
        assert!(!is_srgb(&plain_gamma));
    }

    #[test]
    fn a_grey_profile_moves_grey_pixels_only() {
        let profile = encoded(&ColorProfile::new_gray_with_gamma(1.0));
        let mut image = Image::new(2, 1, vec![55, 55, 55, 255, 255, 255]).unwrap();
        assert_eq!(convert_to_srgb(&mut image, &profile, Samples::Grey), None);
        // Linear 55/255 is 0.2157, in sRGB 0.502.
        assert!(image.pixel(0, 0)[0].abs_diff(128) <= 1, "{:?}", image.rgb());
        assert_eq!(image.pixel(1, 0), [255; 3]);
        let mut image = ramp();
        let note = convert_to_srgb(&mut image, &profile, Samples::Rgb);
        assert!(note.unwrap().to_string().contains("other colours"));
        assert!(image == ramp());
    }

    #[test]
    fn broken_profiles_are_noted_and_change_nothing() {
        let whole = encoded(&ColorProfile::new_display_p3());
        for end in (0..whole.len()).step_by(5) {
            let mut image = ramp();
            let note = convert_to_srgb(&mut image, &whole[..end], Samples::Rgb);
            assert!(note.is_none() || image == ramp(), "cut at {end}");
        }
        let mut cmyk = whole;
        cmyk[16..20].copy_from_slice(b"CMYK");
        let note = convert_to_srgb(&mut ramp(), &cmyk, Samples::Cmyk).unwrap();
        assert!(note.to_string().contains("inks"), "{note}");
    }
}
