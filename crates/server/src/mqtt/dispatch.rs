//! Which event is looked at next. In: Frigate's messages. Out: work for each camera, and the
//! events' states. Bounded in events, cameras and pictures, whoever publishes. Knows nothing of
//! faces, HTTP or topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::sync::Notify;

use super::counts::Counts;
use super::event::{EventKind, FrigateEvent};
use super::lane::{Job, Lane, Task};
use super::seldom::Seldom;
use super::sighting::Sighting;
use crate::settings::FrigateSettings;

/// Events of which something is known.
const MAX_EVENTS: usize = 1024;
/// Cameras with work.
const MAX_CAMERAS: usize = 64;
/// Pictures that came as messages and wait, of all cameras.
const MAX_PICTURE_BYTES: usize = 64 << 20;
/// An event of which nothing was heard for so long is over: its end was not heard.
const SILENT: Duration = Duration::from_secs(3600);
/// Until the first look at an event of which nothing new is told; twice as long until the next.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Events and work.
#[derive(Debug)]
pub(super) struct Dispatch {
    settings: FrigateSettings,
    counts: Arc<Counts>,
    dropped: Seldom,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: HashMap<String, (u64, Sighting)>,
    /// Ids by when they were last heard of.
    by_age: BTreeMap<u64, String>,
    next: u64,
    cameras: HashMap<String, Camera>,
    picture_bytes: usize,
}

/// A camera that somebody works for.
#[derive(Debug, Default)]
struct Camera {
    lane: Lane,
    added: Arc<Notify>,
    /// The newest picture that came as a message, and its event.
    picture: Option<(String, Bytes)>,
}

impl Camera {
    fn take_picture(&mut self, of: Option<&str>) -> Option<Bytes> {
        let is_of = |(event, _): &mut (String, Bytes)| of.is_none_or(|of| of == event);
        self.picture.take_if(is_of).map(|(_, picture)| picture)
    }
}

/// What a message leads to.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// A camera for which somebody has to begin to work.
    pub(super) begin: Option<String>,
    /// Events whose last message is due now, as there is no room for them.
    pub(super) ended: Vec<Sighting>,
}

/// What to do for a camera.
#[derive(Debug)]
pub(super) enum Next {
    Work(Job, Option<Bytes>),
    /// Nothing for so long, or until something is added.
    Wait(Duration, Arc<Notify>),
    /// Nothing; whoever works for it ends.
    Nothing,
}

impl Dispatch {
    pub(super) fn new(settings: &FrigateSettings, counts: Arc<Counts>) -> Dispatch {
        Dispatch {
            settings: settings.clone(),
            counts,
            dropped: Seldom::default(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self, event: &FrigateEvent) -> bool {
        let settings = &self.settings;
        let mut zones = event.entered_zones.iter().chain(&event.current_zones);
        event.label == "person"
            && !event.false_positive
            && event.area >= settings.min_area as f64
            && (settings.zones.is_empty() || zones.any(|zone| settings.zones.contains(zone)))
            && self.is_watched(&event.camera)
    }

    fn is_watched(&self, camera: &str) -> bool {
        let cameras = &self.settings.cameras;
        let same = |watched: &String| watched.eq_ignore_ascii_case(camera);
        cameras.is_empty() || cameras.iter().any(same)
    }

    /// Takes in a message about an event.
    pub(super) fn hear(&self, event: FrigateEvent, now: Instant) -> Heard {
        let mut state = self.state();
        let state = &mut *state;
        let (id, kind) = (event.id.clone(), event.kind);
        let mut heard = Heard::default();
        let is_news = match state.events.get_mut(&id) {
            Some((_, known)) if known.is_over || known.camera != event.camera => false,
            Some((_, known)) => known.update(event, now) || kind == EventKind::End,
            None if !self.is_wanted(&event) => false,
            None => {
                state.make_room(&self.counts, &mut heard);
                let sighting = Sighting::new(event, now);
                state.events.insert(id.clone(), (0, sighting));
                true
            }
        };
        if !is_news {
            self.counts.event("passed_over");
            return heard;
        }
        state.touch(&id);
        let Some((_, sighting)) = state.events.get_mut(&id) else {
            return heard;
        };
        let camera = sighting.camera.clone();
        let has_address = self.settings.url.is_some();
        sighting.is_over |= kind == EventKind::End;
        let (is_over, may_look) = (
            sighting.is_over,
            sighting.may_look(self.settings.attempts) && has_address,
        );
        if !state.cameras.contains_key(&camera) {
            if state.cameras.len() >= MAX_CAMERAS {
                self.counts.event("passed_over");
                state.remove(&id);
                return heard;
            }
            state.cameras.insert(camera.clone(), Camera::default());
            heard.begin = Some(camera.clone());
        }
        self.counts.event("taken");
        if let Some(camera) = state.cameras.get_mut(&camera) {
            let n_dropped = match (is_over, may_look) {
                (true, _) => camera.lane.end(&id, has_address, now),
                (false, true) => camera.lane.look(&id, now),
                (false, false) => 0,
            };
            self.drop_looks(n_dropped, now);
            camera.added.notify_one();
        }
        heard
    }

    /// Counts looks for which there was no time.
    fn drop_looks(&self, n: usize, now: Instant) {
        (0..n).for_each(|_| self.counts.picture("dropped"));
        if let Some(n) = self.dropped.add(n, now) {
            tracing::warn!(
                "mqtt: {n} pictures are left out: a camera has more events than are got through"
            );
        }
    }

    /// Takes in a picture that came as a message: it is of the newest event of its camera.
    pub(super) fn hear_picture(&self, camera: &str, picture: Bytes, now: Instant) {
        let mut state = self.state();
        let state = &mut *state;
        let newest = state.by_age.values().rev().find(|id| {
            let known = state.events.get(*id).map(|(_, sighting)| sighting);
            known.is_some_and(|s| s.camera == camera && !s.is_over)
        });
        let may_look = |id: &&String| {
            let known = state.events.get(*id);
            known.is_some_and(|(_, sighting)| sighting.may_look(self.settings.attempts))
        };
        let newest = newest.filter(may_look);
        let (Some(id), Some(known)) = (newest, state.cameras.get_mut(camera)) else {
            return self.counts.picture("passed_over");
        };
        let older = known.take_picture(None);
        let freed = older.as_ref().map_or(0, Bytes::len);
        state.picture_bytes -= freed;
        if older.is_some() {
            self.counts.picture("dropped");
        }
        if state.picture_bytes + picture.len() > MAX_PICTURE_BYTES {
            return self.counts.picture("dropped");
        }
        state.picture_bytes += picture.len();
        known.picture = Some((id.clone(), picture));
        let n_dropped = known.lane.look(id, now);
        known.added.notify_one();
        self.drop_looks(n_dropped, now);
    }

    /// What to do next for a camera. An event in which nobody is recognised is looked at again
    /// while nothing else is to be done.
    pub(super) fn next(&self, camera: &str, now: Instant) -> Next {
        let mut state = self.state();
        let state = &mut *state;
        let Some(known) = state.cameras.get_mut(camera) else {
            return Next::Nothing;
        };
        if let Some(job) = known.lane.next() {
            let picture = known.take_picture(Some(&job.event));
            state.picture_bytes -= picture.as_ref().map_or(0, Bytes::len);
            return Next::Work(job, picture);
        }
        let running = |sighting: &&Sighting| sighting.camera == camera && !sighting.is_over;
        let sightings = state.events.values().map(|(_, sighting)| sighting);
        let mut running = sightings.filter(running).peekable();
        if running.peek().is_none() {
            if let Some(picture) = known.take_picture(None) {
                state.picture_bytes -= picture.len();
                self.counts.picture("dropped");
            }
            state.cameras.remove(camera);
            return Next::Nothing;
        }
        let added = Arc::clone(&known.added);
        // Half of the pictures are for when there is news.
        let unprompted = self.settings.attempts.div_ceil(2);
        let wants = |sighting: &&Sighting| {
            sighting.people.is_empty()
                && sighting.n_unprompted < unprompted
                && sighting.may_look(self.settings.attempts)
                && self.settings.url.is_some()
        };
        let due = |sighting: &Sighting| {
            let pause = LOOK_AGAIN * (1 << sighting.n_unprompted.min(6));
            sighting.last_look.map_or(now, |at| at + pause)
        };
        let first = running.filter(wants).min_by_key(|sighting| due(sighting));
        let first = first.map(|sighting| (sighting.id.clone(), due(sighting)));
        match first {
            Some((event, due)) if due <= now => {
                if let Some((_, sighting)) = state.events.get_mut(&event) {
                    sighting.n_unprompted += 1;
                }
                let (task, asked) = (Task::Look, now);
                Next::Work(Job { event, task, asked }, None)
            }
            Some((_, due)) => Next::Wait(due - now, added),
            None => Next::Wait(SILENT, added),
        }
    }

    /// Changes or reads an event; `None` if it is not known any more, or its last message was
    /// published.
    pub(super) fn with<T>(&self, id: &str, work: impl FnOnce(&mut Sighting) -> T) -> Option<T> {
        let mut state = self.state();
        let (_, sighting) = state.events.get_mut(id).filter(|(_, s)| !s.is_done)?;
        Some(work(sighting))
    }

    /// Cameras with running events.
    pub(super) fn cameras(&self) -> Vec<String> {
        self.state().cameras.keys().cloned().collect()
    }

    /// Running events of a camera: how many, who is in them, and how many unknown faces.
    pub(super) fn in_camera(&self, camera: &str) -> InCamera {
        let state = self.state();
        let mut found = InCamera::default();
        let sightings = state.events.values().map(|(_, sighting)| sighting);
        for sighting in sightings.filter(|s| s.camera == camera && !s.is_done) {
            found.n_events += 1;
            found.n_unknown += sighting.n_unknown();
            for person in &sighting.people {
                if !found.people.contains(&person.name) {
                    found.people.push(person.name.clone());
                }
            }
        }
        found.people.sort();
        found
    }

    /// Takes a person out of all events.
    pub(super) fn forget(&self, name: &str) {
        let mut state = self.state();
        let sightings = state.events.values_mut();
        sightings.for_each(|(_, sighting)| sighting.forget(name));
    }

    /// Ends events of which nothing is heard any more.
    pub(super) fn end_silent(&self, now: Instant) {
        let mut state = self.state();
        let state = &mut *state;
        let is_silent = |s: &Sighting| !s.is_over && now.duration_since(s.heard) >= SILENT;
        for (id, (_, sighting)) in &mut state.events {
            if is_silent(sighting) {
                sighting.is_over = true;
                if let Some(camera) = state.cameras.get_mut(&sighting.camera) {
                    camera.lane.end(id, false, now);
                    camera.added.notify_one();
                }
            }
        }
    }
}

/// What is known of a camera's running events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct InCamera {
    pub(super) n_events: usize,
    /// Sorted.
    pub(super) people: Vec<String>,
    pub(super) n_unknown: usize,
}

impl State {
    /// Marks an event as the one that was heard of last.
    fn touch(&mut self, id: &str) {
        if let Some((age, _)) = self.events.get_mut(id) {
            self.by_age.remove(age);
            self.next += 1;
            *age = self.next;
            self.by_age.insert(self.next, id.to_owned());
        }
    }

    /// Room for one more event: the one of which nothing was heard for longest goes.
    fn make_room(&mut self, counts: &Counts, heard: &mut Heard) {
        while self.events.len() >= MAX_EVENTS {
            let Some(id) = self.by_age.values().next().cloned() else {
                return;
            };
            let Some(sighting) = self.remove(&id) else {
                return;
            };
            if !sighting.is_done {
                counts.event("evicted");
                heard.ended.push(sighting);
            }
        }
    }

    fn remove(&mut self, id: &str) -> Option<Sighting> {
        let (age, sighting) = self.events.remove(id)?;
        self.by_age.remove(&age);
        if let Some(camera) = self.cameras.get_mut(&sighting.camera) {
            camera.lane.remove(id);
        }
        Some(sighting)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::tests::event;
    use super::*;

    fn dispatch(change: impl FnOnce(&mut FrigateSettings)) -> Dispatch {
        let mut settings = FrigateSettings {
            url: Some("http://frigate:5000".into()),
            ..FrigateSettings::default()
        };
        change(&mut settings);
        Dispatch::new(&settings, Arc::default())
    }

    fn work(dispatch: &Dispatch) -> Option<(String, Task)> {
        match dispatch.next("door", Instant::now()) {
            Next::Work(job, _) => Some((job.event, job.task)),
            _ => None,
        }
    }

    #[test]
    fn only_wanted_events_are_taken_and_each_ends_once() {
        let now = Instant::now();
        let dispatch = dispatch(|settings| {
            settings.cameras = vec!["Door".into()];
            settings.zones = vec!["yard".into()];
            settings.min_area = 10_000;
        });
        type Change = fn(&mut FrigateEvent);
        let unwanted: [Change; 5] = [
            |e| e.camera = "garden".into(),
            |e| e.label = "dog".into(),
            |e| e.entered_zones.clear(),
            |e| e.area = 9_000.0,
            |e| e.false_positive = true,
        ];
        for change in unwanted {
            let mut other = event("1-b", EventKind::New, 1);
            change(&mut other);
            assert!(dispatch.hear(other, now).begin.is_none());
        }
        let heard = dispatch.hear(event("1-a", EventKind::New, 1), now);
        assert_eq!(heard.begin.as_deref(), Some("door"));
        assert!(
            dispatch
                .hear(event("1-a", EventKind::Update, 2), now)
                .begin
                .is_none()
        );
        assert_eq!(work(&dispatch), Some(("1-a".into(), Task::Look)));
        for _ in 0..2 {
            dispatch.hear(event("1-a", EventKind::End, 3), now);
        }
        assert_eq!(work(&dispatch), Some(("1-a".into(), Task::End)));
        dispatch
            .with("1-a", |sighting| sighting.is_done = true)
            .unwrap();
        assert_eq!(
            work(&dispatch),
            None,
            "nobody works for a camera without events"
        );
        dispatch.hear(event("1-a", EventKind::Update, 9), now);
        assert!(dispatch.with("1-a", |_| ()).is_none() && work(&dispatch).is_none());
    }

    #[test]
    fn an_event_in_which_nobody_is_known_is_looked_at_again_after_a_while() {
        let now = Instant::now();
        let dispatch = dispatch(|settings| settings.attempts = 2);
        dispatch.hear(event("1-a", EventKind::New, 1), now);
        assert!(work(&dispatch).is_some());
        dispatch.with("1-a", |s| s.last_look = Some(now)).unwrap();
        let next = dispatch.next("door", now);
        assert!(matches!(next, Next::Wait(time, _) if time == LOOK_AGAIN));
        let next = dispatch.next("door", now + LOOK_AGAIN);
        assert!(matches!(next, Next::Work(job, _) if job.task == Task::Look));
        // The other picture is for when there is news.
        dispatch.with("1-a", |s| s.n_pictures = 1).unwrap();
        let next = dispatch.next("door", now + LOOK_AGAIN);
        assert!(matches!(next, Next::Wait(SILENT, _)));
        dispatch.end_silent(now + SILENT);
        assert_eq!(work(&dispatch), Some(("1-a".into(), Task::EndUnseen)));
    }

    #[test]
    fn whoever_invents_events_and_cameras_takes_no_more_than_their_room() {
        let (dispatch, now) = (dispatch(|_| {}), Instant::now());
        let mut n_ended = 0;
        for n in 0..3000 {
            let heard = dispatch.hear(event(&format!("{n}-a"), EventKind::End, 1), now);
            n_ended += heard.ended.len();
        }
        assert_eq!(n_ended, 3000 - MAX_EVENTS);
        for n in 0..200 {
            let mut other = event(&format!("{n}-b"), EventKind::New, 1);
            other.camera = format!("camera{n}");
            dispatch.hear(other, now);
        }
        let state = dispatch.state();
        assert!(state.events.len() <= MAX_EVENTS && state.cameras.len() <= MAX_CAMERAS);
        assert_eq!(state.events.len(), state.by_age.len());
    }

    #[test]
    fn a_picture_that_comes_as_a_message_is_of_the_newest_event() {
        let (dispatch, now) = (dispatch(|settings| settings.url = None), Instant::now());
        let picture = Bytes::from_static(b"jpeg");
        dispatch.hear_picture("door", picture.clone(), now);
        assert!(matches!(dispatch.next("door", now), Next::Nothing));
        dispatch.hear(event("1-a", EventKind::New, 1), now);
        assert!(matches!(dispatch.next("door", now), Next::Wait(..)));
        dispatch.hear_picture("door", picture.clone(), now);
        dispatch.hear_picture("door", picture.clone(), now);
        let next = dispatch.next("door", now);
        assert!(matches!(next, Next::Work(job, Some(p)) if job.event == "1-a" && p == picture));
        assert_eq!(dispatch.state().picture_bytes, 0);
        // As many are looked at as of those that are fetched.
        let attempts = dispatch.settings.attempts;
        dispatch.with("1-a", |s| s.n_pictures = attempts).unwrap();
        dispatch.hear_picture("door", picture, now);
        assert!(matches!(dispatch.next("door", now), Next::Wait(..)));
    }
}
