//! The live view. In: pictures with the boxes of strangers. Out: JPEGs in which they are covered,
//! in memory, to those who watch. A second late on purpose: a stranger is covered where they were a
//! second before they were found, and a second after they were lost.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use fusiform::geometry::BoundingBox;
use fusiform::image::{ImageError, encode_jpeg};
use fusiform::redact::redact;
use tokio::sync::watch;

use super::look::ForView;

/// Margin in time before and after a stranger is seen.
const MARGIN: Duration = Duration::from_secs(1);
/// Overlap (IoU) from which on a box is that of a kept face.
const SAME_FACE: f32 = 0.3;
/// Longest side of what is shown.
const VIEW_PX: u32 = 960;
const JPEG_QUALITY: u8 = 80;
/// For so long after a single picture was asked for, pictures are made ready.
const ASKED: Duration = Duration::from_secs(10);
/// Those who watch one camera at once.
const MAX_WATCHERS: usize = 8;

/// What one camera shows.
#[derive(Debug)]
pub(super) struct View {
    shown: watch::Sender<Option<Bytes>>,
    asked: Mutex<Option<Instant>>,
    state: Mutex<Delayed>,
}

/// Pictures that wait, and the boxes of those that were shown.
#[derive(Debug, Default)]
struct Delayed {
    waiting: VecDeque<(Instant, ForView)>,
    past: VecDeque<(Instant, Vec<BoundingBox>)>,
}

impl std::fmt::Debug for ForView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForView")
    }
}

impl Default for View {
    fn default() -> View {
        View {
            shown: watch::Sender::new(None),
            asked: Mutex::default(),
            state: Mutex::default(),
        }
    }
}

impl View {
    /// Whether somebody watches.
    pub(super) fn is_watched(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown.receiver_count() > 0 || asked.is_some_and(|at| at.elapsed() < ASKED)
    }

    /// What is shown, as it changes; `None` if too many watch.
    pub(super) fn watch(&self) -> Option<watch::Receiver<Option<Bytes>>> {
        (self.shown.receiver_count() < MAX_WATCHERS).then(|| self.shown.subscribe())
    }

    /// What is shown now, if pictures are made ready already.
    pub(super) fn now(&self) -> Option<Bytes> {
        let now = Some(Instant::now());
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.shown.borrow().clone()
    }

    /// What is shown next; `None` if nothing is within a time, or too many watch.
    pub(super) async fn next(&self, within: Duration) -> Option<Bytes> {
        let mut seen = self.watch()?;
        let next = async {
            while seen.changed().await.is_ok() {
                if let Some(jpeg) = seen.borrow_and_update().clone() {
                    return Some(jpeg);
                }
            }
            None
        };
        tokio::time::timeout(within, next).await.ok().flatten()
    }

    /// Takes in a picture, and shows those that have waited for long enough.
    pub(super) fn push(&self, now: Instant, mut picture: ForView) -> Result<(), ImageError> {
        let is_kept = |bbox: &BoundingBox| picture.kept.iter().any(|k| k.iou(bbox) >= SAME_FACE);
        picture.covered.retain(|bbox| !is_kept(bbox));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let size = picture.image.size();
        let is_other = |(_, before): &(Instant, ForView)| before.image.size() != size;
        if state.waiting.back().is_some_and(is_other) {
            // Places in another picture mean nothing in this one.
            *state = Delayed::default();
        }
        state.waiting.push_back((now, picture));
        let mut ready = None;
        while let Some((at, _)) = state.waiting.front()
            && now.duration_since(*at) >= MARGIN
        {
            let Some((at, mut picture)) = state.waiting.pop_front() else {
                break;
            };
            state
                .past
                .retain(|(past, _)| at.duration_since(*past) <= MARGIN);
            let after = state.waiting.iter().map(|(_, later)| &later.covered);
            let before = state.past.iter().map(|(_, covered)| covered);
            let around: Vec<BoundingBox> = after.chain(before).flatten().copied().collect();
            let own = picture.covered.clone();
            picture.covered.extend(around);
            state.past.push_back((at, own));
            ready = Some(picture);
        }
        drop(state);
        // Of several only the newest is worth its coding.
        if let Some(picture) = ready {
            let ForView {
                mut image,
                covered,
                kept,
            } = picture;
            redact(&mut image, &covered, &kept);
            let jpeg = encode_jpeg(&image.shrunk_to(VIEW_PX), JPEG_QUALITY)?;
            self.shown.send_replace(Some(jpeg.into()));
        }
        Ok(())
    }

    /// Nothing is shown any more: nobody watches, or no picture comes.
    pub(super) fn clear(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Delayed::default();
        self.shown.send_if_modified(|shown| shown.take().is_some());
    }
}
#[cfg(test)]
mod tests {
    use fusiform::image::{Image, decode};

    use super::*;

    /// A picture with a bright square where the face is.
    fn picture(face: Option<[f32; 4]>, at: [u32; 2], kept: bool) -> ForView {
        let bright =
            |x: u32, y: u32| (at[0]..at[0] + 40).contains(&x) && (at[1]..at[1] + 40).contains(&y);
        let pixels = (0..240 * 320u32).flat_map(|i| match bright(i % 320, i / 320) {
            true => [250, 250, 250],
            false => [40, 40, 40],
        });
        let boxes: Vec<_> = face.into_iter().map(BoundingBox::from_array).collect();
        ForView {
            image: Image::new(320, 240, pixels.collect()).unwrap(),
            kept: if kept { boxes.clone() } else { Vec::new() },
            covered: boxes,
        }
    }

    fn shown(view: &View, x: u32, y: u32) -> u8 {
        let jpeg = view.now().expect("a picture");
        let image = decode(&jpeg, &Default::default()).unwrap().image;
        image.pixel(x, y)[0]
    }

    #[test]
    fn a_stranger_is_covered_before_they_are_found_and_after_they_are_lost() {
        let view = View::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let face = Some([100.0, 100.0, 140.0, 140.0]);
        // Found in the third picture alone, though there in all.
        for (n, found) in [None, None, face, None, None, None, None]
            .into_iter()
            .enumerate()
        {
            view.push(at(400 * n as u64), picture(found, [100, 100], false))
                .unwrap();
            if n >= 3 {
                assert!(shown(&view, 120, 120) < 60, "picture {n}");
            }
        }
        // Someone recognised stays.
        let view = View::default();
        for n in 0..5 {
            view.push(at(400 * n), picture(face, [100, 100], true))
                .unwrap();
        }
        assert!(shown(&view, 120, 120) > 200);
    }

    #[test]
    fn a_limited_number_watches() {
        let view = View::default();
        assert!(!view.is_watched());
        let all: Vec<_> = (0..MAX_WATCHERS).map(|_| view.watch().unwrap()).collect();
        assert!(view.watch().is_none() && view.is_watched());
        drop(all);
        assert!(!view.is_watched());
    }
}
