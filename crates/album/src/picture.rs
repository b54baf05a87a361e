//! Marks of pictures, keyed by the album. In: fingerprints. Out: a digest of equal pixels, and a
//! sketch that is near for re-saved, resized and turned copies. Knows nothing of faces.
//!
//! Both are one-way and keyed with a random number of the album: marks of two albums cannot be
//! compared, and neither gives the picture back. Whoever has the album's file and a picture can
//! tell whether the picture was in the album.
//!
//! The sketch is the signs of 128 projections of the picture's coarse waves (SimHash; Charikar
//! 2002): the share of signs that differ is the angle between two pictures' waves over 180°.

use fusiform_face::image::{Fingerprint, Orientation, Waves};
use rusqlite::Connection;

/// Signs of a sketch.
const N_SIGNS: usize = 128;
/// Most differing signs of two copies of one picture.
const MAX_DIFFERING: u32 = 12;

/// The album's key for marks.
pub(crate) struct PictureKey([u8; 32]);

/// 128 signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sketch(u128);

impl PictureKey {
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<PictureKey> {
        let sql = "SELECT key FROM picture_key";
        let key: Vec<u8> = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        // A key of another length, which no build writes, still is a key.
        Ok(PictureKey(*blake3::hash(&key).as_bytes()))
    }

    /// The mark of equal pixels.
    pub(crate) fn digest(&self, fingerprint: &Fingerprint) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, &fingerprint.pixels).as_bytes()
    }

    /// The mark of similar pictures.
    pub(crate) fn sketch(&self, waves: &Waves) -> Sketch {
        // The directions: one bit for each wave and projection, from the key.
        let mut bits = [0u8; N_SIGNS * Waves::LEN.div_ceil(8)];
        let mut directions = blake3::Hasher::new_keyed(&self.0);
        directions.update(b"directions of sketches");
        directions.finalize_xof().fill(&mut bits);
        let mut signs = 0;
        for (at, direction) in bits.chunks_exact(Waves::LEN.div_ceil(8)).enumerate() {
            let sign =
                |wave: usize| direction.get(wave / 8).map_or(0, |byte| byte >> (wave % 8)) & 1;
            let terms = waves.as_slice().iter().enumerate();
            let sum: f32 = terms.map(|(i, w)| if sign(i) == 1 { *w } else { -w }).sum();
            signs |= u128::from(sum >= 0.0) << at;
        }
        Sketch(signs)
    }

    /// The sketches of a picture in all eight orientations.
    pub(crate) fn turned_sketches(&self, waves: &Waves) -> [(Orientation, Sketch); 8] {
        Orientation::ALL.map(|o| (o, self.sketch(&waves.turned(o))))
    }
}

impl Sketch {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// `None` for a photo that has no sketch.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Sketch> {
        Some(Sketch(u128::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// How many signs differ, if so few that both may be of one picture.
    pub(crate) fn distance(self, other: Sketch) -> Option<u32> {
        let differing = (self.0 ^ other.0).count_ones();
        (differing <= MAX_DIFFERING).then_some(differing)
    }
}
