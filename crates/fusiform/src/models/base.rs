//! The slot for the pack that is compiled into the binary. Out: its manifest and files.
//! Knows nothing of folders.

use super::{Manifest, Pack, PackError};

/// A pack whose files are part of the program.
struct Compiled {
    manifest: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// The compiled pack; `None` until `training/` has made one.
const BASE: Option<Compiled> = None;

/// The pack that needs no file and no network, if this build has one.
///
/// # Errors
/// [`PackError`] if the build put together files that do not belong together.
pub fn base_pack() -> Result<Option<Pack>, PackError> {
    let Some(compiled) = BASE else {
        return Ok(None);
    };
    let manifest = Manifest::parse(compiled.manifest)?;
    let read = |file: &str| {
        let found = compiled.files.iter().find(|(name, _)| *name == file);
        found
            .map(|(_, bytes)| bytes.to_vec())
            .ok_or_else(|| PackError::Manifest(format!("the build does not hold {file:?}")))
    };
    Pack::assemble(manifest, read).map(Some)
}
