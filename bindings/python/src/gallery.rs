//! Enrolled people as Python sees them. In: names, faces, consent. Out: who a face is.
//! Knows nothing of pixels.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use fusiform::gallery::{Consent, Secret};
use fusiform::{Error, Fmr, Identification};
use pyo3::prelude::*;

use crate::engine::Engine;
use crate::error::{OrRaise, bad_option, not_pickled};
use crate::face::Face;
use crate::process::{Owned, on_all_threads};
use crate::results;

/// People who are recognised: names, consents and faces, sealed in a file or in memory.
#[pyclass(frozen, module = "fusiform")]
pub(crate) struct Gallery {
    people: Owned<RwLock<Option<fusiform::Gallery>>>,
}

#[pymethods]
impl Gallery {
    /// Opens the people in a file, or makes it; `None` keeps them in memory.
    ///
    /// The key lies beside the file (`people.key` for `people.db`), made on first use, unless `key`
    /// (64 hexadecimal digits) or `passphrase` is given.
    #[new]
    #[pyo3(signature = (path, engine, *, key=None, passphrase=None))]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        engine: &Engine,
        key: Option<String>,
        passphrase: Option<String>,
    ) -> PyResult<Gallery> {
        let secret = match (key, passphrase) {
            (None, None) => None,
            (Some(key), None) => Some(Secret::Hex(key.into())),
            (None, Some(passphrase)) => Some(Secret::Passphrase(passphrase.into())),
            (Some(_), Some(_)) => {
                return Err(bad_option(py, "give either key or passphrase, not both"));
            }
        };
        let engine = &engine.inner;
        let open = || match (path, secret) {
            (None, None) => fusiform::Gallery::in_memory(engine).map(Some),
            (Some(path), None) => fusiform::Gallery::open(path, engine).map(Some),
            (Some(path), Some(secret)) => {
                fusiform::Gallery::open_with(path, &secret, engine).map(Some)
            }
            (None, Some(_)) => Ok(None),
        };
        let opened = py.detach(|| on_all_threads(open));
        let Some(people) = opened.or_raise(py)? else {
            return Err(bad_option(
                py,
                "people in memory are not sealed: a key has no use",
            ));
        };
        Ok(Gallery {
            people: Owned::new("Gallery", RwLock::new(Some(people))),
        })
    }

    /// Enrols a face under a name; a person may have several. On disk when this returns.
    ///
    /// `consent` states on what ground, for what and until when; it replaces an earlier one. Gives
    /// the number of the enrolled face.
    #[pyo3(signature = (name, face, *, consent=None))]
    fn enrol(
        &self,
        py: Python<'_>,
        name: &str,
        face: &Face,
        consent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let consent = consent.map(read_consent).transpose()?;
        self.change(py, |people| {
            let id = match consent {
                Some(consent) => people.enrol_with(name, &face.0, consent),
                None => people.enrol(name, &face.0),
            };
            id.map(|id| id.to_string())
        })
    }

    /// Who a face is, at a false-match rate that the pack states.
    #[pyo3(signature = (face, *, fmr=1e-3))]
    fn identify<'py>(&self, py: Python<'py>, face: &Face, fmr: f64) -> PyResult<Bound<'py, PyAny>> {
        let found = self.read(py, |people| people.identify(&face.0, Fmr(fmr)))?;
        identification(py, found)
    }

    /// As `identify` for all faces of a photo, in one pass over the enrolled.
    #[pyo3(signature = (faces, *, fmr=1e-3))]
    fn identify_all<'py>(
        &self,
        py: Python<'py>,
        faces: Vec<Py<Face>>,
        fmr: f64,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let probes: Vec<&fusiform::Face> = faces.iter().map(|face| &face.get().0).collect();
        let found = self.read(py, |people| people.identify_all(&probes, Fmr(fmr)))?;
        found.into_iter().map(|f| identification(py, f)).collect()
    }

    /// Everybody enrolled, in the order in which they came.
    fn people<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let people = self.read(py, |people| Ok(people.people()))?;
        let person = |person: fusiform::gallery::Person| {
            let Consent {
                basis,
                purpose,
                expires_at_ms,
            } = person.consent;
            let consent = PyModule::import(py, "fusiform._results")?
                .call_method1("_consent", (basis, purpose, expires_at_ms))?;
            results::tuple(py, "Person", (person.number, person.name, consent))
        };
        people.into_iter().map(person).collect()
    }

    /// Erases a person with all faces; False if nobody has that name.
    fn erase(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.change(py, |people| people.erase(name))
    }

    /// Erases everybody whose consent has ended: how many they were.
    fn erase_ended(&self, py: Python<'_>) -> PyResult<usize> {
        self.change(py, fusiform::Gallery::erase_ended)
    }

    /// Closes the file; another process may open it then. Closing twice changes nothing.
    fn close(&self, py: Python<'_>) {
        // In a forked child it stays the parent's.
        if let Ok(people) = self.people.get(py) {
            let lock = || {
                people
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take()
            };
            py.detach(|| drop(lock()));
        }
    }

    fn __enter__(slf: Py<Gallery>) -> Py<Gallery> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a Gallery"))
    }
}

impl Gallery {
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        task: impl FnOnce(&fusiform::Gallery) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let people = self.people.get(py)?;
        let found = py.detach(|| {
            let people = people.read().unwrap_or_else(PoisonError::into_inner);
            people
                .as_ref()
                .map(|people| on_all_threads(|| task(people)))
        });
        found.ok_or_else(|| self.people.closed(py))?.or_raise(py)
    }

    fn change<T: Send>(
        &self,
        py: Python<'_>,
        task: impl FnOnce(&mut fusiform::Gallery) -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let people = self.people.get(py)?;
        let done = py.detach(|| {
            let mut people = people.write().unwrap_or_else(PoisonError::into_inner);
            people
                .as_mut()
                .map(|people| on_all_threads(|| task(people)))
        });
        done.ok_or_else(|| self.people.closed(py))?.or_raise(py)
    }
}

fn read_consent(consent: &Bound<'_, PyAny>) -> PyResult<Consent> {
    Ok(Consent {
        basis: consent.getattr("basis")?.extract()?,
        purpose: consent.getattr("purpose")?.extract()?,
        expires_at_ms: consent.call_method0("_expires_at_ms")?.extract()?,
    })
}

fn identification<'py>(py: Python<'py>, of: Identification) -> PyResult<Bound<'py, PyAny>> {
    let threshold = results::threshold(py, &of.threshold)?;
    let similarity = of.similarity.map(|s| s.0);
    results::tuple(py, "Identification", (of.name, similarity, threshold))
}
