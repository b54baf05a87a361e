//! Errors as Python exceptions. In: an error of the library. Out: an instance of `fusiform.Error`
//! or of a class below it, with `kind`. Knows nothing of what was being done.

use fusiform::{Error, ErrorKind};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;

/// The exception for an error of the library.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    let missing = matches!(&error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound);
    of_kind(py, error.kind(), &error.to_string(), missing)
}

/// The exception for an argument that has the right type and cannot be used.
pub(crate) fn bad_option(py: Python<'_>, message: &str) -> PyErr {
    of_kind(py, ErrorKind::BadOption, message, false)
}

/// The exception for a handle that was closed or belongs to another process.
pub(crate) fn bad_handle(py: Python<'_>, message: &str) -> PyErr {
    of_kind(py, ErrorKind::BadHandle, message, false)
}

/// The exception for a call from within a call that uses the same album.
pub(crate) fn busy(py: Python<'_>, message: &str) -> PyErr {
    of_kind(py, ErrorKind::Busy, message, false)
}

/// The exception for an argument of a type that nothing can be made of.
pub(crate) fn wrong_type(py: Python<'_>, message: &str) -> PyErr {
    build(py, "wrong_type", (message,)).unwrap_or_else(|_| PyTypeError::new_err(message.to_owned()))
}

/// Why something that lives in this process cannot be sent to another.
pub(crate) fn not_pickled(what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} cannot be pickled or copied: it belongs to this process; open one in each process, \
         and send Photos and Faces, which can be pickled"
    ))
}

fn of_kind(py: Python<'_>, kind: ErrorKind, message: &str, missing: bool) -> PyErr {
    build(py, "of_kind", (kind.name(), kind.code(), message, missing)).unwrap_or_else(|lost| lost)
}

fn build<'py>(
    py: Python<'py>,
    maker: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<PyErr> {
    let errors = PyModule::import(py, "fusiform._errors")?;
    let made = errors
        .getattr(maker)
        .map_err(|_| PyKeyError::new_err("fusiform._errors"))?;
    Ok(PyErr::from_value(made.call1(arguments)?))
}

/// The library's result as Python's.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: Into<Error>> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|e| raise(py, e.into()))
    }
}
