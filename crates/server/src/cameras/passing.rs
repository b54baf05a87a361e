//! Faces that pass a camera. In: the faces of one picture after the other. Out: which of them are
//! worth an embedding, and one template for each that is in view. What is known of a face is
//! forgotten when it leaves; nothing joins two visits of somebody who is not enrolled.

use std::collections::{BTreeMap, BTreeSet};

use fusiform::geometry::BoundingBox;
use fusiform::template::{MeanTemplate, Template};
use fusiform::video::{Seen, Tracker, TrackerOptions};
use fusiform::{Face, FoundFace};

/// Embeddings of a face at the beginning, one each so often if it is about as good as the best.
const FIRST: usize = 5;
const FIRST_EVERY_MS: u64 = 300;
const ABOUT_AS_GOOD: f32 = 0.8;
/// A face so much better than the best before is embedded at once.
const BETTER: f32 = 1.15;
/// As often at least, so that somebody who takes another's place is noticed.
const AT_LEAST_EVERY_MS: u64 = 3000;

/// The faces in view.
#[derive(Debug)]
pub(super) struct Passing {
    tracker: Tracker,
    faces: BTreeMap<u64, InView>,
    /// Faces that resemble each other less are of two people.
    apart: f32,
}

/// A face in view.
#[derive(Debug, Default)]
struct InView {
    n_embedded: usize,
    embedded_ms: u64,
    best_quality: f32,
    mean: MeanTemplate,
    last: Option<Template>,
}

impl Passing {
    pub(super) fn new(apart: f32) -> Passing {
        Passing {
            tracker: Tracker::new(TrackerOptions::default()),
            faces: BTreeMap::new(),
            apart,
        }
    }

    /// With nobody in view.
    pub(super) fn forget_all(&mut self) {
        *self = Passing::new(self.apart);
    }

    /// Takes in the sure faces of a picture. Gives which of those in view each is.
    pub(super) fn step(&mut self, time_ms: u64, found: &[FoundFace]) -> Vec<Seen> {
        let boxes: Vec<_> = found.iter().map(|face| (*face.bbox(), 1.0)).collect();
        let seen = self.tracker.step(time_ms, &boxes);
        let open: BTreeSet<u64> = seen
            .iter()
            .map(|seen| seen.track)
            .chain(self.tracker.unseen(time_ms).map(|(track, _)| track))
            .collect();
        self.faces.retain(|track, _| open.contains(track));
        for track in open {
            self.faces.entry(track).or_default();
        }
        seen
    }

    /// Whether a face in view, as good as this now, is worth an embedding.
    pub(super) fn wants_embedding(&self, track: u64, time_ms: u64, quality: f32) -> bool {
        let in_view = self.faces.get(&track);
        in_view.is_some_and(|in_view| in_view.wants(time_ms, quality))
    }

    /// Takes in the embedding of a face in view. If it is somebody else's than those before it,
    /// these are forgotten.
    pub(super) fn embedded(&mut self, track: u64, time_ms: u64, face: &Face) {
        let in_view = self.faces.entry(track).or_default();
        in_view.n_embedded += 1;
        in_view.embedded_ms = time_ms;
        let Some(template) = face.template.as_ref().filter(|_| !face.is_unclear()) else {
            return;
        };
        let is_another = in_view.last.as_ref().is_some_and(|last| {
            let similarity = template.similarity(last);
            similarity.is_ok_and(|similarity| similarity.0 < self.apart)
        });
        if is_another {
            *in_view = InView {
                n_embedded: 1,
                embedded_ms: time_ms,
                ..InView::default()
            };
        }
        in_view.best_quality = in_view.best_quality.max(template.quality);
        in_view.mean.add(template);
        in_view.last = Some(template.clone());
    }

    /// The template of a face in view; `None` while nobody could be recognised by it.
    pub(super) fn template(&self, track: u64) -> Option<Template> {
        self.faces.get(&track)?.mean.mean()
    }

    /// Faces in view by which somebody could be recognised.
    pub(super) fn n_clear(&self) -> usize {
        self.faces
            .values()
            .filter(|face| face.last.is_some())
            .count()
    }

    /// Where faces should be that the picture of that time does not show.
    pub(super) fn unseen(&self, time_ms: u64) -> impl Iterator<Item = BoundingBox> + '_ {
        self.tracker.unseen(time_ms).map(|(_, bbox)| bbox)
    }

    /// Whether nobody is in view.
    pub(super) fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }
}

impl InView {
    fn wants(&self, time_ms: u64, quality: f32) -> bool {
        let since_ms = time_ms.saturating_sub(self.embedded_ms);
        let is_first = self.n_embedded < FIRST
            && since_ms >= FIRST_EVERY_MS
            && quality >= ABOUT_AS_GOOD * self.best_quality;
        self.n_embedded == 0
            || is_first
            || quality > BETTER * self.best_quality
            || since_ms >= AT_LEAST_EVERY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_embedded_a_few_times_and_not_in_each_picture() {
        let mut in_view = InView::default();
        let mut n = 0;
        for time_ms in (0..60_000).step_by(200) {
            if in_view.wants(time_ms, 0.7) {
                in_view.n_embedded += 1;
                in_view.embedded_ms = time_ms;
                in_view.best_quality = 0.7;
                n += 1;
            }
        }
        // Five in the first two seconds, one each three seconds after.
        assert!((20..=26).contains(&n), "{n}");
        assert!(
            in_view.wants(in_view.embedded_ms + 200, 0.9),
            "a better one"
        );
    }
}
