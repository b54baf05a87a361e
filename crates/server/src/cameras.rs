//! Cameras that the server looks at by itself. In: addresses, a collection of people who agreed.
//! Out: who of them came, over MQTT, to a webhook and on a page; a live view in which everybody
//! else is covered. Of strangers nothing is kept: their faces and templates are in memory while
//! they are in view, and their number is all that is said of them.
//!
//! A picture goes one way: `fusiform::video::live` (connection, decoder) → `look` (motion, faces,
//! `passing` for one template per face in view) → `camera` (visits) → `diary`, `webhook`, MQTT; and
//! beside it → `view` for those who watch.

mod camera;
mod counts;
mod diary;
mod hours;
mod look;
mod passing;
mod view;
mod webhook;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::body::Bytes;
use fusiform::detect::DetectOptions;
use fusiform::verify::DIFFERENT_FMR;
use fusiform::video::live::{Address, LiveOptions, LiveState};
use fusiform_gallery::Uuid;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

pub(crate) use camera::{Camera, CameraState, is_live};
pub(crate) use diary::{Diary, Entry};
pub use hours::{Hours, MalformedHours};

use crate::mqtt::{CameraAnnouncer, Recogniser, now_ms};
use crate::service::Recognition;
use crate::settings::{CameraSettings, CamerasSettings};
use camera::{State, Told};
use counts::Counts;
use look::{EyeSettings, Eyes};
use view::View;
use webhook::{Sender, Webhook};

/// How often people, keys and the time are looked at.
const TICK: Duration = Duration::from_secs(2);
/// How long the first picture of a view is waited for.
const FIRST_STILL: Duration = Duration::from_secs(4);
/// Longest side of the copy of a picture in which faces are searched.
const SEARCHED_PX: u32 = 640;

/// Secrets of cameras, in the order of their settings, and of the webhook.
#[derive(Clone, Default)]
pub struct CameraKeys {
    /// A recognition key and a password of each camera.
    pub cameras: Vec<(Uuid, Option<String>)>,
    /// What the webhook's messages are signed by.
    pub webhook_secret: Option<String>,
}

/// All cameras.
pub(crate) struct Cameras {
    cameras: Vec<Arc<Camera>>,
    diary: Diary,
    webhook: Option<Webhook>,
    announcer: Option<CameraAnnouncer>,
    counts: Arc<Counts>,
    sender: Mutex<Option<Sender>>,
}

impl Cameras {
    /// # Errors
    /// Whatever is wrong with an address, hours, a key, the webhook or the pack.
    pub(crate) fn new(
        settings: &CamerasSettings,
        keys: &CameraKeys,
        recognition: &Arc<Recognition>,
        announcer: Option<CameraAnnouncer>,
    ) -> Result<Cameras> {
        let counts = Arc::new(Counts::default());
        let mut cameras = Vec::with_capacity(settings.cameras.len());
        ensure!(
            keys.cameras.len() == settings.cameras.len(),
            "each camera needs a key"
        );
        for (camera, (key, password)) in settings.cameras.iter().zip(&keys.cameras) {
            let made = camera_of(camera, *key, password.as_deref(), recognition, &counts);
            cameras.push(Arc::new(
                made.with_context(|| format!("camera {}", camera.name))?,
            ));
        }
        if let Some(announcer) = &announcer {
            announcer.know(cameras.iter().map(|c| Arc::clone(&c.people)).collect());
        }
        let webhook = settings.webhook.as_deref().map(|url| {
            let secret = keys.webhook_secret.as_deref().unwrap_or_default();
            Webhook::new(url, secret, &counts)
        });
        let (webhook, sender) = webhook.transpose()?.unzip();
        Ok(Cameras {
            cameras,
            diary: Diary::new(
                Duration::from_secs(u64::from(settings.keep_events_h) * 3600),
                Duration::from_secs(settings.again_after_s.into()),
            ),
            webhook,
            announcer,
            counts,
            sender: Mutex::new(sender),
        })
    }

    /// Looks at all cameras until `stop` is true.
    pub(crate) async fn serve(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut tasks = tokio::task::JoinSet::new();
        for camera in &self.cameras {
            let this = Arc::clone(&self);
            let tell = move |camera: &Camera, told: Told<'_>, received: Instant| {
                this.tell(camera, told, received);
            };
            tasks.spawn(Arc::clone(camera).run(stop.clone(), tell));
        }
        let this = Arc::clone(&self);
        let housekeeping = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                this.tidy();
            }
        });
        let sender = self.sender.lock().ok().and_then(|mut sender| sender.take());
        let this = Arc::clone(&self);
        let deliveries = sender.map(|sender| {
            tokio::spawn(async move { sender.run(|entry| this.is_enrolled(entry)).await })
        });
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() {
                tracing::error!("a camera's task panicked; the camera is not looked at any more");
            }
        }
        housekeeping.abort();
        if let Some(deliveries) = deliveries {
            deliveries.abort();
        }
    }

    fn tell(&self, camera: &Camera, told: Told<'_>, received: Instant) {
        let name = &camera.name;
        match told {
            Told::News(sighting, news) => {
                self.counts.answered_after(received.elapsed());
                if let Some(announcer) = &self.announcer {
                    announcer.looked(sighting, &news, &camera.people);
                }
            }
            Told::Still(person, similarity) => {
                let threshold = camera.people.threshold;
                let come = self
                    .diary
                    .seen(name, person, similarity, threshold, now_ms());
                if let (Some(entry), Some(webhook)) = (come, &self.webhook) {
                    webhook.say(entry);
                }
            }
            Told::Ended(sighting) => {
                if let Some(announcer) = &self.announcer {
                    announcer.ended(sighting, &camera.people);
                }
            }
            Told::InView => {
                if let Some(announcer) = &self.announcer {
                    announcer.camera(name, camera.in_view());
                }
            }
        }
    }

    fn tidy(&self) {
        self.diary.tidy(|entry| self.is_enrolled(entry), now_ms());
        for camera in &self.cameras {
            if camera.forget_unless(|name| camera.people.is_enrolled(name)) {
                self.tell(camera, Told::InView, Instant::now());
            }
        }
    }

    fn is_enrolled(&self, entry: &Entry) -> bool {
        let camera = self.camera(&entry.camera);
        camera.is_some_and(|camera| camera.people.is_enrolled(&entry.name))
    }

    fn camera(&self, name: &str) -> Option<&Arc<Camera>> {
        self.cameras.iter().find(|camera| camera.name == name)
    }

    /// Names and states, in the order of the settings.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, CameraState)> {
        self.cameras.iter().map(|c| (&*c.name, c.stream()))
    }

    /// Names of those in view of a camera, and how many others there are.
    pub(crate) fn in_view(&self, camera: &str) -> (Vec<String>, usize) {
        self.camera(camera)
            .map(|camera| camera.in_view())
            .unwrap_or_default()
    }

    /// Who came, newest first.
    pub(crate) fn diary(&self) -> &Diary {
        &self.diary
    }

    /// The live view of a camera; `None` if there is no such camera, or too many watch.
    pub(crate) fn watch(&self, camera: &str) -> Option<watch::Receiver<Option<Bytes>>> {
        self.camera(camera)?.view.watch()
    }

    /// The last picture for the live view, or the first that comes within seconds.
    pub(crate) async fn still(&self, camera: &str) -> Option<Bytes> {
        let view = &self.camera(camera)?.view;
        match view.now() {
            Some(jpeg) => Some(jpeg),
            None => view.next(FIRST_STILL).await,
        }
    }

    pub(crate) fn has(&self, camera: &str) -> bool {
        self.camera(camera).is_some()
    }

    /// Lines for `/readyz`.
    pub(crate) fn lines(&self) -> String {
        let line =
            |(name, state): (&str, CameraState)| format!("camera {name}: {}\n", words(&state));
        self.states().map(line).collect()
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.counts.register(registry);
    }
}

/// A state in words.
pub(crate) fn words(state: &CameraState) -> String {
    match state {
        CameraState::OutOfHours => "out of its hours".to_owned(),
        CameraState::Stream(LiveState::Connecting) => "connecting".to_owned(),
        CameraState::Stream(LiveState::Receiving { codec, .. }) => format!("live, {codec}"),
        CameraState::Stream(LiveState::Away { why, since }) => {
            format!("away for {} s: {why}", since.elapsed().as_secs())
        }
    }
}

fn camera_of(
    settings: &CameraSettings,
    key: Uuid,
    password: Option<&str>,
    recognition: &Arc<Recognition>,
    counts: &Arc<Counts>,
) -> Result<Camera> {
    let mut address = Address::parse(&settings.source)?;
    if let Some(user) = &settings.user {
        address = address.with_login(user, password.unwrap_or_default());
    }
    let program = ("cameras", settings.key_file.as_deref());
    let people = Recogniser::open(recognition, key, settings.fmr, program)?;
    let apart = recognition.engine().thresholds()?.at_fmr(DIFFERENT_FMR)?;
    let detect = DetectOptions {
        longest_side_px: SEARCHED_PX,
        min_face_px: Some(settings.min_face_px),
        // Cameras hang upright.
        try_turned: false,
        ..DetectOptions::default()
    };
    let eyes = EyeSettings {
        detect,
        ignored: settings.ignore.clone(),
    };
    Ok(Camera {
        name: settings.name.clone(),
        address,
        options: LiveOptions {
            interval: Duration::from_secs_f32(1.0 / settings.looks_per_s),
            ..LiveOptions::default()
        },
        hours: settings.hours.clone(),
        people: Arc::new(people),
        eyes: Arc::new(Mutex::new(Eyes::new(eyes, apart.similarity))),
        view: View::default(),
        state: Mutex::new(State::new()),
        counts: Arc::clone(counts),
    })
}
