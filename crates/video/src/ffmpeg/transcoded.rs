//! A video that ffmpeg decodes. In: a path. Out: its pictures, read from a pipe of Matroska.

use std::ffi::OsString;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;
use std::process::ChildStdout;

use super::process::{Process, Timed};
use super::reading;
use crate::error::VideoError;
use crate::limits::VideoLimits;
use crate::picture::{Colour, Picture, Planes};

/// Element IDs of Matroska (RFC 9559) and EBML (RFC 8794).
mod id {
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_a966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
    pub(super) const DURATION: u32 = 0x4489;
    pub(super) const TRACKS: u32 = 0x1654_ae6b;
    pub(super) const TRACK_ENTRY: u32 = 0xae;
    pub(super) const VIDEO: u32 = 0xe0;
    pub(super) const PIXEL_WIDTH: u32 = 0xb0;
    pub(super) const PIXEL_HEIGHT: u32 = 0xba;
    pub(super) const COLOUR: u32 = 0x55b0;
    pub(super) const MATRIX: u32 = 0x55b1;
    pub(super) const RANGE: u32 = 0x55b9;
    pub(super) const CLUSTER: u32 = 0x1f43_b675;
    pub(super) const TIMESTAMP: u32 = 0xe7;
    pub(super) const BLOCK_GROUP: u32 = 0xa0;
    pub(super) const BLOCK: u32 = 0xa1;
    pub(super) const SIMPLE_BLOCK: u32 = 0xa3;
}

/// Bytes before the frame in a block: track, time within the cluster, flags.
const BLOCK_HEAD: u64 = 4;

/// A running ffmpeg and its pictures.
pub(crate) struct Transcoded {
    process: Option<Process>,
    pipe: BufReader<Timed<ChildStdout>>,
    head: Head,
    /// Time of the cluster, in units of the file.
    cluster: u64,
    first_ms: Option<u64>,
    n_pictures: u64,
    max_pictures: u64,
    /// Lines in which it complained of the file.
    damaged: u64,
}

#[derive(Default)]
struct Head {
    width_px: u64,
    height_px: u64,
    scale_ns: u64,
    duration_ms: u64,
    matrix: u64,
    range: u64,
}

impl Transcoded {
    /// Starts ffmpeg and reads what it says of the file. Its pictures are upright if `upright`, and
    /// else as they are stored.
    ///
    /// # Errors
    /// [`VideoError::NoFfmpeg`], [`VideoError::Ffmpeg`] in its words, [`VideoError::Limit`].
    pub(crate) fn open(
        path: &Path,
        upright: bool,
        limits: &VideoLimits,
    ) -> Result<Transcoded, VideoError> {
        let mut arguments: Vec<OsString> = Vec::new();
        if !upright {
            arguments.push("-noautorotate".into());
        }
        arguments.extend(reading(path));
        // A cover is no video: `V` leaves out pictures that are attached.
        let rest = "-map 0:V:0 -an -sn -dn -c:v rawvideo -pix_fmt yuv420p -fps_mode passthrough \
                    -enc_time_base 1/1000 -f matroska pipe:1";
        arguments.extend(rest.split_whitespace().map(OsString::from));
        let (process, (_, pipe)) = Process::start(&arguments, false, limits.max_wait)?;
        let mut opened = Transcoded {
            process: Some(process),
            pipe: BufReader::with_capacity(1 << 16, pipe),
            head: Head {
                scale_ns: 1_000_000,
                ..Head::default()
            },
            cluster: 0,
            first_ms: None,
            n_pictures: 0,
            max_pictures: limits.max_samples,
            damaged: 0,
        };
        loop {
            let Some((id, size)) = opened.element()? else {
                opened.finish()?;
                return Err(VideoError::NoVideo("sound or nothing".to_owned()));
            };
            match id {
                id::CLUSTER => break,
                id::SEGMENT | id::INFO | id::TRACKS | id::TRACK_ENTRY | id::VIDEO | id::COLOUR => {}
                id::TIMESTAMP_SCALE => opened.head.scale_ns = opened.number(size)?,
                id::PIXEL_WIDTH => opened.head.width_px = opened.number(size)?,
                id::PIXEL_HEIGHT => opened.head.height_px = opened.number(size)?,
                id::MATRIX => opened.head.matrix = opened.number(size)?,
                id::RANGE => opened.head.range = opened.number(size)?,
                id::DURATION => {
                    let bits = opened.number(size)?;
                    let duration = match size {
                        4 => f64::from(f32::from_bits(bits as u32)),
                        _ => f64::from_bits(bits),
                    };
                    opened.head.duration_ms = (duration * opened.head.scale_ns as f64 / 1e6) as u64;
                }
                _ => opened.skip(size)?,
            }
        }
        let pixels = opened.head.width_px.saturating_mul(opened.head.height_px);
        VideoError::above("a frame of so many pixels:", pixels, limits.max_pixels)?;
        Ok(opened)
    }

    pub(crate) fn duration_ms(&self) -> u64 {
        self.head.duration_ms
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The next picture; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Picture>, VideoError> {
        while let Some((id, size)) = self.element()? {
            match id {
                id::CLUSTER | id::BLOCK_GROUP => {}
                id::TIMESTAMP => self.cluster = self.number(size)?,
                id::BLOCK | id::SIMPLE_BLOCK => return self.picture(size).map(Some),
                _ => self.skip(size)?,
            }
        }
        self.finish()?;
        Ok(None)
    }

    fn picture(&mut self, size: u64) -> Result<Picture, VideoError> {
        self.n_pictures += 1;
        VideoError::above("samples:", self.n_pictures, self.max_pictures)?;
        let (width, height) = (self.head.width_px, self.head.height_px);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        let (luma, chroma) = (width * height, chroma_width * chroma_height);
        if size != BLOCK_HEAD + luma + 2 * chroma {
            return Err(VideoError::Resized {
                width_px: width,
                height_px: height,
            });
        }
        let mut head = [0; BLOCK_HEAD as usize];
        self.pipe.read_exact(&mut head)?;
        let within = i16::from_be_bytes([head[1], head[2]]);
        let time = u128::from(self.cluster.saturating_add_signed(within.into()));
        let time_ms = (time * u128::from(self.head.scale_ns) / 1_000_000) as u64;
        let first_ms = *self.first_ms.get_or_insert(time_ms);
        let mut plane = |bytes: u64| -> Result<Vec<u8>, VideoError> {
            let mut samples = vec![0; bytes as usize];
            self.pipe.read_exact(&mut samples)?;
            Ok(samples)
        };
        // ITU-T H.273: 1 is BT.709, 5 and 6 are BT.601; Matroska's range 2 is the full one.
        let usual = Colour::usual(height as u32);
        let planes = Planes {
            width_px: width as u32,
            height_px: height as u32,
            y: plane(luma)?,
            cb: plane(chroma)?,
            cr: plane(chroma)?,
            chroma_width_px: chroma_width as u32,
            chroma_height_px: chroma_height as u32,
            colour: Colour {
                is_bt709: match self.head.matrix {
                    1 => true,
                    5 | 6 => false,
                    _ => usual.is_bt709,
                },
                is_full_range: self.head.range == 2,
            },
        };
        Ok(Picture {
            time_ms: time_ms.saturating_sub(first_ms),
            planes,
        })
    }

    /// How the process ended. What it said of a file that it read to the end is damage.
    fn finish(&mut self) -> Result<(), VideoError> {
        if let Some(process) = self.process.take() {
            let said = process.finish()?;
            self.damaged = match said.is_empty() {
                true => 0,
                false => said.split("; ").count() as u64,
            };
        }
        Ok(())
    }

    /// The next element's ID and size; `None` at the end of the pipe.
    fn element(&mut self) -> Result<Option<(u32, u64)>, VideoError> {
        let mut first = [0];
        if self.pipe.read(&mut first)? == 0 {
            return Ok(None);
        }
        let id = self.variable(first[0], 4, true)?;
        let mut first = [0];
        self.pipe.read_exact(&mut first)?;
        let size = self.variable(first[0], 8, false)?;
        let id = u32::try_from(id).map_err(|_| broken())?;
        Ok(Some((id, size)))
    }

    /// A number of as many bytes as the zeros before its first bit say.
    fn variable(&mut self, first: u8, most: u32, with_mark: bool) -> Result<u64, VideoError> {
        let length = first.leading_zeros() + 1;
        if length > most {
            return Err(broken());
        }
        let mark = 0x80 >> (length - 1);
        let mut value = u64::from(if with_mark { first } else { first & (mark - 1) });
        for _ in 1..length {
            let mut next = [0];
            self.pipe.read_exact(&mut next)?;
            value = value << 8 | u64::from(next[0]);
        }
        Ok(value)
    }

    fn number(&mut self, size: u64) -> Result<u64, VideoError> {
        if size > 8 {
            return Err(broken());
        }
        let mut bytes = [0; 8];
        self.pipe.read_exact(&mut bytes[8 - size as usize..])?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn skip(&mut self, size: u64) -> Result<(), VideoError> {
        let skipped = std::io::copy(&mut self.pipe.by_ref().take(size), &mut std::io::sink())?;
        match skipped == size {
            true => Ok(()),
            false => Err(VideoError::Io(ErrorKind::UnexpectedEof.into())),
        }
    }
}

fn broken() -> VideoError {
    VideoError::Ffmpeg("what it writes is no Matroska".to_owned())
}
