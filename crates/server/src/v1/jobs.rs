//! Work that takes longer than a request. In: many images. Out: a number to ask after; progress; what came of it.
//! Kept in memory only, without names; a restart forgets jobs, not what they enrolled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use base64::Engine as _;
use fusiform::cluster::{ClusterFace, Constraints, cluster};
use fusiform_gallery::{Action, Service, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Bounds, Failure};
use super::{Answer, Recognition, embedding_of, stored};
use crate::recognition::NotSeen;

/// Unfinished jobs of one key.
const MOST_RUNNING: usize = 4;
/// Unfinished jobs of all keys: each holds its images in memory.
const MOST_AT_ONCE: usize = 8;
/// Jobs that can be asked after; the oldest finished one makes room.
const MOST_KEPT: usize = 256;
/// Images in one job.
const MOST_IMAGES: usize = 1000;
/// When live requests have taken all places, the job waits this long.
const STEP_ASIDE: Duration = Duration::from_millis(100);

/// Faces to enrol.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    #[schema(min_items = 1, max_items = 1000)]
    faces: Vec<OfPerson>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OfPerson {
    /// A person entered before.
    name: String,
    /// An image with one face, base64.
    image: String,
}

/// Images to find out of who is on several of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unsorted {
    /// Each base64.
    #[schema(min_items = 1, max_items = 1000)]
    images: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Running,
    Done,
    Failed,
}

/// What came of one image.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct One {
    /// Its place in the request, from 0.
    image: usize,
    /// Number of the example, if it was enrolled.
    id: Option<String>,
    /// Why not, if not.
    error: Option<String>,
}

/// A face of a group.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Member {
    /// The image's place in the request, from 0.
    image: usize,
    bounds: Bounds,
}

/// A job and how far it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Job {
    id: String,
    state: Stage,
    /// Steps done.
    done: usize,
    /// Steps in all.
    total: usize,
    /// What came of each image so far; failures only, for a grouping.
    images: Vec<One>,
    /// Faces that are one person, each group apart; once done.
    groups: Vec<Vec<Member>>,
    /// The file in the server's backup folder; once done.
    file: Option<String>,
    /// Why the job failed.
    error: Option<String>,
}

/// All jobs: whose each is, and how far.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<BTreeMap<u64, (Uuid, i64, Job)>>);

impl Jobs {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, (Uuid, i64, Job)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new job of a service, unless it has too many.
    fn begin(&self, service: Service, total: usize) -> Result<(u64, Job), Failure> {
        let mut all = self.all();
        let running = || {
            all.values()
                .filter(|(_, _, job)| job.state == Stage::Running)
        };
        if running().filter(|(_, of, _)| *of == service.id).count() >= MOST_RUNNING {
            return Err(Failure::TooMany);
        }
        if running().count() >= MOST_AT_ONCE {
            return Err(Failure::Busy);
        }
        if all.len() >= MOST_KEPT {
            let ended = |(n, (_, _, job)): (&u64, &(Uuid, i64, Job))| {
                (job.state != Stage::Running).then_some(*n)
            };
            let oldest = all.iter().find_map(ended).ok_or(Failure::Busy)?;
            all.remove(&oldest);
        }
        let number = all.keys().next_back().map_or(0, |n| n + 1);
        let id = Uuid::new_v4();
        let job = Job {
            id: id.to_string(),
            state: Stage::Running,
            done: 0,
            total,
            images: Vec::new(),
            groups: Vec::new(),
            file: None,
            error: None,
        };
        all.insert(number, (id, service.id, job.clone()));
        Ok((number, job))
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Job)) {
        if let Some((_, _, job)) = self.all().get_mut(&number) {
            change(job);
        }
    }

    fn end(&self, number: u64, how: Result<(), Failure>) {
        self.change(number, |job| match how {
            Ok(()) => job.state = Stage::Done,
            Err(why) => {
                job.state = Stage::Failed;
                job.error = Some(why.in_words());
            }
        });
    }
}

/// A job of this key: how far it is and what came of it.
#[utoipa::path(get, path = "/api/fusiform/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Job), Failure))]
pub(super) async fn show(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    id: Result<Path<String>, PathRejection>,
) -> Answer<Job> {
    let Path(id) = id?;
    let all = served.jobs.all();
    let id = Uuid::parse_str(&id).ok();
    let found = all
        .values()
        .find(|(known, of, _)| Some(*known) == id && *of == service.id);
    found
        .map(|(_, _, job)| Json(job.clone()))
        .ok_or(Failure::Missing)
}

type Begun = Result<(StatusCode, Json<Job>), Failure>;

/// The images of a job; none for what is not base64.
fn images(given: impl ExactSizeIterator<Item = String>) -> Result<Vec<Option<Bytes>>, Failure> {
    if given.len() == 0 || given.len() > MOST_IMAGES {
        let why = format!("1 to {MOST_IMAGES} images make a job");
        return Err(Failure::Wrong(why));
    }
    let base64 = base64::engine::general_purpose::STANDARD;
    let decoded = given.map(|text| base64.decode(text).ok().map(Bytes::from));
    Ok(decoded.collect())
}

/// Looks at an image between live requests, which go first.
async fn look(
    served: &Recognition,
    image: Option<Bytes>,
) -> Result<Vec<fusiform::pipeline::DescribedFace>, Failure> {
    let image = image.ok_or_else(|| Failure::Wrong("the image is not base64".into()))?;
    loop {
        match served.look(image.clone()).await {
            Err(NotSeen::Busy) => tokio::time::sleep(STEP_ASIDE).await,
            seen => return Ok(seen?.0),
        }
    }
}

/// Enrols many faces, each of a person entered before. The answer comes at once; ask after the job.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/enrol", request_body = Batch,
    responses((status = 202, body = Job), Failure))]
pub(super) async fn enrol(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    batch: Result<Json<Batch>, JsonRejection>,
) -> Begun {
    let (names, given): (Vec<String>, Vec<String>) = batch?
        .0
        .faces
        .into_iter()
        .map(|f| (f.name, f.image))
        .unzip();
    let images = images(given.into_iter())?;
    let (number, job) = served.jobs.begin(service, images.len())?;
    tokio::spawn(async move {
        for (i, (name, image)) in names.into_iter().zip(images).enumerate() {
            let enrolled = enrol_one(&served, service, name, image).await;
            served.jobs.change(number, |job| {
                job.done += 1;
                job.images.push(One {
                    image: i,
                    id: enrolled.as_ref().ok().map(Uuid::to_string),
                    error: enrolled.err().map(Failure::in_words),
                });
            });
        }
        served.jobs.end(number, Ok(()));
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}

async fn enrol_one(
    served: &Recognition,
    service: Service,
    name: String,
    image: Option<Bytes>,
) -> Result<Uuid, Failure> {
    super::may_be_enrolled(served, service, &name)?;
    let faces = look(served, image.clone()).await?;
    let vector = super::only_face(&faces)?;
    let (vault, image) = (Arc::clone(&served.vault), image.unwrap_or_default());
    stored(move || vault.enrol(service, &name, &vector, &image)).await
}

/// Finds out which faces of many images are one person. Nothing is stored.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/cluster", request_body = Unsorted,
    responses((status = 202, body = Job), Failure))]
pub(super) async fn group(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
    unsorted: Result<Json<Unsorted>, JsonRejection>,
) -> Begun {
    let images = images(unsorted?.0.images.into_iter())?;
    let (number, job) = served.jobs.begin(service, images.len())?;
    tokio::spawn(async move {
        let how = group_all(&served, service, number, images).await;
        served.jobs.end(number, how);
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}

async fn group_all(
    served: &Recognition,
    service: Service,
    number: u64,
    images: Vec<Option<Bytes>>,
) -> Result<(), Failure> {
    let (mut members, mut vectors) = (Vec::new(), Vec::new());
    for (i, image) in images.into_iter().enumerate() {
        match look(served, image).await {
            Ok(faces) => {
                for face in &faces {
                    let bounds = Bounds::from(&face.face);
                    members.push(Member { image: i, bounds });
                    vectors.push((embedding_of(face)?, face.quality.overall));
                }
            }
            Err(why) => served.jobs.change(number, |job| {
                job.images.push(One {
                    image: i,
                    id: None,
                    error: Some(why.in_words()),
                });
            }),
        }
        served.jobs.change(number, |job| job.done += 1);
    }
    let count = members.len();
    let options = served.engine.cluster_options();
    let options = options.map_err(|e| Failure::Inside(e.to_string()))?;
    let grouped = tokio::task::spawn_blocking(move || {
        let face = |i: usize| {
            let (vector, quality) = &vectors[i];
            let photo = members[i].image as i64;
            ClusterFace::new(i as i64, photo, vector, *quality)
        };
        let faces: Vec<ClusterFace> = (0..members.len()).map(face).collect();
        let found = cluster(&faces, &Constraints::default(), &options)?;
        let mut groups = vec![Vec::new(); found.n_clusters()];
        for (member, group) in members.into_iter().zip(found.labels()) {
            groups[group].push(member);
        }
        Ok::<_, fusiform::SearchError>(groups)
    });
    let groups = grouped
        .await
        .map_err(|_| Failure::Inside("the work was stopped".into()))?
        .map_err(|e| Failure::Inside(e.to_string()))?;
    let vault = Arc::clone(&served.vault);
    stored(move || vault.record(Action::Compare, Some(service), None, count)).await?;
    served.jobs.change(number, |job| job.groups = groups);
    Ok(())
}

/// Writes a copy of the vault into the server's backup folder while it is in use. Wants an admin key.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/backup", responses((status = 202, body = Job), Failure))]
pub(super) async fn backup(
    State(served): State<Arc<Recognition>>,
    Extension(service): Extension<Service>,
) -> Begun {
    let why =
        "no folder for backups is set; start the server with backup_dir or FUSIFORM_BACKUP_DIR";
    let dir = served.backup_dir.clone();
    let dir = dir.ok_or_else(|| Failure::Wrong(why.into()))?;
    let (number, job) = served.jobs.begin(service, 1)?;
    let file = format!("vault-{}.db", job.id);
    tokio::spawn(async move {
        let (vault, to) = (Arc::clone(&served.vault), dir.join(&file));
        let how = stored(move || vault.backup(&to)).await;
        if how.is_ok() {
            served.jobs.change(number, |job| {
                job.done = 1;
                job.file = Some(file);
            });
        }
        served.jobs.end(number, how);
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}
