//! Everything that can go wrong above the rooms. In: errors of the rooms. Out: one type that keeps
//! its source, and a stable [`ErrorKind`]. Knows nothing of exit codes, flags or HTTP status.

mod kind;

use std::path::PathBuf;

use fusiform_face::image::ImageError;

use crate::models::PackError;

pub use kind::ErrorKind;

/// What went wrong; the source is kept. Programs branch on [`Error::kind`], people read the
/// message.
///
/// A message names the file or value and the remedy; it never names a flag, command or
/// environment variable of a program, because the library may be inside any program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model pack.
    #[error("model pack: {0}")]
    Pack(#[from] PackError),
    /// A network cannot be loaded or run.
    #[error("network {name}: {source}")]
    Network {
        /// Name of the network in its manifest.
        name: String,
        /// The cause, from the runtime.
        source: fusiform_face::backend::BackendError,
    },
    /// The file of a photo holds no photo that can be read.
    #[error("{path}: {source}")]
    Photo {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        source: ImageError,
    },
    /// A video that cannot be read.
    #[cfg(feature = "video")]
    #[error("{path}: {source}")]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: fusiform_video::VideoError,
    },
    /// Bytes are no photo that can be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Detection, alignment or embedding failed.
    #[error(transparent)]
    Face(#[from] fusiform_face::Error),
    /// The album.
    #[cfg(feature = "album")]
    #[error(transparent)]
    Album(#[from] fusiform_album::Error),
    /// Templates that do not compare.
    #[error(transparent)]
    Search(#[from] fusiform_search::Error),
    /// The people's gallery.
    #[cfg(feature = "gallery")]
    #[error(transparent)]
    Gallery(#[from] fusiform_gallery::Error),
    /// The pack lacks the network that the task needs.
    #[error("pack {pack:?} has no {role}; open a pack that has one")]
    Lacks {
        /// The pack.
        pack: String,
        /// `detector` or `embedder`.
        role: &'static str,
    },
    /// The pack states no similarity for the false-match rate that the task needs.
    #[error(
        "pack {pack:?} states no threshold at a false-match rate of {fmr}; calibrate it on \
         labelled photos and write the threshold into its manifest"
    )]
    Uncalibrated {
        /// The pack.
        pack: String,
        /// The rate needed.
        fmr: f64,
    },
    /// A file or folder.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// The cause, from the system.
        source: std::io::Error,
    },
    /// No face in a photo that needs one.
    #[error("no face found; allow smaller faces, or use a photo that shows the face larger")]
    NoFace,
    /// A face that nobody can be recognised by; see [`Face::is_unclear`](crate::Face::is_unclear).
    #[error(
        "the face is unclear: its recognisability is {recognisability:.2}; use a photo that shows \
         it larger, sharper, or from the front"
    )]
    Unclear {
        /// As [`Quality::recognisability`](crate::Quality::recognisability).
        recognisability: f32,
    },
    /// A face without a template in a task that compares faces.
    #[error(
        "the face has no template: the pack that found it has no embedder; analyse the photo with \
         a pack that has one"
    )]
    NoTemplate,
    /// A name that cannot be one.
    #[error("{0:?} cannot be the name of a person; a name has at least one visible character")]
    Name(String),
}

impl Error {
    /// An error of the system, with the file or folder that it is about.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io {
            path: path.into(),
            source,
        }
    }

    /// The class of the error, which stays the same over versions.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Pack(error) => pack_kind(error),
            Error::Network { .. } => ErrorKind::BadNetwork,
            Error::Photo { source, .. } | Error::Image(source) => image_kind(source),
            #[cfg(feature = "video")]
            Error::Video { source, .. } => video_kind(source),
            Error::Face(error) => face_kind(error),
            #[cfg(feature = "album")]
            Error::Album(error) => album_kind(error),
            #[cfg(feature = "gallery")]
            Error::Gallery(error) => gallery_kind(error),
            Error::Search(_) => ErrorKind::ModelMismatch,
            Error::Lacks { role, .. } if *role == "detector" => ErrorKind::LacksDetector,
            Error::Lacks { .. } => ErrorKind::LacksEmbedder,
            Error::Uncalibrated { .. } => ErrorKind::Uncalibrated,
            Error::Io { .. } => ErrorKind::Io,
            Error::NoFace => ErrorKind::NoFace,
            Error::Unclear { .. } => ErrorKind::UnusableFace,
            Error::NoTemplate => ErrorKind::LacksEmbedder,
            Error::Name(_) => ErrorKind::BadName,
        }
    }
}

fn pack_kind(error: &PackError) -> ErrorKind {
    match error {
        PackError::Manifest(_) | PackError::Missing { .. } => ErrorKind::BadManifest,
        PackError::Hash { .. } => ErrorKind::HashMismatch,
        PackError::Io { .. } => ErrorKind::Io,
        PackError::Unknown { .. } => ErrorKind::UnknownPack,
        PackError::Taken(_) => ErrorKind::PackTaken,
    }
}

fn image_kind(error: &ImageError) -> ErrorKind {
    match error {
        ImageError::Empty | ImageError::UnknownFormat { .. } => ErrorKind::NotAPhoto,
        ImageError::TooManyBytes { .. }
        | ImageError::TooManyPixels { .. }
        | ImageError::TooManyScans { .. }
        | ImageError::TooSlow { .. } => ErrorKind::PhotoTooLarge,
        ImageError::Unsupported { .. } | ImageError::DecoderFailed { .. } => {
            ErrorKind::UnsupportedPhoto
        }
        ImageError::Encode { .. } | ImageError::Shape { .. } => ErrorKind::BadOption,
        // Truncated or damaged.
        _ => ErrorKind::DamagedPhoto,
    }
}

#[cfg(feature = "video")]
fn video_kind(error: &fusiform_video::VideoError) -> ErrorKind {
    use fusiform_video::VideoError;
    match error {
        VideoError::Io(_) => ErrorKind::Io,
        VideoError::Container(_) | VideoError::NoVideo(_) => ErrorKind::NotAVideo,
        VideoError::Limit { .. } | VideoError::TooManyPixels(_) => ErrorKind::VideoTooLarge,
        // Damaged, in another codec, or beyond what the other program can do.
        _ => ErrorKind::UnsupportedVideo,
    }
}

fn face_kind(error: &fusiform_face::Error) -> ErrorKind {
    match error {
        fusiform_face::Error::Image(source) => image_kind(source),
        fusiform_face::Error::Align(_) => ErrorKind::UnusableFace,
        fusiform_face::Error::Option { .. } => ErrorKind::BadOption,
        // A network that fails or has other ports than its head.
        _ => ErrorKind::BadNetwork,
    }
}

#[cfg(feature = "album")]
fn album_kind(error: &fusiform_album::Error) -> ErrorKind {
    use fusiform_album::Error;
    match error {
        Error::NotAnAlbum { .. } => ErrorKind::BadFile,
        Error::Newer { .. } => ErrorKind::NewerFile,
        Error::ReadOnly { .. } => ErrorKind::ReadOnly,
        Error::DiskFull { .. } => ErrorKind::DiskFull,
        Error::Busy { .. } => ErrorKind::Busy,
        Error::NoSuchPerson(_) => ErrorKind::UnknownPerson,
        Error::NoSuchFace(_)
        | Error::NoSuchPhoto(_)
        | Error::NoSuchDecision(_)
        | Error::NoSuchQuestion { .. } => ErrorKind::NotFound,
        Error::NameTaken { .. } => ErrorKind::NameTaken,
        Error::BadName(_) => ErrorKind::BadName,
        Error::Search(_) => ErrorKind::ModelMismatch,
        Error::InvalidRequest(_) | Error::AfterErasure { .. } => ErrorKind::Refused,
        // Whatever else SQLite reports.
        _ => ErrorKind::Database,
    }
}

#[cfg(feature = "gallery")]
fn gallery_kind(error: &fusiform_gallery::Error) -> ErrorKind {
    use fusiform_gallery::Error;
    match error {
        Error::WrongKey(_) | Error::BadKey(_) | Error::WeakSecret(_) => ErrorKind::WrongKey,
        Error::NotAGallery(_) => ErrorKind::BadFile,
        Error::Newer { .. } => ErrorKind::NewerFile,
        Error::Damaged
        | Error::Tampered(_)
        | Error::Chain { .. }
        | Error::Remains { .. }
        | Error::UnknownAnchor(_) => ErrorKind::Tampered,
        Error::Name(_) => ErrorKind::BadName,
        Error::UnknownPerson(_) => ErrorKind::UnknownPerson,
        Error::ConsentEnded(_) => ErrorKind::Refused,
        Error::ConsentUnit(_) => ErrorKind::BadOption,
        Error::DiskFull => ErrorKind::DiskFull,
        Error::DiskFails(_) => ErrorKind::Io,
        Error::Model { .. } | Error::Search(_) => ErrorKind::ModelMismatch,
        Error::KeyTaken => ErrorKind::NameTaken,
        Error::Locked(_) | Error::Busy(_) => ErrorKind::Busy,
        Error::ReadOnly(_) => ErrorKind::ReadOnly,
        Error::BadAddress(_) => ErrorKind::BadOption,
        Error::Occupied(_) => ErrorKind::NameTaken,
        Error::File(..) => ErrorKind::Io,
        Error::Unsupported(_) | Error::NoIndex => ErrorKind::BadOption,
        Error::Random => ErrorKind::Internal,
        // Whatever else the database reports.
        _ => ErrorKind::Database,
    }
}
