//! The packs of one machine. In: a folder of packs. Out: lists, checks, loaded packs.
//! Knows nothing of what a network computes.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::error::PackError;
use super::manifest::{Manifest, Threshold, UnrecognisableManifest};
use super::pack::Pack;
use super::weights::Weights;
use crate::file::{check_ordinary, read_bounded};

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Where a pack comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Part of this program.
    CompiledIn,
    /// A folder with a manifest.
    Folder(PathBuf),
}

/// One pack as it stands in the library; its weights were not read.
#[derive(Debug)]
pub struct Listing {
    /// Where it comes from.
    pub origin: Origin,
    /// Its manifest, or why that cannot be used.
    pub manifest: Result<Manifest, PackError>,
}

/// The packs compiled in and those below one folder.
///
/// # Example
/// ```
/// use fusiform::models::{Library, Origin};
/// let library = Library::at("packs");
/// let names = library.list()?.into_iter().filter_map(|l| l.manifest.ok()).map(|m| m.name);
/// assert!(names.collect::<Vec<_>>().contains(&"base".to_owned()));
/// assert_eq!(library.origin(None)?, Origin::CompiledIn);
/// # Ok::<(), fusiform::models::PackError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Library {
    dir: PathBuf,
}

impl Library {
    /// The library whose added packs lie in `dir`, which need not exist yet.
    pub fn at(dir: impl Into<PathBuf>) -> Library {
        Library { dir: dir.into() }
    }

    /// Every pack, the compiled one first, the others by folder name.
    ///
    /// # Errors
    /// [`PackError::Io`] if the folder is there and cannot be listed. A broken pack is listed with
    /// its error.
    pub fn list(&self) -> Result<Vec<Listing>, PackError> {
        let base = Pack::base().map(|pack| pack.manifest);
        let mut all = vec![Listing {
            origin: Origin::CompiledIn,
            manifest: base,
        }];
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(all),
            Err(e) => return Err(PackError::io(&self.dir, e)),
        };
        let mut dirs = entries
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|e| PackError::io(&self.dir, e))?;
        dirs.retain(|path| path.join("manifest.toml").is_file());
        dirs.sort();
        all.extend(dirs.into_iter().map(|dir| Listing {
            manifest: read_manifest(&dir),
            origin: Origin::Folder(dir),
        }));
        Ok(all)
    }

    /// The pack called `name`, or the compiled one.
    ///
    /// `name` may also be a path to a folder with a manifest; a name holds no `/`, a path does.
    ///
    /// # Errors
    /// [`PackError`] if there is no such pack, or its files are not what its manifest states.
    pub fn load(&self, name: Option<&str>) -> Result<Pack, PackError> {
        match self.origin(name)? {
            Origin::Folder(dir) => Pack::open(dir),
            Origin::CompiledIn => Pack::base(),
        }
    }

    /// Copies the pack in `from` into the library after checking its hashes.
    ///
    /// Adding the same pack twice changes nothing. A link in the folder is refused: it could lead
    /// to any file of this machine.
    ///
    /// # Errors
    /// [`PackError::Taken`] if another pack has that name; [`PackError`] for a bad pack or disk.
    pub fn add(&self, from: &Path) -> Result<Manifest, PackError> {
        refuse_links(from)?;
        let pack = Pack::open(from)?;
        let name = &pack.manifest.name;
        for listing in self.list()? {
            match listing.manifest {
                Ok(there) if there == pack.manifest => return Ok(pack.manifest),
                Ok(there) if there.name == *name => return Err(PackError::Taken(name.clone())),
                _ => {}
            }
        }
        // Written under another name and renamed, so that a kill leaves no half pack behind.
        let staging = self.dir.join(format!(".{name}.{}", std::process::id()));
        let target = self.dir.join(name);
        fs::create_dir_all(&staging).map_err(|e| PackError::io(&staging, e))?;
        let written = write_pack(&pack, &staging)
            .and_then(|()| fs::rename(&staging, &target).map_err(|e| PackError::io(&target, e)));
        if written.is_err() {
            // The first error is the one to report; a leftover folder is ignored by `list`.
            let _ = fs::remove_dir_all(&staging);
        }
        written.map(|()| pack.manifest)
    }

    /// Where the pack that [`Library::load`] would give comes from.
    ///
    /// # Errors
    /// [`PackError::Unknown`]; [`PackError::Io`].
    pub fn origin(&self, name: Option<&str>) -> Result<Origin, PackError> {
        if let Some(path) = name.filter(|n| n.contains(['/', '\\'])) {
            return Ok(Origin::Folder(path.into()));
        }
        let Some(name) = name else {
            return Ok(Origin::CompiledIn);
        };
        let mut listings = self.list()?;
        let called = |l: &Listing| l.manifest.as_ref().is_ok_and(|m| m.name == name);
        if let Some(position) = listings.iter().position(called) {
            return Ok(listings.swap_remove(position).origin);
        }
        let known = listings.iter().filter_map(|l| l.manifest.as_ref().ok());
        let known: Vec<&str> = known.map(|m| &*m.name).collect();
        Err(PackError::Unknown {
            name: name.into(),
            known: known.join(", "),
        })
    }

    /// Writes thresholds, what they were measured on, and what unrecognisable faces look like into
    /// the manifest of the pack in `dir`.
    ///
    /// # Errors
    /// [`PackError`] if the manifest cannot be read, checked or written; the old one then stays.
    pub fn write_calibration(
        &self,
        dir: &Path,
        thresholds: &[Threshold],
        evidence: &str,
        unrecognisable: Option<UnrecognisableManifest>,
    ) -> Result<(), PackError> {
        let mut manifest = read_manifest(dir)?;
        if let Some(embedder) = &mut manifest.embedder {
            embedder.thresholds = thresholds.to_vec();
            embedder.threshold_evidence = evidence.into();
            embedder.unrecognisable = unrecognisable;
        }
        let text = manifest.to_toml()?;
        Manifest::parse(&text)?;
        let (target, partial) = (dir.join("manifest.toml"), dir.join("manifest.toml.part"));
        fs::write(&partial, text).map_err(|e| PackError::io(&partial, e))?;
        fs::rename(&partial, &target).map_err(|e| PackError::io(&target, e))
    }

    /// Reads every file of a listed pack and compares the hashes.
    ///
    /// # Errors
    /// The first thing that is wrong with the pack.
    pub fn verify(&self, listing: &Listing) -> Result<(), PackError> {
        match &listing.origin {
            Origin::CompiledIn => Pack::base().map(drop),
            Origin::Folder(dir) => Pack::open(dir).map(drop),
        }
    }
}

fn write_pack(pack: &Pack, dir: &Path) -> Result<(), PackError> {
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, bytes).map_err(|e| PackError::io(path, e))
    };
    for network in pack.manifest.networks() {
        let weights = pack.weights(network.role)?;
        write(network.file, &weights.unwrap_or_default())?;
    }
    write("manifest.toml", pack.manifest.to_toml()?.as_bytes())
}

impl Pack {
    /// The pack in a folder with a `manifest.toml`, its hashes compared.
    ///
    /// # Errors
    /// [`PackError`] naming the file that cannot be read, or that is not what the manifest states.
    pub fn open(dir: impl AsRef<Path>) -> Result<Pack, PackError> {
        let dir = dir.as_ref();
        Pack::assemble(read_manifest(dir)?, |_, file| {
            Ok(Weights::File(dir.join(file)))
        })
    }
}

fn refuse_links(dir: &Path) -> Result<(), PackError> {
    let failed = |e| PackError::io(dir, e);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_symlink() {
            let why = std::io::Error::other("is a link; copy the file itself into the folder");
            return Err(PackError::io(entry.path(), why));
        }
    }
    Ok(())
}

fn read_manifest(dir: &Path) -> Result<Manifest, PackError> {
    let path = dir.join("manifest.toml");
    let read = check_ordinary(&path).and_then(|()| read_bounded(&path, MAX_MANIFEST_BYTES));
    let bytes = read.map_err(|e| PackError::io(path, e))?;
    let text =
        String::from_utf8(bytes).map_err(|_| PackError::Manifest("it is not UTF-8 text".into()))?;
    Manifest::parse(&text)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::models::Role;

    fn pack_in(dir: &Path, weights: &[u8]) {
        let sha256 = hex::encode(Sha256::digest(weights));
        let text = format!(
            "format = 1\nname = \"p\"\nversion = \"1\"\nsummary = \"s\"\n[embedder]\nname = \"e\"\n\
             file = \"e.onnx\"\nsha256 = \"{sha256}\"\ninput = {{ channels = \"rgb\" }}\n\
             dimensions = 8\nlicence = \"l\"\ntraining_data = \"t\"\n"
        );
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("manifest.toml"), text).unwrap();
        fs::write(dir.join("e.onnx"), weights).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_links_in_a_pack_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let (source, library) = (tmp.path().join("from"), Library::at(tmp.path().join("lib")));
        pack_in(&source, b"weights");
        let weights = source.join("e.onnx");
        let elsewhere = tmp.path().join("elsewhere");
        fs::rename(&weights, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &weights).unwrap();
        let refused = library.add(&source).unwrap_err().to_string();
        assert!(
            refused.contains("e.onnx") && refused.contains("link"),
            "{refused}"
        );
        fs::remove_file(&weights).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&weights).status();
        if !made.is_ok_and(|status| status.success()) {
            return;
        }
        let refused = library.add(&source).unwrap_err().to_string();
        assert!(refused.contains("no ordinary file"), "{refused}");
        fs::remove_file(source.join("manifest.toml")).unwrap();
        fs::rename(&weights, source.join("manifest.toml")).unwrap();
        let refused = Pack::open(&source).unwrap_err().to_string();
        assert!(refused.contains("no ordinary file"), "{refused}");
    }

    #[test]
    fn a_pack_is_added_once_and_loaded_by_name() {
        let tmp = tempfile::tempdir().unwrap();
        let (source, library) = (tmp.path().join("from"), Library::at(tmp.path().join("lib")));
        pack_in(&source, b"weights");
        library.add(&source).unwrap();
        library.add(&source).unwrap();
        let pack = library.load(Some("p")).unwrap();
        let weights = pack.weights(Role::Embedder).unwrap();
        assert_eq!(weights.as_deref(), Some(&b"weights"[..]));
        let folder = |l: &Listing| matches!(l.origin, Origin::Folder(_));
        assert_eq!(
            library.list().unwrap().iter().filter(|l| folder(l)).count(),
            1
        );

        pack_in(&source, b"other weights");
        assert!(matches!(library.add(&source), Err(PackError::Taken(name)) if name == "p"));
    }

    #[test]
    fn changed_weights_are_refused_everywhere() {
        let tmp = tempfile::tempdir().unwrap();
        let (source, library) = (tmp.path().join("from"), Library::at(tmp.path().join("lib")));
        pack_in(&source, b"weights");
        library.add(&source).unwrap();
        let opened = library.load(Some("p")).unwrap();
        fs::write(tmp.path().join("lib/p/e.onnx"), b"weightz").unwrap();
        assert!(matches!(
            opened.weights(Role::Embedder),
            Err(PackError::Hash { .. })
        ));
        let error = library.load(Some("p")).unwrap_err().to_string();
        assert!(
            error.contains("e.onnx") && error.contains("fetch it again"),
            "{error}"
        );
        let listings = library.list().unwrap();
        assert!(library.verify(listings.last().unwrap()).is_err());
        fs::write(source.join("e.onnx"), b"weightz").unwrap();
        assert!(matches!(library.add(&source), Err(PackError::Hash { .. })));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let tmp = tempfile::tempdir().unwrap();
        pack_in(&tmp.path().join("p"), b"weights");
        let error = Library::at(tmp.path())
            .load(Some("q"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"q\"") && error.contains('p') && error.contains("add the folder"));
    }
}
