//! The pack that is compiled into the binary. Out: its manifest and files, from `crates/fusiform/packs/base`.
//! Knows nothing of folders at run time.

use super::{Manifest, Pack, PackError};

const MANIFEST: &str = include_str!("../../packs/base/manifest.toml");
const FILES: &[(&str, &[u8])] = &[
    (
        "detector.onnx",
        include_bytes!("../../packs/base/detector.onnx"),
    ),
    (
        "embedder.onnx",
        include_bytes!("../../packs/base/embedder.onnx"),
    ),
];

/// The pack that needs no file and no network.
///
/// # Errors
/// [`PackError`] if the build put together files that do not belong together.
pub fn base_pack() -> Result<Pack, PackError> {
    Pack::assemble(Manifest::parse(MANIFEST)?, |file| {
        let found = FILES.iter().find(|(name, _)| *name == file);
        let missing = || PackError::Manifest(format!("the build does not hold {file:?}"));
        found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(missing)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_pack_is_whole_small_and_says_what_it_was_trained_on() {
        let pack = base_pack().unwrap();
        let (detector, embedder) = (pack.detector.unwrap(), pack.embedder.unwrap());
        assert!(detector.len() + embedder.len() <= 3_000_000);
        let manifest = pack.manifest.embedder.unwrap();
        assert!(manifest.licence.contains("research") && manifest.thresholds.len() == 4);
    }
}
