//! Fusiform in WebAssembly. In: pixels that the page wrote into this memory. Out: numbers of faces
//! and verdicts in this memory. Knows nothing of files and networks: it imports nothing, so that
//! nothing can leave it. `fusiform.js` beside it makes objects of the numbers.
//!
//! The page asks for room for an image, writes RGBA there, calls [`analyse`], and reads what lies
//! at [`numbers`]. Addresses hold until the next call.

use std::cell::RefCell;

use fusiform::{
    DecodeLimits, Engine, Error, Face, Fmr, Frame, PixelFormat, Plane, Similarity, Verdict,
    YuvColour,
};

/// Of each face: box 4, score, landmarks 10, quality, whether it is unclear; then its template.
const NUMBERS_BEFORE_TEMPLATE: usize = 17;

#[derive(Default)]
struct State {
    engine: Option<Engine>,
    /// RGBA of the image.
    pixels: Vec<u8>,
    size_px: (u32, u32),
    /// What the last call found.
    numbers: Vec<f32>,
    /// Why the last call failed.
    message: String,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// What a call gives when it failed; [`message_address`] says why.
const FAILED: i32 = -1;

fn with(task: impl FnOnce(&mut State) -> Result<i32, Error>) -> i32 {
    STATE.with_borrow_mut(|state| {
        state.numbers.clear();
        task(state).unwrap_or_else(|error| {
            state.message = format!("{} [{}]", error, error.kind());
            FAILED
        })
    })
}

impl State {
    fn engine(&mut self) -> Result<&Engine, Error> {
        if self.engine.is_none() {
            self.engine = Some(Engine::builtin()?);
        }
        self.engine.as_ref().ok_or(Error::NoTemplate)
    }
}

/// Opens the pack that is compiled in: how many numbers a template has.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn open() -> i32 {
    with(|state| Ok(state.engine()?.dimensions() as i32))
}

/// Room for an image, as an address of `4 · width · height` bytes; 0 if it is larger than allowed.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn room(width_px: u32, height_px: u32) -> usize {
    STATE.with_borrow_mut(|state| {
        let n_pixels = u64::from(width_px) * u64::from(height_px);
        if n_pixels == 0 || n_pixels > DecodeLimits::DEFAULT.max_pixels / 4 {
            state.message = format!("an image of {width_px}x{height_px} pixels is not looked at");
            return 0;
        }
        state.size_px = (width_px, height_px);
        state.pixels.clear();
        state.pixels.resize(n_pixels as usize * 4, 0);
        state.pixels.as_mut_ptr() as usize
    })
}

/// Finds the faces of the image: how many, or [`FAILED`]. The pixels are forgotten.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn analyse() -> i32 {
    with(|state| {
        let pixels = std::mem::take(&mut state.pixels);
        let (width_px, height_px) = state.size_px;
        let plane = Plane {
            bytes: &pixels,
            stride_bytes: width_px as usize * 4,
        };
        let frame = Frame {
            format: PixelFormat::Rgba,
            width_px,
            height_px,
            planes: &[plane],
            colour: YuvColour::usual(height_px),
            rotation_deg: 0,
        };
        let engine = state.engine()?;
        let photo = engine.analyse_frame(&frame, &engine.usual_options())?;
        for face in &photo.faces {
            append(face, &mut state.numbers)?;
        }
        Ok(photo.faces.len() as i32)
    })
}

fn append(face: &Face, numbers: &mut Vec<f32>) -> Result<(), Error> {
    let start = numbers.len();
    numbers.extend(face.bbox.as_array());
    numbers.push(face.score);
    let points = face.landmarks.map(|l| l.as_array().map(|p| [p.x, p.y]));
    let points = points.unwrap_or([[f32::NAN; 2]; 5]);
    numbers.extend(points.as_flattened());
    numbers.push(face.quality.overall);
    numbers.push(f32::from(u8::from(face.is_unclear())));
    debug_assert_eq!(numbers.len() - start, NUMBERS_BEFORE_TEMPLATE);
    numbers.extend(&face.template()?.vector);
    Ok(())
}

/// What a similarity means: 0 different, 1 unsure, 2 same. The numbers are the similarity and the
/// false-match rate from which on two faces are the same, and those below which they are not.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn judge(similarity: f32) -> i32 {
    with(|state| {
        let thresholds = state.engine()?.thresholds()?.clone();
        let judged = thresholds.judge(Similarity(similarity))?;
        for threshold in [judged.same_at, judged.different_below] {
            state
                .numbers
                .extend([threshold.similarity, threshold.fmr as f32]);
        }
        Ok(match judged.verdict {
            Verdict::Different => 0,
            Verdict::Unsure => 1,
            Verdict::Same => 2,
        })
    })
}

/// The similarity at a false-match rate that the pack states, as the only number.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn threshold(fmr: f64) -> i32 {
    with(|state| {
        let similarity = state.engine()?.thresholds()?.at_fmr(Fmr(fmr))?.similarity;
        state.numbers.push(similarity);
        Ok(1)
    })
}

/// Address of the numbers of the last call.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn numbers() -> usize {
    STATE.with_borrow(|state| state.numbers.as_ptr() as usize)
}

/// Address of the text, in UTF-8, that says why the last call that failed did so.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn message_address() -> usize {
    STATE.with_borrow(|state| state.message.as_ptr() as usize)
}

/// Bytes of that text.
#[expect(unsafe_code, reason = "a name that JavaScript can call")]
#[unsafe(no_mangle)]
pub extern "C" fn message_length() -> usize {
    STATE.with_borrow(|state| state.message.len())
}
