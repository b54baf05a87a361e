//! Faces covered until none is left. In: pixels, the faces that are known, those to keep. Out: the
//! same pixels with everybody else covered, and what may still be a face. Knows nothing of files.

use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::Image;
use fusiform_face::redact::redact;

use crate::engine::Engine;
use crate::error::Error;
use crate::photo::AnalyseOptions;

/// Detector score from which on a face is covered: a face too many is better than one too few.
pub const COVER_SCORE: f32 = 0.3;
/// Looks at the covered photo; each covers what the one before left.
pub const MAX_LOOKS: usize = 4;
/// Overlap (IoU) from which on a found face is a known one.
const SAME_FACE: f32 = 0.3;

impl Engine {
    /// Covers every face of `image` but those of `kept`: those of `covered`, those that a look with
    /// a low threshold finds, and those that are found once these are gone. Gives what still looks
    /// like a face in the end; only if that is nothing may the image be shown.
    ///
    /// A found face is one to keep only if it overlaps a box of `kept` more than any of `covered`.
    ///
    /// # Units
    /// Boxes are in pixels of `image`.
    ///
    /// # Errors
    /// [`Error::Face`].
    ///
    /// # Example
    /// ```
    /// let engine = fusiform::Engine::builtin()?;
    /// let mut photo = engine.decode_file("tests/data/ida.jpg")?.image;
    /// assert!(engine.cover_faces(&mut photo, &[], &[])?.is_empty());
    /// assert!(engine.analyse_image(&photo, &Default::default())?.faces.is_empty());
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn cover_faces(
        &self,
        image: &mut Image,
        covered: &[BoundingBox],
        kept: &[BoundingBox],
    ) -> Result<Vec<BoundingBox>, Error> {
        let mut options = AnalyseOptions::default();
        options.detect.min_score = Some(COVER_SCORE);
        options.detect.keep_doubtful = true;
        let nearest = |face: &BoundingBox, boxes: &[BoundingBox]| {
            let overlaps = boxes.iter().map(|b| face.iou(b));
            overlaps.fold(0.0, f32::max)
        };
        let mut all = covered.to_vec();
        for face in self.analyse_image(image, &options)?.faces {
            let to_kept = nearest(&face.bbox, kept);
            if to_kept <= SAME_FACE || to_kept <= nearest(&face.bbox, covered) {
                all.push(face.bbox);
            }
        }
        redact(image, &all, kept);
        self.cover_remaining(image, &mut all, kept, &options)
    }

    /// Looks again at what was covered, and covers what is found until nothing is: with the larger
    /// faces gone, and with those kept out of sight, a photo is looked at turned as well. What was
    /// covered is added to `covered`. Gives what still looks like a face after [`MAX_LOOKS`] looks.
    ///
    /// # Errors
    /// [`Error::Face`].
    pub fn cover_remaining(
        &self,
        image: &mut Image,
        covered: &mut Vec<BoundingBox>,
        kept: &[BoundingBox],
        options: &AnalyseOptions,
    ) -> Result<Vec<BoundingBox>, Error> {
        let mut options = options.clone();
        // A covered face leaves an ellipse, which a detector alone may take for one.
        options.detect.keep_doubtful = false;
        let mut left = Vec::new();
        for _ in 0..MAX_LOOKS {
            let mut seen = image.clone();
            redact(&mut seen, kept, &[]);
            let found = self.analyse_image(&seen, &options)?.faces;
            left = found.iter().map(|face| face.bbox).collect();
            if left.is_empty() {
                break;
            }
            redact(image, &left, kept);
            covered.extend_from_slice(&left);
        }
        Ok(left)
    }
}
