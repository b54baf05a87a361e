//! One camera. In: its settings. Out: visits of enrolled people, said as they happen; a view in
//! which strangers are covered. Comes back by itself whatever its camera does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fusiform::video::live::{Address, Live, LiveCounts, LiveOptions, LivePicture, LiveState};
use tokio::sync::watch;

use super::counts::Counts;
use super::hours::Hours;
use super::look::{Eyes, Looked, RECORD_EVERY};
use super::view::View;
use crate::admission::{Holder, blocking};
use crate::mqtt::{News, Recogniser, Seen, Sighting, Source, now_ms};
use crate::problem::Problem;

/// How often hours, visits and the state are looked at while no picture comes.
const TICK: Duration = Duration::from_secs(1);
/// A visit is over when nobody was in view for so long.
const VISIT_ENDS_AFTER: Duration = Duration::from_secs(5);
/// How often the log repeats that there is no stream, and that looking fails.
const REPEAT: Duration = Duration::from_secs(600);
/// What a picture of eight bits and three channels, its copies and its planes take.
const BYTES_PER_PIXEL: u64 = 12;

/// One camera.
pub(crate) struct Camera {
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) options: LiveOptions,
    pub(super) hours: Hours,
    pub(super) people: Arc<Recogniser>,
    pub(super) eyes: Arc<Mutex<Eyes>>,
    pub(super) view: View,
    pub(super) state: Mutex<State>,
    pub(super) counts: Arc<Counts>,
}

/// How a camera is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CameraState {
    /// It is not one of its hours: there is no connection.
    OutOfHours,
    /// As the stream says.
    Stream(LiveState),
}

/// Whether pictures come.
pub(crate) fn is_live(state: &CameraState) -> bool {
    matches!(state, CameraState::Stream(LiveState::Receiving { .. }))
}

/// What changes while a camera is looked at.
pub(super) struct State {
    stream: CameraState,
    live: LiveCounts,
    visit: Option<Visit>,
    /// When the log had it last that looking fails, and that there is no stream.
    said_failing: Option<Instant>,
    said_away: Option<Instant>,
    is_said_live: bool,
}

struct Visit {
    sighting: Sighting,
    last: Instant,
}

/// What came of a picture.
pub(super) enum Told<'a> {
    /// Somebody was recognised, for the first time in this visit or better.
    News(&'a Sighting, News),
    /// Somebody is still there: name and similarity.
    Still(&'a str, f32),
    /// Who is in view may have changed.
    InView,
    /// The visit is over.
    Ended(&'a Sighting),
}

impl State {
    pub(super) fn new() -> State {
        State {
            stream: CameraState::Stream(LiveState::Connecting),
            live: LiveCounts::default(),
            visit: None,
            said_failing: None,
            said_away: None,
            is_said_live: false,
        }
    }
}

impl Camera {
    /// Looks until `stop` is true. `tell` is told what happens, and when the picture came.
    pub(super) async fn run(
        self: Arc<Self>,
        mut stop: watch::Receiver<bool>,
        tell: impl Fn(&Camera, Told<'_>, Instant),
    ) {
        while !*stop.borrow() {
            if !self.hours.are_now() {
                self.streams(CameraState::OutOfHours, LiveCounts::default());
                tokio::select! {
                    _ = stop.changed() => {}
                    () = tokio::time::sleep(TICK) => {}
                }
                continue;
            }
            let mut live = Live::start(self.address.clone(), self.options.clone());
            while self.hours.are_now() && !*stop.borrow() {
                tokio::select! {
                    _ = stop.changed() => {}
                    picture = live.next() => self.see(picture, &tell).await,
                    () = tokio::time::sleep(TICK) => {}
                }
                let state = CameraState::Stream(live.state());
                if !is_live(&state) {
                    self.view.clear();
                }
                self.streams(state, live.counts());
                self.end_visit(false, &tell);
            }
            self.end_visit(true, &tell);
            self.view.clear();
            self.record_all().await;
        }
    }

    /// How it is.
    pub(crate) fn stream(&self) -> CameraState {
        self.state().stream.clone()
    }

    /// Those enrolled who are in view, and how many others.
    pub(super) fn in_view(&self) -> (Vec<String>, usize) {
        let state = self.state();
        let Some(visit) = &state.visit else {
            return (Vec::new(), 0);
        };
        let people = visit.sighting.people.iter();
        let mut names: Vec<String> = people.map(|person| person.name.clone()).collect();
        names.sort();
        (names, visit.sighting.n_unknown())
    }

    /// Takes those who were erased out of the visit under way; whether somebody was.
    pub(super) fn forget_unless(&self, is_enrolled: impl Fn(&str) -> bool) -> bool {
        let mut state = self.state();
        let Some(visit) = &mut state.visit else {
            return false;
        };
        let people = visit.sighting.people.iter().map(|person| &person.name);
        let gone: Vec<String> = people.filter(|name| !is_enrolled(name)).cloned().collect();
        gone.iter().for_each(|name| visit.sighting.forget(name));
        !gone.is_empty()
    }

    /// Puts into the audit log what is not in it yet.
    async fn record_all(&self) {
        let (eyes, people) = (Arc::clone(&self.eyes), Arc::clone(&self.people));
        let record = move || {
            let mut eyes = eyes.lock().unwrap_or_else(PoisonError::into_inner);
            eyes.record(&people, Duration::ZERO)
        };
        // A failure is in the log, and tried again.
        drop(blocking(record).await);
    }

    async fn see(&self, picture: Arc<LivePicture>, tell: &impl Fn(&Camera, Told<'_>, Instant)) {
        let received = picture.received;
        let looked = match self.look(picture).await {
            Ok(Some(looked)) => looked,
            Ok(None) => {
                self.counts.picture("at_rest");
                return;
            }
            Err(problem) => {
                self.counts.picture("failed");
                let mut state = self.state();
                let was_said = state.said_failing.is_some_and(|at| at.elapsed() < REPEAT);
                if !was_said {
                    state.said_failing = Some(Instant::now());
                    let (name, why) = (&self.name, &problem.detail);
                    tracing::warn!("camera {name}: a picture is not looked at: {why}");
                }
                return;
            }
        };
        self.counts.picture("looked");
        self.take(looked, received, tell);
    }

    /// `None` if there was nothing to look at.
    async fn look(&self, picture: Arc<LivePicture>) -> Result<Option<Looked>, Problem> {
        let is_watched = self.view.is_watched();
        if !is_watched {
            self.view.clear();
        }
        let (eyes, people) = (Arc::clone(&self.eyes), Arc::clone(&self.people));
        let bytes = self.options.limits.max_pixels.min(4 << 20) * BYTES_PER_PIXEL;
        let work = move || {
            let mut eyes = eyes.lock().unwrap_or_else(PoisonError::into_inner);
            let engine = people.engine();
            if !eyes.wants(engine, &picture, is_watched)? {
                eyes.record(&people, RECORD_EVERY)?;
                return Ok(None);
            }
            eyes.look(engine, &people, &picture, is_watched).map(Some)
        };
        let admission = self.people.admission();
        let mut looked = admission.compute(Holder::CAMERAS, bytes, work).await?;
        if let Some(view) = looked.as_mut().and_then(|looked| looked.view.take()) {
            let shown = self.view.push(Instant::now(), view);
            shown.map_err(fusiform::Error::from)?;
        }
        Ok(looked)
    }

    fn take(&self, looked: Looked, received: Instant, tell: &impl Fn(&Camera, Told<'_>, Instant)) {
        if looked.n_in_view == 0 && looked.faces.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        let visit = state.visit.get_or_insert_with(|| Visit {
            sighting: Sighting::of_camera(&self.name, now_ms(), now),
            last: now,
        });
        visit.last = now;
        // Somebody may have been erased while their picture was looked at.
        let mut faces = looked.faces;
        for face in &mut faces {
            let nearest = face.nearest.take();
            face.nearest = nearest.filter(|near| self.people.is_enrolled(&near.name));
        }
        let there: Vec<(String, f32)> = faces
            .iter()
            .filter_map(|face| face.nearest.as_ref().filter(|near| near.is_match))
            .map(|near| (near.name.clone(), near.similarity))
            .collect();
        let seen = Seen {
            faces,
            size: looked.size,
            took_s: received.elapsed().as_secs_f64(),
        };
        let news = visit.sighting.take(seen, Source::Camera, now_ms());
        visit.sighting.saw(looked.n_clear);
        let sighting = visit.sighting.clone();
        drop(state);
        if !news.first.is_empty() || !news.better.is_empty() {
            tell(self, Told::News(&sighting, news), received);
        }
        for (name, similarity) in there {
            tell(self, Told::Still(&name, similarity), received);
        }
        tell(self, Told::InView, received);
    }

    /// Ends the visit if nobody was in view for a while, or at once.
    fn end_visit(&self, at_once: bool, tell: &impl Fn(&Camera, Told<'_>, Instant)) {
        let mut state = self.state();
        let is_over = |visit: &Visit| at_once || visit.last.elapsed() >= VISIT_ENDS_AFTER;
        if !state.visit.as_ref().is_some_and(is_over) {
            return;
        }
        let ended = state.visit.take();
        drop(state);
        if let Some(Visit { mut sighting, .. }) = ended {
            sighting.end_s = Some(now_ms() as f64 / 1e3);
            tell(self, Told::Ended(&sighting), Instant::now());
            tell(self, Told::InView, Instant::now());
        }
    }

    /// Says in the log when a camera comes or goes.
    fn streams(&self, now: CameraState, live: LiveCounts) {
        let mut state = self.state();
        // A stream that is begun anew counts from 0.
        let before = match live.received < state.live.received {
            true => LiveCounts::default(),
            false => state.live,
        };
        self.counts.stream(before, live);
        state.live = live;
        if is_live(&state.stream) != is_live(&now) {
            self.counts.receiving(is_live(&now));
        }
        let (name, address) = (&self.name, &self.address);
        match &now {
            CameraState::Stream(LiveState::Receiving { codec, .. }) if !state.is_said_live => {
                tracing::info!("camera {name}: {codec} from {address}");
                state.is_said_live = true;
            }
            CameraState::Stream(LiveState::Away { why, .. }) => {
                // One that comes and goes is not a line each time.
                let was_said = state.said_away.is_some_and(|at| at.elapsed() < REPEAT);
                if !was_said {
                    tracing::warn!("camera {name}: {address}: {why}; tried again and again");
                    state.said_away = Some(Instant::now());
                    state.is_said_live = false;
                }
            }
            _ => {}
        }
        state.stream = now;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
