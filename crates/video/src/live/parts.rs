//! The parts of `multipart/x-mixed-replace` as cameras send it (RFC 2046, with the liberties that
//! they take). In: bytes as they come. Out: the content of each part.

use memchr::memmem;

/// Longest head of a part, and longest text before the first.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// Takes parts out of a stream.
///
/// # Example
/// ```
/// use fusiform_video::live::Parts;
/// let mut parts = Parts::new("x", 1 << 20).unwrap();
/// parts.push(b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\nabc\r\n--x").unwrap();
/// assert_eq!(parts.next().unwrap().unwrap(), b"abc");
/// assert!(parts.next().unwrap().is_none());
/// ```
#[derive(Debug)]
pub struct Parts {
    delimiter: Vec<u8>,
    max_bytes: usize,
    bytes: Vec<u8>,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Delimiter,
    Head,
    /// How long the content is, or how much of it was searched for its end.
    Content(Result<usize, usize>),
}

/// A stream that is no such multipart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedParts {
    /// No boundary, or one that is too long.
    #[error("its parts have no boundary that can be used")]
    Boundary,
    /// The head of a part does not end, or no part begins.
    #[error("no part begins where one should")]
    Head,
    /// A part is longer than allowed.
    #[error("a picture has more than {0} bytes")]
    TooLong(usize),
}

impl Parts {
    /// With the boundary that the stream's content type names, and the longest part.
    ///
    /// # Errors
    /// [`MalformedParts::Boundary`].
    pub fn new(boundary: &str, max_bytes: usize) -> Result<Parts, MalformedParts> {
        // Some cameras name it with the dashes that stand before it.
        let bare = boundary.trim().trim_matches('"').trim_start_matches("--");
        if bare.is_empty() || bare.len() > 200 {
            return Err(MalformedParts::Boundary);
        }
        Ok(Parts {
            delimiter: [b"--", bare.as_bytes()].concat(),
            max_bytes,
            bytes: Vec::new(),
            at: At::Delimiter,
        })
    }

    /// Takes in what came.
    ///
    /// # Errors
    /// [`MalformedParts::TooLong`] if more waits than a part may have; take parts out in between.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), MalformedParts> {
        if self.bytes.len() + bytes.len() > self.max_bytes + 2 * MAX_HEAD_BYTES {
            return Err(MalformedParts::TooLong(self.max_bytes));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The next part, if all of it has come.
    ///
    /// # Errors
    /// [`MalformedParts`].
    #[expect(clippy::should_implement_trait, reason = "more may come after `None`")]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, MalformedParts> {
        loop {
            match self.at {
                At::Delimiter => match memmem::find(&self.bytes, &self.delimiter) {
                    Some(start) => {
                        self.bytes.drain(..start + self.delimiter.len());
                        self.at = At::Head;
                    }
                    None if self.bytes.len() > MAX_HEAD_BYTES => return Err(MalformedParts::Head),
                    None => return Ok(None),
                },
                At::Head => {
                    let Some((head, length)) = head(&self.bytes) else {
                        if self.bytes.len() > MAX_HEAD_BYTES {
                            return Err(MalformedParts::Head);
                        }
                        return Ok(None);
                    };
                    self.bytes.drain(..head);
                    if let Some(length) = length
                        && length > self.max_bytes
                    {
                        return Err(MalformedParts::TooLong(self.max_bytes));
                    }
                    self.at = At::Content(length.ok_or(0));
                }
                At::Content(Ok(length)) => {
                    if self.bytes.len() < length {
                        return Ok(None);
                    }
                    self.at = At::Delimiter;
                    return Ok(Some(self.bytes.drain(..length).collect()));
                }
                At::Content(Err(searched)) => {
                    let Some(end) = memmem::find(&self.bytes[searched..], &self.delimiter) else {
                        let searched = self.bytes.len().saturating_sub(self.delimiter.len());
                        self.at = At::Content(Err(searched));
                        return Ok(None);
                    };
                    let mut part: Vec<u8> = self.bytes.drain(..searched + end).collect();
                    self.at = At::Delimiter;
                    if part.ends_with(b"\r\n") {
                        part.truncate(part.len() - 2);
                    }
                    if part.len() > self.max_bytes {
                        return Err(MalformedParts::TooLong(self.max_bytes));
                    }
                    return Ok(Some(part));
                }
            }
        }
    }
}

/// How many bytes the head of a part has, and how long it says that its content is.
fn head(bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    let [crlf, lf] = [&b"\r\n\r\n"[..], b"\n\n"].map(|end| {
        let at = memmem::find(bytes, end)?;
        Some(at + end.len())
    });
    let end = match (crlf, lf) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b)?,
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lengths = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.trim().eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    Some((end, lengths.next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(boundary: &str, stream: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut parts = Parts::new(boundary, 1000).unwrap();
        let mut found = Vec::new();
        for bytes in stream.chunks(step) {
            parts.push(bytes).unwrap();
            while let Some(part) = parts.next().unwrap() {
                found.push(part);
            }
        }
        found
    }

    #[test]
    fn parts_are_found_however_the_bytes_come() {
        let with_length = b"--b\r\nContent-Type: image/jpeg\r\nContent-length: 5\r\n\r\na--b!\r\n\
                            --b\r\nContent-Length: 2\r\n\r\nxy\r\n--b--";
        let without = b"junk\r\n--b\nContent-Type: image/jpeg\n\nabc\r\n--b\n\n\xff\xd8\r\n--b\r\n";
        for step in [1, 2, 3, 7, 1000] {
            for boundary in ["b", "--b", "\"b\""] {
                let found = parts_of(boundary, with_length, step);
                assert_eq!(
                    found,
                    [b"a--b!".to_vec(), b"xy".to_vec()],
                    "{boundary} {step}"
                );
                let found = parts_of(boundary, without, step);
                assert_eq!(
                    found,
                    [b"abc".to_vec(), b"\xff\xd8".to_vec()],
                    "{boundary} {step}"
                );
            }
        }
    }

    #[test]
    fn what_never_ends_is_an_error() {
        assert!(Parts::new("", 10).is_err());
        let mut parts = Parts::new("b", 100).unwrap();
        parts.push(b"--b\r\nContent-Length: 101\r\n\r\n").unwrap();
        assert_eq!(parts.next(), Err(MalformedParts::TooLong(100)));
        let mut parts = Parts::new("b", 100).unwrap();
        parts.push(&[b'x'; MAX_HEAD_BYTES + 1]).unwrap();
        assert_eq!(parts.next(), Err(MalformedParts::Head));
        let mut parts = Parts::new("b", 100).unwrap();
        parts.push(b"--b\n\n").unwrap();
        let long = (0..).map(|_| {
            parts.next()?;
            parts.push(&[0; 4096])
        });
        let error = long.take(100).find_map(Result::err);
        assert_eq!(error, Some(MalformedParts::TooLong(100)));
    }

    /// The fuzz target `camera_parts` without a fuzzer: pieces of what cameras send, in any order.
    #[test]
    fn any_bytes_are_parts_within_the_limit_or_an_error() {
        const PIECES: [&[u8]; 16] = [
            b"--b",
            b"--b--",
            b"\r\n",
            b"\n",
            b"\r",
            b"-",
            b"Content-Length: ",
            b"content-length:",
            b"5",
            b"18446744073709551615",
            b"-1",
            b"Content-Type: image/jpeg",
            b"\xff\xd8",
            b"\xff\xd9",
            b":",
            b"\0",
        ];
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..20_000 {
            let pieces = (0..random(40)).map(|_| PIECES[random(PIECES.len())]);
            let stream = pieces.collect::<Vec<_>>().concat();
            let mut parts = Parts::new("b", 64).unwrap();
            'stream: for bytes in stream.chunks(1 + random(30)) {
                if parts.push(bytes).is_err() {
                    break;
                }
                loop {
                    match parts.next() {
                        Ok(Some(part)) => assert!(part.len() <= 64, "{stream:?}"),
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
        }
    }
}
