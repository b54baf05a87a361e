//! A photo library. In: folders, decisions. Out: people and their photos. Knows nothing of pixels.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fusiform::Fmr;
use fusiform::album::scan::{Event, Exclude, ScanOptions, ScanSummary};
use fusiform::album::{
    Decision, FaceId, FaceSummary, OpenOptions, Page, PersonId, PersonPhoto, PersonSummary,
    Unusable,
};
use napi::bindgen_prelude::{FnArgs, Function, ToNapiValue, TypeName};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::answer::{Failure, Promised, promise, read};
use crate::engine::{NativeEngine, checked_threads};
use crate::face::{FaceFields, wide};
use crate::results::ThresholdFields;

/// A photo library in one file; `None` once closed.
#[napi]
pub struct NativeAlbum {
    album: Arc<Mutex<Option<fusiform::Album>>>,
    engine: Arc<fusiform::Engine>,
}

/// What ends a scan.
#[napi]
pub struct Stop(Arc<AtomicBool>);

#[napi(object)]
pub struct Problem {
    pub path: String,
    pub kind: String,
    pub why: String,
}

/// A file and what is said of it.
#[napi(object)]
pub struct Remark {
    pub path: String,
    pub text: String,
}

#[napi(object)]
pub struct ScanFields {
    pub n_files: u32,
    pub n_unchanged: u32,
    pub n_known: u32,
    pub n_analysed: u32,
    pub n_new_faces: u32,
    pub interrupted: bool,
    pub problems: Vec<Problem>,
    pub notes: Vec<Remark>,
    pub unread: Vec<Remark>,
    pub excluded: Vec<Remark>,
}

#[napi(object)]
pub struct GroupFields {
    pub n_people: u32,
    pub n_members: u32,
    pub n_unassigned: u32,
}

#[napi(object, use_nullable = true)]
pub struct AlbumPersonFields {
    pub id: i64,
    pub name: Option<String>,
    pub n_photos: u32,
    pub n_faces: u32,
}

#[napi(object, use_nullable = true)]
pub struct PersonPhotoFields {
    pub face_id: i64,
    pub paths: Vec<String>,
    pub taken_at: Option<String>,
    pub bbox: Vec<f64>,
    pub similarity: Option<f64>,
    pub quality: f64,
}

#[napi(object, use_nullable = true)]
pub struct AlbumFaceFields {
    pub face_id: i64,
    pub bbox: Vec<f64>,
    pub quality: f64,
    pub person_id: Option<i64>,
    pub name: Option<String>,
    pub similarity: Option<f64>,
    pub is_unclear: bool,
}

#[napi(object, use_nullable = true)]
pub struct AlbumMatchFields {
    pub person: Option<AlbumPersonFields>,
    pub similarity: Option<f64>,
    pub threshold: ThresholdFields,
}

#[napi(object)]
pub struct DecisionFields {
    pub id: i64,
    pub at_ms: i64,
    pub actor: String,
    pub what: String,
    pub is_undone: bool,
    pub is_undoable: bool,
}

#[napi]
impl Stop {
    #[napi(constructor)]
    pub fn new() -> Stop {
        Stop(Arc::default())
    }

    /// The scan ends after the files under way.
    #[napi]
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[napi]
impl NativeAlbum {
    #[napi]
    pub fn open(
        path: String,
        engine: &NativeEngine,
        create: bool,
        read_only: bool,
    ) -> Promised<NativeAlbum> {
        let engine = engine.inner.clone();
        promise(move || {
            let options = OpenOptions { read_only, create };
            let album = read(fusiform::Album::open(Path::new(&path), options))?;
            let album = Arc::new(Mutex::new(Some(album)));
            Ok(NativeAlbum { album, engine })
        })
    }

    /// `progress` is told the number of files done and of all.
    #[napi]
    pub fn scan(
        &self,
        folders: Vec<String>,
        threads: Option<u32>,
        stop: &Stop,
        progress: Function<FnArgs<(u32, u32)>, ()>,
    ) -> napi::Result<Promised<ScanFields>> {
        // What waits to be told is bounded by the number of files.
        let progress = progress.build_threadsafe_function().build()?;
        let (engine, stop) = (self.engine.clone(), stop.0.clone());
        Ok(self.with(move |album| {
            let threads = match threads {
                Some(threads) => checked_threads(threads)?,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            };
            let scan = ScanOptions {
                threads,
                exclude: Exclude::default(),
            };
            let roots: Vec<PathBuf> = folders.into_iter().map(PathBuf::from).collect();
            let mut n_files = 0;
            let tell = |event| {
                let n_done = match event {
                    Event::Found(n) => {
                        n_files = n;
                        0
                    }
                    Event::Recorded(n_done) => n_done,
                };
                let told = FnArgs::from((count(n_done), count(n_files)));
                progress.call(told, ThreadsafeFunctionCallMode::NonBlocking);
            };
            let options = engine.usual_options();
            let done = engine.scan_with(album, &roots, &options, &scan, &stop, tell)?;
            Ok(done.into())
        }))
    }

    #[napi]
    pub fn group(&self) -> Promised<GroupFields> {
        let engine = self.engine.clone();
        self.with(move |album| {
            let done = engine.group(album)?;
            Ok(GroupFields {
                n_people: count(done.n_people),
                n_members: count(done.n_members),
                n_unassigned: count(done.n_unassigned),
            })
        })
    }

    #[napi]
    pub fn people(&self) -> Promised<Vec<AlbumPersonFields>> {
        self.with(|album| {
            let people = read(album.people())?;
            Ok(people.into_iter().map(AlbumPersonFields::from).collect())
        })
    }

    #[napi]
    pub fn person(&self, person_id: i64) -> Promised<AlbumPersonFields> {
        self.with(move |album| Ok(read(album.person(PersonId(person_id)))?.into()))
    }

    #[napi]
    pub fn find_person(&self, name: String) -> Promised<i64> {
        self.with(move |album| Ok(read(album.find_person(&name))?.0))
    }

    #[napi]
    pub fn photos_of(&self, person_id: i64) -> Promised<Vec<PersonPhotoFields>> {
        self.with(move |album| {
            let photos = read(album.photos_of(PersonId(person_id)))?;
            Ok(photos.into_iter().map(PersonPhotoFields::from).collect())
        })
    }

    #[napi]
    pub fn faces_in(&self, path: String) -> Promised<Vec<AlbumFaceFields>> {
        self.with(move |album| {
            let photo = read(album.photo_at(Path::new(&path)))?;
            let view = read(album.photo(photo))?;
            Ok(view.faces.into_iter().map(AlbumFaceFields::from).collect())
        })
    }

    #[napi]
    pub fn identify(&self, face: FaceFields, fmr: f64) -> Promised<AlbumMatchFields> {
        let engine = self.engine.clone();
        self.with(move |album| {
            let threshold = engine.thresholds()?.at_fmr(Fmr(fmr))?;
            let face = face.read(&engine)?;
            let index = read(album.index(engine.embedder_id()?))?;
            let nearest = read(index.identify(face.template()?, 1))?
                .into_iter()
                .next();
            let similarity = nearest.as_ref().map(|n| n.similarity.0);
            let near = nearest.filter(|n| n.similarity.0 >= threshold.similarity);
            let person = match near {
                Some(near) => Some(read(album.person(near.person))?.into()),
                None => None,
            };
            Ok(AlbumMatchFields {
                person,
                similarity: similarity.map(f64::from),
                threshold: (&threshold).into(),
            })
        })
    }

    #[napi]
    pub fn name(&self, person_id: i64, name: String) -> Promised<()> {
        self.with(move |album| read(album.name(PersonId(person_id), &name)))
    }

    #[napi]
    pub fn merge(&self, person_id: i64, other_id: i64) -> Promised<()> {
        self.with(move |album| {
            read(album.merge(PersonId(person_id), PersonId(other_id)))?;
            Ok(())
        })
    }

    #[napi]
    pub fn split(&self, person_id: i64, face_ids: Vec<i64>) -> Promised<i64> {
        let faces = faces(face_ids);
        self.with(move |album| Ok(read(album.split(PersonId(person_id), &faces))?.0))
    }

    #[napi]
    pub fn ignore(&self, face_ids: Vec<i64>) -> Promised<()> {
        let faces = faces(face_ids);
        self.with(move |album| read(album.ignore(&faces)))
    }

    #[napi]
    pub fn not_a_face(&self, face_ids: Vec<i64>) -> Promised<()> {
        let faces = faces(face_ids);
        self.with(move |album| read(album.not_a_face(&faces)))
    }

    #[napi]
    pub fn undo(&self, count: u32) -> Promised<Vec<String>> {
        self.with(move |album| read(album.undo(count as usize)))
    }

    #[napi]
    pub fn history(&self) -> Promised<Vec<DecisionFields>> {
        self.with(|album| {
            let mut all = Vec::new();
            loop {
                let page = Page {
                    offset: all.len(),
                    ..Page::default()
                };
                let items = read(album.history(page))?.items;
                if items.is_empty() {
                    return Ok(all);
                }
                all.extend(items.into_iter().map(DecisionFields::from));
            }
        })
    }

    #[napi]
    pub fn erase(&self, person_id: i64) -> Promised<u32> {
        self.with(move |album| Ok(count(read(album.erase(PersonId(person_id)))?.faces.len())))
    }

    /// Whether it was open.
    #[napi]
    pub fn close(&self) -> Promised<bool> {
        let album = self.album.clone();
        promise(move || {
            let mut album = album.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(album.take().is_some())
        })
    }
}

impl NativeAlbum {
    fn with<T, F>(&self, task: F) -> Promised<T>
    where
        T: Send + 'static + ToNapiValue + TypeName,
        F: FnOnce(&mut fusiform::Album) -> Result<T, Failure> + Send + 'static,
    {
        let album = self.album.clone();
        promise(move || {
            let mut album = album.lock().unwrap_or_else(PoisonError::into_inner);
            task(album.as_mut().ok_or_else(|| Failure::closed("Album"))?)
        })
    }
}

fn faces(ids: Vec<i64>) -> Vec<FaceId> {
    ids.into_iter().map(FaceId).collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl From<ScanSummary> for ScanFields {
    fn from(of: ScanSummary) -> ScanFields {
        let problem = |(path, unusable): (PathBuf, Unusable)| Problem {
            path: text(&path),
            kind: unusable.kind.word().into(),
            why: unusable.why,
        };
        fn remarks<T: ToString>(of: Vec<(PathBuf, T)>) -> Vec<Remark> {
            let remark = |(path, said): (PathBuf, T)| Remark {
                path: text(&path),
                text: said.to_string(),
            };
            of.into_iter().map(remark).collect()
        }
        ScanFields {
            n_files: count(of.files),
            n_unchanged: count(of.unchanged),
            n_known: count(of.known_content),
            n_analysed: count(of.analysed),
            n_new_faces: count(of.new_faces),
            interrupted: of.interrupted,
            problems: of.problems.into_iter().map(problem).collect(),
            notes: remarks(of.notes),
            unread: remarks(of.unread),
            excluded: remarks(of.excluded),
        }
    }
}

impl From<PersonSummary> for AlbumPersonFields {
    fn from(of: PersonSummary) -> AlbumPersonFields {
        AlbumPersonFields {
            id: of.id.0,
            name: of.name,
            n_photos: count(of.n_photos),
            n_faces: count(of.n_faces),
        }
    }
}

impl From<PersonPhoto> for PersonPhotoFields {
    fn from(of: PersonPhoto) -> PersonPhotoFields {
        PersonPhotoFields {
            face_id: of.face.0,
            paths: of.paths.iter().map(|path| text(Path::new(path))).collect(),
            taken_at: of.date.map(|date| date.local),
            bbox: wide(&of.bbox.as_array()),
            similarity: of.similarity.map(f64::from),
            quality: of.quality.into(),
        }
    }
}

impl From<FaceSummary> for AlbumFaceFields {
    fn from(of: FaceSummary) -> AlbumFaceFields {
        AlbumFaceFields {
            face_id: of.face.0,
            bbox: wide(&of.bbox.as_array()),
            quality: of.quality.into(),
            person_id: of.person.map(|p| p.0),
            name: of.name,
            similarity: of.similarity.map(f64::from),
            is_unclear: of.unclear,
        }
    }
}

impl From<Decision> for DecisionFields {
    fn from(of: Decision) -> DecisionFields {
        DecisionFields {
            id: of.id,
            at_ms: of.at_ms,
            actor: of.actor,
            what: of.what,
            is_undone: of.undone,
            is_undoable: of.undoable,
        }
    }
}
