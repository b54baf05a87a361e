//! A photo library. In: folders, decisions. Out: people and their photos.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fusiform::album::scan::{Event, Exclude, ScanOptions};
use fusiform::album::{OpenOptions, PersonId};

use crate::engine::Engine;
use crate::error::{FusiformError, closed};
use crate::face::{BoundingBox, bounding_box};

/// A photo library in one file: photos, faces, people, and what you decided about them.
#[derive(uniffi::Object)]
pub struct Album {
    album: Mutex<Option<fusiform::Album>>,
    engine: Arc<Engine>,
}

/// Told how far a scan is. It must not call the album that is scanned.
#[uniffi::export(with_foreign)]
pub trait ScanProgress: Send + Sync {
    /// The number of files done and of all. False ends the scan after the files under way; a later
    /// scan goes on from there.
    fn goes_on(&self, n_done: u64, n_files: u64) -> bool;
}

/// A file that could not be used.
#[derive(uniffi::Record)]
pub struct ScanProblem {
    /// Where it is.
    pub path: String,
    /// `over_limit`, `damaged`, `no_photo`, `not_covered`, `unreadable` or `failed`.
    pub kind: String,
    /// Reason and remedy.
    pub why: String,
}

/// What a scan did.
#[derive(uniffi::Record)]
pub struct ScanSummary {
    /// Files with the name of a photo.
    pub n_files: u64,
    /// Pictures that are new.
    pub n_analysed: u64,
    /// Their faces.
    pub n_new_faces: u64,
    /// Whether it ended before all were looked at.
    pub is_interrupted: bool,
    /// What could not be used.
    pub problems: Vec<ScanProblem>,
}

/// A person of an album, named or not.
#[derive(uniffi::Record)]
pub struct AlbumPerson {
    /// Number.
    pub id: i64,
    /// Name, if somebody gave one.
    pub name: Option<String>,
    /// Photos with the person.
    pub n_photos: u64,
    /// Faces of the person.
    pub n_faces: u64,
}

/// One face of a person with its photo.
#[derive(uniffi::Record)]
pub struct PersonPhoto {
    /// Number of the face.
    pub face_id: i64,
    /// All copies of the photo.
    pub paths: Vec<String>,
    /// ISO 8601, the camera's local time.
    pub taken_at: Option<String>,
    /// Where the face is.
    pub bbox: BoundingBox,
}

#[uniffi::export]
impl Album {
    /// Opens an album, or makes it.
    #[uniffi::constructor]
    pub fn open(path: String, engine: Arc<Engine>) -> Result<Arc<Album>, FusiformError> {
        let options = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let album = fusiform::Album::open(Path::new(&path), options)?;
        let album = Mutex::new(Some(album));
        Ok(Arc::new(Album { album, engine }))
    }

    /// Records every new or changed photo below the folders, on all cores; `group` makes people.
    #[uniffi::method(default(progress = None))]
    pub fn scan(
        &self,
        folders: Vec<String>,
        progress: Option<Arc<dyn ScanProgress>>,
    ) -> Result<ScanSummary, FusiformError> {
        self.with(|album| {
            let roots: Vec<PathBuf> = folders.into_iter().map(PathBuf::from).collect();
            let scan = ScanOptions {
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                exclude: Exclude::default(),
            };
            let (engine, stop) = (&self.engine.0, AtomicBool::new(false));
            let mut n_files = 0;
            let tell = |event| {
                let n_done = match event {
                    Event::Found(n) => {
                        n_files = n;
                        0
                    }
                    Event::Recorded(n_done) => n_done,
                };
                let asked = progress.as_ref();
                if asked.is_some_and(|p| !p.goes_on(n_done as u64, n_files as u64)) {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            let options = engine.usual_options();
            let done = engine.scan_with(album, &roots, &options, &scan, &stop, tell)?;
            let problems = done
                .problems
                .into_iter()
                .map(|(path, unusable)| ScanProblem {
                    path: path.to_string_lossy().into_owned(),
                    kind: unusable.kind.word().into(),
                    why: unusable.why,
                });
            Ok(ScanSummary {
                n_files: done.files as u64,
                n_analysed: done.analysed as u64,
                n_new_faces: done.new_faces as u64,
                is_interrupted: done.interrupted,
                problems: problems.collect(),
            })
        })
    }

    /// Groups the faces into people, if anything changed since that was last done: how many.
    pub fn group(&self) -> Result<u64, FusiformError> {
        self.with(|album| Ok(self.engine.0.group(album)?.n_people as u64))
    }

    /// All people with a name or a face: those with most faces first.
    pub fn people(&self) -> Result<Vec<AlbumPerson>, FusiformError> {
        let people = self.with(|album| Ok(album.people()?))?;
        let person = |of: fusiform::album::PersonSummary| AlbumPerson {
            id: of.id.0,
            name: of.name,
            n_photos: of.n_photos as u64,
            n_faces: of.n_faces as u64,
        };
        Ok(people.into_iter().map(person).collect())
    }

    /// The number of the person of a name, however it is spelt in case and composition.
    pub fn find_person(&self, name: String) -> Result<i64, FusiformError> {
        self.with(|album| Ok(album.find_person(&name)?.0))
    }

    /// The faces of a person with their photos, by date.
    pub fn photos_of(&self, person_id: i64) -> Result<Vec<PersonPhoto>, FusiformError> {
        let photos = self.with(|album| Ok(album.photos_of(PersonId(person_id))?))?;
        let photo = |of: fusiform::album::PersonPhoto| PersonPhoto {
            face_id: of.face.0,
            paths: of
                .paths
                .iter()
                .map(|path| Path::new(path).to_string_lossy().into_owned())
                .collect(),
            taken_at: of.date.map(|date| date.local),
            bbox: bounding_box(&of.bbox),
        };
        Ok(photos.into_iter().map(photo).collect())
    }

    /// Names a person. It outlives new scans, new groupings and other models.
    pub fn name(&self, person_id: i64, name: String) -> Result<(), FusiformError> {
        self.with(|album| Ok(album.name(PersonId(person_id), &name)?))
    }

    /// Two numbers are one person: the other's faces become those of the first.
    pub fn merge(&self, person_id: i64, other_id: i64) -> Result<(), FusiformError> {
        self.with(|album| {
            album.merge(PersonId(person_id), PersonId(other_id))?;
            Ok(())
        })
    }

    /// Takes back the latest decision; gives it in words.
    pub fn undo(&self) -> Result<Vec<String>, FusiformError> {
        self.with(|album| Ok(album.undo(1)?))
    }

    /// Erases a person for good: name, templates, landmarks. Gives the number of faces.
    pub fn erase(&self, person_id: i64) -> Result<u64, FusiformError> {
        self.with(|album| Ok(album.erase(PersonId(person_id))?.faces.len() as u64))
    }

    /// Closes the file now, whoever still holds this. Twice changes nothing.
    pub fn shut(&self) {
        drop(
            self.album
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Album {
    fn with<T>(
        &self,
        task: impl FnOnce(&mut fusiform::Album) -> Result<T, FusiformError>,
    ) -> Result<T, FusiformError> {
        let mut album = self.album.lock().unwrap_or_else(PoisonError::into_inner);
        task(album.as_mut().ok_or_else(|| closed("Album"))?)
    }
}
