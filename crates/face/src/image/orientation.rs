//! The eight ways a camera can be held. In: stored pixels. Out: upright pixels.
//! Knows nothing of EXIF's bytes.

use super::pixels::Image;
use crate::geometry::Size;

/// How stored pixels lie, by the number EXIF gives it.
///
/// # Source
/// EXIF 2.32 (CIPA DC-008), tag 0x0112: which visual side the first stored row and column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// 1: first row at the top, first column at the left.
    #[default]
    Upright = 1,
    /// 2: first row at the top, first column at the right.
    Mirrored = 2,
    /// 3: first row at the bottom, first column at the right.
    UpsideDown = 3,
    /// 4: first row at the bottom, first column at the left.
    MirroredUpsideDown = 4,
    /// 5: first row at the left, first column at the top.
    Transposed = 5,
    /// 6: first row at the right, first column at the top; rotated clockwise to be upright.
    RotatedLeft = 6,
    /// 7: first row at the right, first column at the bottom.
    Transversed = 7,
    /// 8: first row at the left, first column at the bottom; rotated anticlockwise to be upright.
    RotatedRight = 8,
}

impl Orientation {
    /// Every orientation, 1 to 8.
    pub const ALL: [Orientation; 8] = [
        Orientation::Upright,
        Orientation::Mirrored,
        Orientation::UpsideDown,
        Orientation::MirroredUpsideDown,
        Orientation::Transposed,
        Orientation::RotatedLeft,
        Orientation::Transversed,
        Orientation::RotatedRight,
    ];

    /// The orientation with this EXIF number.
    pub fn from_exif(value: u32) -> Option<Orientation> {
        Orientation::ALL.into_iter().find(|&o| o as u32 == value)
    }

    /// Width and height upright, from those stored.
    pub(super) fn upright_size(self, stored: Size) -> Size {
        use Orientation::*;
        match self {
            Transposed | RotatedLeft | Transversed | RotatedRight => Size {
                width_px: stored.height_px,
                height_px: stored.width_px,
            },
            _ => stored,
        }
    }

    /// Stored pixels brought upright.
    pub fn upright(self, stored: Image) -> Image {
        use Orientation::*;
        let upright = self.upright_size(stored.size());
        let (width, height) = (stored.width() as isize, stored.height() as isize);
        // Index of the stored pixel that comes first, and the steps from it to the right and down
        // in the upright image.
        let (first, right, down) = match self {
            Upright => return stored,
            Mirrored => (width - 1, -1, width),
            UpsideDown => (width * height - 1, -1, -width),
            MirroredUpsideDown => (width * (height - 1), 1, -width),
            Transposed => (0, width, 1),
            RotatedLeft => (width * (height - 1), -width, 1),
            Transversed => (width * height - 1, -width, -1),
            RotatedRight => (width - 1, width, -1),
        };
        let (width, height) = (upright.width_px as isize, upright.height_px as isize);
        let mut rgb = vec![0; stored.rgb().len()];
        let (from, to) = (stored.rgb().as_chunks::<3>().0, rgb.as_chunks_mut::<3>().0);
        // Square tiles: a rotated row of the whole photo would touch a new cache line at every
        // pixel.
        const TILE: usize = 32;
        for tile_y in (0..height).step_by(TILE) {
            for tile_x in (0..width).step_by(TILE) {
                for y in tile_y..height.min(tile_y + TILE as isize) {
                    let columns = tile_x..width.min(tile_x + TILE as isize);
                    let row =
                        (y * width + columns.start) as usize..(y * width + columns.end) as usize;
                    for (x, pixel) in columns.zip(&mut to[row]) {
                        *pixel = from[(first + x * right + y * down) as usize];
                    }
                }
            }
        }
        Image::new(upright.width_px, upright.height_px, rgb)
            .unwrap_or_else(|_| unreachable!("as many pixels as before"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letter F as EXIF's own drawing of the eight orientations stores it: `#` is ink.
    const STORED: [&[&str]; 8] = [
        &["###", "#..", "##.", "#.."],
        &["###", "..#", ".##", "..#"],
        &["..#", ".##", "..#", "###"],
        &["#..", "##.", "#..", "###"],
        &["####", "#.#.", "#..."],
        &["#...", "#.#.", "####"],
        &["...#", ".#.#", "####"],
        &["####", ".#.#", "...#"],
    ];

    fn picture(rows: &[&str]) -> Image {
        let ink = |c: u8| {
            if c == b'#' {
                [10, 20, 30]
            } else {
                [200, 210, 220]
            }
        };
        let rgb = rows.iter().flat_map(|r| r.bytes()).flat_map(ink).collect();
        Image::new(rows[0].len() as u32, rows.len() as u32, rgb).unwrap()
    }

    #[test]
    fn all_eight_letters_become_upright() {
        let upright = picture(STORED[0]);
        for (orientation, rows) in Orientation::ALL.into_iter().zip(STORED) {
            let turned = orientation.upright(picture(rows));
            assert!(turned == upright, "{orientation:?}");
        }
    }

    #[test]
    fn sides_longer_than_a_tile_keep_every_pixel() {
        let (width, height) = (77, 45);
        let rgb = (0..width * height * 3).map(|i| (i % 251) as u8).collect();
        let image = Image::new(width, height, rgb).unwrap();
        let there = Orientation::RotatedLeft.upright(image.clone());
        assert_eq!((there.width(), there.height()), (45, 77));
        assert!(Orientation::RotatedRight.upright(there) == image);
    }

    #[test]
    fn numbers_outside_1_to_8_are_no_orientation() {
        assert_eq!(Orientation::from_exif(0), None);
        assert_eq!(Orientation::from_exif(6), Some(Orientation::RotatedLeft));
        assert_eq!(Orientation::from_exif(9), None);
    }
}
