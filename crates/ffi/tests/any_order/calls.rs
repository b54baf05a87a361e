//! Calls of C in any order. In: bytes that decide. Out: nothing; whatever the bytes are, each call
//! answers or gives an error code. The fuzz target `c_boundary` and a test run it.

use std::ffi::c_char;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use fusiform_ffi::*;

/// Bytes that decide, one after the other.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Small, or rarely anything.
    fn size(&mut self) -> usize {
        match self.byte() {
            255 => usize::MAX - self.byte() as usize,
            254 => self.number() as usize,
            small => small as usize % 24,
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let n = (self.byte() as usize * 4).min(self.0.len());
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    /// A text that ends with a zero, or no text at all.
    fn text(&mut self) -> Vec<u8> {
        let mut text = self.bytes().to_vec();
        text.push(0);
        text
    }

    fn is(&mut self, one_in: u8) -> bool {
        self.byte().is_multiple_of(one_in)
    }
}

/// What was opened in this run, and numbers that nobody gave out.
struct Handles(Vec<u64>);

impl Handles {
    fn any(&self, choices: &mut Choices) -> u64 {
        match choices.byte() {
            0 => u64::from(choices.number()),
            at => self
                .0
                .get(at as usize % (self.0.len() + 1))
                .copied()
                .unwrap_or(0),
        }
    }
}

fn engine() -> FusiformEngine {
    static ENGINE: OnceLock<u64> = OnceLock::new();
    let id = *ENGINE.get_or_init(|| {
        let mut engine = FusiformEngine { id: 0 };
        // SAFETY: good pointers.
        let code = unsafe { fusiform_engine_open_builtin(&mut engine, null_mut()) };
        assert_eq!(code, FusiformCode::Ok);
        engine.id
    });
    FusiformEngine { id }
}

/// Makes up to twelve calls as the bytes say.
///
/// Pointers that are not NULL lead into memory as large as is said.
pub(crate) fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let mut open = Handles(vec![engine().id]);
    let mut error = FusiformError {
        code: FusiformCode::Ok,
        message: [0; FUSIFORM_MESSAGE_BYTES],
    };
    for _ in 0..12 {
        if choices.0.is_empty() {
            break;
        }
        error.code = FusiformCode::Ok;
        let wants_error = !choices.is(5);
        let code = one_call(&mut choices, &mut open, wants_error.then_some(&mut error));
        assert!(error.message.contains(&0));
        assert_ne!(code, FusiformCode::Internal, "a panic was contained");
        let said = if wants_error { code } else { FusiformCode::Ok };
        assert_eq!(error.code, said);
    }
    for id in open.0.into_iter().skip(1) {
        // SAFETY: no pointers; each handle is of one kind, and the others refuse it.
        unsafe {
            fusiform_photo_close(FusiformPhoto { id }, null_mut());
            fusiform_gallery_close(FusiformGallery { id }, null_mut());
        }
    }
}

/// Makes the call that the bytes say: its code, or that of the last one of several.
fn one_call(
    choices: &mut Choices,
    open: &mut Handles,
    error: Option<&mut FusiformError>,
) -> FusiformCode {
    let error: *mut FusiformError = error.map_or(null_mut(), |error| error);
    let which = choices.byte() % 14;
    let some = |is_null: bool, pointer: *const u8| if is_null { null() } else { pointer };
    let mut photo = FusiformPhoto {
        id: open.any(choices),
    };
    let (at, other_at) = (choices.byte() as usize % 3, choices.byte() as usize % 3);
    let gallery = FusiformGallery {
        id: open.any(choices),
    };
    let text = choices.text();
    let name: *const c_char = some(choices.is(9), text.as_ptr()).cast();
    // SAFETY: every pointer below is NULL or leads to memory that is as large as the call is told;
    // lengths that are larger than that stand beside NULL, or are refused before they are used.
    unsafe {
        match which {
            0 => {
                let mut planes = Vec::new();
                let mut frame = FusiformFrame {
                    format: u32::from(choices.byte() % 10),
                    width_px: choices.size() as u32,
                    height_px: choices.size() as u32,
                    rotation_deg: u32::from(choices.byte() % 5) * 90,
                    yuv: u32::from(choices.byte() % 6),
                    planes: [FusiformPlane {
                        bytes: null(),
                        n_bytes: 0,
                        stride_bytes: 0,
                    }; 3],
                };
                for _ in 0..3 {
                    planes.push(choices.bytes());
                }
                for (to, plane) in frame.planes.iter_mut().zip(&planes) {
                    *to = FusiformPlane {
                        bytes: some(choices.is(17), plane.as_ptr()),
                        n_bytes: plane.len(),
                        stride_bytes: choices.size(),
                    };
                }
                let options = FusiformOptions {
                    min_face_px: f32::from_bits(choices.number()),
                    min_score: f32::from_bits(choices.number()),
                    longest_side_px: choices.size() as u32,
                    max_pixels: choices.size() as u64,
                };
                let options = if choices.is(2) {
                    null()
                } else {
                    &raw const options
                };
                let done = fusiform_analyse_frame(engine(), &frame, options, &mut photo, error);
                if done == FusiformCode::Ok {
                    open.0.push(photo.id);
                }
                done
            }
            1 => {
                let bytes = choices.bytes();
                let pointer = some(choices.is(9), bytes.as_ptr());
                let n = if pointer.is_null() {
                    choices.size()
                } else {
                    bytes.len()
                };
                let done = fusiform_analyse_bytes(engine(), pointer, n, null(), &mut photo, error);
                if done == FusiformCode::Ok {
                    open.0.push(photo.id);
                }
                done
            }
            2 => {
                let mut info = FusiformPhotoInfo {
                    width_px: 0,
                    height_px: 0,
                    turn_deg: 0,
                    n_faces: 0,
                };
                let info = if choices.is(7) {
                    null_mut()
                } else {
                    &raw mut info
                };
                fusiform_photo_info(photo, info, error)
            }
            3 => {
                let mut values = [0.0f32; 128];
                let capacity = if choices.is(3) {
                    choices.size() % 129
                } else {
                    128
                };
                fusiform_photo_template(photo, at, values.as_mut_ptr(), capacity, error)
            }
            4 => {
                let mut similarity = 0.0;
                let other = FusiformPhoto {
                    id: open.any(choices),
                };
                fusiform_compare(photo, at, other, other_at, &mut similarity, error)
            }
            5 => {
                let engine = FusiformEngine {
                    id: open.any(choices),
                };
                let mut opened = FusiformGallery { id: 0 };
                let done = fusiform_gallery_open(null(), engine, &mut opened, error);
                if done == FusiformCode::Ok {
                    open.0.push(opened.id);
                }
                done
            }
            6 => {
                let consent = FusiformConsent {
                    basis: name,
                    purpose: name,
                    expires_at_ms: i64::from(choices.number()) << (choices.byte() % 32),
                };
                let consent = if choices.is(2) {
                    null()
                } else {
                    &raw const consent
                };
                fusiform_gallery_enrol(gallery, name, photo, at, consent, error)
            }
            7 => {
                let mut found = std::mem::MaybeUninit::uninit();
                let mut room = [0 as c_char; 24];
                let capacity = choices.size() % 25;
                let fmr = f64::from(f32::from_bits(choices.number()));
                fusiform_gallery_identify(
                    gallery,
                    photo,
                    at,
                    fmr,
                    found.as_mut_ptr(),
                    room.as_mut_ptr(),
                    capacity,
                    error,
                )
            }
            8 => {
                let mut is_erased = false;
                fusiform_gallery_erase(gallery, name, &mut is_erased, error)
            }
            9 => {
                let (mut room, mut n_bytes) = ([0 as c_char; 24], 0);
                let capacity = choices.size() % 25;
                let room = room.as_mut_ptr();
                fusiform_gallery_person_name(gallery, at, room, capacity, &mut n_bytes, error)
            }
            10 => fusiform_photo_close(photo, error),
            11 => fusiform_gallery_close(gallery, error),
            12 => {
                let mut opened = FusiformEngine { id: 0 };
                let bytes = choices.bytes();
                let file = FusiformPackFile {
                    name,
                    bytes: some(choices.is(9), bytes.as_ptr()),
                    n_bytes: bytes.len(),
                };
                let manifest = choices.text();
                let manifest = manifest.as_ptr().cast();
                fusiform_engine_open_memory(manifest, &file, 1, &mut opened, error)
            }
            _ => {
                let mut opened = FusiformAlbum { id: 0 };
                let album = FusiformAlbum {
                    id: open.any(choices),
                };
                let mut summary = FusiformGroupSummary {
                    n_people: 0,
                    n_members: 0,
                    n_unassigned: 0,
                };
                let codes = [
                    fusiform_album_group(album, &mut summary, error),
                    fusiform_album_open(null(), engine(), &mut opened, error),
                    fusiform_album_close(album, error),
                ];
                // No album is ever opened here.
                assert!(codes.iter().all(|code| *code != FusiformCode::Ok));
                assert!(!codes.contains(&FusiformCode::Internal));
                codes[2]
            }
        }
    }
}
