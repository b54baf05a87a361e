//! Faces that pass by. In: boxes of one frame after the other, with scores. Out: which boxes are
//! one face, by where it was and how it moved. Knows nothing of what faces look like.
//!
//! Association in two rounds, sure boxes first, as in ByteTrack (Zhang et al., 2022); where a face
//! should be now comes from a Kalman filter (Kalman, 1960) of constant velocity for each of middle
//! and sides. Numbers count from 0 within one tracker and mean nothing beyond it.

use fusiform_face::geometry::{BoundingBox, Point};

/// When boxes are one face.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerOptions {
    /// A face that was not seen for so long has gone.
    pub lost_after_ms: u64,
    /// Boxes scored at least so high are matched first, and alone begin a track.
    pub sure_score: f32,
    /// Least overlap (IoU) of where a face should be and a box, both enlarged by half of their
    /// sides: between frames a face may move by its own width.
    pub min_overlap: f32,
}

impl Default for TrackerOptions {
    /// 1.5 seconds, 0.6, 0.15.
    fn default() -> TrackerOptions {
        TrackerOptions {
            lost_after_ms: 1500,
            sure_score: 0.6,
            min_overlap: 0.15,
        }
    }
}

/// A box that belongs to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which box of the frame.
    pub face: usize,
    /// The track's number.
    pub track: u64,
}

/// The faces in view.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    options: TrackerOptions,
    tracks: Vec<Track>,
    begun: u64,
}

#[derive(Debug, Clone)]
struct Track {
    number: u64,
    seen_ms: u64,
    /// Middle x, y, width, height.
    motion: [Motion; 4],
}

/// How large boxes are made before their overlap is taken.
const ENLARGED: f32 = 1.5;

impl Tracker {
    /// A tracker with no face in view.
    pub fn new(options: TrackerOptions) -> Tracker {
        Tracker {
            options,
            ..Tracker::default()
        }
    }

    /// Ends every track: the next frame shows another scene.
    pub fn end_all(&mut self) {
        self.tracks.clear();
    }

    /// Tracks that go on though the frame of that time does not show them, and where they should
    /// be.
    pub fn unseen(&self, time_ms: u64) -> impl Iterator<Item = (u64, BoundingBox)> + '_ {
        let unseen = self.tracks.iter().filter(move |t| t.seen_ms < time_ms);
        unseen.map(move |track| (track.number, track.expected(time_ms)))
    }

    /// The boxes of the next frame that belong to a track, in their order; one without is too
    /// unsure to begin one.
    ///
    /// # Units
    /// Pixels of one frame size, milliseconds that do not decrease.
    pub fn step(&mut self, time_ms: u64, faces: &[(BoundingBox, f32)]) -> Vec<Seen> {
        let lost_after_ms = self.options.lost_after_ms;
        self.tracks
            .retain(|track| time_ms.saturating_sub(track.seen_ms) <= lost_after_ms);
        let expected: Vec<BoundingBox> = self.tracks.iter().map(|t| t.expected(time_ms)).collect();
        let mut of_face = vec![None; faces.len()];
        let mut taken = vec![false; self.tracks.len()];
        for sure in [true, false] {
            let mut pairs = Vec::new();
            for (face, (bbox, score)) in faces.iter().enumerate() {
                if of_face[face].is_some() || (*score >= self.options.sure_score) != sure {
                    continue;
                }
                for (track, expected) in expected.iter().enumerate() {
                    let overlap = expected.resized(ENLARGED).iou(&bbox.resized(ENLARGED));
                    if !taken[track] && overlap >= self.options.min_overlap {
                        pairs.push((overlap, face, track));
                    }
                }
            }
            pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
            for (_, face, track) in pairs {
                if of_face[face].is_none() && !taken[track] {
                    of_face[face] = Some(track);
                    taken[track] = true;
                }
            }
        }
        let mut seen = Vec::with_capacity(faces.len());
        for (face, (bbox, score)) in faces.iter().enumerate() {
            let track = match of_face[face] {
                Some(track) => {
                    self.tracks[track].seen(time_ms, bbox);
                    &self.tracks[track]
                }
                None if *score >= self.options.sure_score => {
                    self.tracks.push(Track::begin(self.begun, time_ms, bbox));
                    self.begun += 1;
                    &self.tracks[self.tracks.len() - 1]
                }
                None => continue,
            };
            seen.push(Seen {
                face,
                track: track.number,
            });
        }
        seen
    }
}

impl Track {
    fn begin(number: u64, time_ms: u64, bbox: &BoundingBox) -> Track {
        Track {
            number,
            seen_ms: time_ms,
            motion: measured(bbox).map(Motion::at),
        }
    }

    fn expected(&self, time_ms: u64) -> BoundingBox {
        let seconds = seconds(self.seen_ms, time_ms);
        let [x, y, width, height] = self.motion.map(|m| m.position + m.velocity * seconds);
        // A face does not shrink to nothing while it is not seen.
        let least = |side: f32, seen: &Motion| side.max(seen.position / 2.0);
        let (width, height) = (
            least(width, &self.motion[2]),
            least(height, &self.motion[3]),
        );
        BoundingBox::around(Point { x, y }, width, height)
    }

    fn seen(&mut self, time_ms: u64, bbox: &BoundingBox) {
        let seconds = seconds(self.seen_ms, time_ms);
        let side = bbox.width().max(bbox.height()).max(1.0);
        for (motion, measured) in self.motion.iter_mut().zip(measured(bbox)) {
            motion.update(seconds, measured, side);
        }
        self.seen_ms = time_ms;
    }
}

fn measured(bbox: &BoundingBox) -> [f32; 4] {
    let middle = bbox.center();
    [middle.x, middle.y, bbox.width(), bbox.height()]
}

fn seconds(from_ms: u64, to_ms: u64) -> f32 {
    to_ms.saturating_sub(from_ms) as f32 / 1000.0
}

/// A number that changes at a rate: a Kalman filter of two states. Variances are in squares of the
/// box's longer side.
#[derive(Debug, Clone, Copy)]
struct Motion {
    position: f32,
    velocity: f32,
    /// Variance of the position, covariance, variance of the velocity.
    variance: [f32; 3],
}

/// Deviation of a box's measure from the truth, in sides.
const MEASURED: f32 = 0.08;
/// Deviation of the first velocity, in sides a second.
const FIRST_VELOCITY: f32 = 2.0;
/// How much a face's velocity changes in a second, in sides a second.
const CHANGE: f32 = 3.0;

impl Motion {
    fn at(position: f32) -> Motion {
        Motion {
            position,
            velocity: 0.0,
            variance: [MEASURED * MEASURED, 0.0, FIRST_VELOCITY * FIRST_VELOCITY],
        }
    }

    fn update(&mut self, seconds: f32, measured: f32, side: f32) {
        let [mut p, mut c, mut v] = self.variance;
        let q = CHANGE * CHANGE * seconds;
        p += 2.0 * seconds * c + seconds * seconds * v + q * seconds * seconds / 3.0;
        c += seconds * v + q * seconds / 2.0;
        v += q;
        let expected = self.position + self.velocity * seconds;
        let innovation = (measured - expected) / side;
        let total = p + MEASURED * MEASURED;
        let (gain, gain_velocity) = (p / total, c / total);
        self.position = expected + gain * innovation * side;
        self.velocity += gain_velocity * innovation * side;
        self.variance = [p * (1.0 - gain), c * (1.0 - gain), v - gain_velocity * c];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, y: f32) -> (BoundingBox, f32) {
        (
            BoundingBox::from_array([x - 20.0, y - 25.0, x + 20.0, y + 25.0]),
            0.9,
        )
    }

    fn tracks(seen: &[Seen]) -> Vec<u64> {
        seen.iter().map(|s| s.track).collect()
    }

    #[test]
    fn two_faces_that_cross_keep_their_tracks() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        for step in 0..40 {
            // 200 pixels a second in opposite directions, one 30 pixels below the other.
            let x = 8.0 * step as f32;
            let seen = tracker.step(step * 40, &[face(100.0 + x, 100.0), face(420.0 - x, 130.0)]);
            assert_eq!(tracks(&seen), [0, 1], "step {step}");
        }
    }

    #[test]
    fn a_face_that_is_not_found_for_half_a_second_goes_on_where_it_should_be() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        for step in 0..60 {
            let hidden = (20..32).contains(&step);
            let faces = [face(50.0 + 6.0 * step as f32, 80.0)];
            let seen = tracker.step(step * 40, if hidden { &[] } else { &faces });
            assert_eq!(
                tracks(&seen),
                if hidden { vec![] } else { vec![0] },
                "step {step}"
            );
        }
    }

    #[test]
    fn a_face_that_left_is_another_when_one_comes_back() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        assert_eq!(tracks(&tracker.step(0, &[face(50.0, 50.0)])), [0]);
        assert_eq!(tracks(&tracker.step(1000, &[face(50.0, 50.0)])), [0]);
        assert_eq!(tracks(&tracker.step(2600, &[face(50.0, 50.0)])), [1]);
    }

    #[test]
    fn an_unsure_box_goes_on_with_a_track_and_begins_none() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let unsure = |x| (face(x, 50.0).0, 0.4);
        assert_eq!(tracker.step(0, &[unsure(50.0)]), []);
        assert_eq!(tracks(&tracker.step(40, &[face(50.0, 50.0)])), [0]);
        let seen = tracker.step(80, &[unsure(300.0), unsure(52.0)]);
        assert_eq!(seen, [Seen { face: 1, track: 0 }]);
    }
}
