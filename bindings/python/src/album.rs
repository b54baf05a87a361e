//! A photo library as Python sees it. In: folders, decisions. Out: people and their photos.
//! Knows nothing of pixels.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fusiform::album::scan::{Event, Exclude, ScanOptions, ScanSummary};
use fusiform::album::{FaceId, OpenOptions, Page, PersonId, PersonPhoto, PersonSummary};
use fusiform::{Error, Fmr};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::engine::{Engine, checked_threads};
use crate::error::{OrRaise, busy, not_pickled};
use crate::face::Face;
use crate::process::{Owned, on_all_threads};
use crate::results;

/// How often a scan looks whether Python wants it to end.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// A photo library in one file: photos, faces, people, and what you decided about them.
#[pyclass(frozen, module = "fusiform")]
pub(crate) struct Album {
    album: Owned<Mutex<Option<fusiform::Album>>>,
    engine: Arc<fusiform::Engine>,
    /// The thread that waits for a scan: what it calls back must not wait for the album.
    scanning: Mutex<Option<ThreadId>>,
}

/// A scan under way; it is over when this is dropped.
struct Scanning<'a>(&'a Album);

impl<'a> Scanning<'a> {
    fn new(album: &'a Album) -> Self {
        *album.scanning() = Some(thread::current().id());
        Scanning(album)
    }
}

impl Drop for Scanning<'_> {
    fn drop(&mut self) {
        *self.0.scanning() = None;
    }
}

#[pymethods]
impl Album {
    /// Opens an album, or makes it.
    #[new]
    #[pyo3(signature = (path, engine, *, create=true, read_only=false))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        engine: &Engine,
        create: bool,
        read_only: bool,
    ) -> PyResult<Album> {
        let options = OpenOptions { read_only, create };
        let album = py
            .detach(|| fusiform::Album::open(&path, options))
            .or_raise(py)?;
        Ok(Album {
            album: Owned::new("Album", Mutex::new(Some(album))),
            engine: engine.inner.clone(),
            scanning: Mutex::new(None),
        })
    }

    /// Records every new or changed photo below the folders, on all cores; `group` makes people.
    ///
    /// `progress` is called with the number of files done and of all. Ctrl-C, or an exception in
    /// `progress`, ends the scan after the files under way; a later scan goes on from there. Files
    /// that cannot be used are no exception: the summary lists them.
    #[pyo3(signature = (*folders, progress=None, threads=None))]
    fn scan<'py>(
        &self,
        py: Python<'py>,
        folders: &Bound<'py, PyTuple>,
        progress: Option<Py<PyAny>>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let roots: Vec<PathBuf> = folders
            .iter()
            .map(|f| f.extract())
            .collect::<PyResult<_>>()?;
        let threads = match threads {
            Some(threads) => checked_threads(py, threads)?,
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let options = ScanOptions {
            threads,
            exclude: Exclude::default(),
        };
        let done = self.with(py, |album| {
            let _scanning = Scanning::new(self);
            Ok(self.watched_scan(album, &roots, &options, progress.as_ref()))
        })?;
        summary(py, done?.or_raise(py)?)
    }

    /// Groups the faces into people, if anything changed since that was last done.
    fn group<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let engine = &self.engine;
        let done = self.with(py, |album| on_all_threads(|| engine.group(album)))?;
        let values = (done.n_people, done.n_members, done.n_unassigned);
        results::tuple(py, "GroupSummary", values)
    }

    /// All people with a name or a face: those with most faces first.
    fn people<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let people = self.with(py, |album| Ok(album.people()?))?;
        people.into_iter().map(|p| person(py, p)).collect()
    }

    /// One person by number.
    fn person<'py>(&self, py: Python<'py>, person_id: i64) -> PyResult<Bound<'py, PyAny>> {
        let found = self.with(py, |album| Ok(album.person(PersonId(person_id))?))?;
        person(py, found)
    }

    /// The number of the person of a name, however it is spelt in case and composition.
    fn find_person(&self, py: Python<'_>, name: &str) -> PyResult<i64> {
        self.with(py, |album| Ok(album.find_person(name)?.0))
    }

    /// The faces of a person with their photos: by date.
    fn photos_of<'py>(&self, py: Python<'py>, person_id: i64) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let photos = self.with(py, |album| Ok(album.photos_of(PersonId(person_id))?))?;
        let row = |p: PersonPhoto| {
            let bbox = results::bounding_box(py, &p.bbox)?;
            let taken_at = p.date.map(|date| date.local);
            let values = (p.face.0, p.paths, taken_at, bbox, p.similarity, p.quality);
            results::tuple(py, "PersonPhoto", values)
        };
        photos.into_iter().map(row).collect()
    }

    /// The faces in a photo of the album, by its path, from left to right.
    fn faces_in<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let view = self.with(py, |album| Ok(album.photo(album.photo_at(&path)?)?))?;
        let row = |f: fusiform::album::FaceSummary| {
            let bbox = results::bounding_box(py, &f.bbox)?;
            let person = f.person.map(|p| p.0);
            let values = (
                f.face.0,
                bbox,
                f.quality,
                person,
                f.name,
                f.similarity,
                f.unclear,
            );
            results::tuple(py, "AlbumFace", values)
        };
        view.faces.into_iter().map(row).collect()
    }

    /// The person of the album that a face is nearest to, if near enough at a false-match rate.
    #[pyo3(signature = (face, *, fmr=1e-4))]
    fn identify<'py>(&self, py: Python<'py>, face: &Face, fmr: f64) -> PyResult<Bound<'py, PyAny>> {
        let threshold = self.engine.thresholds().or_raise(py)?;
        let threshold = threshold.at_fmr(Fmr(fmr)).or_raise(py)?;
        let probe = face.0.template().or_raise(py)?;
        let found = self.with(py, |album| {
            let model = self.engine.embedder_id()?;
            let index = album.index(model)?;
            let nearest = on_all_threads(|| index.identify(probe, 1))?;
            let Some(nearest) = nearest.into_iter().next() else {
                return Ok((None, None));
            };
            let near = nearest.similarity.0 >= threshold.similarity;
            let person = near.then(|| album.person(nearest.person)).transpose()?;
            Ok((person, Some(nearest.similarity.0)))
        })?;
        let who = found.0.map(|p| person(py, p)).transpose()?;
        let values = (who, found.1, results::threshold(py, &threshold)?);
        results::tuple(py, "AlbumMatch", values)
    }

    /// Names a person. It outlives new scans, new groupings and other models.
    fn name(&self, py: Python<'_>, person_id: i64, name: &str) -> PyResult<()> {
        self.with(py, |album| Ok(album.name(PersonId(person_id), name)?))
    }

    /// Two numbers are one person: `other_id`'s faces become those of `person_id`.
    fn merge(&self, py: Python<'_>, person_id: i64, other_id: i64) -> PyResult<()> {
        self.with(py, |album| {
            Ok(album.merge(PersonId(person_id), PersonId(other_id))?)
        })
    }

    /// These faces are another person's: gives that person's number.
    fn split(&self, py: Python<'_>, person_id: i64, face_ids: Vec<i64>) -> PyResult<i64> {
        let faces = faces(face_ids);
        self.with(py, |album| Ok(album.split(PersonId(person_id), &faces)?.0))
    }

    /// These faces are of no interest.
    fn ignore(&self, py: Python<'_>, face_ids: Vec<i64>) -> PyResult<()> {
        let faces = faces(face_ids);
        self.with(py, |album| Ok(album.ignore(&faces)?))
    }

    /// These are no faces.
    fn not_a_face(&self, py: Python<'_>, face_ids: Vec<i64>) -> PyResult<()> {
        let faces = faces(face_ids);
        self.with(py, |album| Ok(album.not_a_face(&faces)?))
    }

    /// Takes back the latest decisions; gives them in words.
    #[pyo3(signature = (count=1))]
    fn undo(&self, py: Python<'_>, count: usize) -> PyResult<Vec<String>> {
        self.with(py, |album| Ok(album.undo(count)?))
    }

    /// All decisions, latest first.
    fn history<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let decisions = self.with(py, |album| {
            let mut all = Vec::new();
            loop {
                let page = Page {
                    offset: all.len(),
                    ..Page::default()
                };
                let items = album.history(page)?.items;
                if items.is_empty() {
                    return Ok(all);
                }
                all.extend(items);
            }
        })?;
        let row = |d: fusiform::album::Decision| {
            results::tuple(
                py,
                "Decision",
                (d.id, d.at_ms, d.actor, d.what, d.undone, d.undoable),
            )
        };
        decisions.into_iter().map(row).collect()
    }

    /// Erases a person for good: name, templates, landmarks. Gives the number of faces.
    fn erase(&self, py: Python<'_>, person_id: i64) -> PyResult<usize> {
        self.with(py, |album| {
            Ok(album.erase(PersonId(person_id))?.faces.len())
        })
    }

    /// Closes the file. Closing twice changes nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        // In a forked child it stays the parent's.
        if let Ok(album) = self.album.get(py) {
            self.refuse_within_scan(py)?;
            let lock = || album.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(lock()));
        }
        Ok(())
    }

    fn __enter__(slf: Py<Album>) -> Py<Album> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an Album"))
    }
}

impl Album {
    /// Does something with the album while other threads of Python go on.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        task: impl FnOnce(&mut fusiform::Album) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let album = self.album.get(py)?;
        self.refuse_within_scan(py)?;
        let done = py.detach(|| {
            let mut album = album.lock().unwrap_or_else(PoisonError::into_inner);
            album.as_mut().map(task)
        });
        done.ok_or_else(|| self.album.closed(py))?.or_raise(py)
    }

    fn scanning(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.scanning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_within_scan(&self, py: Python<'_>) -> PyResult<()> {
        let scanning = *self.scanning();
        match scanning == Some(thread::current().id()) {
            true => Err(busy(
                py,
                "the Album is being scanned by the call that called this",
            )),
            false => Ok(()),
        }
    }

    /// Scans in a thread of its own while this one listens to Python's signals.
    fn watched_scan(
        &self,
        album: &mut fusiform::Album,
        roots: &[PathBuf],
        options: &ScanOptions,
        progress: Option<&Py<PyAny>>,
    ) -> PyResult<Result<ScanSummary, Error>> {
        let (engine, stop) = (&self.engine, AtomicBool::new(false));
        thread::scope(|scope| {
            let (tell, heard) = channel();
            let stop_asked = &stop;
            let worker = scope.spawn(move || {
                let analyse = engine.usual_options();
                // Nobody listens any more once the waiting thread has failed.
                let tell = |event| drop(tell.send(event));
                engine.scan_with(album, roots, &analyse, options, stop_asked, tell)
            });
            let (mut n_files, mut raised) = (0, None);
            loop {
                let event = match heard.recv_timeout(SIGNALS_EVERY) {
                    Ok(event) => Some(event),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                if raised.is_some() {
                    continue;
                }
                let asked = Python::attach(|py| {
                    py.check_signals()?;
                    let n_done = match event {
                        Some(Event::Found(n)) => {
                            n_files = n;
                            0
                        }
                        Some(Event::Recorded(n_done)) => n_done,
                        None => return Ok(()),
                    };
                    if let Some(progress) = progress {
                        progress.call1(py, (n_done, n_files))?;
                    }
                    Ok(())
                });
                if let Err(error) = asked {
                    stop.store(true, Ordering::Relaxed);
                    raised = Some(error);
                }
            }
            let done = worker.join();
            match (raised, done) {
                (Some(error), _) => Err(error),
                (None, Ok(done)) => Ok(done),
                (None, Err(panic)) => std::panic::resume_unwind(panic),
            }
        })
    }
}

fn faces(ids: Vec<i64>) -> Vec<FaceId> {
    ids.into_iter().map(FaceId).collect()
}

fn person<'py>(py: Python<'py>, of: PersonSummary) -> PyResult<Bound<'py, PyAny>> {
    results::tuple(
        py,
        "AlbumPerson",
        (of.id.0, of.name, of.n_photos, of.n_faces),
    )
}

fn summary<'py>(py: Python<'py>, of: ScanSummary) -> PyResult<Bound<'py, PyAny>> {
    let problem = |(path, unusable): (PathBuf, fusiform::album::Unusable)| {
        let word = unusable.kind.word();
        results::tuple(py, "ScanProblem", (path, word, unusable.why))
    };
    let problems: Vec<_> = of
        .problems
        .into_iter()
        .map(problem)
        .collect::<PyResult<_>>()?;
    let values = (
        (
            of.files,
            of.unchanged,
            of.known_content,
            of.analysed,
            of.new_faces,
        ),
        problems,
        of.notes,
        of.unread,
        of.excluded,
    );
    PyModule::import(py, "fusiform._results")?.call_method1("_scan_summary", values)
}
