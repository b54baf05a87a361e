//! What is published, and when. In: what came of pictures and events, who is enrolled, the time.
//! Out: messages into the outbox. Remembers what the broker was told of each person, so that it
//! can be taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use fusiform::models::Threshold;

use super::dispatch::InCamera;
use super::double_take::{self, Answer, CameraMessage};
use super::home_assistant::{Discovery, state_of};
use super::outbox::{Message, Outbox};
use super::own_messages::{OwnTopics, cleared};
use super::sighting::{News, Sighting};
use super::sweep::{Enrolled, Present};
use super::timestamp::now_ms;
use super::topics::double_take_level;

/// After it Double Take's count of a camera is 0.
const EMPTY_AFTER: Duration = Duration::from_secs(30);
/// After it Double Take's tracker says that somebody has left.
const AWAY_AFTER: Duration = Duration::from_secs(30 * 60);
/// Of more people than these each is announced when they are first recognised: Home Assistant makes
/// two entities of everybody.
const MAX_ANNOUNCED: usize = 500;
/// Cameras of which something was said.
const MAX_CAMERAS: usize = 256;
/// Between two pictures of one person.
const HEAD_EVERY: Duration = Duration::from_secs(5);

/// Publishes.
pub(super) struct Announcer {
    outbox: Arc<Outbox>,
    own: OwnTopics,
    discovery: Option<Discovery>,
    with_double_take: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who is enrolled.
    people: Enrolled,
    /// Whose entities Home Assistant was told of.
    announced: BTreeSet<String>,
    /// Cameras heard of, and what was said of each.
    cameras: BTreeMap<String, InCamera>,
    heads: BTreeMap<String, Instant>,
    double_take: DoubleTake,
}

/// What was published in Double Take's place.
#[derive(Default)]
struct DoubleTake {
    /// Names and cameras that Home Assistant was told of since the last connection.
    announced: BTreeSet<String>,
    /// The last message of each camera, and when it is reset.
    cameras: BTreeMap<String, (CameraMessage, Option<Instant>)>,
    /// When trackers say that a person has left.
    away_at: BTreeMap<String, Instant>,
}

impl Announcer {
    pub(super) fn new(
        outbox: &Arc<Outbox>,
        own: OwnTopics,
        discovery: Option<Discovery>,
        with_double_take: bool,
    ) -> Announcer {
        Announcer {
            outbox: Arc::clone(outbox),
            own,
            discovery,
            with_double_take,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, messages: impl IntoIterator<Item = Message>) {
        messages.into_iter().for_each(|m| self.outbox.push(m));
    }

    fn home_assistant(&self) -> Option<&str> {
        self.discovery.as_ref().map(Discovery::prefix)
    }

    /// What the broker may have kept from before.
    pub(super) fn kept_topics(&self) -> Vec<String> {
        let mut topics = self.own.kept().to_vec();
        topics.extend(self.discovery.iter().flat_map(Discovery::kept));
        if self.with_double_take {
            topics.push("double-take/cameras/+/person".into());
        }
        topics
    }

    /// Says that we are there, and which entities there are: the broker may have forgotten.
    pub(super) fn online(&self) {
        self.available(true);
        let mut state = self.state();
        state.double_take.announced.clear();
        if let Some(discovery) = &self.discovery {
            let people = state.announced.iter();
            people.for_each(|name| self.say(discovery.person(name)));
            let cameras = state.cameras.keys();
            cameras.for_each(|c| self.say(discovery.camera(c)));
        }
    }

    /// Says whether we are there.
    pub(super) fn available(&self, is_online: bool) {
        self.say([self.own.online(is_online)]);
        if self.with_double_take {
            self.say([double_take::online(is_online)]);
        }
    }

    /// Something that the broker had kept.
    pub(super) fn kept(&self, topic: &str, payload: &Bytes) {
        let mut state = self.state();
        let present = Present {
            own: &self.own,
            discovery: self.discovery.as_ref(),
            people: &state.people,
            cameras: &state.cameras,
        };
        self.say(present.stale(topic, payload));
        // Somebody who came home before this start leaves half an hour after it.
        let Some(home_assistant) = self.home_assistant() else {
            return;
        };
        let trackers = double_take::trackers(home_assistant);
        let tracked = topic
            .strip_prefix(&trackers)
            .and_then(|t| t.strip_suffix("/state"));
        let Some(level) = tracked.map(|t| t.trim_start_matches('/')) else {
            return;
        };
        let person = state.people.of_double_take(level).map(str::to_owned);
        if let (Some(person), b"home") = (person, &payload[..]) {
            let away_at = Instant::now() + AWAY_AFTER;
            state.double_take.away_at.entry(person).or_insert(away_at);
        }
    }

    /// Who is enrolled now: newcomers are announced; who left, and what the broker keeps of them.
    pub(super) fn people(&self, names: Vec<String>) -> Vec<String> {
        let names: BTreeSet<String> = names.into_iter().collect();
        let mut state = self.state();
        let known = state.people.names();
        let left: Vec<String> = known.difference(&names).cloned().collect();
        let came: Vec<String> = names.difference(known).cloned().collect();
        if left.is_empty() && came.is_empty() {
            return left;
        }
        state.people = Enrolled::new(names, self.discovery.as_ref());
        if state.people.names().len() <= MAX_ANNOUNCED {
            came.iter().for_each(|name| self.announce(&mut state, name));
        }
        for name in &left {
            self.outbox.forget(name);
            self.take_back(&mut state, name);
        }
        left
    }

    /// Tells Home Assistant of a person, once.
    fn announce(&self, state: &mut State, name: &str) {
        if let Some(discovery) = &self.discovery
            && state.announced.insert(name.to_owned())
        {
            self.say(discovery.person(name));
        }
    }

    /// Takes out what the broker keeps of a person.
    fn take_back(&self, state: &mut State, name: &str) {
        state.heads.remove(name);
        state.announced.remove(name);
        self.say([self.own.image(name), self.own.state(name)].map(cleared));
        let Some(discovery) = &self.discovery else {
            return;
        };
        self.say(discovery.person_configs(name).map(cleared));
        if !self.with_double_take {
            return;
        }
        let double_take = &mut state.double_take;
        double_take.announced.remove(name);
        double_take.away_at.remove(name);
        let level = double_take_level(name);
        // Two names may have one topic there.
        if state.people.of_double_take(&level).is_none() {
            for config in discovery.double_take_configs(name) {
                self.say([state_of(&config), config].map(cleared));
            }
        }
        for (camera, _) in double_take.cameras.values_mut() {
            if camera.names().iter().any(|named| named == name) {
                camera.forget(name);
                camera.reset();
                self.say([camera.state(discovery.prefix())]);
            }
        }
    }

    /// What a picture added to an event; from which similarity on a face is somebody's there, and
    /// how many examples it was compared with.
    pub(super) fn looked(
        &self,
        sighting: &Sighting,
        news: &News,
        threshold: Threshold,
        n_examples: usize,
    ) {
        let people = news.first.iter().chain(&news.better);
        for person in people {
            let mut state = self.state();
            // Enrolled since the last look at who is there.
            state.people.add(&person.name, self.discovery.as_ref());
            self.announce(&mut state, &person.name);
            drop(state);
            self.say(self.own.matched(sighting, person, threshold, n_examples));
        }
        // Double Take says a name once for each event.
        if self.with_double_take && !news.first.is_empty() {
            let answer = Answer::new(sighting, &news.first, &news.others, now_ms());
            let names = news.first.iter().map(|person| &*person.name);
            self.answer(&answer, &names.collect::<Vec<_>>());
        }
    }

    /// What came of an event.
    pub(super) fn ended(&self, sighting: &Sighting, threshold: Threshold) {
        self.say([self.own.ended(sighting, threshold)]);
        if self.with_double_take && sighting.people.is_empty() {
            let unknown: Vec<_> = sighting.unknown.iter().cloned().collect();
            let answer = Answer::new(sighting, &[], &unknown, now_ms());
            self.answer(&answer, &[]);
        }
    }

    /// Publishes in Double Take's place.
    fn answer(&self, answer: &Answer, names: &[&str]) {
        let mut state = self.state();
        let known = &mut state.double_take;
        let (messages, camera) = answer.messages(self.home_assistant());
        if let Some(discovery) = &self.discovery {
            for name in names {
                if known.announced.insert((*name).to_owned()) {
                    self.say(discovery.double_take_person(name));
                }
                self.say([double_take::tracked(discovery.prefix(), name, true)]);
                let away_at = Instant::now() + AWAY_AFTER;
                known.away_at.insert((*name).to_owned(), away_at);
            }
            if answer.has_unknown() && known.announced.insert("/unknown".into()) {
                self.say([discovery.double_take_unknown()]);
            }
            let key = format!("/{}", camera.camera());
            if camera.has_faces() && known.announced.insert(key) {
                self.say([discovery.double_take_camera(camera.camera())]);
            }
        }
        self.say(messages);
        let empty_at = Some(Instant::now() + EMPTY_AFTER);
        known
            .cameras
            .insert(camera.camera().to_owned(), (camera, empty_at));
    }

    /// Who is at a camera now, if that is news.
    pub(super) fn camera(&self, camera: &str, now: InCamera) {
        let mut state = self.state();
        let is_new = !state.cameras.contains_key(camera);
        if is_new {
            self.make_room(&mut state);
            if let Some(discovery) = &self.discovery {
                self.say(discovery.camera(camera));
            }
        }
        if state.cameras.get(camera) != Some(&now) {
            self.say(self.own.camera_now(camera, &now, now_ms()));
            state.cameras.insert(camera.to_owned(), now);
        }
    }

    /// Room for one more camera: one at which nothing goes on is forgotten, here and at the broker.
    fn make_room(&self, state: &mut State) {
        if state.cameras.len() < MAX_CAMERAS {
            return;
        }
        let quiet = state.cameras.iter().find(|(_, now)| now.n_events == 0);
        let Some(gone) = quiet.or(state.cameras.iter().next()) else {
            return;
        };
        let gone = gone.0.clone();
        state.cameras.remove(&gone);
        self.say(self.own.camera_counts(&gone).map(cleared));
        if let Some(discovery) = &self.discovery {
            self.say(discovery.camera_configs(&gone).map(cleared));
        }
        let (known, gone) = (&mut state.double_take, gone.to_lowercase());
        if known.cameras.remove(&gone).is_some() {
            self.say([cleared(double_take::person_count(&gone, 0).topic)]);
        }
        if let Some(discovery) = &self.discovery
            && known.announced.remove(&format!("/{gone}"))
        {
            let config = discovery.double_take_camera_config(&gone);
            self.say([state_of(&config), config].map(cleared));
        }
    }

    /// Whether it is time for another picture of a person.
    pub(super) fn wants_head(&self, name: &str) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        let last = state.heads.get(name);
        let wants = last.is_none_or(|last| now.duration_since(*last) >= HEAD_EVERY);
        if wants {
            state.heads.insert(name.to_owned(), now);
        }
        wants
    }

    /// The picture of a recognition.
    pub(super) fn head(&self, name: &str, jpeg: Vec<u8>) {
        if self.state().people.names().contains(name) {
            self.say([self.own.head(name, jpeg)]);
        }
    }

    /// Says what is true only because time has passed.
    pub(super) fn tick(&self, now: Instant) {
        let mut state = self.state();
        let home_assistant = self.home_assistant();
        for (camera, (message, empty_at)) in &mut state.double_take.cameras {
            if empty_at.is_none_or(|at| at > now) {
                continue;
            }
            *empty_at = None;
            self.say([double_take::person_count(camera, 0)]);
            let had_faces = message.has_faces();
            message.reset();
            if let (true, Some(prefix)) = (had_faces, home_assistant) {
                self.say([message.state(prefix)]);
            }
        }
        let Some(prefix) = home_assistant else {
            return;
        };
        state.double_take.away_at.retain(|name, away_at| {
            let is_home = *away_at > now;
            if !is_home {
                self.say([double_take::tracked(prefix, name, false)]);
            }
            is_home
        });
    }
}

#[cfg(test)]
mod tests;
