//! How hard to look for faces. In: the command line. Out: options of the engine.

use clap::Args as ClapArgs;
use fusiform::detect::DetectOptions;

/// How hard to look for faces.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct DetectArgs {
    /// Side in pixels of the photo of the smallest face to find; smaller is slower
    #[arg(long, value_name = "PX", value_parser = min_face)]
    pub(crate) min_face: Option<f32>,
    /// Drop faces that the detector scores lower, 0 to 1 [default: the pack's]
    #[arg(long, value_name = "SCORE", value_parser = unit)]
    pub(crate) min_score: Option<f32>,
}

impl DetectArgs {
    pub(crate) fn options(self) -> DetectOptions {
        DetectOptions {
            min_face_px: self.min_face,
            min_score: self.min_score,
            ..DetectOptions::default()
        }
    }
}

fn min_face(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(px) if (4.0..=10_000.0).contains(&px) => Ok(px),
        _ => Err("a number of pixels from 4 to 10000 is wanted".into()),
    }
}

/// A number from 0 to 1.
pub(super) fn unit(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a number from 0 to 1 is wanted".into()),
    }
}
