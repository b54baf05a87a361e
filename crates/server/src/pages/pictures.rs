//! Pictures for the pages. In: a photo's files and boxes. Out: JPEGs, made on demand and kept in
//! memory. Nothing is written to the disk: a face's crop is gone with the server, or when its
//! person is erased.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use fusiform::engine::Engine;
use fusiform::geometry::BoundingBox;
use fusiform::image::{self, DecodeLimits, Decoded, Image, square};
use fusiform::scan::read_photo;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use crate::admission::{Admission, Holder, Turn, blocking, decoding_bytes, reduced_decoding_bytes};
use crate::problem::{Code, Problem};

/// Side of a face, for screens with two pixels a point.
const FACE_PX: u32 = 224;
/// Longest side of a photo in the list of photos, and on the page of the photo.
const SMALL_PX: u32 = 480;
const LARGE_PX: u32 = 2048;
const HUGE_PX: u32 = 5120;
const QUALITY: u8 = 84;
/// Some 10,000 faces.
const CACHE_BYTES: u64 = 96 << 20;
/// Locks for photos: requests for the same photo wait for one decoding.
const LOCKS: usize = 64;

/// How a photo is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Size {
    /// In a list.
    Small,
    /// On the page of the photo.
    Large,
    /// For those who look closer.
    Huge,
}

impl Size {
    fn longest_px(self) -> u32 {
        match self {
            Size::Small => SMALL_PX,
            Size::Large => LARGE_PX,
            Size::Huge => HUGE_PX,
        }
    }
}

/// The faces of a photo that strangers see, in pixels of the photo.
#[derive(Debug, Clone)]
pub(super) struct Covered {
    pub(super) kept: Vec<BoundingBox>,
    pub(super) covered: Vec<BoundingBox>,
}

impl Covered {
    fn tag(&self, source: &Source) -> [u8; 8] {
        let mut tag = blake3::Hasher::new();
        tag.update(&source.tag);
        for (mark, boxes) in [(b"kept", &self.kept), (b"cove", &self.covered)] {
            tag.update(mark);
            for side in boxes.iter().flat_map(|b| b.as_array()) {
                tag.update(&side.to_le_bytes());
            }
        }
        head(&tag)
    }
}

/// The first bytes of a hash: enough to tell contents apart.
pub(super) fn head(hash: &blake3::Hasher) -> [u8; 8] {
    let mut head = [0; 8];
    hash.finalize_xof().fill(&mut head);
    head
}

/// A picture's key in the cache. The tag is a hash of the content, so that a number used again
/// shows nothing old.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Face(i64, [u8; 8]),
    Photo(i64, [u8; 8], Size),
    /// With faces covered.
    Covered(i64, [u8; 8], Size),
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, picture: &Bytes) -> u64 {
        picture.len() as u64 + 64
    }
}

/// A photo's files and the faces in it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) photo: i64,
    /// Width and height, upright.
    pub(super) size_px: (u32, u32),
    pub(super) tag: [u8; 8],
    pub(super) paths: Vec<PathBuf>,
    /// Number and box of each, in pixels of the photo.
    pub(super) faces: Vec<(i64, BoundingBox)>,
}

/// Makes pictures and keeps them.
#[derive(Debug)]
pub(super) struct Pictures {
    kept: Cache<Key, Bytes, ByBytes>,
    /// Each photo being decoded holds a core and the memory that it takes.
    admission: Arc<Admission>,
    locks: Vec<Mutex<()>>,
    limits: DecodeLimits,
}

impl Pictures {
    pub(super) fn new(admission: Arc<Admission>, limits: DecodeLimits) -> Pictures {
        Pictures {
            kept: Cache::with_weighter(4096, CACHE_BYTES, ByBytes),
            admission,
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            limits,
        }
    }

    /// One face; the others of its photo are cut along with it, since decoding is what takes time.
    ///
    /// # Errors
    /// If none of the photo's files can be read.
    pub(super) async fn face(
        self: &Arc<Self>,
        source: Source,
        face: i64,
    ) -> Result<Bytes, Problem> {
        let key = Key::Face(face, source.tag);
        let enough_px = enough_for_faces(&source);
        self.make(source, key, enough_px, Holder::PAGES, |decoded, source| {
            let (scale_x, scale_y) = decoded_scale(&decoded);
            let cut = |(face, b): &(i64, BoundingBox)| {
                let bbox = b.scaled(scale_x, scale_y);
                let jpeg = jpeg(&square(&decoded.image, &bbox, FACE_PX)?)?;
                Some((Key::Face(*face, source.tag), jpeg))
            };
            Ok(source.faces.iter().filter_map(cut).collect())
        })
        .await
    }

    /// A whole photo.
    ///
    /// # Errors
    /// As [`Pictures::face`].
    pub(super) async fn photo(
        self: &Arc<Self>,
        source: Source,
        size: Size,
    ) -> Result<Bytes, Problem> {
        let key = Key::Photo(source.photo, source.tag, size);
        let longest_px = size.longest_px();
        let name = key.clone();
        self.make(source, key, longest_px, Holder::PAGES, move |decoded, _| {
            let jpeg = jpeg(&decoded.image.shrunk_to(longest_px));
            Ok(jpeg.map(|jpeg| (name, jpeg)).into_iter().collect())
        })
        .await
    }

    /// A photo as strangers see it: every face covered but those to keep, those too that only a
    /// second look at the pixels finds. Both sizes are made at once.
    ///
    /// # Errors
    /// If none of the photo's files can be read, or something still looks like a face.
    pub(super) async fn covered(
        self: &Arc<Self>,
        engine: Arc<Engine>,
        source: Source,
        faces: Covered,
        size: Size,
    ) -> Result<Bytes, Problem> {
        let tag = faces.tag(&source);
        let photo = source.photo;
        let key = move |size| Key::Covered(photo, tag, size);
        let work = move |mut decoded: Decoded, _: &Source| {
            decoded.image = decoded.image.shrunk_to(LARGE_PX);
            let (scale_x, scale_y) = decoded_scale(&decoded);
            let scaled = |boxes: &[BoundingBox]| -> Vec<BoundingBox> {
                boxes.iter().map(|b| b.scaled(scale_x, scale_y)).collect()
            };
            let (kept, covered) = (scaled(&faces.kept), scaled(&faces.covered));
            let left = engine.cover_faces(&mut decoded.image, &covered, &kept)?;
            if !left.is_empty() {
                let detail = "not every face in this photo could be covered for sure";
                return Err(Problem::new(Code::NotFound, detail));
            }
            let no_jpeg = || Problem::internal("a covered photo could not be written");
            let large = jpeg(&decoded.image).ok_or_else(no_jpeg)?;
            let small = jpeg(&decoded.image.shrunk_to(SMALL_PX)).ok_or_else(no_jpeg)?;
            Ok(vec![(key(Size::Large), large), (key(Size::Small), small)])
        };
        self.make(source, key(size), LARGE_PX, Holder::VISITORS, work)
            .await
    }

    /// What decoding the first of a photo's files that can be read takes, in full size.
    pub(super) async fn decoding_bytes(&self, paths: Vec<PathBuf>) -> Result<u64, Problem> {
        let turn = self.admission.turn(Holder::PAGES, 0).await?;
        let limits = self.limits;
        blocking(move || {
            let _turn = turn;
            let file = paths
                .iter()
                .find_map(|path| read_photo(path, limits.max_bytes).ok());
            Ok(file.map_or(0, |bytes| decoding_bytes(&bytes, limits.max_pixels)))
        })
        .await
    }

    /// Forgets every picture.
    pub(super) fn clear(&self) {
        self.kept.clear();
    }

    async fn make(
        self: &Arc<Self>,
        source: Source,
        key: Key,
        enough_px: u32,
        holder: Holder,
        make: impl FnOnce(Decoded, &Source) -> Result<Vec<(Key, Bytes)>, Problem> + Send + 'static,
    ) -> Result<Bytes, Problem> {
        if let Some(picture) = self.kept.get(&key) {
            return Ok(picture);
        }
        // A request that waited here for the same photo finds its picture made.
        let lock = source.photo.unsigned_abs() as usize % LOCKS;
        let _lock = self.locks[lock].lock().await;
        if let Some(picture) = self.kept.get(&key) {
            return Ok(picture);
        }
        let (decoded, turn) = self.decode(&source.paths, enough_px, holder).await?;
        let pictures = Arc::clone(self);
        blocking(move || {
            let _turn = turn;
            let mut wanted = None;
            for (name, picture) in make(decoded, &source)? {
                if name == key {
                    wanted = Some(picture.clone());
                }
                pictures.kept.insert(name, picture);
            }
            let no_box = || Problem::new(Code::NotFound, "the face has no box");
            wanted.ok_or_else(no_box)
        })
        .await
    }

    /// The first of a photo's files that can still be read, with at least `enough_px` on its
    /// longest side if it has them, and the turn that holds its memory.
    async fn decode(
        &self,
        paths: &[PathBuf],
        enough_px: u32,
        holder: Holder,
    ) -> Result<(Decoded, Turn), Problem> {
        let mut last = Problem::not_found("any of the photo's files");
        for path in paths {
            match self.decode_one(path.clone(), enough_px, holder).await {
                Err(why) if matches!(why.code, Code::NotFound | Code::TooLarge) => last = why,
                done => return done,
            }
        }
        tracing::warn!("{}", last.detail);
        Err(last)
    }

    /// The file is read twice, once for its size: one that waits for memory holds none.
    async fn decode_one(
        &self,
        path: PathBuf,
        enough_px: u32,
        holder: Holder,
    ) -> Result<(Decoded, Turn), Problem> {
        let unreadable = |why: String| Problem::new(Code::NotFound, why);
        let limits = self.limits;
        let read = move |path: &Path| {
            read_photo(path, limits.max_bytes).map_err(|e| unreadable(e.to_string()))
        };
        let turn = self.admission.turn(holder, 0).await?;
        let measured = path.clone();
        let pixel_bytes = blocking(move || {
            let _turn = turn;
            let bytes = read(&measured)?;
            Ok(reduced_decoding_bytes(&bytes, enough_px, limits.max_pixels))
        });
        let pixel_bytes = pixel_bytes.await?;
        let turn = self.admission.turn(holder, pixel_bytes).await?;
        blocking(move || {
            let decoded = image::decode_reduced(&read(&path)?, &limits, enough_px);
            Ok((decoded.map_err(|e| unreadable(e.to_string()))?, turn))
        })
        .await
    }
}

fn jpeg(image: &Image) -> Option<Bytes> {
    image::encode_jpeg(image, QUALITY).ok().map(Bytes::from)
}

/// The longest side at which the smallest face still has [`FACE_PX`]. Crops show more than the box,
/// so it is enough.
fn enough_for_faces(source: &Source) -> u32 {
    let longest_px = source.size_px.0.max(source.size_px.1);
    let side = |b: &BoundingBox| (b.x_max - b.x_min).max(b.y_max - b.y_min);
    let sides = source.faces.iter().map(|(_, bbox)| side(bbox));
    let smallest = sides.filter(|side| *side > 0.0).fold(f32::MAX, f32::min);
    let scale = (FACE_PX as f32 / smallest).min(1.0);
    (longest_px as f32 * scale).ceil() as u32
}

/// Decoded pixels per pixel of the photo, across and down.
fn decoded_scale(decoded: &Decoded) -> (f32, f32) {
    let (whole, image) = (decoded.size, &decoded.image);
    (
        image.width() as f32 / whole.width_px as f32,
        image.height() as f32 / whole.height_px as f32,
    )
}
