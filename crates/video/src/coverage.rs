//! What is covered in every frame. In: the faces that were found in each frame of a video, and how
//! much each is like somebody to keep. Out: boxes to cover and boxes to keep, for each frame.
//! Knows nothing of pixels, and of who anybody is.
//!
//! A detector misses faces in some frames, and in those they must not be seen. So faces are joined
//! to tracks, forwards and backwards in time; between two frames of a track where the face was
//! found it is covered where it must have been; and before the first and after the last of them for
//! a while, wherever it may have moved.

use fusiform_face::geometry::{BoundingBox, Point};

use crate::tracker::{Tracker, TrackerOptions};

/// How much a face is like somebody to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Nobody can be recognised by it.
    Unclear,
    /// It is somebody else.
    Other,
    /// Perhaps.
    Unsure,
    /// Yes.
    Same,
}

/// A face that was found in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceSeen {
    /// Where, in pixels of the upright frame.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// Whether it is somebody to keep.
    pub likeness: Likeness,
}

/// A frame that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameSeen {
    /// When it is shown, in milliseconds from the first.
    pub time_ms: u64,
    /// As [`Frame::scene`](crate::Frame::scene).
    pub scene: u64,
    /// Everything that may be a face.
    pub faces: Vec<FaceSeen>,
}

/// How long faces are covered where they were not found.
#[derive(Debug, Clone, PartialEq)]
pub struct CoverageOptions {
    /// Before a face was found first, and after it was found last.
    pub margin_ms: u64,
    /// The same for a face that was found only for a moment and not for sure: most are no faces.
    pub doubtful_margin_ms: u64,
    /// Longest time between two frames of one track.
    pub bridged_ms: u64,
    /// Score from which on a face is found for sure.
    pub sure_score: f32,
    /// Score from which on a box is covered even if it is found in one frame alone; a weaker one
    /// counts if it is where one is in other frames.
    pub cover_score: f32,
    /// Frames around one that must agree on whom it shows: so long before and after.
    pub agreeing_ms: u64,
    /// So many of them at least must be sure.
    pub min_agreeing: usize,
}

impl Default for CoverageOptions {
    /// 1 second, 0.2 seconds, 2 seconds, 0.6, 0.3, half a second, 3 frames.
    fn default() -> CoverageOptions {
        CoverageOptions {
            margin_ms: 1000,
            doubtful_margin_ms: 200,
            bridged_ms: 2000,
            sure_score: 0.6,
            cover_score: 0.3,
            agreeing_ms: 500,
            min_agreeing: 3,
        }
    }
}

/// What becomes of a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrameCover {
    /// Boxes of faces to cover.
    pub covered: Vec<BoundingBox>,
    /// Boxes of faces to keep.
    pub kept: Vec<BoundingBox>,
}

/// What becomes of a video.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Coverage {
    /// One for each frame.
    pub frames: Vec<FrameCover>,
    /// Faces passing by that are covered in all frames.
    pub n_covered_tracks: usize,
    /// Those that are kept in some.
    pub n_kept_tracks: usize,
    /// Boxes where no face was found.
    pub n_bridged: usize,
}

/// Where a face was found: which frame, which face of it.
type Place = (usize, usize);

/// Places a covered face may have moved to, between two ends, at most.
const MAX_SWEPT: usize = 12;
/// Frames in which weak boxes must be where a face would be.
const MIN_PLACES: usize = 3;
/// So long a face must be found, if not for sure, not to be there for a moment only.
const MOMENT_MS: u64 = 300;
/// Time that counts between two frames, at most: also where they are far apart a face may be missed
/// in one of them. So every time in the options is so many frames at least.
const MAX_STEP_MS: u64 = 250;
/// A face's motion is measured over so long.
const MOTION_MS: u64 = 400;
/// Sides by which a box grows in a second in which the face is not found.
const GROWTH: f32 = 0.6;
/// Boxes between two that were found are so much larger.
const BETWEEN: f32 = 1.2;
/// Overlap (IoU) from which on a box is covered already.
const COVERED_IOU: f32 = 0.9;
/// Overlap (IoU) of two faces in a frame, from which on neither is beyond doubt.
const CROSSING_IOU: f32 = 0.1;

/// What is to be covered. A face is kept only in frames in which it was found and is like somebody
/// to keep, and with which the frames around agree.
///
/// Where a scene ends, tracks end and nothing is covered beyond it; unless one of the two scenes is
/// shorter than the margin: what looks like a cut may be a flash, and a face that is lost in it is
/// the same before and after.
pub fn coverage(frames: &[FrameSeen], options: &CoverageOptions) -> Coverage {
    let mut found = Coverage {
        frames: vec![FrameCover::default(); frames.len()],
        ..Coverage::default()
    };
    let counted = counted(frames);
    for scene in scenes(frames, options.margin_ms) {
        Scene {
            frames: &counted[scene.clone()],
            film: &frames[scene.clone()],
            options,
        }
        .cover(&mut found, scene.start);
    }
    found
}

/// The frames with the times that count.
fn counted(frames: &[FrameSeen]) -> Vec<FrameSeen> {
    let (mut before_ms, mut time_ms) = (0, 0);
    let count = |frame: &FrameSeen| {
        time_ms += frame.time_ms.saturating_sub(before_ms).min(MAX_STEP_MS);
        before_ms = frame.time_ms;
        FrameSeen {
            time_ms,
            ..frame.clone()
        }
    };
    frames.iter().map(count).collect()
}

/// The frames of each scene that counts as one.
fn scenes(frames: &[FrameSeen], margin_ms: u64) -> Vec<std::ops::Range<usize>> {
    let cuts = (1..frames.len()).filter(|&n| frames[n].scene != frames[n - 1].scene);
    let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([frames.len()]).collect();
    let time = |n: usize| frames.get(n).or(frames.last()).map_or(0, |f| f.time_ms);
    let is_long = |w: &[usize]| time(w[1]) - time(w[0]) >= margin_ms;
    let long: Vec<bool> = bounds.windows(2).map(is_long).collect();
    let mut scenes = Vec::new();
    let mut start = 0;
    for n in 1..bounds.len() {
        let is_last = n + 1 == bounds.len();
        if is_last || (long[n - 1] && long[n]) {
            scenes.push(start..bounds[n]);
            start = bounds[n];
        }
    }
    scenes
}

struct Scene<'a> {
    /// With the times that count.
    frames: &'a [FrameSeen],
    /// With the times of the film.
    film: &'a [FrameSeen],
    options: &'a CoverageOptions,
}

impl Scene<'_> {
    fn face(&self, (frame, face): Place) -> &FaceSeen {
        &self.frames[frame].faces[face]
    }

    fn time_ms(&self, place: Place) -> u64 {
        self.frames[place.0].time_ms
    }

    fn cover(&self, found: &mut Coverage, offset: usize) {
        let (forwards, backwards) = (self.tracks(false), self.tracks(true));
        let mut kept: Vec<Vec<bool>> = self
            .frames
            .iter()
            .map(|frame| vec![false; frame.faces.len()])
            .collect();
        let mut is_face = kept.clone();
        for (frame, face) in forwards.iter().chain(&backwards).flatten() {
            is_face[*frame][*face] = true;
        }
        for track in &forwards {
            let mut is_kept = false;
            for n in 0..track.len() {
                if self.is_beyond_doubt(track, n) {
                    let (frame, face) = track[n];
                    kept[frame][face] = true;
                    is_kept = true;
                }
            }
            match is_kept {
                true => found.n_kept_tracks += 1,
                false => found.n_covered_tracks += 1,
            }
        }
        let frames = &mut found.frames[offset..][..self.frames.len()];
        for (n, frame) in self.frames.iter().enumerate() {
            for (at, face) in frame.faces.iter().enumerate() {
                match (kept[n][at], is_face[n][at]) {
                    (true, _) => frames[n].kept.push(face.bbox),
                    (false, true) => frames[n].covered.push(face.bbox),
                    (false, false) => {}
                }
            }
        }
        let mut add = |frame: usize, bbox: BoundingBox| {
            let covered = &mut frames[frame].covered;
            if !covered.iter().any(|known| known.iou(&bbox) > COVERED_IOU) {
                covered.push(bbox);
                found.n_bridged += 1;
            }
        };
        for track in forwards.iter().chain(&backwards) {
            self.bridge(track, &mut add);
            let is_kept = |(frame, face): Place| kept[frame][face];
            self.extend(track, is_kept, &mut add);
        }
    }

    fn best_score(&self, track: &[Place]) -> f32 {
        let scores = track.iter().map(|place| self.face(*place).score);
        scores.fold(0.0, f32::max)
    }

    /// Faces passing by, each with its places in the order of time.
    fn tracks(&self, backwards: bool) -> Vec<Vec<Place>> {
        let mut tracker = Tracker::new(TrackerOptions {
            lost_after_ms: self.options.bridged_ms,
            // Every face that is covered begins a track.
            sure_score: 0.0,
            ..TrackerOptions::default()
        });
        let last_ms = self.frames.last().map_or(0, |frame| frame.time_ms);
        let mut tracks: Vec<Vec<Place>> = Vec::new();
        for n in 0..self.frames.len() {
            let n = if backwards {
                self.frames.len() - 1 - n
            } else {
                n
            };
            let frame = &self.frames[n];
            let time_ms = match backwards {
                true => last_ms - frame.time_ms,
                false => frame.time_ms,
            };
            let boxes: Vec<_> = frame.faces.iter().map(|f| (f.bbox, f.score)).collect();
            for seen in tracker.step(time_ms, &boxes) {
                let track = seen.track as usize;
                if track >= tracks.len() {
                    tracks.resize(track + 1, Vec::new());
                }
                tracks[track].push((n, seen.face));
            }
        }
        if backwards {
            tracks.iter_mut().for_each(|track| track.reverse());
        }
        tracks.retain(|track| {
            track.len() >= MIN_PLACES || self.best_score(track) >= self.options.cover_score
        });
        tracks
    }

    /// Whether a place of a track shows somebody to keep, by itself and by those around it.
    fn is_beyond_doubt(&self, track: &[Place], n: usize) -> bool {
        let here = self.face(track[n]);
        let may_be = matches!(here.likeness, Likeness::Same | Likeness::Unsure);
        if !may_be || self.is_crossed(track[n]) {
            return false;
        }
        // Time that counts less lets more be covered; here it would let more be kept.
        let time_ms = |place: Place| self.film[place.0].time_ms;
        let here_ms = time_ms(track[n]);
        let is_near =
            |place: &&Place| time_ms(**place).abs_diff(here_ms) <= self.options.agreeing_ms;
        let before = track[..n].iter().rev().take_while(is_near);
        let after = track[n..].iter().take_while(is_near);
        let (mut same, mut unsure) = (0, 0);
        for place in before.chain(after) {
            match self.face(*place).likeness {
                Likeness::Same => same += 1,
                Likeness::Unsure => unsure += 1,
                Likeness::Other => return false,
                Likeness::Unclear => {}
            }
        }
        same >= self.options.min_agreeing && same > unsure
    }

    /// Whether another face of the frame overlaps this one, and this one is not sure by itself.
    fn is_crossed(&self, (frame, face): Place) -> bool {
        let here = self.face((frame, face));
        let others = self.frames[frame].faces.iter().enumerate();
        let crosses =
            |(n, other): (usize, &FaceSeen)| n != face && other.bbox.iou(&here.bbox) > CROSSING_IOU;
        here.likeness != Likeness::Same && others.into_iter().any(crosses)
    }

    /// Covers a face in the frames between those where it was found.
    fn bridge(&self, track: &[Place], add: &mut impl FnMut(usize, BoundingBox)) {
        for pair in track.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (from_ms, to_ms) = (self.time_ms(from), self.time_ms(to));
            let (a, b) = (self.face(from).bbox, self.face(to).bbox);
            for frame in from.0 + 1..to.0 {
                let passed = self.frames[frame].time_ms - from_ms;
                let part = passed as f32 / (to_ms - from_ms).max(1) as f32;
                let mixed = mixed(&a, &b, part);
                // A long time leaves room for other ways than the straight one.
                let seconds = part.min(1.0 - part) * (to_ms - from_ms) as f32 / 1000.0;
                add(frame, mixed.resized(BETWEEN + GROWTH * seconds));
            }
        }
    }

    /// Covers a face before it was found first and after it was found last, but for an end at which
    /// it is kept.
    fn extend(
        &self,
        track: &[Place],
        is_kept: impl Fn(Place) -> bool,
        add: &mut impl FnMut(usize, BoundingBox),
    ) {
        let (Some(&first), Some(&last)) = (track.first(), track.last()) else {
            return;
        };
        let is_brief = self.time_ms(last) - self.time_ms(first) < MOMENT_MS;
        let is_sure = !is_brief || self.best_score(track) >= self.options.sure_score;
        let margin_ms = match is_sure {
            true => self.options.margin_ms,
            false => self.options.doubtful_margin_ms,
        };
        let mut beyond = |end: Place,
                          towards_end: &[Place],
                          frames: &mut dyn Iterator<Item = usize>| {
            if is_kept(end) {
                return;
            }
            let velocity = self.velocity(towards_end);
            let bbox = self.face(end).bbox;
            let apart_ms = |frame: usize| self.frames[frame].time_ms.abs_diff(self.time_ms(end));
            for frame in frames.take_while(|frame| apart_ms(*frame) <= margin_ms) {
                for moved in swept(&bbox, velocity, apart_ms(frame) as f32 / 1000.0) {
                    add(frame, moved);
                }
            }
        };
        let reversed: Vec<Place> = track.iter().rev().copied().collect();
        beyond(first, &reversed, &mut (0..first.0).rev());
        beyond(last, track, &mut (last.0 + 1..self.frames.len()));
    }

    /// How a face moves beyond the last of its places, in pixels a second.
    fn velocity(&self, places: &[Place]) -> Point {
        let still = Point { x: 0.0, y: 0.0 };
        let Some((&end, before)) = places.split_last() else {
            return still;
        };
        let apart_ms = |place: Place| self.time_ms(place).abs_diff(self.time_ms(end));
        let near = before
            .iter()
            .rev()
            .take_while(|p| apart_ms(**p) <= MOTION_MS);
        let Some(&from) = near.last() else {
            return still;
        };
        let seconds = apart_ms(from).max(1) as f32 / 1000.0;
        let (a, b) = (self.face(from).bbox.center(), self.face(end).bbox.center());
        Point {
            x: (b.x - a.x) / seconds,
            y: (b.y - a.y) / seconds,
        }
    }
}

fn mixed(a: &BoundingBox, b: &BoundingBox, part: f32) -> BoundingBox {
    let (a, b) = (a.as_array(), b.as_array());
    BoundingBox::from_array(std::array::from_fn(|n| a[n] + (b[n] - a[n]) * part))
}

/// Where a face may be after so many seconds: from where it stood to where it was going.
fn swept(bbox: &BoundingBox, velocity: Point, seconds: f32) -> impl Iterator<Item = BoundingBox> {
    let grown = bbox.resized(1.0 + GROWTH * seconds);
    let (x, y) = (velocity.x * seconds, velocity.y * seconds);
    let side = bbox.width().min(bbox.height()).max(1.0);
    let steps = ((x.hypot(y) / side * 2.0).ceil() as usize).clamp(1, MAX_SWEPT);
    (0..=steps).map(move |n| {
        let part = n as f32 / steps as f32;
        grown.shifted(x * part, y * part)
    })
}

#[cfg(test)]
mod tests;
