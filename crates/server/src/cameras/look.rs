//! One look at one picture of a camera. In: the picture, what is known of the faces in view. Out:
//! who they are, and the picture with everybody covered who is not enrolled. Blocks; works on the
//! thread of its caller. What it knows of strangers is in memory and gone when they are.

use std::time::{Duration, Instant};

use fusiform::detect::DetectOptions;
use fusiform::engine::Engine;
use fusiform::geometry::{BoundingBox, Size};
use fusiform::image::Image;
use fusiform::video::live::LivePicture;
use fusiform::video::{MotionGate, Seen};
use fusiform::{Face, FoundFace};

use super::passing::Passing;
use crate::mqtt::{Nearest, Recogniser, SeenFace};
use crate::problem::Problem;

/// For so long after the last motion pictures are looked at.
const HOLD_MS: u64 = 2000;
/// As often a picture without motion is looked at: what moves very slowly is background.
const AT_REST_EVERY_MS: u64 = 5000;
/// The same while somebody watches the live view.
const WATCHED_EVERY_MS: u64 = 1000;
/// Comparisons of so long are one entry of the audit log; a kill loses them at most.
pub(super) const RECORD_EVERY: Duration = Duration::from_secs(10);

/// What is known of the pictures before.
pub(super) struct Eyes {
    gate: MotionGate,
    passing: Passing,
    start: Instant,
    moved_ms: Option<u64>,
    looked_ms: Option<u64>,
    size: Option<Size>,
    settings: EyeSettings,
    /// Faces that were compared and are not in the audit log yet.
    n_compared: usize,
    recorded: Option<Instant>,
}

/// How a camera's pictures are looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EyeSettings {
    pub(super) detect: DetectOptions,
    /// Parts of the picture where nobody is recognised: left, top, right, bottom, as shares of its
    /// sides.
    pub(super) ignored: Vec<[f32; 4]>,
}

/// What a picture shows.
pub(super) struct Looked {
    /// The faces in view that are clear, with who they are.
    pub(super) faces: Vec<SeenFace>,
    pub(super) size: Size,
    /// Faces in view, clear or not, seen in this picture or about to be seen again.
    pub(super) n_in_view: usize,
    /// Those of them by whom somebody could be recognised.
    pub(super) n_clear: usize,
    pub(super) view: Option<ForView>,
}

/// A picture for the live view, before it is covered.
pub(super) struct ForView {
    pub(super) image: Image,
    pub(super) covered: Vec<BoundingBox>,
    /// People recognised in this very picture.
    pub(super) kept: Vec<BoundingBox>,
}

impl Eyes {
    pub(super) fn new(settings: EyeSettings, apart: f32) -> Eyes {
        Eyes {
            gate: MotionGate::default(),
            passing: Passing::new(apart),
            start: Instant::now(),
            moved_ms: None,
            looked_ms: None,
            size: None,
            settings,
            n_compared: 0,
            recorded: None,
        }
    }

    /// Whether a picture is worth a look: something moves or did just now, somebody is in view, or
    /// it is time for one.
    pub(super) fn wants(
        &mut self,
        engine: &Engine,
        picture: &LivePicture,
        is_watched: bool,
    ) -> Result<bool, fusiform::Error> {
        let time_ms = self.time_ms(picture);
        let luma = picture.luma(engine.limits())?;
        let size = Size {
            width_px: luma.width_px,
            height_px: luma.height_px,
        };
        if self.size.replace(size).is_some_and(|before| before != size) {
            // Another picture altogether.
            self.gate = MotionGate::default();
            self.passing.forget_all();
        }
        if self.gate.moves(&luma) {
            self.moved_ms = Some(time_ms);
        }
        let within = |since: Option<u64>, ms: u64| {
            since.is_some_and(|since| time_ms.saturating_sub(since) < ms)
        };
        let at_rest_ms = match is_watched {
            true => WATCHED_EVERY_MS,
            false => AT_REST_EVERY_MS,
        };
        Ok(within(self.moved_ms, HOLD_MS)
            || !self.passing.is_empty()
            || !within(self.looked_ms, at_rest_ms))
    }

    /// Puts into the audit log how many faces were compared, as one entry for a while.
    pub(super) fn record(
        &mut self,
        people: &Recogniser,
        at_most_every: Duration,
    ) -> Result<(), Problem> {
        let is_due = self.recorded.is_none_or(|at| at.elapsed() >= at_most_every);
        if self.n_compared > 0 && is_due {
            people.record(self.n_compared)?;
            self.n_compared = 0;
            self.recorded = Some(Instant::now());
        }
        Ok(())
    }

    /// Looks at a picture.
    pub(super) fn look(
        &mut self,
        engine: &Engine,
        people: &Recogniser,
        picture: &LivePicture,
        is_watched: bool,
    ) -> Result<Looked, Problem> {
        let time_ms = self.time_ms(picture);
        self.looked_ms = Some(time_ms);
        let image = picture
            .image(engine.limits())
            .map_err(fusiform::Error::from)?;
        let mut detect = self.settings.detect.clone();
        if is_watched {
            // For what is covered: a face too many is better than one too few.
            detect.min_score = Some(fusiform::cover::COVER_SCORE);
            detect.keep_doubtful = true;
        }
        let all = engine.find_faces(&image, &detect)?;
        let size = image.size();
        let mut covered: Vec<BoundingBox> = all.iter().map(|face| *face.bbox()).collect();
        let found: Vec<FoundFace> = all
            .into_iter()
            .filter(|face| face.is_sure() && !self.is_ignored(face.bbox(), size))
            .collect();
        let seen = self.passing.step(time_ms, &found);
        let described = self.describe(engine, time_ms, found, &seen, is_watched)?;
        let (faces, kept) = self.recognise(people, &described, size, is_watched)?;
        covered.extend(self.passing.unseen(time_ms));
        let n_in_view = seen.len() + self.passing.unseen(time_ms).count();
        let view = is_watched.then_some(ForView {
            image,
            covered,
            kept,
        });
        Ok(Looked {
            faces,
            size,
            n_in_view,
            n_clear: self.passing.n_clear(),
            view,
        })
    }

    /// Embeds the faces that are worth it, all of them for the live view.
    fn describe(
        &mut self,
        engine: &Engine,
        time_ms: u64,
        found: Vec<FoundFace>,
        seen: &[Seen],
        all: bool,
    ) -> Result<Vec<InPicture>, Problem> {
        let mut found: Vec<Option<FoundFace>> = found.into_iter().map(Some).collect();
        let mut in_picture = Vec::with_capacity(seen.len());
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        for seen in seen {
            let Some(face) = found[seen.face].take() else {
                continue;
            };
            let (track, quality) = (seen.track, face.quality());
            in_picture.push(InPicture {
                track,
                bbox: *face.bbox(),
                quality,
                face: None,
            });
            if all || self.passing.wants_embedding(track, time_ms, quality) {
                places.push(in_picture.len() - 1);
                wanted.push(face);
            }
        }
        for (place, face) in places.into_iter().zip(engine.describe(wanted)?) {
            let seen = &mut in_picture[place];
            self.passing.embedded(seen.track, time_ms, &face);
            seen.face = Some(face);
        }
        Ok(in_picture)
    }

    /// Who the faces are of which something new is known; and for the live view the boxes of
    /// those who are recognised by this picture alone, too.
    fn recognise(
        &mut self,
        people: &Recogniser,
        in_picture: &[InPicture],
        size: Size,
        is_watched: bool,
    ) -> Result<(Vec<SeenFace>, Vec<BoundingBox>), Problem> {
        let (mut of, mut means, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for seen in in_picture {
            let clear = seen.face.as_ref().filter(|face| !face.is_unclear());
            let Some((face, mean)) = clear.zip(self.passing.template(seen.track)) else {
                continue;
            };
            of.push(seen);
            means.push(mean.vector);
            if is_watched {
                alone.push(face.template()?.vector.clone());
            }
        }
        let (means, alone) = (people.nearest(&means), people.nearest(&alone));
        if people.service().is_some() {
            self.n_compared += of.len();
        }
        self.record(people, RECORD_EVERY)?;
        let by_both = of.iter().zip(means.iter().zip(&alone));
        let kept = by_both.filter(|(_, (mean, alone))| {
            let (mean, alone) = (matched(mean), matched(alone));
            mean.is_some() && mean == alone
        });
        let kept = kept.map(|(seen, _)| seen.bbox).collect();
        let faces = of.iter().zip(means).map(|(seen, nearest)| SeenFace {
            bbox: seen.bbox.clipped(size),
            quality: seen.quality,
            nearest,
        });
        Ok((faces.collect(), kept))
    }

    fn is_ignored(&self, bbox: &BoundingBox, size: Size) -> bool {
        let middle = bbox.center();
        let (x, y) = (
            middle.x / size.width_px as f32,
            middle.y / size.height_px as f32,
        );
        let mut ignored = self.settings.ignored.iter();
        ignored.any(|&[left, top, right, bottom]| {
            (left..right).contains(&x) && (top..bottom).contains(&y)
        })
    }

    fn time_ms(&self, picture: &LivePicture) -> u64 {
        let since = picture.received.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The name of who is near enough.
fn matched(nearest: &Option<Nearest>) -> Option<&str> {
    let near = nearest.as_ref().filter(|near| near.is_match);
    near.map(|near| &*near.name)
}

/// A face of the picture.
struct InPicture {
    track: u64,
    bbox: BoundingBox,
    quality: f32,
    /// If it was embedded.
    face: Option<Face>,
}
