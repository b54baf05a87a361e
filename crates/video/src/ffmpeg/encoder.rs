//! A video that ffmpeg encodes. In: upright frames with their times, the file whose sound goes with
//! them. Out: a new file with H.264, and nothing else of that file.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use fusiform_face::image::Image;

use super::process::{Process, Timed};
use super::reading;
use crate::error::VideoError;
use crate::limits::VideoLimits;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderOptions {
    /// Columns of each frame.
    pub width_px: u32,
    /// Rows of each frame.
    pub height_px: u32,
    /// Usual time between frames; each is shown at its own time all the same.
    pub usual_step_ms: u64,
    /// When the first frame is shown, from the file's start, which may be sound.
    pub start_ms: u64,
    /// Constant rate factor of x264: 0 loses nothing, 51 nearly everything.
    pub rate_factor: u8,
}

/// A running encoder. Dropped before [`Encoder::finish`], it is ended, and what it has written is
/// no video.
pub struct Encoder {
    /// `None` after an error.
    running: Option<Running>,
    to: PathBuf,
    options: EncoderOptions,
    last_ms: Option<u64>,
}

struct Running {
    process: Process,
    pipe: BufWriter<Timed<ChildStdin>>,
}

/// Ends the file of an encoder, by its extension.
fn muxer(path: &Path) -> &'static str {
    let is = |name: &str| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(name))
    };
    match () {
        () if is("mkv") => "matroska",
        () if is("mov") => "mov",
        () => "mp4",
    }
}

impl Encoder {
    /// Starts ffmpeg, which writes over `to`, a file ending in mp4, m4v, mov or mkv, and copies the
    /// sound of `sound`.
    ///
    /// # Errors
    /// [`VideoError::NoFfmpeg`].
    pub fn start(
        to: &Path,
        sound: &Path,
        options: EncoderOptions,
        limits: &VideoLimits,
    ) -> Result<Encoder, VideoError> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &str| {
            let words = words.split_whitespace().map(OsString::from);
            arguments.extend(words);
        };
        add("-y -itsoffset");
        add(&format!("{}ms", options.start_ms));
        add("-f matroska -i pipe:0");
        arguments.extend(reading(sound));
        let mut add = |words: &str| {
            let words = words.split_whitespace().map(OsString::from);
            arguments.extend(words);
        };
        // Only sound, without what is said of it: titles, places, dates, pictures of a cover.
        add("-map 0:v:0 -map 1:a? -c:a copy -map_metadata -1 -map_chapters -1");
        // Frames come as RGB of the full range, and go as what players expect of any video.
        add("-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd,format=yuv420p");
        add("-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv");
        add("-c:v libx264 -preset medium -crf");
        add(&options.rate_factor.to_string());
        // Every frame at its own time.
        add("-fps_mode passthrough -enc_time_base 1/1000");
        if muxer(to) != "matroska" {
            add("-movflags +faststart");
        }
        add("-f");
        add(muxer(to));
        let mut name = OsString::from("file:");
        name.push(to);
        arguments.push(name);
        let (process, (pipe, _)) = Process::start(&arguments, true, limits.max_wait)?;
        let pipe = pipe.ok_or_else(|| std::io::Error::other("ffmpeg has no pipe"))?;
        let pipe = BufWriter::with_capacity(1 << 16, pipe);
        let mut encoder = Encoder {
            running: Some(Running { process, pipe }),
            to: to.to_owned(),
            options,
            last_ms: None,
        };
        let head = options.head();
        encoder.send(|pipe| pipe.write_all(&head))?;
        Ok(encoder)
    }

    /// Writes the next frame.
    ///
    /// # Units
    /// Milliseconds from the first frame; a time that is not past that of the frame before is made
    /// so.
    ///
    /// # Errors
    /// [`VideoError::Resized`] for a frame of another size; [`VideoError::Ffmpeg`] in its words.
    pub fn write(&mut self, time_ms: u64, frame: &Image) -> Result<(), VideoError> {
        let options = self.options;
        if (frame.width(), frame.height()) != (options.width_px, options.height_px) {
            return Err(VideoError::Resized {
                width_px: options.width_px.into(),
                height_px: options.height_px.into(),
            });
        }
        let time_ms = self.last_ms.map_or(time_ms, |last| time_ms.max(last + 1));
        self.last_ms = Some(time_ms);
        self.send(|pipe| options.cluster(time_ms, frame, pipe))
    }

    /// Waits until the file is whole.
    ///
    /// # Errors
    /// [`VideoError::Ffmpeg`] in its words, a full disk among them.
    pub fn finish(mut self) -> Result<(), VideoError> {
        self.send(|pipe| pipe.flush())?;
        let Some(Running { process, pipe }) = self.running.take() else {
            return Ok(());
        };
        drop(pipe);
        // A long video is copied once more, so that its tables come first.
        process.finish_writing(Some(&self.to)).map(|_| ())
    }

    /// Of a pipe that ffmpeg closed the system knows no reason; ffmpeg does.
    fn send(
        &mut self,
        work: impl FnOnce(&mut BufWriter<Timed<ChildStdin>>) -> std::io::Result<()>,
    ) -> Result<(), VideoError> {
        let Some(running) = &mut self.running else {
            return Err(VideoError::Ffmpeg("it has ended".to_owned()));
        };
        let Err(error) = work(&mut running.pipe) else {
            return Ok(());
        };
        let Some(Running { process, pipe }) = self.running.take() else {
            return Err(VideoError::Io(error));
        };
        // Not flushed by being dropped.
        drop(pipe.into_parts());
        Err(match process.finish() {
            Err(error) => error,
            Ok(_) => VideoError::Io(error),
        })
    }
}

impl EncoderOptions {
    /// Frames of odd sides cannot be coded with half as much colour: the last row and column are
    /// repeated.
    fn stored(&self) -> (usize, usize) {
        let even = |px: u32| px.next_multiple_of(2) as usize;
        (even(self.width_px), even(self.height_px))
    }

    /// Everything before the first frame.
    fn head(&self) -> Vec<u8> {
        let (width, height) = self.stored();
        let ebml = [
            number(0x4286, 1),
            number(0x42f7, 1),
            number(0x42f2, 4),
            number(0x42f3, 8),
            element(0x4282, b"matroska"),
            number(0x4287, 4),
            number(0x4285, 2),
        ];
        let video = [
            number(0xb0, width as u64),
            number(0xba, height as u64),
            // Red, green and blue of eight bits each.
            element(0x2e_b524, b"RGB\x18"),
        ];
        let track = [
            number(0xd7, 1),
            number(0x73c5, 1),
            number(0x83, 1),
            number(0x23_e383, self.usual_step_ms.max(1) * 1_000_000),
            element(0x86, b"V_UNCOMPRESSED"),
            element(0xe0, &video.concat()),
        ];
        let tracks = element(0x1654_ae6b, &element(0xae, &track.concat()));
        // The segment's size is not known.
        let segment = [&[0x18, 0x53, 0x80, 0x67, 0x01][..], &[0xff; 7]].concat();
        let info = element(0x1549_a966, &number(0x2a_d7b1, 1_000_000));
        [element(0x1a45_dfa3, &ebml.concat()), segment, info, tracks].concat()
    }

    /// A cluster with one frame.
    fn cluster(&self, time_ms: u64, frame: &Image, pipe: &mut impl Write) -> std::io::Result<()> {
        let (width, height) = self.stored();
        let time = number(0xe7, time_ms);
        let block_size = 4 + width * height * 3;
        let block_head = [&[0xa3][..], &size(block_size), &[0x81, 0, 0, 0x80]].concat();
        let cluster_size = time.len() + block_head.len() + block_size - 4;
        let head = [&0x1f43_b675u32.to_be_bytes()[..], &size(cluster_size)].concat();
        for bytes in [head, time, block_head] {
            pipe.write_all(&bytes)?;
        }
        let row_bytes = frame.width() as usize * 3;
        let rows = frame.rgb().chunks_exact(row_bytes);
        let last = frame.rgb().len() - row_bytes;
        let repeated = std::iter::repeat(&frame.rgb()[last..]);
        for row in rows.chain(repeated).take(height) {
            pipe.write_all(row)?;
            if width * 3 > row_bytes {
                pipe.write_all(&row[row_bytes - 3..])?;
            }
        }
        Ok(())
    }
}

fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let id: Vec<u8> = id
        .to_be_bytes()
        .into_iter()
        .skip_while(|b| *b == 0)
        .collect();
    [&id[..], &size(content.len()), content].concat()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A size in eight bytes.
fn size(bytes: usize) -> [u8; 8] {
    (1 << 56 | bytes as u64).to_be_bytes()
}

/// Has a video decoded to its end by ffmpeg, which finds damage that other decoders take for
/// pictures. Gives when its first frame is shown, in milliseconds from the file's start: sound may
/// begin before it.
///
/// # Errors
/// [`VideoError::Damaged`] with the number of complaints; as [`Encoder::start`].
pub fn checked_start_ms(path: &Path, limits: &VideoLimits) -> Result<u64, VideoError> {
    let mut arguments = reading(path);
    let rest = "-map 0:V:0 -fps_mode passthrough -enc_time_base 1/1000 -flush_packets 1 \
                -f framecrc pipe:1";
    arguments.extend(rest.split_whitespace().map(OsString::from));
    let (process, (_, pipe)) = Process::start(&arguments, false, limits.max_wait)?;
    let mut start_ms = None;
    for line in BufReader::new(pipe).lines() {
        // `stream, dts, pts, …`, after lines with a number sign.
        let line = line?;
        if start_ms.is_none() && !line.starts_with('#') {
            start_ms = line
                .split(',')
                .nth(2)
                .and_then(|time| time.trim().parse().ok());
        }
    }
    let said = process.finish()?;
    match said.is_empty() {
        true => Ok(start_ms.unwrap_or(0)),
        false => Err(VideoError::Damaged(said.split("; ").count() as u64)),
    }
}
