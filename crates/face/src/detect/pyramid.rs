//! At which scales the detector sees a photo. In: sizes and options. Out: [`Level`]s and their
//! tiles. Knows nothing of pixels' values.
//!
//! A detector finds faces of a range of sizes in its input: the shipped one from 14 px to some 350.
//! So a photo is shown to it as a pyramid (Burt and Adelson, 1983): at the usual size, smaller for
//! faces that fill the picture, and larger, each level twice the one before, for small faces. The
//! levels for a smaller `min_face_px` are those for a larger one and more, and a finer level only
//! adds faces, so asking for smaller faces never loses one.

use std::ops::RangeInclusive;

use super::spec::{DetectOptions, DetectedFace, DetectorSpec, InputSize};
use crate::geometry::{BoundingBox, Size};
use crate::image::scaled_size;

/// The level for faces that fill the picture is so many times smaller than the usual one.
const COARSER: f64 = 3.0;

/// It is left out where its longest side would be shorter: such a photo's faces all fit.
const COARSE_LEAST_PX: f64 = 160.0;

/// Longer side of the least box believed of the coarse level, in its pixels.
const COARSE_FACE_PX: f32 = 64.0;

/// Longer side of the largest box believed of a finer level, in its pixels: a larger face is found
/// at the level before, and a part of it may look like a face here.
const FINE_FACE_PX: f32 = 128.0;

/// Tiles of one level share this much, so that each face that is believed lies whole in one.
const OVERLAP_PX: u32 = 160;

/// Side of a tile at most: what the network needs in memory grows with it (1280x1280: 90 MB).
const TILE_PX: u32 = 1280;

/// How far a photo is enlarged at most when `min_face_px` asks for faces smaller than the detector
/// finds.
const MAX_ENLARGEMENT: f64 = 2.0;

/// Pixels of the finest level at most: some four seconds of one core.
const MAX_LEVEL_PIXELS: f64 = 200e6;

/// The finest level of the default: twice the usual size. Its smallest faces have 1/90 of the
/// photo's longest side.
const DEFAULT_FINER: f64 = 2.0;

/// The whole photo at one scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// Size of the photo here.
    pub(super) copy: Size,
    /// Longer sides of the boxes that are believed, in pixels of `copy`.
    pub(super) believed_px: RangeInclusive<f32>,
    /// Whether it only adds faces to those of the levels before.
    pub(super) adds: bool,
    /// Pixels of `copy` per pixel of the photo.
    pub(super) scale: f64,
}

/// A part of a level, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tile {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) size: Size,
}

/// The levels for a photo, of which `reduced` pixels are at hand: the usual size first, then the
/// coarse one, then finer ones.
pub(super) fn levels(
    photo: Size,
    reduced: Size,
    spec: &DetectorSpec,
    options: &DetectOptions,
) -> Vec<Level> {
    let longest = f64::from(photo.longest_px());
    let level = |scale: f64, believed_px: RangeInclusive<f32>, adds: bool| Level {
        // Sides of the pixels at hand, so that a copy as large as they are is no copy.
        copy: scaled_size(reduced, scale * longest / f64::from(reduced.longest_px())),
        believed_px,
        adds,
        scale,
    };
    let all = || 0.0..=f32::INFINITY;
    if let InputSize::Fixed(input) = spec.input_size {
        let scale = (f64::from(input.width_px) / f64::from(photo.width_px))
            .min(f64::from(input.height_px) / f64::from(photo.height_px));
        let mut only = level(scale, all(), false);
        only.copy.width_px = only.copy.width_px.min(input.width_px);
        only.copy.height_px = only.copy.height_px.min(input.height_px);
        return vec![only];
    }
    let usual = (f64::from(options.longest_side_px) / longest).min(1.0);
    let mut levels = vec![level(usual, all(), false)];
    if usual * longest / COARSER >= COARSE_LEAST_PX {
        let large = COARSE_FACE_PX..=f32::INFINITY;
        levels.push(level(usual / COARSER, large, false));
    }
    let most = MAX_ENLARGEMENT.min((MAX_LEVEL_PIXELS / photo.pixels() as f64).sqrt());
    let finest = match options.min_face_px {
        Some(px) => (f64::from(spec.smallest_face_px) / f64::from(px)).min(most),
        None if usual * DEFAULT_FINER <= 1.0 => usual * DEFAULT_FINER,
        None => usual,
    };
    let mut scale = usual;
    while scale < finest {
        scale = (scale * 2.0).min(most);
        levels.push(level(scale, 0.0..=FINE_FACE_PX, true));
    }
    levels
}

impl Level {
    /// The network's input for a tile: its sides rounded up to what the network takes.
    pub(super) fn input(&self, tile: Tile, spec: &DetectorSpec) -> Size {
        match spec.input_size {
            InputSize::Fixed(input) => input,
            InputSize::Dynamic { multiple_of } => Size {
                width_px: tile.size.width_px.next_multiple_of(multiple_of),
                height_px: tile.size.height_px.next_multiple_of(multiple_of),
            },
        }
    }

    /// Parts that cover the level, row by row; one for a level of the usual size.
    pub(super) fn tiles(&self) -> Vec<Tile> {
        if !self.adds {
            return vec![Tile {
                x: 0,
                y: 0,
                size: self.copy,
            }];
        }
        let columns = spans(self.copy.width_px);
        let rows = spans(self.copy.height_px);
        let tile = |(y, height_px)| {
            columns.iter().map(move |&(x, width_px)| Tile {
                x,
                y,
                size: Size {
                    width_px,
                    height_px,
                },
            })
        };
        rows.into_iter().flat_map(tile).collect()
    }

    /// Whether a box of this level is of a size that it is there for.
    pub(super) fn believes(&self, bbox: &BoundingBox) -> bool {
        self.believed_px.contains(&bbox.width().max(bbox.height()))
    }

    /// A face in pixels of a tile, in pixels of an image that the level is a copy of.
    pub(super) fn to_image(&self, tile: Tile, face: &DetectedFace, image: Size) -> DetectedFace {
        let step = |image: u32, copy: u32| (f64::from(image) / f64::from(copy)) as f32;
        face.shifted(tile.x as f32, tile.y as f32).scaled(
            step(image.width_px, self.copy.width_px),
            step(image.height_px, self.copy.height_px),
        )
    }
}

/// Start and length of equal parts of a side, each sharing [`OVERLAP_PX`] with the next.
fn spans(side: u32) -> Vec<(u32, u32)> {
    if side <= TILE_PX {
        return vec![(0, side)];
    }
    let n = (side - OVERLAP_PX).div_ceil(TILE_PX - OVERLAP_PX);
    let length = (side - OVERLAP_PX).div_ceil(n) + OVERLAP_PX;
    (0..n)
        .map(|i| ((i * (length - OVERLAP_PX)).min(side - length), length))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width_px: u32, height_px: u32) -> Size {
        Size {
            width_px,
            height_px,
        }
    }

    fn pyramid(width: u32, height: u32, min_face_px: Option<f32>) -> Vec<Level> {
        let options = DetectOptions {
            min_face_px,
            ..DetectOptions::default()
        };
        let photo = size(width, height);
        levels(photo, photo, &DetectorSpec::default(), &options)
    }

    #[track_caller]
    fn check(found: &[Level], copies: &[(u32, u32)]) {
        let copies: Vec<Size> = copies.iter().map(|&(w, h)| size(w, h)).collect();
        let found: Vec<Size> = found.iter().map(|level| level.copy).collect();
        assert_eq!(found, copies);
    }

    #[test]
    fn small_photos_are_seen_once_and_large_ones_at_three_scales() {
        check(&pyramid(250, 250, None), &[(250, 250)]);
        check(&pyramid(1000, 700, None), &[(640, 448), (213, 149)]);
        let large = pyramid(4000, 3000, None);
        check(&large, &[(640, 480), (213, 160), (1280, 960)]);
        check(&pyramid(1, 3000, None), &[(1, 640), (1, 213), (1, 1280)]);
    }

    #[test]
    fn a_reduced_copy_is_enlarged_to_no_more_than_the_photo_has() {
        let photo = size(4000, 3000);
        let spec = DetectorSpec::default();
        let found = levels(photo, size(2000, 1500), &spec, &DetectOptions::default());
        check(&found, &[(640, 480), (213, 160), (1280, 960)]);
    }

    #[test]
    fn small_faces_add_levels_up_to_a_bound() {
        // 14 px of the detector: 40-px faces need 0.35 of the size, four times 640 is 0.64.
        let found = pyramid(4000, 3000, Some(40.0));
        check(&found, &[(640, 480), (213, 160), (1280, 960), (2560, 1920)]);
        let found = pyramid(4000, 3000, Some(200.0));
        check(&found, &[(640, 480), (213, 160)]);
        check(&pyramid(300, 200, Some(5.0)), &[(300, 200), (600, 400)]);
        let finest = pyramid(16_000, 12_000, Some(4.0)).pop().unwrap();
        assert!(finest.copy.pixels() <= 201_000_000, "{finest:?}");
    }

    #[test]
    fn a_fixed_input_takes_what_fits() {
        let spec = DetectorSpec {
            input_size: InputSize::Fixed(size(320, 240)),
            ..DetectorSpec::default()
        };
        let photo = size(300, 900);
        let found = levels(photo, photo, &spec, &DetectOptions::default());
        check(&found, &[(80, 240)]);
        assert_eq!(found[0].input(found[0].tiles()[0], &spec), size(320, 240));
    }

    #[test]
    fn faces_come_back_in_pixels_of_the_image() {
        let level = &pyramid(1000, 700, None)[0];
        let bbox = BoundingBox::from_array([0.0, 0.0, 640.0, 448.0]);
        let face = DetectedFace {
            bbox,
            score: 1.0,
            landmarks: None,
        };
        let face = level.to_image(level.tiles()[0], &face, size(1000, 700));
        assert!((face.bbox.x_max - 1000.0).abs() < 0.01 && (face.bbox.y_max - 700.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn smaller_faces_take_the_same_levels_and_more(
            width in 1u32..20_000, height in 1u32..20_000, one in 4f32..2000.0, two in 4f32..2000.0,
        ) {
            let few = pyramid(width, height, Some(one.max(two)));
            let many = pyramid(width, height, Some(one.min(two)));
            prop_assert!(many.starts_with(&few));
        }

        #[test]
        fn each_square_of_the_overlap_lies_whole_in_a_tile(
            width in 1u32..9000, height in 1u32..9000, across in 0f32..1.0, down in 0f32..1.0,
        ) {
            let level = Level {
                copy: size(width, height),
                believed_px: 0.0..=1.0,
                adds: true,
                scale: 1.0,
            };
            let start = |side: u32, part: f32| {
                (side.saturating_sub(OVERLAP_PX) as f32 * part) as u32
            };
            let (x, y) = (start(width, across), start(height, down));
            let (right, bottom) = ((x + OVERLAP_PX).min(width), (y + OVERLAP_PX).min(height));
            let holds = |t: &Tile| {
                t.x <= x && t.y <= y
                    && t.x + t.size.width_px >= right
                    && t.y + t.size.height_px >= bottom
            };
            let tiles = level.tiles();
            prop_assert!(tiles.iter().any(holds));
            let inside = |t: &Tile| {
                t.x + t.size.width_px <= width
                    && t.y + t.size.height_px <= height
                    && t.size.longest_px() <= TILE_PX
            };
            prop_assert!(tiles.iter().all(inside));
        }
    }
}
