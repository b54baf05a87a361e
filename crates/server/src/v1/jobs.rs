//! Work that takes longer than a request. In: many images. Out: a job's id at once; its progress
//! and result later. Jobs are kept in memory only, without names; a restart forgets them, not what
//! they enrolled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use base64::Engine as _;
use fusiform::Face;
use fusiform::cluster::{ClusterFace, Constraints, cluster};
use fusiform_gallery::{Action, Service, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Parsed;
use super::people::{check_consent, enrolled_embedding};
use super::problem_json::{self, Problems};
use super::schema::Bounds;
use crate::admission::{Held, blocking};
use crate::names::normalized;
use crate::params::Path;
use crate::problem::{Code, Problem};
use crate::service::{Recognition, embedding};

/// Unfinished jobs of one key.
const MAX_RUNNING_PER_KEY: usize = 4;
/// Unfinished jobs of all keys: each holds its images in memory.
const MAX_RUNNING: usize = 8;
/// Jobs remembered; beyond it the oldest finished one is forgotten.
const MAX_KEPT: usize = 256;
/// Images in one job.
const MAX_IMAGES: usize = 1000;
/// A job waits this long when live requests fill the queue.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Faces to enrol.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    #[schema(min_items = 1, max_items = 1000)]
    faces: Vec<PersonFace>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonFace {
    /// A person entered before.
    name: String,
    /// An image with one face, base64.
    image: String,
}

/// Images whose faces are to be grouped by person.
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

/// The result of one image.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ImageResult {
    /// Its index in the request, from 0.
    image: usize,
    /// Number of the example, if it was enrolled.
    id: Option<String>,
    /// Why it was not, if it was not.
    error: Option<String>,
}

/// A face of a group.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Member {
    /// The image's index in the request, from 0.
    image: usize,
    bounds: Bounds,
}

/// A job and its progress.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Job {
    id: String,
    state: Stage,
    /// Steps done.
    done: usize,
    /// Steps in all.
    total: usize,
    /// The result of each image so far; failures only, for a grouping.
    images: Vec<ImageResult>,
    /// Each group is the faces of one person; filled once done.
    groups: Vec<Vec<Member>>,
    /// The file in the server's backup folder; once done.
    file: Option<String>,
    /// Why the job failed.
    error: Option<String>,
}

/// All jobs, and what they work with.
#[derive(Debug)]
pub(super) struct Jobs {
    recognition: Arc<Recognition>,
    backup_dir: Option<PathBuf>,
    /// In the order in which they began.
    table: Mutex<BTreeMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: Uuid,
    /// The number of the service whose key began it.
    service: i64,
    job: Job,
}

impl Entry {
    fn is_running(&self) -> bool {
        self.job.state == Stage::Running
    }
}

impl Jobs {
    pub(super) fn new(recognition: Arc<Recognition>, backup_dir: Option<PathBuf>) -> Jobs {
        Jobs {
            recognition,
            backup_dir,
            table: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new job of a service, unless it has too many.
    fn begin(&self, service: Service, total: usize) -> Result<(u64, Job), Problem> {
        let mut table = self.table();
        let running = || table.values().filter(|entry| entry.is_running());
        if running().filter(|e| e.service == service.id).count() >= MAX_RUNNING_PER_KEY {
            return Err(Problem::rate_limited());
        }
        if running().count() >= MAX_RUNNING {
            return Err(Problem::busy());
        }
        if table.len() >= MAX_KEPT {
            let ended = table.iter().find(|(_, entry)| !entry.is_running());
            let oldest = ended.map(|(number, _)| *number);
            table.remove(&oldest.ok_or_else(Problem::busy)?);
        }
        let number = table.keys().next_back().map_or(0, |n| n + 1);
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
        let entry = Entry {
            id,
            service: service.id,
            job: job.clone(),
        };
        table.insert(number, entry);
        Ok((number, job))
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Job)) {
        if let Some(entry) = self.table().get_mut(&number) {
            change(&mut entry.job);
        }
    }

    fn end(&self, number: u64, result: Result<(), Problem>) {
        self.change(number, |job| match result {
            Ok(()) => job.state = Stage::Done,
            Err(problem) => {
                job.state = Stage::Failed;
                job.error = Some(problem_json::detail(&problem));
            }
        });
    }

    /// The faces of an image, analysed between live requests, which go first.
    async fn analyse(&self, service: Service, image: Option<Bytes>) -> Result<Vec<Face>, Problem> {
        let not_base64 = || Problem::invalid("the image is not base64");
        let image = image.ok_or_else(not_base64)?;
        loop {
            match self.recognition.analyse(service, image.clone()).await {
                Err(problem) if problem.code == Code::Busy => tokio::time::sleep(RETRY_AFTER).await,
                analysed => return Ok(analysed?.faces),
            }
        }
    }

    async fn enrol_one(
        &self,
        service: Service,
        name: String,
        image: Option<Bytes>,
    ) -> Result<Uuid, Problem> {
        check_consent(&self.recognition, service, &name)?;
        let faces = self.analyse(service, image.clone()).await?;
        let vector = enrolled_embedding(&self.recognition, &faces)?.to_vec();
        let image = image.unwrap_or_default();
        self.recognition
            .stored(move |gallery| gallery.enrol(service, &name, &vector, &image))
            .await
    }

    async fn group_all(
        &self,
        service: Service,
        number: u64,
        images: Vec<Option<Bytes>>,
    ) -> Result<(), Problem> {
        let (mut members, mut vectors) = (Vec::new(), Vec::new());
        for (i, image) in images.into_iter().enumerate() {
            match self.analyse(service, image).await {
                Ok(faces) => {
                    for face in &faces {
                        let bounds = Bounds::from(&face.bbox);
                        members.push(Member { image: i, bounds });
                        vectors.push((embedding(face)?.to_vec(), face.quality.overall));
                    }
                }
                Err(problem) => self.change(number, |job| {
                    job.images.push(ImageResult {
                        image: i,
                        id: None,
                        error: Some(problem_json::detail(&problem)),
                    });
                }),
            }
            self.change(number, |job| job.done += 1);
        }
        let count = members.len();
        let options = self.recognition.engine().cluster_options()?;
        let groups = blocking(move || {
            let face = |i: usize| {
                let (vector, quality) = &vectors[i];
                let photo = members[i].image as i64;
                ClusterFace::new(i as i64, photo, vector, *quality)
            };
            let faces: Vec<ClusterFace> = (0..members.len()).map(face).collect();
            let found = cluster(&faces, &Constraints::default(), &options)
                .map_err(|e| Problem::internal(e.to_string()))?;
            let mut groups = vec![Vec::new(); found.n_clusters()];
            for (member, group) in members.into_iter().zip(found.labels()) {
                groups[group].push(member);
            }
            Ok(groups)
        });
        let groups = groups.await?;
        self.recognition
            .record(Action::Compare, service, count)
            .await?;
        self.change(number, |job| job.groups = groups);
        Ok(())
    }
}

/// A job of this key: its progress and result.
#[utoipa::path(get, path = "/api/fusiform/v1/jobs/{id}", operation_id = "job",
    params(("id" = String, Path)), responses((status = 200, body = Job), Problems))]
pub(super) async fn show(
    State(jobs): State<Arc<Jobs>>,
    Extension(service): Extension<Service>,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let id = Uuid::parse_str(&id).ok();
    let table = jobs.table();
    let found = table
        .values()
        .find(|entry| Some(entry.id) == id && entry.service == service.id);
    let unknown = || Problem::new(Code::NotFound, "There is no such job");
    found
        .map(|entry| Json(entry.job.clone()))
        .ok_or_else(unknown)
}

type Begun = Result<(StatusCode, Json<Job>), Problem>;

/// The images of a job; `None` where the text is not base64.
async fn images(given: Vec<String>) -> Result<Vec<Option<Bytes>>, Problem> {
    if given.is_empty() || given.len() > MAX_IMAGES {
        let detail = format!("1 to {MAX_IMAGES} images make a job");
        return Err(Problem::invalid(detail));
    }
    let base64 = &base64::engine::general_purpose::STANDARD;
    let decoded = |text: String| base64.decode(text).ok().map(Bytes::from);
    blocking(move || Ok(given.into_iter().map(decoded).collect())).await
}

/// Enrols many faces, each of a person entered before.
///
/// The answer comes at once; ask for the job's progress.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/enrol", operation_id = "enrol_many",
    request_body = Batch, responses((status = 202, body = Job), Problems))]
pub(super) async fn enrol(
    State(jobs): State<Arc<Jobs>>,
    Extension(service): Extension<Service>,
    Extension(held): Extension<Arc<Held>>,
    Parsed(batch): Parsed<Batch>,
) -> Begun {
    let faces = batch.faces.into_iter();
    let faces = faces.map(|f| (normalized(&f.name), f.image));
    let (names, given): (Vec<String>, Vec<String>) = faces.unzip();
    let images = images(given).await?;
    let (number, job) = jobs.begin(service, images.len())?;
    tokio::spawn(async move {
        let _held = held;
        for (i, (name, image)) in names.into_iter().zip(images).enumerate() {
            let enrolled = jobs.enrol_one(service, name, image).await;
            jobs.change(number, |job| {
                job.done += 1;
                job.images.push(ImageResult {
                    image: i,
                    id: enrolled.as_ref().ok().map(Uuid::to_string),
                    error: enrolled.as_ref().err().map(problem_json::detail),
                });
            });
        }
        jobs.end(number, Ok(()));
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Finds out which faces of many images are one person. Nothing is stored.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/cluster", operation_id = "group",
    request_body = Unsorted, responses((status = 202, body = Job), Problems))]
pub(super) async fn group(
    State(jobs): State<Arc<Jobs>>,
    Extension(service): Extension<Service>,
    Extension(held): Extension<Arc<Held>>,
    Parsed(unsorted): Parsed<Unsorted>,
) -> Begun {
    let images = images(unsorted.images).await?;
    let (number, job) = jobs.begin(service, images.len())?;
    tokio::spawn(async move {
        let _held = held;
        let result = jobs.group_all(service, number, images).await;
        jobs.end(number, result);
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Copies the vault into the server's backup folder while it is in use. Needs an admin key.
#[utoipa::path(post, path = "/api/fusiform/v1/jobs/backup", operation_id = "backup",
    responses((status = 202, body = Job), Problems))]
pub(super) async fn backup(
    State(jobs): State<Arc<Jobs>>,
    Extension(service): Extension<Service>,
) -> Begun {
    let no_folder = || Problem::invalid("the server was started without a folder for backups");
    let dir = jobs.backup_dir.clone().ok_or_else(no_folder)?;
    let (number, job) = jobs.begin(service, 1)?;
    let file = format!("vault-{}.db", job.id);
    tokio::spawn(async move {
        let to = dir.join(&file);
        let result = jobs.recognition.stored(move |gallery| gallery.backup(&to));
        let result = result.await;
        if result.is_ok() {
            jobs.change(number, |job| {
                job.done = 1;
                job.file = Some(file);
            });
        }
        jobs.end(number, result);
    });
    Ok((StatusCode::ACCEPTED, Json(job)))
}
