//! MP4 and MOV (ISO/IEC 14496-12, QuickTime File Format), also in fragments. The tables are read by
//! `re_mp4`, which trusts the numbers in them: they are counted before.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use fusiform_face::image::{Orientation, contain};
use re_mp4::{Mp4, StsdBoxContent, TrackKind};

use super::track::{Sample, Track};
use crate::codec::Codec;
use crate::error::VideoError;
use crate::limits::VideoLimits;

pub(crate) struct Mp4File {
    file: BufReader<File>,
    track: Track,
    samples: std::vec::IntoIter<re_mp4::Sample>,
    /// The first time at which something is shown, from which the others count.
    first: i64,
    max_sample_bytes: u64,
}

impl Mp4File {
    pub(super) fn open(
        mut file: BufReader<File>,
        limits: &VideoLimits,
    ) -> Result<Mp4File, VideoError> {
        let size = file.get_ref().metadata()?.len();
        let mut counted = Counted::default();
        let whole = counted.boxes(&mut file, size, 0, limits)?;
        file.seek(SeekFrom::Start(0))?;
        let parsed = contain(|| Mp4::read(&mut file, whole))
            .map_err(|why| VideoError::Container(format!("its tables contradict: {why}")))?
            .map_err(|error| VideoError::Container(error.to_string()))?;
        let (track, samples) = video_track(&parsed)?;
        let first = samples.iter().map(|s| s.composition_timestamp).min();
        Ok(Mp4File {
            file,
            track,
            first: first.unwrap_or(0),
            samples: samples.into_iter(),
            max_sample_bytes: limits.max_sample_bytes,
        })
    }

    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    pub(super) fn next(&mut self) -> Result<Option<Sample>, VideoError> {
        let Some(sample) = self.samples.next() else {
            return Ok(None);
        };
        VideoError::above(
            "a sample of so many bytes:",
            sample.size,
            self.max_sample_bytes,
        )?;
        self.file.seek(SeekFrom::Start(sample.offset))?;
        let mut bytes = Vec::with_capacity(sample.size as usize);
        self.file
            .by_ref()
            .take(sample.size)
            .read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < sample.size {
            return Err(VideoError::Container(
                "the file ends within a frame".to_owned(),
            ));
        }
        let time = sample.composition_timestamp.abs_diff(self.first);
        let time_ms = u128::from(time) * 1000 / u128::from(sample.timescale.max(1));
        Ok(Some(Sample {
            bytes,
            time_ms: u64::try_from(time_ms).unwrap_or(u64::MAX),
        }))
    }
}

/// The first track of moving pictures, and its samples.
fn video_track(parsed: &Mp4) -> Result<(Track, Vec<re_mp4::Sample>), VideoError> {
    let mut others = Vec::new();
    for found in parsed.tracks().values() {
        let trak = found.trak(parsed);
        let codec = match &trak.mdia.minf.stbl.stsd.contents {
            StsdBoxContent::Avc1(_) => Codec::H264,
            StsdBoxContent::Hvc1(_) | StsdBoxContent::Hev1(_) => Codec::H265,
            _ if found.kind == Some(TrackKind::Video) => {
                let name = found.codec_string(parsed);
                return Err(VideoError::Codec(
                    name.unwrap_or("of an unknown kind".to_owned()),
                ));
            }
            StsdBoxContent::Unknown(name) => {
                others.push(name.to_string());
                continue;
            }
            _ => {
                others.push(found.codec_string(parsed).unwrap_or_default());
                continue;
            }
        };
        let matrix = &trak.tkhd.matrix;
        let one = 1 << 16;
        let orientation = match (
            matrix.a / one,
            matrix.b / one,
            matrix.c / one,
            matrix.d / one,
        ) {
            (0, 1, -1, 0) => 6,
            (-1, 0, 0, -1) => 3,
            (0, -1, 1, 0) => 8,
            _ => 1,
        };
        let duration = u128::from(found.duration) * 1000 / u128::from(found.timescale.max(1));
        let track = Track {
            codec,
            config: found.raw_codec_config(parsed).unwrap_or_default(),
            orientation: Orientation::from_exif(orientation).unwrap_or(Orientation::Upright),
            duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
        };
        return Ok((track, found.samples.clone()));
    }
    Err(VideoError::NoVideo(match others.is_empty() {
        true => "an empty list of tracks".to_owned(),
        false => others.join(", "),
    }))
}

/// How many samples the file's tables speak of.
#[derive(Default)]
struct Counted {
    samples: u64,
}

/// Boxes within boxes are looked into so deep: moov, trak, mdia, minf, stbl.
const MAX_DEPTH: usize = 6;

impl Counted {
    /// Walks the boxes up to `end`, counting samples, before anything is allocated for them. Gives
    /// where the last whole one ends: a file may be cut behind its tables.
    fn boxes(
        &mut self,
        file: &mut BufReader<File>,
        end: u64,
        depth: usize,
        limits: &VideoLimits,
    ) -> Result<u64, VideoError> {
        loop {
            let start = file.stream_position()?;
            if start + 8 > end {
                return Ok(start);
            }
            let size = u64::from(u32_at(file)?);
            let mut name = [0; 4];
            file.read_exact(&mut name)?;
            let (header, size) = match size {
                0 => (8, end - start),
                1 => {
                    let high = u64::from(u32_at(file)?);
                    (16, high << 32 | u64::from(u32_at(file)?))
                }
                _ => (8, size),
            };
            let after = start.checked_add(size).filter(|after| *after <= end);
            let Some(after) = after.filter(|_| size >= header) else {
                if depth == 0 && self.samples > 0 {
                    return Ok(start);
                }
                return Err(VideoError::Container(format!(
                    "the box {:?} at byte {start} has {size} bytes and does not fit",
                    String::from_utf8_lossy(&name)
                )));
            };
            match &name {
                b"moov" | b"moof" => {
                    let most = limits.max_sample_bytes;
                    VideoError::above("tables of so many bytes:", size, most)?;
                    self.boxes(file, after, depth + 1, limits)?;
                }
                b"trak" | b"mdia" | b"minf" | b"stbl" | b"traf" if depth < MAX_DEPTH => {
                    self.boxes(file, after, depth + 1, limits)?;
                }
                b"stsz" if size >= header + 12 => {
                    file.seek_relative(8)?;
                    self.samples += u64::from(u32_at(file)?);
                }
                b"trun" if size >= header + 8 => {
                    file.seek_relative(4)?;
                    self.samples += u64::from(u32_at(file)?);
                }
                _ => {}
            }
            VideoError::above("samples:", self.samples, limits.max_samples)?;
            file.seek(SeekFrom::Start(after))?;
        }
    }
}

fn u32_at(file: &mut impl Read) -> Result<u32, VideoError> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}
