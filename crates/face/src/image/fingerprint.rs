//! What tells a picture again after its file was changed. In: upright pixels. Out: a digest that
//! is equal for equal pixels, and coarse waves of brightness that hardly change when a picture is
//! re-saved, resized or turned. Knows nothing of files or faces.

use super::orientation::Orientation;
use super::pixels::Image;
use super::resample::resize;
use crate::geometry::Size;

/// Side of the copy whose waves are taken.
const SIDE: usize = 32;
/// Waves across and down that are kept; finer ones change with compression.
const WAVES_PER_SIDE: usize = 10;
/// All waves but the constant one, which is the mean brightness.
const N_WAVES: usize = WAVES_PER_SIDE * WAVES_PER_SIDE - 1;

/// What tells a picture again, whatever the bytes of its file are.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    /// BLAKE3 of width, height and pixels.
    pub pixels: [u8; 32],
    /// Brightness of the whole picture as waves: row by row, the constant one left out.
    pub waves: Waves,
}

/// Coarse waves of a picture's brightness: a vector of unit length.
///
/// # Shapes
/// 99 numbers: ten times ten waves of a discrete cosine transform of the picture shrunk to 32×32,
/// without the constant one. Each is weighted by its frequency, since brightness falls with it.
///
/// # Source
/// DCT-II (Ahmed, Natarajan and Rao 1974).
#[derive(Debug, Clone, PartialEq)]
pub struct Waves(Vec<f32>);

impl Fingerprint {
    /// The fingerprint of upright pixels.
    pub fn of(image: &Image) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&image.width().to_le_bytes());
        hasher.update(&image.height().to_le_bytes());
        hasher.update(image.rgb());
        Fingerprint {
            pixels: *hasher.finalize().as_bytes(),
            waves: Waves::of(image),
        }
    }
}

impl Waves {
    /// Length of [`Waves::as_slice`].
    pub const LEN: usize = N_WAVES;

    fn of(image: &Image) -> Waves {
        let side = SIDE as u32;
        let size = Size {
            width_px: side,
            height_px: side,
        };
        let grey: Vec<f32> = resize(image, size)
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[r, g, b]| 0.299 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b))
            .collect();
        let step = std::f32::consts::PI / SIDE as f32;
        let cosine = |wave: usize, at: usize| (step * (at as f32 + 0.5) * wave as f32).cos();
        // Across first: `across[y][u]`, then down.
        let mut across = [[0.0f32; WAVES_PER_SIDE]; SIDE];
        for (row, out) in grey.chunks_exact(SIDE).zip(&mut across) {
            for (u, sum) in out.iter_mut().enumerate() {
                *sum = row.iter().zip(0..).map(|(v, x)| v * cosine(u, x)).sum();
            }
        }
        let mut waves = Vec::with_capacity(N_WAVES);
        for v in 0..WAVES_PER_SIDE {
            for u in 0..WAVES_PER_SIDE {
                let sum: f32 = across
                    .iter()
                    .zip(0..)
                    .map(|(r, y)| r[u] * cosine(v, y))
                    .sum();
                let frequency = ((u * u + v * v) as f32).sqrt();
                if frequency > 0.0 {
                    waves.push(sum * frequency);
                }
            }
        }
        let length = waves.iter().map(|w| w * w).sum::<f32>().sqrt();
        waves
            .iter_mut()
            .for_each(|w| *w /= length.max(f32::MIN_POSITIVE));
        Waves(waves)
    }

    /// The numbers, as the type's description orders them.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The waves of the picture brought upright as if it were stored in this orientation.
    pub fn turned(&self, orientation: Orientation) -> Waves {
        use Orientation::*;
        // Transposing swaps the waves across and down; mirroring turns the sign of the odd ones.
        let (transposed, mirror_x, mirror_y) = match orientation {
            Upright => (false, false, false),
            Mirrored => (false, true, false),
            UpsideDown => (false, true, true),
            MirroredUpsideDown => (false, false, true),
            Transposed => (true, false, false),
            RotatedLeft => (true, true, false),
            Transversed => (true, true, true),
            RotatedRight => (true, false, true),
        };
        let at = |u: usize, v: usize| v * WAVES_PER_SIDE + u;
        let mut turned = Vec::with_capacity(N_WAVES);
        for v in 0..WAVES_PER_SIDE {
            for u in 0..WAVES_PER_SIDE {
                // The constant wave, which is not stored, would be the first.
                let Some(from) = if transposed { at(v, u) } else { at(u, v) }.checked_sub(1) else {
                    continue;
                };
                let odd = (mirror_x && u % 2 == 1) != (mirror_y && v % 2 == 1);
                let wave = self.0.get(from).copied().unwrap_or(0.0);
                turned.push(if odd { -wave } else { wave });
            }
        }
        Waves(turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Image {
        let (w, h) = (width as f32, height as f32);
        let shade = |x: u32, y: u32| {
            let (x, y) = (x as f32 / w, y as f32 / h);
            let value = (7.0 * x + 3.0 * y * y).sin() + (11.0 * y * x).cos() + x;
            (60.0 * value + 128.0).clamp(0.0, 255.0) as u8
        };
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [shade(x, y); 3]));
        Image::new(width, height, rgb.collect()).unwrap()
    }

    fn cosine(a: &Waves, b: &Waves) -> f32 {
        a.0.iter().zip(&b.0).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn turning_the_waves_is_turning_the_picture() {
        let stored = picture(96, 64);
        let waves = Waves::of(&stored);
        for orientation in Orientation::ALL {
            let turned = Waves::of(&orientation.upright(stored.clone()));
            let near = cosine(&waves.turned(orientation), &turned);
            assert!(near > 0.999, "{orientation:?}: {near}");
            if orientation != Orientation::Upright {
                assert!(cosine(&waves, &turned) < 0.9, "{orientation:?}");
            }
        }
    }

    #[test]
    fn size_changes_the_digest_and_hardly_the_waves() {
        let (large, small) = (picture(640, 480), picture(201, 151));
        let (large, small) = (Fingerprint::of(&large), Fingerprint::of(&small));
        assert_ne!(large.pixels, small.pixels);
        assert!(cosine(&large.waves, &small.waves) > 0.99);
        assert_eq!(large, Fingerprint::of(&picture(640, 480)));
    }

    #[test]
    fn a_picture_of_one_colour_has_waves_too() {
        let grey = Image::new(4, 4, vec![128; 48]).unwrap();
        assert_eq!(Waves::of(&grey).as_slice().len(), Waves::LEN);
        assert!(Waves::of(&grey).as_slice().iter().all(|w| w.is_finite()));
    }
}
