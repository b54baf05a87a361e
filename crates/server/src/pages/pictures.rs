//! Pictures for the pages. In: a photo's files and boxes. Out: JPEGs, cut on demand and kept in memory.
//! Nothing is written to the disk: no crop of a face outlives the server, or the erasure of its person.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use axum::body::Bytes;
use fusiform::geometry::BoundingBox;
use fusiform::image::{self, DecodeLimits, Image};
use fusiform::scan::read_photo;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, Semaphore};

use fusiform::image::square;

/// Side of a face, for screens with two pixels a point.
const FACE_PX: u32 = 224;
/// Longest side of a photo in the list of photos, and on its own page.
const SMALL_PX: u32 = 480;
const LARGE_PX: u32 = 2048;
const QUALITY: u8 = 84;
/// Some 10,000 faces.
const CACHE_BYTES: u64 = 96 << 20;
/// Photos of one number wait for each other; so many numbers do not.
const LANES: usize = 64;

/// How a photo is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Size {
    /// In a list.
    Small,
    /// On its own.
    Large,
}

/// A picture's name in the cache. The tag is of the content, so that a number used anew shows nothing old.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Face(i64, [u8; 8]),
    Photo(i64, [u8; 8], Size),
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Bytes> for ByBytes {
    fn weight(&self, _: &Key, picture: &Bytes) -> u64 {
        picture.len() as u64 + 64
    }
}

/// Where a photo lies and which faces are in it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) photo: i64,
    pub(super) tag: [u8; 8],
    pub(super) paths: Vec<PathBuf>,
    pub(super) faces: Vec<(i64, BoundingBox)>,
}

/// Cuts pictures and keeps them.
#[derive(Debug)]
pub(super) struct Pictures {
    kept: Cache<Key, Bytes, ByBytes>,
    /// Photos decoded at once: each may take hundreds of megabytes.
    decoders: Semaphore,
    lanes: Vec<Mutex<()>>,
}

impl Pictures {
    pub(super) fn new(threads: usize) -> Pictures {
        Pictures {
            kept: Cache::with_weighter(4096, CACHE_BYTES, ByBytes),
            decoders: Semaphore::new(threads.max(1)),
            lanes: (0..LANES).map(|_| Mutex::default()).collect(),
        }
    }

    /// One face; the others of its photo are cut along with it, since decoding is what takes time.
    ///
    /// # Errors
    /// When none of the photo's files can be read.
    pub(super) async fn face(self: &Arc<Self>, source: Source, face: i64) -> Result<Bytes> {
        let key = Key::Face(face, source.tag);
        self.cut(source, key, |image, source| {
            let cut = |(face, bbox): &(i64, BoundingBox)| {
                let jpeg = image::encode_jpeg(&square(image, bbox, FACE_PX)?, QUALITY).ok()?;
                Some((Key::Face(*face, source.tag), Bytes::from(jpeg)))
            };
            source.faces.iter().filter_map(cut).collect()
        })
        .await
    }

    /// A whole photo.
    ///
    /// # Errors
    /// As [`Pictures::face`].
    pub(super) async fn photo(self: &Arc<Self>, source: Source, size: Size) -> Result<Bytes> {
        let key = Key::Photo(source.photo, source.tag, size);
        let longest = match size {
            Size::Small => SMALL_PX,
            Size::Large => LARGE_PX,
        };
        let name = key.clone();
        self.cut(source, key, move |image, _| {
            let jpeg = image::encode_jpeg(&image.shrunk_to(longest), QUALITY);
            jpeg.into_iter()
                .map(|jpeg| (name.clone(), Bytes::from(jpeg)))
                .collect()
        })
        .await
    }

    /// Forgets every picture.
    pub(super) fn clear(&self) {
        self.kept.clear();
    }

    async fn cut(
        self: &Arc<Self>,
        source: Source,
        key: Key,
        cut: impl FnOnce(&Image, &Source) -> Vec<(Key, Bytes)> + Send + 'static,
    ) -> Result<Bytes> {
        if let Some(picture) = self.kept.get(&key) {
            return Ok(picture);
        }
        // Whoever waits here for the same photo finds the picture cut.
        let lane = self.lanes[source.photo.unsigned_abs() as usize % LANES]
            .lock()
            .await;
        if let Some(picture) = self.kept.get(&key) {
            return Ok(picture);
        }
        let permit = self.decoders.acquire().await?;
        let own = Arc::clone(self);
        let work = move || {
            let image = read(&source.paths)?;
            let mut wanted = None;
            for (name, picture) in cut(&image, &source) {
                if name == key {
                    wanted = Some(picture.clone());
                }
                own.kept.insert(name, picture);
            }
            wanted.ok_or_else(|| anyhow!("the face has no box"))
        };
        let picture = tokio::task::spawn_blocking(work).await?;
        drop((permit, lane));
        picture
    }
}

/// The first of a photo's files that can still be read.
fn read(paths: &[PathBuf]) -> Result<Image> {
    let mut last = anyhow!("the photo lies nowhere any more");
    for path in paths {
        let decoded = read_photo(path)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(image::decode(&bytes, &DecodeLimits::default())?));
        match decoded {
            Ok(decoded) => return Ok(decoded.image),
            Err(error) => last = error,
        }
    }
    Err(last)
}
