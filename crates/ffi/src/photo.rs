//! Photos and comparisons. In: handles of photos, numbers of faces. Out: plain structs, templates,
//! similarities. Knows nothing of who anybody is.

use fusiform::{Error, Face, Photo};

use crate::error::{Failure, FusiformCode, FusiformError};
use crate::face::{FusiformFace, FusiformVerification};
use crate::guard::guard;
use crate::handle::{FusiformEngine, FusiformPhoto, Handle};
use crate::pointer::{Out, OutArray};

/// What is known of a photo as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformPhotoInfo {
    /// Width in pixels, upright.
    pub width_px: u32,
    /// Height in pixels, upright.
    pub height_px: u32,
    /// Clockwise degrees that bring its faces upright: 0, 90, 180 or 270.
    pub turn_deg: u32,
    /// Faces, best detector score first; they are numbered from 0.
    pub n_faces: usize,
}

/// Size of a photo and number of its faces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_photo_info(
    photo: FusiformPhoto,
    info: *mut FusiformPhotoInfo,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (info, error) = unsafe { (Out::at(info, "info"), Out::at(error, "error")) };
    guard(error, || {
        let (info, photo) = (info?, photo.object()?);
        info.put(FusiformPhotoInfo {
            width_px: photo.width_px,
            height_px: photo.height_px,
            turn_deg: photo.turn_deg.into(),
            n_faces: photo.faces.len(),
        });
        Ok(())
    })
}

/// The face with the largest box: the person whom a portrait shows (FUSIFORM_CODE_NO_FACE if there
/// is none).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_photo_largest(
    photo: FusiformPhoto,
    face_index: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (index, error) = unsafe { (Out::at(face_index, "face_index"), Out::at(error, "error")) };
    guard(error, || {
        let (index, photo) = (index?, photo.object()?);
        let largest = photo.largest()?;
        let at = photo
            .faces
            .iter()
            .position(|face| std::ptr::eq(face, largest));
        index.put(at.ok_or(Error::NoFace)?);
        Ok(())
    })
}

/// One face of a photo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_photo_face(
    photo: FusiformPhoto,
    face_index: usize,
    face: *mut FusiformFace,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (face, error) = unsafe { (Out::at(face, "face"), Out::at(error, "error")) };
    guard(error, || {
        let (face, photo) = (face?, photo.object()?);
        face.put(face_of(&photo, face_index)?.into());
        Ok(())
    })
}

/// The template of a face: `fusiform_engine_dimensions` numbers of unit length. With a `capacity`
/// that is too small nothing is written and FUSIFORM_CODE_BAD_OPTION says how many there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_photo_template(
    photo: FusiformPhoto,
    face_index: usize,
    template_values: *mut f32,
    capacity: usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (values, error) = unsafe {
        (
            OutArray::at(template_values, capacity, "template_values"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (values, photo) = (values?, photo.object()?);
        let vector = &face_of(&photo, face_index)?.template()?.vector;
        if values.capacity() < vector.len() {
            let (room, n) = (values.capacity(), vector.len());
            let message = format!("capacity = {room} is too small for {n} numbers");
            return Err(Failure::option(message));
        }
        values.put(vector);
        Ok(())
    })
}

/// Closes a photo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_photo_close(
    photo: FusiformPhoto,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let error = unsafe { Out::at(error, "error") };
    guard(error, || photo.close())
}

/// Cosine similarity of two faces, -1 to 1; larger is nearer. What it means depends on the model:
/// fusiform_verify judges it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_compare(
    photo: FusiformPhoto,
    face_index: usize,
    other_photo: FusiformPhoto,
    other_face_index: usize,
    similarity: *mut f32,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (similarity, error) =
        unsafe { (Out::at(similarity, "similarity"), Out::at(error, "error")) };
    guard(error, || {
        let (similarity, one, other) = (similarity?, photo.object()?, other_photo.object()?);
        let face = face_of(&one, face_index)?;
        similarity.put(face.similarity(face_of(&other, other_face_index)?)?.0);
        Ok(())
    })
}

/// Whether two faces are of one person, with the thresholds and error rates that decide.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_verify(
    engine: FusiformEngine,
    photo: FusiformPhoto,
    face_index: usize,
    other_photo: FusiformPhoto,
    other_face_index: usize,
    verification: *mut FusiformVerification,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (verification, error) = unsafe {
        (
            Out::at(verification, "verification"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (verification, engine) = (verification?, engine.object()?);
        let (one, other) = (photo.object()?, other_photo.object()?);
        let (face, other) = (
            face_of(&one, face_index)?,
            face_of(&other, other_face_index)?,
        );
        verification.put(engine.verify(face, other)?.into());
        Ok(())
    })
}

pub(crate) fn face_of(photo: &Photo, index: usize) -> Result<&Face, Failure> {
    photo.faces.get(index).ok_or_else(|| Failure {
        code: FusiformCode::NotFound,
        message: format!(
            "face {index} is not there: the photo has {}",
            photo.faces.len()
        ),
    })
}
