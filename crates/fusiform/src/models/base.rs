//! The pack that is compiled in. Out: its manifest and files, from `crates/fusiform/packs/base`.
//! Knows nothing of folders at run time.

use std::borrow::Cow;

use super::error::PackError;
use super::manifest::{Manifest, Role};
use super::pack::Pack;
use super::weights::Weights;

const MANIFEST: &str = include_str!("../../packs/base/manifest.toml");
const DETECTOR: &[u8] = include_bytes!("../../packs/base/detector.onnx");
const LANDMARKS: &[u8] = include_bytes!("../../packs/base/landmarks.onnx");
const EMBEDDER: &[u8] = include_bytes!("../../packs/base/embedder.onnx");

impl Pack {
    /// The pack that needs no file: it is part of the library, and its bytes are not copied.
    ///
    /// # Errors
    /// [`PackError`] if the build put together files that do not belong together.
    pub fn base() -> Result<Pack, PackError> {
        Pack::assemble(Manifest::parse(MANIFEST)?, |role, file| match role {
            Role::Detector => Ok(Weights::Memory(Cow::Borrowed(DETECTOR))),
            Role::Landmarks => Ok(Weights::Memory(Cow::Borrowed(LANDMARKS))),
            Role::Embedder => Ok(Weights::Memory(Cow::Borrowed(EMBEDDER))),
            _ => Err(PackError::Missing {
                file: file.into(),
                role: role.name(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_pack_is_whole_small_and_says_what_it_was_trained_on() {
        let pack = Pack::base().unwrap();
        let length = |role| pack.weights(role).unwrap().unwrap().len();
        let roles = [Role::Detector, Role::Landmarks, Role::Embedder];
        assert!(roles.into_iter().map(length).sum::<usize>() <= 4_500_000);
        let manifest = pack.manifest.embedder.unwrap();
        assert!(manifest.licence.contains("research") && manifest.thresholds.len() == 4);
    }
}
