//! Matroska and WebM (RFC 9559).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use fusiform_face::image::{Orientation, contain};
use matroska_demuxer::{Frame, MatroskaFile as Demuxer, TrackType};

use super::track::{Sample, Track};
use crate::codec::Codec;
use crate::error::VideoError;
use crate::limits::VideoLimits;

pub(crate) struct MatroskaFile {
    demuxer: Demuxer<Near>,
    track: Track,
    number: u64,
    /// Nanoseconds of one unit of time.
    scale_ns: u64,
    n_samples: u64,
    /// Time of the first sample, from which the others count.
    first: Option<u64>,
    limits: VideoLimits,
}

impl MatroskaFile {
    pub(super) fn open(
        file: BufReader<File>,
        limits: &VideoLimits,
    ) -> Result<MatroskaFile, VideoError> {
        let near = Near {
            size: file.get_ref().metadata()?.len(),
            file,
            most: limits.max_sample_bytes,
        };
        let demuxer = contained(|| Demuxer::open(near))?;
        let scale_ns = demuxer.info().timestamp_scale().get();
        let mut others = Vec::new();
        let mut chosen = None;
        for entry in demuxer.tracks() {
            if entry.track_type() != TrackType::Video {
                others.push(entry.codec_id().to_owned());
                continue;
            }
            let codec = match entry.codec_id() {
                "V_MPEG4/ISO/AVC" => Codec::H264,
                "V_MPEGH/ISO/HEVC" => Codec::H265,
                other => return Err(VideoError::Codec(other.to_owned())),
            };
            chosen = Some((codec, entry.track_number().get(), entry.codec_private()));
            break;
        }
        let Some((codec, number, config)) = chosen else {
            return Err(VideoError::NoVideo(match others.is_empty() {
                true => "an empty list of tracks".to_owned(),
                false => others.join(", "),
            }));
        };
        let duration_ns = demuxer.info().duration().unwrap_or(0.0) * scale_ns as f64;
        let track = Track {
            codec,
            config: config.unwrap_or_default().to_vec(),
            orientation: Orientation::Upright,
            duration_ms: (duration_ns / 1e6) as u64,
            shown_ms: 0..u64::MAX,
        };
        Ok(MatroskaFile {
            demuxer,
            track,
            number,
            scale_ns,
            n_samples: 0,
            first: None,
            limits: limits.clone(),
        })
    }

    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    pub(super) fn next(&mut self) -> Result<Option<Sample>, VideoError> {
        let mut frame = Frame::default();
        while contained(|| self.demuxer.next_frame(&mut frame))? {
            if frame.track != self.number {
                continue;
            }
            self.n_samples += 1;
            VideoError::above("samples:", self.n_samples, self.limits.max_samples)?;
            let bytes = std::mem::take(&mut frame.data);
            let most = self.limits.max_sample_bytes;
            VideoError::above("a sample of so many bytes:", bytes.len() as u64, most)?;
            let first = *self.first.get_or_insert(frame.timestamp);
            let time = frame.timestamp.saturating_sub(first);
            let time_ns = u128::from(time) * u128::from(self.scale_ns);
            return Ok(Some(Sample {
                bytes,
                time_ms: u64::try_from(time_ns / 1_000_000).unwrap_or(u64::MAX),
            }));
        }
        Ok(None)
    }
}

/// A file of which the demultiplexer, which allocates as much as is left of it, sees no more than
/// the largest sample: a sparse file is as long as it says, whatever it holds.
struct Near {
    file: BufReader<File>,
    size: u64,
    most: u64,
}

impl Read for Near {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Near {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let here = self.file.stream_position()?;
        let to = match to {
            SeekFrom::Start(to) => to,
            SeekFrom::Current(ahead) => here.saturating_add_signed(ahead),
            SeekFrom::End(ahead) => {
                let end = self.size.saturating_add_signed(ahead);
                end.min(here.saturating_add(self.most))
            }
        };
        // The demultiplexer goes behind an element first and back into it then; one of unknown size
        // (RFC 8794, 6.2), as live streams have, ends farther than a system can seek.
        let to = to.min(self.size);
        let ahead = i128::from(to) - i128::from(here);
        match i64::try_from(ahead) {
            // Keeps what is in the buffer.
            Ok(ahead) => self.file.seek_relative(ahead)?,
            Err(_) => _ = self.file.seek(SeekFrom::Start(to))?,
        }
        Ok(to)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        self.file.stream_position()
    }
}

/// A panic of the demultiplexer is a broken file.
fn contained<T>(
    work: impl FnOnce() -> Result<T, matroska_demuxer::DemuxError>,
) -> Result<T, VideoError> {
    contain(work)
        .map_err(|why| VideoError::Container(format!("its elements contradict: {why}")))?
        // Its text is empty for some errors.
        .map_err(|error| VideoError::Container(format!("{error:?}")))
}
