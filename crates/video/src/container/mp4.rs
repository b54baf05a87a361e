//! MP4 and MOV (ISO/IEC 14496-12, QuickTime File Format), also in fragments. The tables are read by
//! `re_mp4`, which trusts the numbers in them: they are counted before.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

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
        let (mut track, edit, samples) = video_track(&parsed)?;
        let times = || samples.iter().map(|s| s.composition_timestamp);
        let first = times().min();
        if let (Some(edit), Some(first), Some(sample)) = (edit, first, samples.first()) {
            let ms = |time: i64| milliseconds(time.abs_diff(first), sample.timescale);
            // What is shown first counts, where the edit begins between two frames.
            let shown = times().filter(|time| edit.contains(time)).min();
            if let Some(shown) = shown {
                let end = (edit.end > shown && edit.end < i64::MAX).then(|| ms(edit.end));
                track.shown_ms = ms(shown)..end.unwrap_or(u64::MAX);
            }
        }
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
        Ok(Some(Sample {
            bytes,
            time_ms: milliseconds(time, sample.timescale),
        }))
    }
}

fn milliseconds(time: u64, timescale: u64) -> u64 {
    let time_ms = u128::from(time) * 1000 / u128::from(timescale.max(1));
    u64::try_from(time_ms).unwrap_or(u64::MAX)
}

/// Which times of a track are shown, by its edit list (ISO/IEC 14496-12, 8.6.6), in the track's
/// units. Edits that only delay it change nothing here; of several the whole span counts.
fn edited(parsed: &Mp4, trak: &re_mp4::TrakBox, track: &re_mp4::Track) -> Option<Range<i64>> {
    let list = trak.edts.as_ref()?.elst.as_ref()?;
    // The reader made the first time zero: edits count from the first sample's decoding, before the
    // offsets of `ctts`. In fragments that is not known, and all is shown.
    let first = track.samples.first().filter(|_| parsed.moofs.is_empty())?;
    let offsets = trak
        .mdia
        .minf
        .stbl
        .ctts
        .iter()
        .flat_map(|ctts| &ctts.entries);
    let least = offsets.map(|entry| i64::from(entry.sample_offset)).min();
    let start_of_zero = -first.decode_timestamp - (-least.unwrap_or(0)).max(0);
    let mut shown: Option<Range<i64>> = None;
    for edit in &list.entries {
        // -1, in 32 or 64 bits: nothing is shown for that long.
        if edit.media_time == u64::MAX || edit.media_time == u64::from(u32::MAX) {
            continue;
        }
        let start = i64::try_from(edit.media_time)
            .ok()?
            .checked_sub(start_of_zero)?;
        // Zero, in fragmented files: to the end.
        let length = u128::from(edit.segment_duration) * u128::from(track.timescale)
            / u128::from(parsed.moov.mvhd.timescale.max(1));
        let end = match length {
            0 => i64::MAX,
            length => start.saturating_add(i64::try_from(length).unwrap_or(i64::MAX)),
        };
        shown = Some(match shown {
            None => start..end,
            Some(known) => known.start.min(start)..known.end.max(end),
        });
    }
    shown
}

/// A track, which of its times are shown, and its samples.
type Chosen = (Track, Option<Range<i64>>, Vec<re_mp4::Sample>);

/// The first track of moving pictures.
fn video_track(parsed: &Mp4) -> Result<Chosen, VideoError> {
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
        let track = Track {
            codec,
            config: found.raw_codec_config(parsed).unwrap_or_default(),
            orientation: Orientation::from_exif(orientation).unwrap_or(Orientation::Upright),
            duration_ms: milliseconds(found.duration, found.timescale),
            shown_ms: 0..u64::MAX,
        };
        let edit = edited(parsed, trak, found);
        return Ok((track, edit, found.samples.clone()));
    }
    others.retain(|name| !name.is_empty());
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
