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

impl Container {
    pub(crate) fn open(path: &Path, limits: &VideoLimits) -> Result<Container, VideoError> {
        let mut file = BufReader::new(File::open(path)?);
        let mut head = [0; 12];
        let read = file.read(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        if read == 12 && head[..4] == EBML {
            let file = matroska::MatroskaFile::open(file, limits)?;
            return Ok(Container::Matroska(Box::new(file)));
        }
        // ISO/IEC 14496-12: a file begins with `ftyp`; QuickTime files may with others.
        let kinds: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
        if read == 12 && kinds.contains(&&head[4..8]) {
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
