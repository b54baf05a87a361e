//! From an event to a name. In: work of one camera after another. Out: pictures fetched, looked at,
//! and what came of them said, in the camera's order. One task works for a camera, so there is one
//! request of it under way at most.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures_util::FutureExt;

use super::announce::Announcer;
use super::counts::Counts;
use super::dispatch::{Dispatch, Heard, Next};
use super::event::{FrigateEvent, is_camera_name};
use super::frigate::{Frigate, Missing, Picture, sub_label};
use super::lane::{Job, Task};
use super::recognise::{Recogniser, Seen};
use super::seldom::Seldom;
use super::sighting::{News, Sighting, Source};
use super::status::Status;
use super::timestamp::now_ms;
use crate::admission::blocking;
use crate::problem::Code;
use crate::settings::FrigateSettings;

/// How long a picture is waited for while Frigate is away.
const WAIT_FOR_FRIGATE: Duration = Duration::from_secs(60);
/// How often people, keys and the time are looked at.
const TICK: Duration = Duration::from_secs(2);

/// All that watches Frigate's events.
pub(super) struct Watch {
    pub(super) settings: FrigateSettings,
    pub(super) dispatch: Dispatch,
    pub(super) announcer: Announcer,
    pub(super) recogniser: Recogniser,
    /// The people of cameras that are looked at by the server itself.
    pub(super) of_cameras: OnceLock<Vec<Arc<Recogniser>>>,
    pub(super) frigate: Option<Frigate>,
    pub(super) status: Arc<Status>,
    pub(super) counts: Arc<Counts>,
    pub(super) malformed: Seldom,
}

impl Watch {
    /// Takes in a message of Frigate's.
    pub(super) fn hear(self: &Arc<Self>, topic: &str, payload: Bytes, kept: bool) {
        let prefix = &self.settings.topic_prefix;
        let Some(topic) = topic.strip_prefix(prefix.as_str()) else {
            return;
        };
        match topic {
            "/available" => match &payload[..] {
                b"online" => self.status.frigate_is_there(),
                b"offline" | b"stopped" => {
                    self.status.frigate_is_away("it says that it is offline");
                }
                _ => {}
            },
            // What the broker kept is of the past.
            _ if kept => self.counts.event("passed_over"),
            "/events" => match FrigateEvent::parse(&payload) {
                Ok(event) => self.hear_event(event),
                Err(why) => {
                    self.counts.event("malformed");
                    if let Some(n) = self.malformed.add(1, Instant::now()) {
                        tracing::warn!("mqtt: {n} messages are passed over, the last as {why}");
                    }
                }
            },
            topic => {
                let words: Vec<&str> = topic.split('/').collect();
                if let ["", camera, "person", "snapshot"] = words[..]
                    && is_camera_name(camera)
                {
                    self.dispatch.hear_picture(camera, payload, Instant::now());
                }
            }
        }
    }

    fn hear_event(self: &Arc<Self>, event: FrigateEvent) {
        let Heard { begin, ended } = self.dispatch.hear(event, Instant::now());
        for sighting in ended {
            self.announcer.ended(&sighting, self.recogniser.threshold);
            self.say_camera(&sighting.camera);
        }
        if let Some(camera) = begin {
            tokio::spawn(Arc::clone(self).work(camera));
        }
    }

    /// Works for a camera until nothing is left to be done.
    async fn work(self: Arc<Self>, camera: String) {
        loop {
            match self.dispatch.next(&camera, Instant::now()) {
                Next::Work(job, picture) => {
                    let seen = AssertUnwindSafe(self.see(&job, picture))
                        .catch_unwind()
                        .await;
                    // Whatever became of its picture, an event ends.
                    let end = AssertUnwindSafe(|| self.end(&job));
                    if seen.is_err() | std::panic::catch_unwind(end).is_err() {
                        tracing::error!("mqtt: a picture is given up, as looking at it panicked");
                        self.counts.picture("failed");
                    }
                    self.say_camera(&camera);
                }
                Next::Wait(time, added) => {
                    tokio::select! {
                        () = tokio::time::sleep(time) => {}
                        () = added.notified() => {}
                    }
                }
                Next::Nothing => return,
            }
        }
    }

    fn say_camera(&self, camera: &str) {
        let now = self.dispatch.in_camera(camera);
        self.announcer.camera(camera, now);
    }

    async fn see(&self, job: &Job, picture: Option<Bytes>) {
        if job.task == Task::EndUnseen {
            picture.iter().for_each(|_| self.counts.picture("dropped"));
        } else {
            let picture = match picture {
                Some(picture) => self.unseen(job, picture, Source::Mqtt),
                None => self.fetch(job).await,
            };
            if let Some((picture, source)) = picture {
                self.look(job, picture, source).await;
            }
            let now = Instant::now();
            self.dispatch
                .with(&job.event, |sighting| sighting.last_look = Some(now));
        }
        // Frigate may have been away when its name was found.
        if job.task != Task::Look
            && let Some(sighting) = self.dispatch.with(&job.event, |s| s.clone())
        {
            self.label(&sighting).await;
        }
    }

    /// Says what came of an event, if its end is what the work was about.
    fn end(&self, job: &Job) {
        if job.task == Task::Look {
            return;
        }
        let end = |sighting: &mut Sighting| {
            sighting.is_done = true;
            sighting.clone()
        };
        if let Some(sighting) = self.dispatch.with(&job.event, end) {
            self.announcer.ended(&sighting, self.recogniser.threshold);
        }
    }

    /// The picture, unless the event's last ones have the same bytes.
    fn unseen(&self, job: &Job, picture: Bytes, source: Source) -> Option<(Bytes, Source)> {
        let has_seen = |sighting: &mut Sighting| sighting.has_seen(&picture);
        if self.dispatch.with(&job.event, has_seen)? {
            self.counts.picture("same");
            return None;
        }
        Some((picture, source))
    }

    /// A picture that was not looked at yet, if there is one: the event's best frame, else the
    /// newest of the camera if nobody else is there.
    async fn fetch(&self, job: &Job) -> Option<(Bytes, Source)> {
        let frigate = self.frigate.as_ref()?;
        let camera = self.dispatch.with(&job.event, |s| s.camera.clone())?;
        let pictures = [
            (Picture::Snapshot(&job.event), Source::Snapshot),
            (Picture::Latest(&camera), Source::Latest),
        ];
        let is_alone = self.dispatch.in_camera(&camera).n_events == 1;
        let n = if job.task == Task::Look && is_alone {
            2
        } else {
            1
        };
        for (picture, source) in pictures.into_iter().take(n) {
            let bytes = self.ask(frigate, picture, job.asked).await;
            let found = bytes.and_then(|bytes| self.unseen(job, bytes, source));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Waits for Frigate while it is away, but not for ever.
    async fn ask(&self, frigate: &Frigate, picture: Picture<'_>, asked: Instant) -> Option<Bytes> {
        let deadline = asked + WAIT_FOR_FRIGATE;
        loop {
            if let Some(pause) = frigate.pause() {
                let until = (Instant::now() + pause).min(deadline);
                tokio::time::sleep_until(until.into()).await;
            }
            match frigate.picture(picture).await {
                Ok(bytes) => return Some(bytes),
                Err(Missing::NotThere) => return None,
                Err(Missing::Away) if Instant::now() >= deadline => {
                    self.counts.picture("failed");
                    return None;
                }
                Err(Missing::Away) => {}
            }
        }
    }

    async fn look(&self, job: &Job, picture: Bytes, source: Source) {
        let seen = match self.recogniser.look(picture.clone()).await {
            Ok(seen) => seen,
            Err(problem) => {
                let unreadable = problem.code == Code::UnreadableImage;
                self.counts
                    .picture(if unreadable { "unreadable" } else { "failed" });
                tracing::debug!("mqtt: a picture is not looked at: {}", problem.detail);
                return;
            }
        };
        self.counts.picture("analysed");
        let seen = self.still_enrolled(seen);
        let take = |sighting: &mut Sighting| {
            let news = sighting.take(seen, source, now_ms());
            (news, sighting.clone())
        };
        let Some((news, sighting)) = self.dispatch.with(&job.event, take) else {
            return;
        };
        if !news.first.is_empty() || !news.better.is_empty() {
            let (threshold, n) = (self.recogniser.threshold, self.recogniser.n_examples());
            self.announcer.looked(&sighting, &news, threshold, n);
            self.counts.answered_after(job.asked.elapsed());
            self.label(&sighting).await;
            self.heads(&news, &picture).await;
        }
    }

    /// A person may have been erased while their picture was looked at.
    fn still_enrolled(&self, mut seen: Seen) -> Seen {
        for face in &mut seen.faces {
            let nearest = face.nearest.take();
            face.nearest = nearest.filter(|near| self.recogniser.is_enrolled(&near.name));
        }
        seen
    }

    /// Gives the event's names back to Frigate.
    async fn label(&self, sighting: &Sighting) {
        let Some(frigate) = self.frigate.as_ref().filter(|_| self.settings.sub_labels) else {
            return;
        };
        let label = sub_label(sighting.people.iter().map(|person| &*person.name));
        let take = |sighting: &mut Sighting| {
            let wants = sighting.wants_label(&label);
            if wants {
                // Before it is said: Frigate repeats it at once.
                sighting.labelled(label.clone());
            }
            wants
        };
        if self.dispatch.with(&sighting.id, take) != Some(true) {
            return;
        }
        let nearest = sighting
            .people
            .iter()
            .filter_map(|p| p.best.nearest.as_ref());
        let score = nearest.map(|near| near.confidence).fold(0.0, f64::max);
        let score = ((score * 100.0).round() / 100.0).clamp(0.01, 1.0);
        if !frigate.set_sub_label(&sighting.id, &label, score).await {
            self.dispatch
                .with(&sighting.id, |sighting| sighting.not_labelled(&label));
        }
    }

    /// Pictures of those who were recognised.
    async fn heads(&self, news: &News, picture: &Bytes) {
        for person in news.first.iter().chain(&news.better) {
            if !self.announcer.wants_head(&person.name) {
                continue;
            }
            match self
                .recogniser
                .head(picture.clone(), person.best.bbox)
                .await
            {
                Ok(Some(jpeg)) => self.announcer.head(&person.name, jpeg),
                Ok(None) => {}
                Err(problem) => tracing::debug!("mqtt: no picture: {}", problem.detail),
            }
        }
    }

    /// Looks at who is enrolled, at the key and at the time, again and again.
    pub(super) async fn keep_house(self: Arc<Self>) {
        // Once was before the connection.
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
        loop {
            ticks.tick().await;
            let this = Arc::clone(&self);
            // A panic is in the log; the next time it may go well.
            let tidied = blocking(move || {
                this.tidy();
                Ok(())
            });
            drop(tidied.await);
        }
    }

    /// Everybody who may be published: the people of Frigate's cameras and of our own.
    fn names(&self) -> Vec<String> {
        let mut names = self.recogniser.names();
        let of_cameras = self.of_cameras.get().into_iter().flatten();
        names.extend(of_cameras.flat_map(|people| people.names()));
        names
    }

    /// See [`Watch::keep_house`].
    pub(super) fn tidy(&self) {
        self.status.key_opens(self.recogniser.service().is_some());
        let left = self.announcer.people(self.names());
        if !left.is_empty() {
            left.iter().for_each(|name| self.dispatch.forget(name));
            let cameras = self.dispatch.cameras();
            cameras.iter().for_each(|camera| self.say_camera(camera));
        }
        let now = Instant::now();
        self.dispatch.end_silent(now);
        self.announcer.tick(now);
    }
}
