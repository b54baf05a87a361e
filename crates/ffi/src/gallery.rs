//! Enrolled people. In: names, faces, consent. Out: who a face is. Knows nothing of pixels.

use std::ffi::c_char;
use std::sync::PoisonError;

use fusiform::gallery::Consent;
use fusiform::{Fmr, Gallery};

use crate::error::{Failure, FusiformCode, FusiformError};
use crate::face::FusiformThreshold;
use crate::guard::guard;
use crate::handle::{FusiformEngine, FusiformGallery, FusiformPhoto, Handle, open_gallery};
use crate::photo::face_of;
use crate::pointer::{self, Out, OutArray};

/// On what ground a person is enrolled.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformConsent {
    /// The legal ground: consent, contract, household and the like.
    pub basis: *const c_char,
    /// What the enrolment is for.
    pub purpose: *const c_char,
    /// When it ends, in milliseconds since 1970; 0 is until erased.
    pub expires_at_ms: i64,
}

/// Who a face is, and what the answer rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct FusiformIdentification {
    /// Whether the nearest enrolled person is near enough to be named.
    pub is_named: bool,
    /// Whether anybody is enrolled, so that `similarity` means something.
    pub has_similarity: bool,
    /// To the nearest enrolled face, named or not.
    pub similarity: f32,
    /// Bytes of the whole name without its zero; 0 if nobody is named.
    pub name_bytes: usize,
    /// From which on a face is named.
    pub threshold: FusiformThreshold,
}

/// Opens the people in a file, or makes it, with the key in the file beside it (`people.key` for
/// `people.db`, made on first use). With a `path` of NULL people are kept in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_open(
    path: *const c_char,
    engine: FusiformEngine,
    gallery: *mut FusiformGallery,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (path, gallery, error) = unsafe {
        (
            pointer::optional(path, |path| pointer::text(path, "path")),
            Out::at(gallery, "gallery"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (path, gallery, engine) = (path?, gallery?, engine.object()?);
        let opened = match path {
            Some(path) => Gallery::open(path, &engine)?,
            None => Gallery::in_memory(&engine)?,
        };
        gallery.put(open_gallery(opened));
        Ok(())
    })
}

/// Enrols a face under a name; a person may have several. On disk when this returns. A `consent` of
/// NULL states none; another replaces what the person had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_enrol(
    gallery: FusiformGallery,
    name: *const c_char,
    photo: FusiformPhoto,
    face_index: usize,
    consent: *const FusiformConsent,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (name, consent, error) = unsafe {
        (
            pointer::text(name, "name"),
            read_consent(consent),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (name, consent) = (name?, consent?);
        let (people, photo) = (gallery.object()?, photo.object()?);
        let face = face_of(&photo, face_index)?;
        let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
        match consent {
            Some(consent) => people.enrol_with(name, face, consent)?,
            None => people.enrol(name, face)?,
        };
        Ok(())
    })
}

/// Who a face is, at a false-match rate that the pack states, such as 1e-3. The name is written
/// into `name`, which may be NULL with a capacity of 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_identify(
    gallery: FusiformGallery,
    photo: FusiformPhoto,
    face_index: usize,
    fmr: f64,
    identification: *mut FusiformIdentification,
    name: *mut c_char,
    name_capacity: usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (identification, name, error) = unsafe {
        (
            Out::at(identification, "identification"),
            OutArray::at(name, name_capacity, "name"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (identification, name) = (identification?, name?);
        let (people, photo) = (gallery.object()?, photo.object()?);
        let face = face_of(&photo, face_index)?;
        let people = people.read().unwrap_or_else(PoisonError::into_inner);
        let found = people.identify(face, Fmr(fmr))?;
        let named = found.name.as_deref().unwrap_or_default();
        name.put_text(named);
        identification.put(FusiformIdentification {
            is_named: found.name.is_some(),
            has_similarity: found.similarity.is_some(),
            similarity: found.similarity.map_or(0.0, |s| s.0),
            name_bytes: named.len(),
            threshold: found.threshold.into(),
        });
        Ok(())
    })
}

/// How many people are enrolled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_count(
    gallery: FusiformGallery,
    n_people: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (n_people, error) = unsafe { (Out::at(n_people, "n_people"), Out::at(error, "error")) };
    guard(error, || {
        let (n_people, people) = (n_people?, gallery.object()?);
        let people = people.read().unwrap_or_else(PoisonError::into_inner);
        n_people.put(people.people().len());
        Ok(())
    })
}

/// The name of an enrolled person, numbered from 0 in the order in which they came; the number of
/// its bytes without the zero is `name_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_person_name(
    gallery: FusiformGallery,
    person_index: usize,
    name: *mut c_char,
    name_capacity: usize,
    name_bytes: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (name, name_bytes, error) = unsafe {
        (
            OutArray::at(name, name_capacity, "name"),
            Out::at(name_bytes, "name_bytes"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (name, name_bytes, people) = (name?, name_bytes?, gallery.object()?);
        let people = people.read().unwrap_or_else(PoisonError::into_inner);
        let people = people.people();
        let person = people.get(person_index).ok_or_else(|| Failure {
            code: FusiformCode::UnknownPerson,
            message: format!(
                "person {person_index} is not there: {} are enrolled",
                people.len()
            ),
        })?;
        name.put_text(&person.name);
        name_bytes.put(person.name.len());
        Ok(())
    })
}

/// Erases a person with all faces; `is_erased` is false if nobody has that name. The bytes are
/// overwritten on disk when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_erase(
    gallery: FusiformGallery,
    name: *const c_char,
    is_erased: *mut bool,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (name, is_erased, error) = unsafe {
        (
            pointer::text(name, "name"),
            Out::at(is_erased, "is_erased"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (name, is_erased, people) = (name?, is_erased?, gallery.object()?);
        let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
        is_erased.put(people.erase(name)?);
        Ok(())
    })
}

/// Erases everybody whose consent has ended: how many they were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_erase_ended(
    gallery: FusiformGallery,
    n_erased: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (n_erased, error) = unsafe { (Out::at(n_erased, "n_erased"), Out::at(error, "error")) };
    guard(error, || {
        let (n_erased, people) = (n_erased?, gallery.object()?);
        let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
        n_erased.put(people.erase_ended()?);
        Ok(())
    })
}

/// Closes a gallery; another process may open its file when the calls under way have returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_gallery_close(
    gallery: FusiformGallery,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let error = unsafe { Out::at(error, "error") };
    guard(error, || gallery.close())
}

/// # Safety
/// `from` is NULL, or valid for reading, and so are its texts.
unsafe fn read_consent(from: *const FusiformConsent) -> Result<Option<Consent>, Failure> {
    pointer::optional(from, |from| {
        // SAFETY: promised by the caller in the same words.
        let (basis, purpose, expires_at_ms) = unsafe {
            let consent = pointer::value(from, "consent")?;
            let basis = pointer::text(consent.basis, "basis of the consent")?;
            let purpose = pointer::text(consent.purpose, "purpose of the consent")?;
            (basis, purpose, consent.expires_at_ms)
        };
        Ok(Consent {
            basis: basis.into(),
            purpose: purpose.into(),
            expires_at_ms: (expires_at_ms != 0).then_some(expires_at_ms),
        })
    })
}
