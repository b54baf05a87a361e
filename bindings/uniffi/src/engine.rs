//! The engine. In: a pack, then images. Out: photos, verdicts, thresholds.

use std::collections::HashMap;
use std::sync::Arc;

use fusiform::models::Manifest;
use fusiform::{Fmr, Frame, Pack, Plane, Verdict, YuvColour};

use crate::error::{FusiformError, bad_option};
use crate::face::{Face, Photo};

/// The networks of a model pack, ready to run. Threads may share one; a call works on the thread
/// that makes it, so make it on one that may wait.
#[derive(uniffi::Object)]
pub struct Engine(pub(crate) fusiform::Engine);

/// How the samples of pixels lie.
#[derive(Clone, Copy, uniffi::Enum)]
pub enum PixelFormat {
    Rgb,
    Bgr,
    Rgba,
    Bgra,
    Grey,
    /// A plane of luma, then one of Cb and Cr in turn.
    Nv12,
    /// A plane of luma, then one of Cr and Cb in turn: what Android's cameras give.
    Nv21,
    /// Planes of luma, Cb and Cr.
    I420,
}

/// Pixels that came from no file.
#[derive(uniffi::Record)]
pub struct Pixels {
    /// How they lie.
    pub format: PixelFormat,
    /// Pixels in a stored row.
    pub width_px: u32,
    /// Stored rows.
    pub height_px: u32,
    /// As many as the format has.
    pub planes: Vec<PixelPlane>,
    /// Clockwise degrees that bring them upright: 0, 90, 180 or 270.
    pub rotation_deg: u16,
}

/// One plane of pixels.
#[derive(uniffi::Record)]
pub struct PixelPlane {
    /// Row after row.
    pub bytes: Vec<u8>,
    /// Bytes from one row to the next.
    pub stride_bytes: u64,
}

/// A similarity and the error rates that were measured at it.
#[derive(uniffi::Record)]
pub struct Threshold {
    /// False-match rate: the share of pairs of different people that reach the similarity.
    pub fmr: f64,
    /// Cosine similarity, -1 to 1.
    pub similarity: f32,
    /// False non-match rate: the share of pairs of one person that do not reach it.
    pub fnmr: f64,
}

/// Whether two faces are of one person.
#[derive(uniffi::Enum)]
pub enum Judgement {
    Same,
    Different,
    Unsure,
}

/// A judgement and what it rests on.
#[derive(uniffi::Record)]
pub struct Verification {
    /// Cosine similarity, -1 to 1; larger is nearer.
    pub similarity: f32,
    /// What it means.
    pub verdict: Judgement,
    /// At or above: same.
    pub same_at: Threshold,
    /// Below: different.
    pub different_below: Threshold,
}

#[uniffi::export]
impl Engine {
    /// Opens the pack that comes with Fusiform.
    #[uniffi::constructor]
    pub fn new() -> Result<Arc<Engine>, FusiformError> {
        Ok(Arc::new(Engine(fusiform::Engine::builtin()?)))
    }

    /// Opens the pack in a folder.
    #[uniffi::constructor]
    pub fn from_folder(folder: String) -> Result<Arc<Engine>, FusiformError> {
        Ok(Arc::new(Engine(fusiform::Engine::open(Pack::open(
            folder,
        )?)?)))
    }

    /// Opens a pack in memory: the text of its manifest, and the bytes of the files it names.
    #[uniffi::constructor]
    pub fn from_memory(
        manifest: String,
        files: HashMap<String, Vec<u8>>,
    ) -> Result<Arc<Engine>, FusiformError> {
        let pack = Pack::from_parts(Manifest::parse(&manifest)?, files)?;
        Ok(Arc::new(Engine(fusiform::Engine::open(pack)?)))
    }

    /// The faces of a photo in a file.
    pub fn analyse_file(&self, path: String) -> Result<Photo, FusiformError> {
        Ok(self.0.analyse_file(path)?.into())
    }

    /// The faces of a photo: the bytes of its file.
    pub fn analyse_bytes(&self, bytes: Vec<u8>) -> Result<Photo, FusiformError> {
        Ok(self.0.analyse(&bytes, &self.0.usual_options())?.into())
    }

    /// The faces of pixels, of a camera for example.
    pub fn analyse_pixels(&self, pixels: Pixels) -> Result<Photo, FusiformError> {
        let plane = |plane: &'_ PixelPlane| -> Result<usize, FusiformError> {
            let stride = usize::try_from(plane.stride_bytes);
            stride.map_err(|_| bad_option("stride_bytes is larger than memory"))
        };
        let strides = pixels.planes.iter().map(plane);
        let strides = strides.collect::<Result<Vec<_>, _>>()?;
        let planes = pixels.planes.iter().zip(strides);
        let planes: Vec<Plane<'_>> = planes
            .map(|(plane, stride_bytes)| Plane {
                bytes: &plane.bytes,
                stride_bytes,
            })
            .collect();
        let frame = Frame {
            format: pixels.format.into(),
            width_px: pixels.width_px,
            height_px: pixels.height_px,
            planes: &planes,
            colour: YuvColour::usual(pixels.height_px),
            rotation_deg: pixels.rotation_deg,
        };
        Ok(self
            .0
            .analyse_frame(&frame, &self.0.usual_options())?
            .into())
    }

    /// Whether two faces are of one person, with the thresholds and error rates that decide.
    pub fn verify(&self, a: &Face, b: &Face) -> Result<Verification, FusiformError> {
        let of = self.0.verify(&a.0, &b.0)?;
        Ok(Verification {
            similarity: of.similarity.0,
            verdict: match of.verdict {
                Verdict::Same => Judgement::Same,
                Verdict::Different => Judgement::Different,
                Verdict::Unsure => Judgement::Unsure,
            },
            same_at: (&of.same_at).into(),
            different_below: (&of.different_below).into(),
        })
    }

    /// The similarity measured at a false-match rate that the pack states; nothing is interpolated.
    pub fn threshold(&self, fmr: f64) -> Result<Threshold, FusiformError> {
        Ok((&self.0.thresholds()?.at_fmr(Fmr(fmr))?).into())
    }

    /// Every threshold that the pack states, loosest first.
    pub fn thresholds(&self) -> Result<Vec<Threshold>, FusiformError> {
        let stated = self.0.thresholds()?.stated();
        Ok(stated.iter().map(Threshold::from).collect())
    }

    /// Name of the pack.
    pub fn pack(&self) -> String {
        self.0.pack().into()
    }

    /// Numbers in a template; 0 if the pack has no embedder.
    pub fn dimensions(&self) -> u32 {
        u32::try_from(self.0.dimensions()).unwrap_or(u32::MAX)
    }

    /// Which embedder this is; only templates of one id compare.
    pub fn model(&self) -> Option<String> {
        self.0.embedder_id().ok().map(|id| id.0.clone())
    }
}

impl From<PixelFormat> for fusiform::PixelFormat {
    fn from(format: PixelFormat) -> fusiform::PixelFormat {
        match format {
            PixelFormat::Rgb => fusiform::PixelFormat::Rgb,
            PixelFormat::Bgr => fusiform::PixelFormat::Bgr,
            PixelFormat::Rgba => fusiform::PixelFormat::Rgba,
            PixelFormat::Bgra => fusiform::PixelFormat::Bgra,
            PixelFormat::Grey => fusiform::PixelFormat::Grey,
            PixelFormat::Nv12 => fusiform::PixelFormat::Nv12,
            PixelFormat::Nv21 => fusiform::PixelFormat::Nv21,
            PixelFormat::I420 => fusiform::PixelFormat::I420,
        }
    }
}

impl From<&fusiform::models::Threshold> for Threshold {
    fn from(of: &fusiform::models::Threshold) -> Threshold {
        Threshold {
            fmr: of.fmr,
            similarity: of.similarity,
            fnmr: of.fnmr,
        }
    }
}
