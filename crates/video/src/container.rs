//! Containers. In: a file. Out: its first video track: codec, orientation, samples and times.
//! The content decides which container it is, never the extension.

mod matroska;
mod mp4;
mod track;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::VideoError;
use crate::limits::VideoLimits;
pub(crate) use track::{Sample, Track};

/// An open file.
pub(crate) enum Container {
    Mp4(mp4::Mp4File),
    Matroska(Box<matroska::MatroskaFile>),
}

/// First bytes of Matroska and WebM: the ID of the EBML header (RFC 8794).
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// ISO/IEC 14496-12: a file begins with `ftyp`; QuickTime files may with others.
fn is_mp4(head: &[u8]) -> bool {
    let kinds: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
    head.get(4..8).is_some_and(|kind| kinds.contains(&kind))
}

/// Whether a file that begins with these bytes, at least 8, may be a video of a container that is
/// read here: MP4, MOV, MKV or WebM. Photos in HEIC and AVIF begin like MP4.
pub fn has_video_signature(head: &[u8]) -> bool {
    head.starts_with(&EBML) || is_mp4(head)
}

impl Container {
    pub(crate) fn open(path: &Path, limits: &VideoLimits) -> Result<Container, VideoError> {
        let mut file = BufReader::new(File::open(path)?);
        let mut head = [0; 12];
        let read = file.read(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        if head[..read].starts_with(&EBML) {
            let file = matroska::MatroskaFile::open(file, limits)?;
            return Ok(Container::Matroska(Box::new(file)));
        }
        if is_mp4(&head[..read]) {
            return Ok(Container::Mp4(mp4::Mp4File::open(file, limits)?));
        }
        Err(VideoError::Container("it begins otherwise".to_owned()))
    }

    pub(crate) fn track(&self) -> &Track {
        match self {
            Container::Mp4(file) => file.track(),
            Container::Matroska(file) => file.track(),
        }
    }

    /// The next coded frame in the order of the file; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Sample>, VideoError> {
        match self {
            Container::Mp4(file) => file.next(),
            Container::Matroska(file) => file.next(),
        }
    }
}
