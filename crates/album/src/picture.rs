//! Marks of pictures, keyed by the album. In: fingerprints. Out: a digest of equal pixels, and a
//! sketch that is near for re-saved, resized and turned copies. Knows nothing of faces.
//!
//! Both are one-way and keyed with a random number of the album: marks of two albums cannot be
//! compared, and neither gives the picture back. Whoever has the album's file and a picture can
//! tell whether the picture was in the album.
//!
//! The sketch is the signs of 512 projections of the picture's coarse waves (SimHash; Charikar
//! 2002): the share of signs that differ is the angle between two pictures' waves over 180°. The
//! directions are the same for every album, and its key only hides the signs: which pictures are
//! copies must not depend on the luck of a key.

use fusiform_face::image::{Fingerprint, Orientation, Waves};
use rusqlite::Connection;

/// Signs of a sketch, and words that hold them.
const N_SIGNS: usize = 512;
const N_WORDS: usize = N_SIGNS / 64;
/// Most differing signs of two copies of one picture: 12°.
///
/// # Source
/// 160 photos of lfw-dev: copies with a JPEG quality of 20, or an eighth of the side, are at most
/// 3.4° away; the nearest of 100,000 pairs of other photos, in eight orientations, 23°.
const MAX_DIFFERING: u32 = 34;
/// Bytes that hold one direction: a bit for each wave.
const DIRECTION_BYTES: usize = Waves::LEN.div_ceil(8);

/// The album's key for marks.
pub(crate) struct PictureKey {
    key: [u8; 32],
    /// One bit for each projection and wave.
    directions: Vec<u8>,
    /// What hides the signs.
    mask: Sketch,
}

/// The signs of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sketch([u64; N_WORDS]);

impl PictureKey {
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<PictureKey> {
        let sql = "SELECT key FROM picture_key";
        let key: Vec<u8> = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(PictureKey::of(&key))
    }

    fn of(key: &[u8]) -> PictureKey {
        // A key of another length, which no build writes, still is a key.
        let key = *blake3::hash(key).as_bytes();
        let fill = |mut hasher: blake3::Hasher, what: &[u8], bytes: &mut [u8]| {
            hasher.update(what).finalize_xof().fill(bytes);
        };
        let mut directions = vec![0; N_SIGNS * DIRECTION_BYTES];
        let mut mask = [0; N_SIGNS / 8];
        fill(
            blake3::Hasher::new(),
            b"directions of sketches",
            &mut directions,
        );
        fill(
            blake3::Hasher::new_keyed(&key),
            b"mask of sketches",
            &mut mask,
        );
        PictureKey {
            key,
            directions,
            mask: Sketch::of_bytes(mask),
        }
    }

    /// The mark of equal pixels.
    pub(crate) fn digest(&self, fingerprint: &Fingerprint) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, &fingerprint.pixels).as_bytes()
    }

    /// The mark of similar pictures.
    pub(crate) fn sketch(&self, waves: &Waves) -> Sketch {
        let mut signs = self.mask;
        for (at, direction) in self.directions.chunks_exact(DIRECTION_BYTES).enumerate() {
            let sign =
                |wave: usize| direction.get(wave / 8).map_or(0, |byte| byte >> (wave % 8)) & 1;
            let terms = waves.as_slice().iter().enumerate();
            let sum: f32 = terms.map(|(i, w)| if sign(i) == 1 { *w } else { -w }).sum();
            signs.0[at / 64] ^= u64::from(sum >= 0.0) << (at % 64);
        }
        signs
    }

    /// The sketches of a picture in all eight orientations.
    pub(crate) fn turned_sketches(&self, waves: &Waves) -> [(Orientation, Sketch); 8] {
        Orientation::ALL.map(|o| (o, self.sketch(&waves.turned(o))))
    }
}

impl Sketch {
    pub(crate) fn to_bytes(self) -> [u8; N_SIGNS / 8] {
        let mut bytes = [0; N_SIGNS / 8];
        for (out, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` for a photo that has no sketch.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Sketch> {
        Some(Sketch::of_bytes(bytes.try_into().ok()?))
    }

    fn of_bytes(bytes: [u8; N_SIGNS / 8]) -> Sketch {
        let mut words = [0; N_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Sketch(words)
    }

    /// How many signs differ, if so few that both may be of one picture.
    pub(crate) fn distance(&self, other: &Sketch) -> Option<u32> {
        let mut differing = 0;
        // Of two other pictures the first words differ enough, and an album has many pairs.
        for (a, b) in self.0.iter().zip(&other.0) {
            differing += (a ^ b).count_ones();
            if differing > MAX_DIFFERING {
                return None;
            }
        }
        Some(differing)
    }
}

#[cfg(test)]
mod tests {
    use fusiform_face::image::Image;

    use super::*;

    /// A picture of soft stripes, of which `other` shades are those of another picture.
    fn waves(other: f32) -> Waves {
        let shade = |x: u32, y: u32| {
            let (x, y) = (x as f32 / 96.0, y as f32 / 72.0);
            let one = (7.0 * x + 3.0 * y * y).sin() + (11.0 * y * x).cos();
            let two = (9.0 * y + 2.0 * x).cos() + (5.0 * x * x).sin();
            (50.0 * (one * (1.0 - other) + two * other) + 128.0) as u8
        };
        let all = (0..72).flat_map(|y| (0..96).flat_map(move |x| [shade(x, y); 3]));
        Fingerprint::of(&Image::new(96, 72, all.collect()).unwrap()).waves
    }

    fn angle_deg(a: &Waves, b: &Waves) -> f32 {
        let both = a.as_slice().iter().zip(b.as_slice());
        both.map(|(a, b)| a * b).sum::<f32>().acos().to_degrees()
    }

    #[test]
    fn which_pictures_are_copies_is_the_same_in_every_album_and_a_stranger_never_is_one() {
        let (one, copy) = (waves(0.0), waves(0.05));
        // As near as the nearest strangers of lfw-dev.
        let stranger = (1..100).map(|share| waves(share as f32 / 100.0));
        let stranger = stranger
            .into_iter()
            .find(|s| angle_deg(&one, s) > 23.0)
            .unwrap();
        let (near, far) = (angle_deg(&one, &copy), angle_deg(&one, &stranger));
        assert!(near > 1.0 && near < 5.0 && far < 26.0, "{near} and {far}");
        let usual = PictureKey::of(b"").sketch(&one);
        let mut distances = Vec::new();
        for number in 0..200u8 {
            let key = PictureKey::of(&[number]);
            let [one, copy, stranger] = [&one, &copy, &stranger].map(|w| key.sketch(w));
            distances.push((one.distance(&copy), one.distance(&stranger)));
            assert_eq!(one.distance(&usual), None, "two albums cannot be compared");
            assert_eq!(Sketch::from_bytes(&one.to_bytes()), Some(one));
        }
        distances.dedup();
        assert!(
            matches!(distances[..], [(Some(1..=20), None)]),
            "{distances:?}"
        );
    }
}
