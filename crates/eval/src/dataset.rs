//! Labelled photos to embeddings, for evaluation and calibration. In: paths. Out: one embedding per
//! photo. Knows nothing of protocols: `verification` and `calibration` compute on its results.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fusiform::{AnalyseOptions, Engine, Face, Photo, Quality};
use rayon::prelude::*;

use crate::error::Error;

/// The labelled face of one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Unit vector.
    pub vector: Vec<f32>,
    /// How much the face is worth to a recogniser, with the parts.
    pub quality: Quality,
}

impl Labelled {
    /// The face's template with its quality; `None` if the pack has no embedder.
    pub(crate) fn of(face: &Face) -> Option<Self> {
        Some(Self {
            vector: face.template.as_ref()?.vector.clone(),
            quality: face.quality,
        })
    }
}

/// Photos of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the folder.
    pub name: String,
    /// Photos in it, sorted.
    pub photos: Vec<PathBuf>,
}

/// One identity per folder directly below `dir`, sorted by name; the folder's name is the label.
///
/// # Errors
/// [`Error::Engine`] naming the folder that cannot be listed, or that holds no folder with photos.
pub fn identities(dir: &Path) -> Result<Vec<Identity>, Error> {
    let list = |dir: &Path| -> Result<Vec<PathBuf>, Error> {
        let entries = fs::read_dir(dir).map_err(|e| fusiform::Error::io(dir, e))?;
        let paths: std::io::Result<Vec<PathBuf>> = entries.map(|e| e.map(|e| e.path())).collect();
        let mut paths = paths.map_err(|e| fusiform::Error::io(dir, e))?;
        paths.sort();
        Ok(paths)
    };
    let mut found = Vec::new();
    for folder in list(dir)?.into_iter().filter(|p| p.is_dir()) {
        let mut photos = list(&folder)?;
        photos.retain(|p| fusiform::scan::looks_like_photo(p));
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !photos.is_empty() {
            found.push(Identity { name, photos });
        }
    }
    if found.is_empty() {
        let what = "holds no folder with photos; one folder per person is wanted";
        return Err(fusiform::Error::io(
            dir,
            std::io::Error::new(std::io::ErrorKind::NotFound, what),
        )
        .into());
    }
    Ok(found)
}

/// The labelled face of each photo, in the order of `photos`; `None` where no face was found.
///
/// `tell` is called once per photo, from several threads. A photo that cannot be read carries its
/// error.
pub fn embed_photos(
    engine: &Engine,
    photos: &[PathBuf],
    options: &AnalyseOptions,
    threads: usize,
    stop: &AtomicBool,
    tell: impl Fn() + Sync,
) -> Result<Vec<Result<Option<Labelled>, Error>>, Error> {
    engine.embedder_id()?;
    let one = |path: &PathBuf| {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let photo = engine.analyse_file_with(path, options)?;
        tell();
        Ok(labelled_face(&photo).and_then(Labelled::of))
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| fusiform::Error::io("threads", std::io::Error::other(e)))?;
    Ok(pool.install(|| photos.par_iter().map(one).collect()))
}

/// The face that a labelled photo is about: large and near the middle.
///
/// Score: area less twice the squared distance of its centre from the photo's centre, as sets whose
/// photos were cut around the labelled face (LFW among them) make sensible.
pub(crate) fn labelled_face(photo: &Photo) -> Option<&Face> {
    let (cx, cy) = (photo.width_px as f32 / 2.0, photo.height_px as f32 / 2.0);
    let score = |f: &Face| {
        let b = &f.bbox;
        let (dx, dy) = (
            (b.x_min + b.x_max) / 2.0 - cx,
            (b.y_min + b.y_max) / 2.0 - cy,
        );
        b.area() - 2.0 * (dx * dx + dy * dy)
    };
    photo
        .faces
        .iter()
        .max_by(|a, b| score(a).total_cmp(&score(b)))
}
