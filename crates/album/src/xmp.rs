//! Names and faces in XMP. In: an XMP packet. Out: regions and names; and packets with ours.
//! Knows nothing of files or albums.

mod namespaces;
mod parse;
mod read;
mod write;

pub use read::read;
pub use write::{merge, write};

/// Present in every packet that [`write()`] makes and in those of earlier versions, and in no other
/// program's.
pub const TOOLKIT: &str = "x:xmptk=\"Fusiform";

/// Largest metadata that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

/// The XMP packet inside a file's bytes, if there is one.
pub fn packet(bytes: &[u8]) -> Option<&str> {
    let find = |from: usize, what: &[u8]| {
        let found = bytes
            .get(from..)?
            .windows(what.len())
            .position(|w| w == what);
        found.map(|offset| from + offset)
    };
    // The outer element may be missing, and then RDF is the root.
    let element = |begin: &[u8], end_mark: &[u8]| {
        let start = find(0, begin)?;
        let end = find(start, end_mark)? + end_mark.len();
        std::str::from_utf8(&bytes[start..end]).ok()
    };
    element(b"<x:xmpmeta", b"</x:xmpmeta>").or_else(|| element(b"<rdf:RDF", b"</rdf:RDF>"))
}

#[cfg(test)]
mod tests;
