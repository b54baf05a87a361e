//! Errors by number and text. In: errors of the library. Out: codes, and a struct for their words.
//! Knows nothing of what was being done.

use std::ffi::{CStr, c_char};

use fusiform::{Error, ErrorKind};

/// What class of thing went wrong; a number never changes and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum FusiformCode {
    /// Done.
    Ok = 0,
    /// A file or folder cannot be read or written.
    Io = 1,
    /// A defect of this library; please report it.
    Internal = 2,
    /// An argument is NULL, misaligned, too short or outside its range.
    BadOption = 3,
    /// A handle that was closed, that never was one, or that another process opened.
    BadHandle = 4,
    /// The bytes are not an image of a known format.
    NotAPhoto = 10,
    /// The image is truncated or contradicts its format.
    DamagedPhoto = 11,
    /// A known format with content that no decoder here covers.
    UnsupportedPhoto = 12,
    /// More bytes, pixels, scans or time than the limits allow.
    PhotoTooLarge = 13,
    /// No face in a photo that needs one.
    NoFace = 14,
    /// A face that cannot be brought upright, or by which nobody can be recognised.
    UnusableFace = 15,
    /// The file is no video of a known container, or has no moving pictures.
    NotAVideo = 16,
    /// A video that is coded in a way that no decoder here covers.
    UnsupportedVideo = 17,
    /// More pixels or coded frames than the limits allow.
    VideoTooLarge = 18,
    /// No pack of that name.
    UnknownPack = 20,
    /// The manifest is not valid, or names something that this build does not know.
    BadManifest = 21,
    /// A weights file has another SHA-256 than its manifest states.
    HashMismatch = 22,
    /// Another pack has that name.
    PackTaken = 23,
    /// The pack has no detector.
    LacksDetector = 24,
    /// The pack has no embedder.
    LacksEmbedder = 25,
    /// The pack states no threshold at the false-match rate asked for.
    Uncalibrated = 26,
    /// A network cannot be loaded or run.
    BadNetwork = 27,
    /// Templates of different models were to be compared.
    ModelMismatch = 30,
    /// Nobody of that name or number.
    UnknownPerson = 31,
    /// The name belongs to somebody else.
    NameTaken = 32,
    /// The text cannot be a name.
    BadName = 33,
    /// No such photo or face.
    NotFound = 34,
    /// A decision that contradicts itself or changes nothing, or a consent that has ended.
    Refused = 35,
    /// The file is not one of ours, or is damaged.
    BadFile = 40,
    /// A newer version of this library wrote the file.
    NewerFile = 41,
    /// The file may not be written to.
    ReadOnly = 42,
    /// No room is left on the disk.
    DiskFull = 43,
    /// Another process uses the file.
    Busy = 44,
    /// The key does not open the file, or is not a key.
    WrongKey = 45,
    /// A sealed record or the audit log was altered.
    Tampered = 46,
    /// The database reports anything else.
    Database = 47,
}

/// Every code, in the order of the library's kinds.
const CODES: &[(FusiformCode, &CStr)] = &[
    (FusiformCode::Ok, c"ok"),
    (FusiformCode::Io, c"io"),
    (FusiformCode::Internal, c"internal"),
    (FusiformCode::BadOption, c"bad_option"),
    (FusiformCode::BadHandle, c"bad_handle"),
    (FusiformCode::NotAPhoto, c"not_a_photo"),
    (FusiformCode::DamagedPhoto, c"damaged_photo"),
    (FusiformCode::UnsupportedPhoto, c"unsupported_photo"),
    (FusiformCode::PhotoTooLarge, c"photo_too_large"),
    (FusiformCode::NoFace, c"no_face"),
    (FusiformCode::UnusableFace, c"unusable_face"),
    (FusiformCode::NotAVideo, c"not_a_video"),
    (FusiformCode::UnsupportedVideo, c"unsupported_video"),
    (FusiformCode::VideoTooLarge, c"video_too_large"),
    (FusiformCode::UnknownPack, c"unknown_pack"),
    (FusiformCode::BadManifest, c"bad_manifest"),
    (FusiformCode::HashMismatch, c"hash_mismatch"),
    (FusiformCode::PackTaken, c"pack_taken"),
    (FusiformCode::LacksDetector, c"lacks_detector"),
    (FusiformCode::LacksEmbedder, c"lacks_embedder"),
    (FusiformCode::Uncalibrated, c"uncalibrated"),
    (FusiformCode::BadNetwork, c"bad_network"),
    (FusiformCode::ModelMismatch, c"model_mismatch"),
    (FusiformCode::UnknownPerson, c"unknown_person"),
    (FusiformCode::NameTaken, c"name_taken"),
    (FusiformCode::BadName, c"bad_name"),
    (FusiformCode::NotFound, c"not_found"),
    (FusiformCode::Refused, c"refused"),
    (FusiformCode::BadFile, c"bad_file"),
    (FusiformCode::NewerFile, c"newer_file"),
    (FusiformCode::ReadOnly, c"read_only"),
    (FusiformCode::DiskFull, c"disk_full"),
    (FusiformCode::Busy, c"busy"),
    (FusiformCode::WrongKey, c"wrong_key"),
    (FusiformCode::Tampered, c"tampered"),
    (FusiformCode::Database, c"database"),
];

impl From<ErrorKind> for FusiformCode {
    fn from(kind: ErrorKind) -> FusiformCode {
        let same = |(code, _): &&(FusiformCode, &CStr)| *code as u16 == kind.code();
        let found = CODES.iter().find(same);
        found.map_or(FusiformCode::Internal, |(code, _)| *code)
    }
}

/// Bytes of a message, its zero included; a longer one ends early, after a whole character.
pub const FUSIFORM_MESSAGE_BYTES: usize = 512;

/// Why a call failed, for people; filled on failure, left alone otherwise.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FusiformError {
    /// As the function returned it.
    pub code: FusiformCode,
    /// UTF-8, ended by a zero: what is to blame, and what helps.
    pub message: [c_char; FUSIFORM_MESSAGE_BYTES],
}

/// The name of a code, such as `not_a_photo`, or `unknown` for another number. Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn fusiform_code_name(code: u32) -> *const c_char {
    let found = CODES.iter().find(|(known, _)| *known as u32 == code);
    found.map_or(c"unknown", |(_, name)| name).as_ptr()
}

/// What a call failed with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: FusiformCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn option(message: impl Into<String>) -> Failure {
        Failure {
            code: FusiformCode::BadOption,
            message: message.into(),
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        let error = error.into();
        Failure {
            code: error.kind().into(),
            message: error.to_string(),
        }
    }
}

/// As many whole characters as fit.
pub(crate) fn shortened(text: &str, max_bytes: usize) -> &str {
    // A zero would end it for C.
    let text = text.split('\0').next().unwrap_or_default();
    let whole = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=max_bytes.min(text.len())).rev().find(whole);
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_kinds_of_the_library() {
        let kinds: Vec<_> = ErrorKind::ALL
            .iter()
            .map(|k| (k.code() as u32, k.name()))
            .collect();
        let codes = CODES
            .iter()
            .map(|(code, name)| (*code as u32, name.to_str().unwrap()));
        assert_eq!(codes.skip(1).collect::<Vec<_>>(), kinds);
    }

    #[test]
    fn a_message_ends_after_a_whole_character() {
        assert_eq!(shortened("Zoë", 3), "Zo");
        assert_eq!(shortened("a\0b", 9), "a");
    }
}
