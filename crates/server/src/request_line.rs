//! Request lines that are not ASCII. In: a connection. Out: the same, with raw bytes of its first
//! line percent-encoded. CompreFace's JavaScript client sends names as single Latin-1 bytes, which
//! HTTP libraries refuse. Only the first line of a connection is changed, so bodies never are; that
//! client is told to close after each answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use percent_encoding::percent_encode_byte;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a line that are escaped at most; hyper refuses lines far shorter.
const MAX_LINE: usize = 64 * 1024;

/// A connection whose first line is ASCII.
pub(super) struct EscapedLine<S> {
    stream: S,
    /// Escaped bytes not yet read.
    ready: Vec<u8>,
    /// Bytes of the first line so far; `None` once it has ended.
    seen: Option<usize>,
}

impl<S> EscapedLine<S> {
    pub(super) fn new(stream: S) -> EscapedLine<S> {
        EscapedLine {
            stream,
            ready: Vec::new(),
            seen: Some(0),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            let Some(seen) = self.seen.filter(|n| *byte != b'\n' && *n < MAX_LINE) else {
                self.seen = None;
                self.ready.extend_from_slice(&bytes[i..]);
                return;
            };
            self.seen = Some(seen + 1);
            if byte.is_ascii() {
                self.ready.push(*byte);
            } else {
                self.ready.extend(percent_encode_byte(*byte).bytes());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EscapedLine<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen.is_some() && self.ready.is_empty() {
            let mut raw = [0; 4096];
            let mut raw = ReadBuf::new(&mut raw);
            match Pin::new(&mut self.stream).poll_read(context, &mut raw) {
                Poll::Ready(Ok(())) => self.take(raw.filled()),
                other => return other,
            }
            if self.ready.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.ready.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, out);
        }
        let n = self.ready.len().min(out.remaining());
        out.put_slice(&self.ready[..n]);
        self.ready.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EscapedLine<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
