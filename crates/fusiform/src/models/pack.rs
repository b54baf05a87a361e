//! Manifest and weights together. In: a manifest and the bytes of its files. Out: a [`Pack`] whose
//! hashes were compared. Knows nothing of what a network computes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;

use fusiform_nn::Precision;

use super::error::PackError;
use super::manifest::{Manifest, Role};
use super::weights::Weights;

/// A model pack whose weights have the hashes that its manifest states.
///
/// Weights of 100 MB are common, so [`Engine::open`](crate::Engine::open) takes the pack and lets
/// go of each file as soon as its network is built; clone a pack that is to be opened twice.
///
/// # Example
/// ```
/// use fusiform::{Engine, Pack, models::Role};
/// let pack = Pack::base()?;
/// assert!(pack.roles().eq([Role::Detector, Role::Landmarks, Role::Embedder]));
/// let engine = Engine::open(pack)?;
/// assert_eq!(engine.dimensions(), 128);
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pack {
    /// What the pack states of itself.
    pub manifest: Manifest,
    weights: BTreeMap<Role, Weights>,
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
    /// let mut files = Vec::new();
    /// for network in base.manifest.networks() {
    ///     let weights = base.weights(network.role)?.unwrap_or_default();
    ///     files.push((network.file.to_owned(), weights.into_owned()));
    /// }
    /// let manifest = Manifest::parse(&base.manifest.to_toml()?)?;
    /// let pack = Pack::from_parts(manifest, files)?;
    /// assert!(pack.roles().eq([Role::Detector, Role::Landmarks, Role::Embedder]));
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
            let bytes = files.remove(file).ok_or_else(missing)?;
            Ok(Weights::Memory(Cow::Owned(bytes)))
        })
    }

    /// Puts a manifest and its files together, refusing any whose hash differs.
    pub(super) fn assemble(
        manifest: Manifest,
        mut find: impl FnMut(Role, &str) -> Result<Weights, PackError>,
    ) -> Result<Pack, PackError> {
        let mut weights = BTreeMap::new();
        for network in manifest.networks() {
            let found = find(network.role, network.file)?;
            found.verify(network.file, network.sha256)?;
            weights.insert(network.role, found);
        }
        Ok(Pack { manifest, weights })
    }

    /// The roles whose networks the pack holds, in the order of the pipeline.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.weights.keys().copied()
    }

    /// The ONNX file of a role, read now if the pack lies in a folder; `None` if the pack has no
    /// such network.
    ///
    /// # Errors
    /// [`PackError::Io`]; [`PackError::Hash`] if the file changed since the pack was opened.
    pub fn weights(&self, role: Role) -> Result<Option<Cow<'_, [u8]>>, PackError> {
        let network = self
            .manifest
            .networks()
            .find(|network| network.role == role);
        let found = network.zip(self.weights.get(&role));
        found
            .map(|(network, weights)| weights.bytes(network.file, network.sha256))
            .transpose()
    }

    /// Gives the ONNX file of a role to `read`, with its length, and no longer holds it then;
    /// `None` if the pack has no such network.
    pub(crate) fn take_weights<T, E: From<PackError>>(
        &mut self,
        role: Role,
        read: impl FnOnce(&mut dyn BufRead, u64) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let taken = self.weights.remove(&role);
        let network = self
            .manifest
            .networks()
            .find(|network| network.role == role);
        let found = network.zip(taken);
        found
            .map(|(network, weights)| weights.read_with(network.file, network.sha256, read))
            .transpose()
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
    use sha2::{Digest, Sha256};

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
        let weights = |role| pack.weights(role).unwrap();
        assert_eq!(weights(Role::Liveness).as_deref(), Some(&b"weights"[..]));
        assert_eq!(weights(Role::Detector), None);

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
