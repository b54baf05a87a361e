//! The stable classes of errors. In: nothing. Out: [`ErrorKind`] with fixed numbers and names.
//! Knows nothing of messages; bindings and exit codes rest on this list alone.

use std::fmt;

/// What class of thing went wrong: the part of an error that programs may branch on.
///
/// Number and name of a kind never change and are never reused; new kinds may be added. Bindings
/// (C, Kotlin, Swift, Python) hand out [`ErrorKind::code`], logs and JSON [`ErrorKind::name`].
///
/// # Example
/// ```
/// use fusiform::{Engine, ErrorKind, AnalyseOptions};
/// let engine = Engine::builtin()?;
/// let error = engine.analyse(b"a text", &AnalyseOptions::default()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotAPhoto);
/// assert_eq!((error.kind().code(), error.kind().name()), (10, "not_a_photo"));
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum ErrorKind {
    /// A file or folder cannot be read or written.
    Io = 1,
    /// A defect of this library; please report it.
    Internal = 2,
    /// An option or argument is outside its range.
    BadOption = 3,
    /// A handle that was closed, or that this process did not open; bindings alone report it.
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
    /// A face that cannot be brought upright, because its box is empty or its landmarks coincide,
    /// or by which nobody can be recognised.
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
    /// A network cannot be loaded or run, or has other inputs and outputs than its role needs.
    BadNetwork = 27,

    /// Templates of different models were to be compared.
    ModelMismatch = 30,
    /// Nobody of that name or number.
    UnknownPerson = 31,
    /// The name belongs to somebody else.
    NameTaken = 32,
    /// The text cannot be a name.
    BadName = 33,
    /// No such photo or face in the album.
    NotFound = 34,
    /// A decision that contradicts itself or changes nothing.
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

impl ErrorKind {
    /// Every kind of this version, by rising number.
    pub const ALL: &[ErrorKind] = &[
        ErrorKind::Io,
        ErrorKind::Internal,
        ErrorKind::BadOption,
        ErrorKind::BadHandle,
        ErrorKind::NotAPhoto,
        ErrorKind::DamagedPhoto,
        ErrorKind::UnsupportedPhoto,
        ErrorKind::PhotoTooLarge,
        ErrorKind::NoFace,
        ErrorKind::UnusableFace,
        ErrorKind::NotAVideo,
        ErrorKind::UnsupportedVideo,
        ErrorKind::VideoTooLarge,
        ErrorKind::UnknownPack,
        ErrorKind::BadManifest,
        ErrorKind::HashMismatch,
        ErrorKind::PackTaken,
        ErrorKind::LacksDetector,
        ErrorKind::LacksEmbedder,
        ErrorKind::Uncalibrated,
        ErrorKind::BadNetwork,
        ErrorKind::ModelMismatch,
        ErrorKind::UnknownPerson,
        ErrorKind::NameTaken,
        ErrorKind::BadName,
        ErrorKind::NotFound,
        ErrorKind::Refused,
        ErrorKind::BadFile,
        ErrorKind::NewerFile,
        ErrorKind::ReadOnly,
        ErrorKind::DiskFull,
        ErrorKind::Busy,
        ErrorKind::WrongKey,
        ErrorKind::Tampered,
        ErrorKind::Database,
    ];

    /// The number, for bindings. Never 0.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The name in lower case with `_`, for logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Io => "io",
            ErrorKind::Internal => "internal",
            ErrorKind::BadOption => "bad_option",
            ErrorKind::BadHandle => "bad_handle",
            ErrorKind::NotAPhoto => "not_a_photo",
            ErrorKind::DamagedPhoto => "damaged_photo",
            ErrorKind::UnsupportedPhoto => "unsupported_photo",
            ErrorKind::PhotoTooLarge => "photo_too_large",
            ErrorKind::NoFace => "no_face",
            ErrorKind::UnusableFace => "unusable_face",
            ErrorKind::NotAVideo => "not_a_video",
            ErrorKind::UnsupportedVideo => "unsupported_video",
            ErrorKind::VideoTooLarge => "video_too_large",
            ErrorKind::UnknownPack => "unknown_pack",
            ErrorKind::BadManifest => "bad_manifest",
            ErrorKind::HashMismatch => "hash_mismatch",
            ErrorKind::PackTaken => "pack_taken",
            ErrorKind::LacksDetector => "lacks_detector",
            ErrorKind::LacksEmbedder => "lacks_embedder",
            ErrorKind::Uncalibrated => "uncalibrated",
            ErrorKind::BadNetwork => "bad_network",
            ErrorKind::ModelMismatch => "model_mismatch",
            ErrorKind::UnknownPerson => "unknown_person",
            ErrorKind::NameTaken => "name_taken",
            ErrorKind::BadName => "bad_name",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Refused => "refused",
            ErrorKind::BadFile => "bad_file",
            ErrorKind::NewerFile => "newer_file",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::DiskFull => "disk_full",
            ErrorKind::Busy => "busy",
            ErrorKind::WrongKey => "wrong_key",
            ErrorKind::Tampered => "tampered",
            ErrorKind::Database => "database",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_fixed() {
        let fixed = "1 io\n2 internal\n3 bad_option\n4 bad_handle\n\
             10 not_a_photo\n11 damaged_photo\n\
             12 unsupported_photo\n13 photo_too_large\n14 no_face\n15 unusable_face\n\
             16 not_a_video\n17 unsupported_video\n18 video_too_large\n\
             20 unknown_pack\n21 bad_manifest\n22 hash_mismatch\n23 pack_taken\n\
             24 lacks_detector\n25 lacks_embedder\n26 uncalibrated\n27 bad_network\n\
             30 model_mismatch\n31 unknown_person\n32 name_taken\n33 bad_name\n34 not_found\n\
             35 refused\n40 bad_file\n41 newer_file\n42 read_only\n43 disk_full\n44 busy\n\
             45 wrong_key\n46 tampered\n47 database\n";
        let line = |kind: &ErrorKind| format!("{} {kind}\n", kind.code());
        assert_eq!(
            ErrorKind::ALL.iter().map(line).collect::<String>(),
            fixed,
            "bindings rest on these; add kinds, never change one"
        );
    }
}
