//! The engine. In: a pack, then images. Out: photos, verdicts, thresholds. Knows nothing of people.

use std::path::PathBuf;
use std::sync::Arc;

use fusiform::models::Manifest;
use fusiform::{
    AnalyseOptions, BoundingBox, DecodeLimits, Fmr, Frame, Image, Pack, PixelFormat, Plane,
    YuvColour,
};
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::answer::{Answer, Failure, Promised, answer, promise, read};
use crate::face::{FaceFields, PhotoFields, narrow};
use crate::results::{ThresholdFields, VerificationFields};

/// More than the cores of any machine that this is for.
const MAX_THREADS: u32 = 1024;

/// The networks of a pack, ready to run.
#[napi]
pub struct NativeEngine {
    pub(crate) inner: Arc<fusiform::Engine>,
    /// Threads for one photo, where more than one were asked for.
    pool: Option<Arc<ThreadPool>>,
}

#[napi(object)]
pub struct EngineSettings {
    /// Folder of a pack.
    pub pack: Option<String>,
    /// Text of the manifest of a pack in memory.
    pub manifest: Option<String>,
    pub threads: Option<u32>,
    pub max_pixels: Option<f64>,
    pub max_bytes: Option<f64>,
}

/// The name and the bytes of a file of a pack in memory.
#[napi(object)]
pub struct PackFile {
    pub name: String,
    pub bytes: napi::bindgen_prelude::Uint8Array,
}

/// How pixels lie in their bytes.
#[napi(object)]
pub struct Layout {
    pub width: u32,
    pub height: u32,
    pub format: String,
    pub stride_bytes: u32,
    pub rotation_deg: u32,
}

#[napi(object)]
pub struct SearchSettings {
    pub min_face_px: Option<f64>,
    pub min_score: Option<f64>,
    pub longest_side_px: Option<u32>,
}

/// What the pack says of itself.
#[napi(object, use_nullable = true)]
pub struct EngineFields {
    pub pack: String,
    pub dimensions: u32,
    pub model: Option<String>,
    pub detector: String,
}

#[napi(object)]
pub struct PixelFields {
    pub width: u32,
    pub height: u32,
    /// RGB, in base64.
    pub data: String,
}

/// An image that no longer needs JavaScript.
enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
    Pixels(Vec<u8>, Layout),
}

#[napi]
impl NativeEngine {
    #[napi]
    pub fn open_sync(settings: EngineSettings, files: Vec<PackFile>) -> Answer<NativeEngine> {
        let files = owned(files);
        answer(|| open(settings, files))
    }

    #[napi]
    pub fn open(settings: EngineSettings, files: Vec<PackFile>) -> Promised<NativeEngine> {
        let files = owned(files);
        promise(|| open(settings, files))
    }

    /// Either a path, or bytes, which with a layout are pixels.
    #[napi]
    pub fn analyse(
        &self,
        path: Option<String>,
        bytes: Option<Uint8ArraySlice>,
        layout: Option<Layout>,
        settings: SearchSettings,
    ) -> Promised<PhotoFields> {
        let (engine, pool) = (self.inner.clone(), self.pool.clone());
        let source = source(&engine, path, bytes.as_deref(), layout);
        promise(move || source?.analyse(&engine, pool.as_deref(), &settings))
    }

    #[napi]
    pub fn analyse_sync(
        &self,
        path: Option<String>,
        bytes: Option<Uint8ArraySlice>,
        layout: Option<Layout>,
        settings: SearchSettings,
    ) -> Answer<PhotoFields> {
        let (engine, pool) = (&self.inner, self.pool.as_deref());
        let source = source(engine, path, bytes.as_deref(), layout);
        answer(|| source?.analyse(engine, pool, &settings))
    }

    /// The face in a box that is known.
    #[napi]
    pub fn describe(
        &self,
        path: Option<String>,
        bytes: Option<Uint8ArraySlice>,
        layout: Option<Layout>,
        bbox: Vec<f64>,
    ) -> Promised<FaceFields> {
        let engine = self.inner.clone();
        let source = source(&engine, path, bytes.as_deref(), layout);
        promise(move || {
            let bbox = narrow(&bbox).ok_or_else(|| {
                Failure::bad_option("bbox is xMin, yMin, xMax, yMax in pixels".into())
            })?;
            let image = source?.decode(&engine)?;
            Ok(engine
                .describe_at(&image, &BoundingBox::from_array(bbox))?
                .into())
        })
    }

    /// Upright pixels.
    #[napi]
    pub fn decode(
        &self,
        path: Option<String>,
        bytes: Option<Uint8ArraySlice>,
        layout: Option<Layout>,
    ) -> Promised<PixelFields> {
        use base64::Engine as _;
        let engine = self.inner.clone();
        let source = source(&engine, path, bytes.as_deref(), layout);
        promise(move || {
            let image = source?.decode(&engine)?;
            Ok(PixelFields {
                width: image.width(),
                height: image.height(),
                data: base64::engine::general_purpose::STANDARD.encode(image.into_rgb()),
            })
        })
    }

    #[napi]
    pub fn verify(&self, a: FaceFields, b: FaceFields) -> Answer<VerificationFields> {
        answer(|| {
            let (a, b) = (a.read(&self.inner)?, b.read(&self.inner)?);
            Ok(self.inner.verify(&a, &b)?.into())
        })
    }

    #[napi]
    pub fn threshold(&self, fmr: f64) -> Answer<ThresholdFields> {
        answer(|| {
            let threshold = self.inner.thresholds()?.at_fmr(Fmr(fmr))?;
            Ok((&threshold).into())
        })
    }

    #[napi]
    pub fn thresholds(&self) -> Answer<Vec<ThresholdFields>> {
        answer(|| {
            let stated = self.inner.thresholds()?.stated();
            Ok(stated.iter().map(ThresholdFields::from).collect())
        })
    }

    #[napi]
    pub fn fields(&self) -> EngineFields {
        EngineFields {
            pack: self.inner.pack().into(),
            dimensions: u32::try_from(self.inner.dimensions()).unwrap_or(u32::MAX),
            model: self.inner.embedder_id().ok().map(|id| id.0.clone()),
            detector: self.inner.detector_id().0.clone(),
        }
    }
}

/// A copy, which JavaScript cannot change while it is read.
fn owned(files: Vec<PackFile>) -> Vec<(String, Vec<u8>)> {
    let owned = files.into_iter().map(|f| (f.name, f.bytes.to_vec()));
    owned.collect()
}

fn open(settings: EngineSettings, files: Vec<(String, Vec<u8>)>) -> Result<NativeEngine, Failure> {
    let threads = checked_threads(settings.threads.unwrap_or(1))?;
    let engine = match (settings.pack, settings.manifest) {
        (_, Some(manifest)) => {
            let manifest = read(Manifest::parse(&manifest))?;
            let pack = read(Pack::from_parts(manifest, files))?;
            fusiform::Engine::open(pack)?
        }
        (Some(folder), None) => fusiform::Engine::open(read(Pack::open(folder))?)?,
        (None, None) => fusiform::Engine::builtin()?,
    };
    let usual = *engine.limits();
    let limits = DecodeLimits {
        max_pixels: settings.max_pixels.map_or(usual.max_pixels, |n| n as u64),
        max_bytes: settings.max_bytes.map_or(usual.max_bytes, |n| n as u64),
        ..usual
    };
    let pool = match threads {
        1 => None,
        _ => {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let said =
                |e| Failure::bad_option(format!("threads: {threads} cannot be started: {e}"));
            Some(Arc::new(pool.map_err(said)?))
        }
    };
    Ok(NativeEngine {
        inner: Arc::new(engine.with_limits(limits)),
        pool,
    })
}

/// A number of threads that can be asked for.
pub(crate) fn checked_threads(threads: u32) -> Result<usize, Failure> {
    match (1..=MAX_THREADS).contains(&threads) {
        true => Ok(threads as usize),
        false => {
            let message = format!("threads: {threads} is not 1 to {MAX_THREADS}");
            Err(Failure::bad_option(message))
        }
    }
}

/// What was given, copied, so that JavaScript may change or transfer it meanwhile.
fn source(
    engine: &fusiform::Engine,
    path: Option<String>,
    bytes: Option<&[u8]>,
    layout: Option<Layout>,
) -> Result<Source, Failure> {
    match (path, bytes, layout) {
        (Some(path), ..) => Ok(Source::File(path.into())),
        (None, Some(bytes), None) => {
            if bytes.len() as u64 > engine.limits().max_bytes {
                // Refused before it is copied; with the error that says by how much.
                engine.analyse(bytes, &engine.usual_options())?;
            }
            Ok(Source::Bytes(bytes.to_vec()))
        }
        (None, Some(bytes), Some(layout)) => {
            let wanted = layout.stride_bytes as usize * layout.height as usize;
            let of_frame = &bytes[..bytes.len().min(wanted)];
            let pixels = u64::from(layout.width) * u64::from(layout.height);
            if pixels > engine.limits().max_pixels {
                frame(of_frame, &layout, |f| read(f.to_image(engine.limits())))?;
            }
            Ok(Source::Pixels(of_frame.to_vec(), layout))
        }
        (None, None, _) => Err(Failure::bad_option("no image was given".into())),
    }
}

/// Does something with pixels where they lie.
fn frame<T>(
    bytes: &[u8],
    layout: &Layout,
    task: impl FnOnce(&Frame<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let format = match layout.format.as_str() {
        "rgb" => PixelFormat::Rgb,
        "bgr" => PixelFormat::Bgr,
        "rgba" => PixelFormat::Rgba,
        "bgra" => PixelFormat::Bgra,
        "grey" => PixelFormat::Grey,
        other => {
            let message = format!("format: {other:?} is not rgb, bgr, rgba, bgra or grey");
            return Err(Failure::bad_option(message));
        }
    };
    let plane = Plane {
        bytes,
        stride_bytes: layout.stride_bytes as usize,
    };
    task(&Frame {
        format,
        width_px: layout.width,
        height_px: layout.height,
        planes: &[plane],
        colour: YuvColour::usual(layout.height),
        rotation_deg: u16::try_from(layout.rotation_deg).unwrap_or(u16::MAX),
    })
}

impl Source {
    fn analyse(
        &self,
        engine: &fusiform::Engine,
        pool: Option<&ThreadPool>,
        settings: &SearchSettings,
    ) -> Result<PhotoFields, Failure> {
        let mut options = engine.usual_options();
        options.detect.min_face_px = settings.min_face_px.map(|px| px as f32);
        options.detect.min_score = settings.min_score.map(|score| score as f32);
        if let Some(longest_side_px) = settings.longest_side_px {
            options.detect.longest_side_px = longest_side_px;
        }
        let photo = match pool {
            Some(pool) => pool.install(|| self.photo(engine, &options)),
            None => self.photo(engine, &options),
        };
        Ok(photo?.into())
    }

    fn photo(
        &self,
        engine: &fusiform::Engine,
        options: &AnalyseOptions,
    ) -> Result<fusiform::Photo, Failure> {
        match self {
            Source::File(path) => Ok(engine.analyse_file_with(path, options)?),
            Source::Bytes(bytes) => Ok(engine.analyse(bytes, options)?),
            Source::Pixels(bytes, layout) => frame(bytes, layout, |frame| {
                Ok(engine.analyse_frame(frame, options)?)
            }),
        }
    }

    fn decode(self, engine: &fusiform::Engine) -> Result<Image, Failure> {
        match self {
            Source::File(path) => Ok(engine.decode_file(path)?.image),
            Source::Bytes(bytes) => Ok(engine.decode(&bytes)?.image),
            Source::Pixels(bytes, layout) => {
                frame(&bytes, &layout, |f| read(f.to_image(engine.limits())))
            }
        }
    }
}
