//! What faces that cannot be recognised look like to an embedder. In: photos of many people. Out:
//! the centre and limit that a pack states. Keeps no photo.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use fusiform::models::UnrecognisableManifest;
use fusiform::quality::{Unrecognisable, made_unrecognisable};
use fusiform::{Engine, Error};
use rayon::prelude::*;

use crate::dataset::labelled_face;

/// Below this mean similarity of different people's unrecognisable faces they have no common
/// centre, and the pack states none.
const LEAST_CONCENTRATION: f32 = 0.3;

/// What the embedder of an engine makes of faces of which six by six pixels are left, against the
/// same faces as they are.
///
/// `photos` should show a different person each; some hundreds are enough. The limit lies three
/// quarters of the way from the median of unrecognisable faces to the hundredth that is least
/// recognisable of usual ones. `None` if unrecognisable faces do not resemble each other, or `stop`
/// was set.
///
/// # Errors
/// [`Error`] without an embedder. A photo that cannot be read is left out.
///
/// # Source
/// Deng et al. 2022, as [`Unrecognisable`]; the limit is ours: of 5,373 faces that
/// LFW is about it sets apart 3, of 816 in their background 354.
pub fn measure_unrecognisable(
    engine: &Engine,
    photos: &[PathBuf],
    threads: usize,
    stop: &AtomicBool,
) -> Result<Option<UnrecognisableManifest>, Error> {
    engine.embedder_id()?;
    let both = |path: &PathBuf| {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let photo = engine.analyse_file(path).ok()?;
        let crop = labelled_face(&photo)?.aligned.clone();
        let crops = [made_unrecognisable(&crop), crop];
        let both = engine.embed_aligned(&crops).ok()?;
        <[_; 2]>::try_from(both).ok()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::io("threads", std::io::Error::other(e)))?;
    let pairs: Vec<_> = pool.install(|| photos.par_iter().filter_map(both).collect());
    if pairs.is_empty() || stop.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let n = pairs.len() as f32;
    let mut center = vec![0.0; engine.dimensions()];
    for [blurred, _] in &pairs {
        let sum = center.iter_mut().zip(&blurred.vector);
        sum.for_each(|(sum, value)| *sum += value / n);
    }
    // The length of a mean of unit vectors, squared, is their mean similarity.
    let length = center.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length * length < LEAST_CONCENTRATION {
        return Ok(None);
    }
    center.iter_mut().for_each(|v| *v /= length);
    let found = Unrecognisable {
        usual_length: quantile(pairs.iter().map(|[_, usual]| usual.length), 0.5),
        min_recognisability: 0.0,
        center,
    };
    let of = |i: usize| pairs.iter().map(move |pair| &pair[i]);
    let blurred = quantile(of(0).map(|e| found.recognisability(e)), 0.5);
    let usual = quantile(of(1).map(|e| found.recognisability(e)), 0.01);
    Ok(Some(UnrecognisableManifest {
        usual_length: found.usual_length,
        min_recognisability: (blurred + 3.0 * usual) / 4.0,
        center: found.center,
    }))
}

fn quantile(values: impl Iterator<Item = f32>, part: f32) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    let at = ((values.len() - 1) as f32 * part).round() as usize;
    values[at]
}
