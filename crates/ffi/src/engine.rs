//! Engines: from a pack to analysed photos. In: packs, bytes, paths, frames. Out: handles.
//! Knows nothing of people.

use std::ffi::c_char;

use fusiform::models::Manifest;
use fusiform::{AnalyseOptions, Engine, Fmr, Pack};

use crate::error::{Failure, FusiformCode, FusiformError};
use crate::face::FusiformThreshold;
use crate::frame::FusiformFrame;
use crate::guard::guard;
use crate::handle::{FusiformEngine, FusiformPhoto, Handle, open_engine, open_photo};
use crate::pointer::{self, Out};

/// The version of the library, such as `0.2.0`. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn fusiform_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// A file of a pack in memory.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformPackFile {
    /// Its name, as the manifest has it.
    pub name: *const c_char,
    /// Its content.
    pub bytes: *const u8,
    /// Bytes of its content.
    pub n_bytes: usize,
}

/// How to look for faces; zeros mean what is usual.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformOptions {
    /// Shorter side, in pixels of the photo, of the smallest face to find.
    pub min_face_px: f32,
    /// Least score of a face, 0 to 1.
    pub min_score: f32,
    /// Longest side of the copy that the detector sees first.
    pub longest_side_px: u32,
    /// Pixels that a photo or frame may have.
    pub max_pixels: u64,
}

/// Opens the pack that is compiled in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_open_builtin(
    engine: *mut FusiformEngine,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (engine, error) = unsafe { (Out::at(engine, "engine"), Out::at(error, "error")) };
    guard(error, || {
        let engine = engine?;
        engine.put(open_engine(Engine::builtin()?));
        Ok(())
    })
}

/// Opens the pack in a folder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_open_folder(
    path: *const c_char,
    engine: *mut FusiformEngine,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (path, engine, error) = unsafe {
        (
            pointer::text(path, "path"),
            Out::at(engine, "engine"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (path, engine) = (path?, engine?);
        engine.put(open_engine(Engine::open(Pack::open(path)?)?));
        Ok(())
    })
}

/// Opens a pack in memory: the text of its manifest, and the files that it names. Their bytes may
/// go when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_open_memory(
    manifest: *const c_char,
    files: *const FusiformPackFile,
    n_files: usize,
    engine: *mut FusiformEngine,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (manifest, files, engine, error) = unsafe {
        (
            pointer::text(manifest, "manifest"),
            pointer::array(files, n_files, "files"),
            Out::at(engine, "engine"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (manifest, engine) = (Manifest::parse(manifest?)?, engine?);
        let mut held = Vec::new();
        for file in files? {
            // SAFETY: as above; the structs were the caller's, and so are the pointers in them.
            let (name, bytes) = unsafe {
                (
                    pointer::text(file.name, "name of a file")?,
                    pointer::array(file.bytes, file.n_bytes, "bytes of a file")?,
                )
            };
            held.push((name.to_owned(), bytes.to_vec()));
        }
        engine.put(open_engine(Engine::open(Pack::from_parts(
            manifest, held,
        )?)?));
        Ok(())
    })
}

/// Closes an engine. Photos, galleries and albums that it made stay open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_close(
    engine: FusiformEngine,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let error = unsafe { Out::at(error, "error") };
    guard(error, || engine.close())
}

/// Numbers in a template; 0 if the pack has no embedder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_dimensions(
    engine: FusiformEngine,
    dimensions: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (dimensions, error) =
        unsafe { (Out::at(dimensions, "dimensions"), Out::at(error, "error")) };
    guard(error, || {
        let dimensions = dimensions?;
        dimensions.put(engine.object()?.dimensions());
        Ok(())
    })
}

/// The similarity measured at a false-match rate, which the pack must state: nothing is
/// interpolated (FUSIFORM_CODE_UNCALIBRATED).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_engine_threshold(
    engine: FusiformEngine,
    fmr: f64,
    threshold: *mut FusiformThreshold,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (threshold, error) = unsafe { (Out::at(threshold, "threshold"), Out::at(error, "error")) };
    guard(error, || {
        let threshold = threshold?;
        threshold.put(engine.object()?.thresholds()?.at_fmr(Fmr(fmr))?.into());
        Ok(())
    })
}

/// The faces of a photo in memory: the bytes of a file in any format that is read. `options` may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_analyse_bytes(
    engine: FusiformEngine,
    bytes: *const u8,
    n_bytes: usize,
    options: *const FusiformOptions,
    photo: *mut FusiformPhoto,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (bytes, options, photo, error) = unsafe {
        (
            pointer::array(bytes, n_bytes, "bytes"),
            read_options(options),
            Out::at(photo, "photo"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (bytes, photo, engine) = (bytes?, photo?, engine.object()?);
        photo.put(open_photo(
            engine.analyse(bytes, &options_for(&engine, options?))?,
        ));
        Ok(())
    })
}

/// The faces of a photo in a file. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_analyse_file(
    engine: FusiformEngine,
    path: *const c_char,
    options: *const FusiformOptions,
    photo: *mut FusiformPhoto,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (path, options, photo, error) = unsafe {
        (
            pointer::text(path, "path"),
            read_options(options),
            Out::at(photo, "photo"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (path, photo, engine) = (path?, photo?, engine.object()?);
        let options = options_for(&engine, options?);
        photo.put(open_photo(engine.analyse_file_with(path, &options)?));
        Ok(())
    })
}

/// The faces of a frame of a camera or decoder, as it lies in the caller's memory. `options` may be
/// NULL.
///
/// Each pixel is converted to RGB once, into memory of the library, and upright if the frame is
/// rotated (which moves it once more); nothing else is copied, and nothing is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_analyse_frame(
    engine: FusiformEngine,
    frame: *const FusiformFrame,
    options: *const FusiformOptions,
    photo: *mut FusiformPhoto,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (frame, options, photo, error) = unsafe {
        (
            pointer::value(frame, "frame"),
            read_options(options),
            Out::at(photo, "photo"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (frame, photo, engine) = (frame?, photo?, engine.object()?);
        let options = options_for(&engine, options?);
        // SAFETY: as above; the struct was the caller's, and so are its planes.
        let planes = unsafe { frame.planes() }?;
        let frame = frame.over(&planes)?;
        photo.put(open_photo(engine.analyse_frame(&frame, &options)?));
        Ok(())
    })
}

/// # Safety
/// `from` is NULL, or valid for reading.
unsafe fn read_options(from: *const FusiformOptions) -> Result<Option<FusiformOptions>, Failure> {
    // SAFETY: promised by the caller in the same words.
    pointer::optional(from, |from| unsafe { pointer::value(from, "options") })
}

fn options_for(engine: &Engine, asked: Option<FusiformOptions>) -> AnalyseOptions {
    let mut options = engine.usual_options();
    let Some(asked) = asked else {
        return options;
    };
    let set = |value: f32| (value != 0.0).then_some(value);
    options.detect.min_face_px = set(asked.min_face_px);
    options.detect.min_score = set(asked.min_score);
    if asked.longest_side_px != 0 {
        options.detect.longest_side_px = asked.longest_side_px;
    }
    if asked.max_pixels != 0 {
        options.limits.max_pixels = asked.max_pixels;
    }
    options
}
