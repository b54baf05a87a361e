//! One event of a camera. In: what Frigate tells of it, what its pictures show. Out: who is in it,
//! at the best of all its pictures, and what of that is news. Knows nothing of messages.

use std::collections::VecDeque;
use std::time::Instant;

use fusiform::geometry::{BoundingBox, Size};

use super::event::FrigateEvent;
use super::recognise::{Nearest, Seen, SeenFace};

/// How much nearer a face must be to be said again: below it lies the noise of one frame to the
/// next.
const BETTER: f32 = 0.02;
/// Pictures of which it is known that they were looked at.
const KNOWN_PICTURES: usize = 4;
/// Names of ours that an event may have had.
const KNOWN_LABELS: usize = 8;
/// Fetches of one picture that is looked at: most may bring the same as before.
const FETCHES_PER_PICTURE: u32 = 3;

/// Where a picture came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The best frame of the event so far.
    Snapshot,
    /// The newest frame of the camera.
    Latest,
    /// A message of Frigate's.
    Mqtt,
    /// A camera that is looked at by the server itself.
    #[cfg(feature = "cameras")]
    Camera,
}

impl Source {
    /// The word for it, Double Take's too.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Source::Snapshot => "snapshot",
            Source::Latest => "latest",
            Source::Mqtt => "mqtt",
            #[cfg(feature = "cameras")]
            Source::Camera => "camera",
        }
    }
}

/// One face at its best.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) bbox: BoundingBox,
    pub(crate) quality: f32,
    pub(crate) nearest: Option<Nearest>,
    /// The picture.
    pub(crate) size: Size,
    pub(crate) source: Source,
    pub(crate) took_s: f64,
    pub(crate) at_ms: i64,
}

/// Somebody recognised in an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recognised {
    pub(crate) name: String,
    pub(crate) best: Shown,
    /// When they were first recognised in it.
    pub(crate) first_ms: i64,
}

/// What one picture of an event adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct News {
    /// Recognised for the first time in this event.
    pub(crate) first: Vec<Recognised>,
    /// Recognised better than before.
    pub(crate) better: Vec<Recognised>,
    /// All other faces of the picture.
    pub(crate) others: Vec<Shown>,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub(crate) id: String,
    pub(crate) camera: String,
    pub(crate) current_zones: Vec<String>,
    pub(crate) entered_zones: Vec<String>,
    pub(crate) start_s: f64,
    pub(crate) end_s: Option<f64>,
    /// When the first message about it came.
    pub(crate) begun: Instant,
    /// When the last one came.
    pub(crate) heard: Instant,
    /// Pictures that were looked at.
    pub(crate) n_pictures: u32,
    pub(crate) people: Vec<Recognised>,
    /// The best unrecognised face, while nobody is recognised.
    pub(crate) unknown: Option<Shown>,
    /// Frigate says that it is over.
    pub(crate) is_over: bool,
    /// The last message about it was published.
    pub(crate) is_done: bool,
    pub(crate) last_look: Option<Instant>,
    /// Looks for which Frigate had nothing new.
    pub(crate) n_unprompted: u32,
    mark: u64,
    n_fetched: u32,
    pictures: VecDeque<blake3::Hash>,
    /// Faces of the picture that has most.
    most_faces: usize,
    our_labels: Vec<String>,
    has_foreign_label: bool,
}

impl Sighting {
    /// One of Frigate's events.
    pub(crate) fn new(event: FrigateEvent, now: Instant) -> Sighting {
        Sighting {
            mark: event.mark,
            // Before we knew of it, so not ours, or of an earlier run.
            has_foreign_label: event.sub_label.is_some(),
            current_zones: event.current_zones,
            entered_zones: event.entered_zones,
            end_s: event.end_time,
            ..Sighting::begin(event.id, event.camera, event.start_time, now)
        }
    }

    /// A visit to a camera that is looked at by the server itself. Its id says when it began, and
    /// of whom nothing.
    #[cfg(feature = "cameras")]
    pub(crate) fn of_camera(camera: &str, start_ms: i64, now: Instant) -> Sighting {
        let start_s = start_ms as f64 / 1e3;
        let id = format!("{start_s:.3}-{camera}");
        Sighting::begin(id, camera.to_owned(), start_s, now)
    }

    fn begin(id: String, camera: String, start_s: f64, now: Instant) -> Sighting {
        Sighting {
            id,
            camera,
            current_zones: Vec::new(),
            entered_zones: Vec::new(),
            start_s,
            end_s: None,
            begun: now,
            heard: now,
            n_pictures: 0,
            people: Vec::new(),
            unknown: None,
            is_over: false,
            is_done: false,
            last_look: None,
            n_unprompted: 0,
            mark: 0,
            n_fetched: 0,
            pictures: VecDeque::new(),
            most_faces: 0,
            our_labels: Vec::new(),
            has_foreign_label: false,
        }
    }

    /// Takes in a message about it; `false` if that is only the echo of a name, or says nothing
    /// new.
    pub(crate) fn update(&mut self, event: FrigateEvent, now: Instant) -> bool {
        self.heard = now;
        let is_ours = |label: &String| self.our_labels.contains(label);
        let is_echo = event.sub_label != event.sub_label_before
            && event.sub_label.as_ref().is_some_and(is_ours);
        if event
            .sub_label
            .as_ref()
            .is_some_and(|label| !is_ours(label))
        {
            self.has_foreign_label = true;
        }
        let is_news = event.mark != self.mark && !is_echo;
        self.mark = event.mark;
        self.current_zones = event.current_zones;
        self.entered_zones = event.entered_zones;
        self.end_s = event.end_time.or(self.end_s);
        is_news
    }

    /// Whether one more picture may be asked for.
    pub(crate) fn may_look(&self, attempts: u32) -> bool {
        let fetches = attempts.saturating_mul(FETCHES_PER_PICTURE);
        self.n_pictures < attempts && self.n_fetched < fetches
    }

    /// Whether a picture that was fetched is one that was looked at already.
    pub(crate) fn has_seen(&mut self, picture: &[u8]) -> bool {
        self.n_fetched = self.n_fetched.saturating_add(1);
        let hash = blake3::hash(picture);
        if self.pictures.contains(&hash) {
            return true;
        }
        self.pictures.truncate(KNOWN_PICTURES - 1);
        self.pictures.push_front(hash);
        false
    }

    /// Takes in what a picture shows.
    pub(crate) fn take(&mut self, seen: Seen, source: Source, at_ms: i64) -> News {
        let mut news = News::default();
        self.n_pictures += 1;
        self.most_faces = self.most_faces.max(seen.faces.len());
        let (size, took_s) = (seen.size, seen.took_s);
        let shown = |face: SeenFace| Shown {
            bbox: face.bbox,
            quality: face.quality,
            nearest: face.nearest,
            size,
            source,
            took_s,
            at_ms,
        };
        for face in seen.faces.into_iter().map(shown) {
            let Some(near) = face.nearest.as_ref().filter(|near| near.is_match) else {
                let best = self.unknown.as_ref();
                if best.is_none_or(|best| face.quality > best.quality) {
                    self.unknown = Some(face.clone());
                }
                news.others.push(face);
                continue;
            };
            let mut known = self.people.iter_mut();
            match known.find(|person| person.name == near.name) {
                Some(person) => {
                    if near.similarity > person.similarity() + BETTER {
                        person.best = face;
                        // Not said yet, and not twice for two faces of one picture.
                        if !news.say_first(person) {
                            news.better.retain(|said| said.name != person.name);
                            news.better.push(person.clone());
                        }
                    }
                }
                None => {
                    let person = Recognised {
                        name: near.name.clone(),
                        best: face,
                        first_ms: at_ms,
                    };
                    news.first.push(person.clone());
                    self.people.push(person);
                }
            }
        }
        news
    }

    /// So many faces were in view at once, if not all in one picture.
    #[cfg(feature = "cameras")]
    pub(crate) fn saw(&mut self, n_faces: usize) {
        self.most_faces = self.most_faces.max(n_faces);
    }

    /// Faces of its fullest picture that are nobody's.
    pub(crate) fn n_unknown(&self) -> usize {
        self.most_faces.saturating_sub(self.people.len())
    }

    /// Takes a person out, as if they had never been recognised.
    pub(crate) fn forget(&mut self, name: &str) {
        self.people.retain(|person| person.name != name);
        if let Some(unknown) = &mut self.unknown {
            unknown.nearest = unknown.nearest.take().filter(|near| near.name != name);
        }
    }

    /// Whether Frigate is to be told this name: others' names are left alone, and nothing is said
    /// twice.
    pub(crate) fn wants_label(&self, label: &str) -> bool {
        let is_new = self.our_labels.last().is_none_or(|last| last != label);
        !self.has_foreign_label && is_new && !label.is_empty()
    }

    /// Frigate is told this name.
    pub(crate) fn labelled(&mut self, label: String) {
        if self.our_labels.len() == KNOWN_LABELS {
            self.our_labels.remove(0);
        }
        self.our_labels.push(label);
    }

    /// Frigate did not take the name; it may be told again.
    pub(crate) fn not_labelled(&mut self, label: &str) {
        self.our_labels.retain(|ours| ours != label);
    }
}

impl Recognised {
    pub(crate) fn similarity(&self) -> f32 {
        self.best.nearest.as_ref().map_or(-1.0, |n| n.similarity)
    }
}

impl News {
    /// Puts the better face in the place of the one that was just found for the first time.
    fn say_first(&mut self, person: &Recognised) -> bool {
        let said = self.first.iter_mut().find(|said| said.name == person.name);
        said.map(|said| *said = person.clone()).is_some()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::event::EventKind;
    use super::*;

    /// An event as Frigate tells it.
    pub(crate) fn event(id: &str, kind: EventKind, mark: u64) -> FrigateEvent {
        FrigateEvent {
            kind,
            id: id.into(),
            camera: "door".into(),
            label: "person".into(),
            sub_label: None,
            sub_label_before: None,
            current_zones: Vec::new(),
            entered_zones: vec!["yard".into()],
            area: 20_000.0,
            false_positive: false,
            start_time: 1_623_906_078.684,
            end_time: None,
            mark,
        }
    }

    /// A picture with these people, at these similarities; from 0.5 on it is them.
    pub(crate) fn seen(faces: &[(&str, f32)]) -> Seen {
        let face = |(name, similarity): &(&str, f32)| SeenFace {
            bbox: BoundingBox::from_array([1018.0, 308.0, 1182.0, 485.0]),
            quality: *similarity,
            nearest: Some(Nearest {
                name: (*name).into(),
                similarity: *similarity,
                is_match: *similarity >= 0.5,
                confidence: f64::from(*similarity),
                fmr: (*similarity >= 0.5).then_some(1e-4),
            }),
        };
        Seen {
            faces: faces.iter().map(face).collect(),
            size: Size {
                width_px: 1920,
                height_px: 1080,
            },
            took_s: 0.28,
        }
    }

    fn names(people: &[Recognised]) -> Vec<&str> {
        people.iter().map(|person| &*person.name).collect()
    }

    #[test]
    fn a_name_is_news_once_and_again_only_when_it_is_clearly_better() {
        let now = Instant::now();
        let mut sighting = Sighting::new(event("1-a", EventKind::New, 1), now);
        let mut take = |faces: &[(&str, f32)]| sighting.take(seen(faces), Source::Snapshot, 7);
        let news = take(&[("Ida", 0.45), ("Max", 0.2)]);
        assert!(news.first.is_empty() && news.others.len() == 2);
        let news = take(&[("Ida", 0.6), ("Max", 0.2)]);
        assert_eq!((names(&news.first), news.others.len()), (vec!["Ida"], 1));
        assert_eq!(take(&[("Ida", 0.61)]), News::default());
        assert_eq!(names(&take(&[("Ida", 0.7)]).better), ["Ida"]);
        let twice = take(&[("Max", 0.6), ("Max", 0.8)]);
        assert_eq!((names(&twice.first), twice.better.len()), (vec!["Max"], 0));
        assert!(twice.first[0].similarity() > 0.7);
        assert_eq!((sighting.n_pictures, sighting.n_unknown()), (5, 0));
        sighting.forget("Ida");
        assert_eq!(
            (names(&sighting.people), sighting.n_unknown()),
            (vec!["Max"], 1)
        );
    }

    #[test]
    fn our_own_name_is_an_echo_and_anothers_is_left_alone() {
        let now = Instant::now();
        let mut sighting = Sighting::new(event("1-a", EventKind::New, 1), now);
        assert!(sighting.wants_label("Ida"));
        sighting.labelled("Ida".into());
        assert!(!sighting.wants_label("Ida") && sighting.wants_label("Ida, Max"));
        let mut echo = event("1-a", EventKind::Update, 2);
        echo.sub_label = Some("Ida".into());
        assert!(!sighting.update(echo.clone(), now), "the echo of our name");
        echo.sub_label_before = echo.sub_label.clone();
        assert!(!sighting.update(echo.clone(), now), "nothing else is new");
        echo.mark = 3;
        assert!(sighting.update(echo.clone(), now), "it moved");
        echo.sub_label = Some("postman".into());
        echo.mark = 4;
        assert!(sighting.update(echo, now) && !sighting.wants_label("Ida, Max"));
        let mut named = event("2-a", EventKind::New, 1);
        named.sub_label = Some("Ida".into());
        assert!(!Sighting::new(named, now).wants_label("Ida"));
    }

    #[test]
    fn pictures_and_fetches_of_one_event_are_counted() {
        let mut sighting = Sighting::new(event("1-a", EventKind::New, 1), Instant::now());
        assert!(!sighting.has_seen(b"one") && sighting.has_seen(b"one"));
        assert!(!sighting.has_seen(b"two") && sighting.may_look(2));
        sighting.take(seen(&[]), Source::Latest, 0);
        assert!(sighting.may_look(2) && !sighting.may_look(1));
        assert!((0..3).all(|_| sighting.has_seen(b"one")));
        assert!(!sighting.may_look(2));
    }
}
