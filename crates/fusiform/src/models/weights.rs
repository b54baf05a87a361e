//! The file of one network. In: bytes in memory, or a path. Out: bytes or a reader, whose SHA-256
//! was compared with the manifest's. Knows nothing of manifests or of what a network computes.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::PackError;
use crate::file::check_ordinary;

/// Largest weights file that is read, in bytes; iResNet-100 in fp32 is 250 MB.
pub const MAX_WEIGHTS_BYTES: u64 = 1 << 30;

/// Bytes that are read and hashed at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// Where the weights of one network are.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    /// In memory, or part of the program.
    Memory(Cow<'static, [u8]>),
    /// In a file, which stays on disk until its network is built.
    File(PathBuf),
}

impl Weights {
    /// Compares the hash of the content with the stated one; a file is read piece by piece.
    pub(super) fn verify(&self, name: &str, stated: &str) -> Result<(), PackError> {
        let found = match self {
            Weights::Memory(bytes) => Sha256::digest(bytes),
            Weights::File(path) => {
                let failed = |e| PackError::io(path, e);
                let (mut reader, _) = open(path).map_err(failed)?;
                io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
                reader.hash.finalize()
            }
        };
        compare(name, stated, &found)
    }

    /// The bytes, read now if they lie in a file.
    pub(super) fn bytes(&self, name: &str, stated: &str) -> Result<Cow<'_, [u8]>, PackError> {
        match self {
            Weights::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Weights::File(path) => {
                let failed = |e| PackError::io(path, e);
                let (mut reader, n_bytes) = open(path).map_err(failed)?;
                let mut bytes = Vec::with_capacity(usize::try_from(n_bytes).unwrap_or(0));
                reader.read_to_end(&mut bytes).map_err(failed)?;
                compare(name, stated, &reader.hash.finalize())?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Hands the content to `read` as a reader with its length, and compares the hash of what was
    /// read: a file may have changed since the pack was opened.
    pub(super) fn read_with<T, E: From<PackError>>(
        self,
        name: &str,
        stated: &str,
        read: impl FnOnce(&mut dyn BufRead, u64) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            // Compared when the pack was put together; memory does not change.
            Weights::Memory(bytes) => read(&mut &bytes[..], bytes.len() as u64),
            Weights::File(path) => {
                let failed = |e| PackError::io(&path, e);
                let (mut reader, n_bytes) = open(&path).map_err(failed)?;
                let result = read(&mut reader, n_bytes);
                io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
                // A changed file explains whatever else went wrong.
                compare(name, stated, &reader.hash.finalize())?;
                result
            }
        }
    }
}

fn compare(name: &str, stated: &str, found: &[u8]) -> Result<(), PackError> {
    let found = hex::encode(found);
    if found == stated {
        return Ok(());
    }
    Err(PackError::Hash {
        file: name.into(),
        stated: stated.into(),
        found,
    })
}

fn open(path: &Path) -> io::Result<(Hashing<BufReader<File>>, u64)> {
    check_ordinary(path)?;
    let file = File::open(path)?;
    let n_bytes = file.metadata()?.len();
    if n_bytes > MAX_WEIGHTS_BYTES {
        let what = format!("larger than the {MAX_WEIGHTS_BYTES} bytes allowed for it");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let reader = Hashing {
        inner: BufReader::with_capacity(BUFFER_BYTES, file),
        hash: Sha256::new(),
    };
    Ok((reader, n_bytes))
}

/// A reader that hashes what it passes on.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: BufRead> Read for Hashing<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(to)?;
        self.hash.update(&to[..n]);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Hashing<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What was filled and is consumed now is still in the buffer.
        if let Ok(filled) = self.inner.fill_buf() {
            self.hash.update(&filled[..n.min(filled.len())]);
        }
        self.inner.consume(n);
    }
}
