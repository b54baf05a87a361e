//! Manifest and weights together. In: a manifest and the bytes of its files. Out: a [`Pack`] whose
//! hashes were compared. Knows nothing of what a network computes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fusiform_nn::Precision;
use sha2::{Digest, Sha256};

use super::error::PackError;
use super::manifest::{Manifest, Role};

/// A model pack whose weights have the hashes that its manifest states.
///
/// Weights of 100 MB are common, so [`Engine::open`](crate::Engine::open) takes the pack and lets
/// go of each file as soon as its network is built; clone a pack that is to be opened twice.
///
/// # Example
/// ```
/// use fusiform::{Engine, Pack, models::Role};
/// let pack = Pack::base()?;
/// assert!(pack.roles().eq([Role::Detector, Role::Embedder]));
/// let engine = Engine::open(pack)?;
/// assert_eq!(engine.dimensions(), 128);
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pack {
    /// What the pack states of itself.
    pub manifest: Manifest,
    weights: BTreeMap<Role, Cow<'static, [u8]>>,
}

impl Pack {
    /// A pack from memory: a manifest and the bytes of the files that it names.
    ///
    /// # Errors
    /// [`PackError::Missing`] for a file that is named and not given; [`PackError::Hash`] for one
    /// with another content than the manifest states. Files that it does not name are ignored.
    ///
    /// # Example
    /// ```
    /// use fusiform::{Pack, models::{Manifest, Role}};
    /// // Weights may come from an archive, an asset of a phone app, a download …
    /// let base = Pack::base()?;
    /// let files = base.manifest.networks().map(|network| {
    ///     (network.file.to_owned(), base.weights(network.role).unwrap_or_default().to_vec())
    /// });
    /// let pack = Pack::from_parts(Manifest::parse(&base.manifest.to_toml()?)?, files)?;
    /// assert!(pack.weights(Role::Detector).is_some());
    /// # Ok::<(), fusiform::models::PackError>(())
    /// ```
    pub fn from_parts(
        manifest: Manifest,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Pack, PackError> {
        let mut files: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        Pack::assemble(manifest, |role, file| {
            let missing = || PackError::Missing {
                file: file.into(),
                role: role.name(),
            };
            files.remove(file).map(Cow::Owned).ok_or_else(missing)
        })
    }

    /// Puts a manifest and its files together; `read` gives the bytes of a file that it names.
    pub(super) fn assemble(
        manifest: Manifest,
        mut read: impl FnMut(Role, &str) -> Result<Cow<'static, [u8]>, PackError>,
    ) -> Result<Pack, PackError> {
        let mut weights = BTreeMap::new();
        for network in manifest.networks() {
            let bytes = read(network.role, network.file)?;
            let found = hex::encode(Sha256::digest(&bytes));
            if found != network.sha256 {
                return Err(PackError::Hash {
                    file: network.file.into(),
                    stated: network.sha256.into(),
                    found,
                });
            }
            weights.insert(network.role, bytes);
        }
        Ok(Pack { manifest, weights })
    }

    /// The roles whose networks the pack holds, in the order of the pipeline.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.weights.keys().copied()
    }

    /// The ONNX file of a role; `None` if the pack has no such network.
    pub fn weights(&self, role: Role) -> Option<&[u8]> {
        self.weights.get(&role).map(|bytes| &**bytes)
    }

    /// Gives the ONNX file of a role away, so that the pack no longer holds it.
    pub(crate) fn take_weights(&mut self, role: Role) -> Option<Cow<'static, [u8]>> {
        self.weights.remove(&role)
    }

    /// The same pack with all networks in another precision.
    pub fn in_precision(mut self, precision: Precision) -> Pack {
        let manifest = &mut self.manifest;
        let set = |of: Option<&mut Precision>| {
            if let Some(of) = of {
                *of = precision;
            }
        };
        set(manifest.detector.as_mut().map(|n| &mut n.precision));
        set(manifest.landmarks.as_mut().map(|n| &mut n.precision));
        set(manifest.embedder.as_mut().map(|n| &mut n.precision));
        set(manifest.liveness.as_mut().map(|n| &mut n.precision));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Manifest, Vec<(String, Vec<u8>)>) {
        let text = "format = 2\nname = \"p\"\nversion = \"1\"\nsummary = \"s\"\n[[network]]\n\
             role = \"liveness\"\nname = \"v\"\nfile = \"v.onnx\"\nsha256 = \"HASH\"\n\
             input = { channels = \"rgb\", width_px = 80, height_px = 80 }\ncrop_scale = 2.7\n\
             live_output = 1\nmin_score = 0.5\nlicence = \"l\"\ntraining_data = \"t\"\n";
        let text = text.replace("HASH", &hex::encode(Sha256::digest(b"weights")));
        let files = vec![("v.onnx".to_owned(), b"weights".to_vec())];
        (Manifest::parse(&text).unwrap(), files)
    }

    #[test]
    fn a_pack_in_memory_is_checked_like_one_in_a_folder() {
        let (manifest, files) = parts();
        let pack = Pack::from_parts(manifest.clone(), files).unwrap();
        assert_eq!(pack.weights(Role::Liveness), Some(&b"weights"[..]));
        assert_eq!(pack.weights(Role::Detector), None);

        let changed = [("v.onnx".to_owned(), b"weightz".to_vec())];
        let error = Pack::from_parts(manifest.clone(), changed).unwrap_err();
        assert!(matches!(error, PackError::Hash { file, .. } if file == "v.onnx"));
        let error = Pack::from_parts(manifest, []).unwrap_err().to_string();
        assert!(
            error.contains("v.onnx") && error.contains("liveness"),
            "{error}"
        );
    }
}
