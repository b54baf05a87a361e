//! Verification under hard conditions: one photo of each pair is changed. In: an engine, photos,
//! the changes. Out: the labelled face of each photo under each change. Knows nothing of pairs.
//!
//! A change is made on the photo's pixels and the changed photo takes the whole road that photos
//! take, so that a face that is no longer found counts as one. Masks, bars and sizes are placed by
//! the engine's own answer on the photo as it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use fusiform::image::{Image, ImageError, encode_jpeg};
use fusiform::{AnalyseOptions, Engine, Face, Photo};
use rayon::prelude::*;

use crate::dataset::{Labelled, labelled_face};
use crate::error::Error;

mod paint;

/// What is done to a photo before it is analysed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Nothing.
    Plain,
    /// Turned clockwise by so many degrees about its middle; what lies outside repeats its edge.
    TiltDeg(u16),
    /// A surgical mask from above the tip of the nose to the chin, painted flat.
    Mask,
    /// A black bar over both eyes.
    Sunglasses,
    /// Shrunk until the longer side of the face's box has so many pixels; never enlarged.
    FacePx(u16),
    /// Compressed to JPEG of this quality, 1 to 100.
    Jpeg(u8),
    /// Every value multiplied by so many percent and rounded: what a short exposure keeps.
    DarkPercent(u8),
    /// The luma of ITU-R BT.601 in all three channels.
    Grey,
}

/// The rows of a robustness table, the photo as it is first.
pub const CHANGES: [Change; 13] = [
    Change::Plain,
    Change::TiltDeg(15),
    Change::TiltDeg(30),
    Change::TiltDeg(45),
    Change::TiltDeg(90),
    Change::TiltDeg(180),
    Change::Mask,
    Change::Sunglasses,
    Change::FacePx(32),
    Change::FacePx(24),
    Change::Jpeg(30),
    Change::DarkPercent(15),
    Change::Grey,
];

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Plain => write!(f, "plain"),
            Change::TiltDeg(deg) => write!(f, "tilt-{deg}"),
            Change::Mask => write!(f, "mask"),
            Change::Sunglasses => write!(f, "sunglasses"),
            Change::FacePx(px) => write!(f, "face-{px}px"),
            Change::Jpeg(quality) => write!(f, "jpeg-{quality}"),
            Change::DarkPercent(percent) => write!(f, "dark-{percent}"),
            Change::Grey => write!(f, "grey"),
        }
    }
}

impl Change {
    /// Whether it needs to know where the face is.
    fn needs_face(self) -> bool {
        matches!(self, Change::Mask | Change::Sunglasses | Change::FacePx(_))
    }

    /// The changed pixels; `None` where the face or its landmarks are wanted and missing.
    fn applied(self, image: &Image, face: Option<&Face>) -> Option<Image> {
        if self.needs_face() && face.is_none() {
            return None;
        }
        let points = || face.and_then(|f| f.landmarks).map(|l| l.as_array());
        Some(match self {
            Change::Plain | Change::Jpeg(_) => image.clone(),
            Change::TiltDeg(deg) => paint::turned(image, f32::from(deg)),
            Change::Mask => paint::masked(image, &points()?),
            Change::Sunglasses => paint::barred(image, &points()?),
            Change::FacePx(px) => {
                let bbox = face?.bbox;
                let scale = f32::from(px) / bbox.width().max(bbox.height()).max(1.0);
                let longest = image.size().longest_px() as f32 * scale;
                image.shrunk_to(longest.round() as u32)
            }
            Change::DarkPercent(percent) => paint::by_value(image, |v| {
                (f32::from(v) * f32::from(percent) / 100.0).round() as u8
            }),
            Change::Grey => paint::grey(image),
        })
    }

    fn analysed(
        self,
        engine: &Engine,
        image: &Image,
        options: &AnalyseOptions,
    ) -> Result<Photo, Error> {
        let Change::Jpeg(quality) = self else {
            return Ok(engine.analyse_image(image, options)?);
        };
        let image_error = |e: ImageError| Error::Engine(fusiform::Error::Image(e));
        let bytes = encode_jpeg(image, quality).map_err(image_error)?;
        Ok(engine.analyse(&bytes, options)?)
    }
}

/// A photo's labelled face under each change; `None` where none was found any more.
pub type ByChange = Vec<Option<Labelled>>;

/// The labelled face of each photo under each of `changes`: per photo one entry per change, `None`
/// where no face was found any more.
///
/// `tell` is called once per photo, from several threads. A photo that cannot be read carries its
/// error.
///
/// # Errors
/// [`Error::Engine`] if the pack has no embedder, or no threads can be started.
pub fn embed_changed(
    engine: &Engine,
    photos: &[PathBuf],
    changes: &[Change],
    options: &AnalyseOptions,
    threads: usize,
    stop: &AtomicBool,
    tell: impl Fn() + Sync,
) -> Result<Vec<Result<ByChange, Error>>, Error> {
    engine.embedder_id()?;
    let one = |path: &PathBuf| {
        if stop.load(Ordering::Relaxed) {
            return Ok(vec![None; changes.len()]);
        }
        let plain = engine.analyse_file_with(path, options)?;
        let face = labelled_face(&plain);
        let image = engine.decode_file(path)?.image;
        let faces = changes.iter().map(|change| {
            if *change == Change::Plain {
                return Ok(face.and_then(Labelled::of));
            }
            let Some(changed) = change.applied(&image, face) else {
                return Ok(None);
            };
            let photo = change.analysed(engine, &changed, options)?;
            Ok(labelled_face(&photo).and_then(Labelled::of))
        });
        let faces = faces.collect();
        tell();
        faces
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| fusiform::Error::io("threads", std::io::Error::other(e)))?;
    Ok(pool.install(|| photos.par_iter().map(one).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own() {
        let mut names: Vec<String> = CHANGES.iter().map(Change::to_string).collect();
        assert_eq!(names[0], "plain");
        assert!(names.contains(&"tilt-180".into()) && names.contains(&"face-24px".into()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), CHANGES.len());
    }

    #[test]
    fn what_needs_a_face_and_has_none_gives_nothing() {
        let image = Image::new(2, 2, vec![200; 12]).unwrap();
        for change in CHANGES {
            let changed = change.applied(&image, None);
            assert_eq!(changed.is_none(), change.needs_face(), "{change}");
        }
        let dark = Change::DarkPercent(15).applied(&image, None).unwrap();
        assert_eq!(dark.pixel(1, 1), [30; 3]);
    }
}
