//! The extension module `fusiform._native`. In: Python objects. Out: faces, people and answers of
//! the library. Knows nothing of how other Python packages shape theirs; that is Python.

mod album;
mod engine;
mod error;
mod face;
mod gallery;
mod pixels;
mod process;
mod results;

use pyo3::prelude::*;

/// Face recognition on this machine; use the package `fusiform`, which adds types and names.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<engine::Engine>()?;
    module.add_class::<face::Photo>()?;
    module.add_class::<face::Face>()?;
    module.add_class::<gallery::Gallery>()?;
    module.add_class::<album::Album>()?;
    module.add_function(wrap_pyfunction!(face::_unpickle_face, module)?)?;
    module.add_function(wrap_pyfunction!(face::_unpickle_photo, module)?)?;
    Ok(())
}
