//! What a get gives back: what is stored, and its bytes, of an exact length or an error.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use raft_types::BackendName;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::BackendKey;
use crate::port::Head;

/// The answer to a get.
#[derive(Debug)]
pub struct Download {
    /// The whole stored body, whatever part of it was asked for.
    pub head: Head,
    /// The bytes asked for.
    pub body: ReadBody,
}

/// A part of a stored body, not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    offset: u64,
    length: NonZeroU64,
}

/// Bytes of a stored body, as a stream of pieces that are never empty.
///
/// It gives exactly [`length`](Self::length) bytes and ends, or gives an error: a connection that
/// ends early is [`ErrorKind::Corrupt`] here, whichever backend it came from. Dropping it ends the
/// request.
pub struct ReadBody {
    length: u64,
    given: u64,
    source: ReadSource,
}

/// The source of a streamed [`ReadBody`].
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

enum ReadSource {
    Memory(Bytes),
    Stream {
        stream: ByteStream,
        backend: Arc<BackendName>,
        key: BackendKey,
    },
    Spent,
}

impl ByteRange {
    /// `length` bytes from `offset`; `None` when empty or beyond what 64 bits can address.
    pub fn new(offset: u64, length: u64) -> Option<Self> {
        let length = NonZeroU64::new(length)?;
        offset.checked_add(length.get())?;
        Some(Self { offset, length })
    }

    /// The first byte.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// How many bytes, at least one.
    pub fn length(self) -> u64 {
        self.length.get()
    }

    /// First byte and the one after the last.
    pub fn bounds(self) -> Range<u64> {
        self.offset..self.offset + self.length.get()
    }

    /// What of a body of `size` bytes an optional range names.
    ///
    /// # Errors
    /// The body ends before the range does. Ranges come from what the cluster knows about a blob,
    /// so it is the stored body that is short: [`ErrorKind::Corrupt`].
    pub fn resolve(range: Option<Self>, size: u64) -> Result<Range<u64>, ErrorKind> {
        let Some(range) = range else { return Ok(0..size) };
        let bounds = range.bounds();
        if bounds.end > size {
            return Err(ErrorKind::corrupt(format!(
                "{size} bytes are stored, bytes {} to {} were asked for",
                bounds.start,
                bounds.end - 1
            )));
        }
        Ok(bounds)
    }
}

impl ReadBody {
    /// A body that is wholly in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self {
            length,
            given: 0,
            source: ReadSource::Memory(bytes),
        }
    }

    /// A body of `length` bytes from `stream`; backend and key name it in an error.
    pub fn from_stream(
        length: u64,
        stream: ByteStream,
        backend: &Arc<BackendName>,
        key: &BackendKey,
    ) -> Self {
        let source = ReadSource::Stream {
            stream,
            backend: Arc::clone(backend),
            key: key.clone(),
        };
        Self {
            length,
            given: 0,
            source,
        }
    }

    /// How many bytes it gives in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole body if it is in memory and untouched, without waiting.
    pub fn as_memory(&self) -> Option<&Bytes> {
        match &self.source {
            ReadSource::Memory(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Puts a stream around that of a streamed body; one in memory has nothing more to wait for and
    /// stays as it is. The new stream must give as many bytes as the old one.
    #[must_use]
    pub fn map_stream(mut self, wrap: impl FnOnce(ByteStream) -> ByteStream) -> Self {
        self.source = match self.source {
            ReadSource::Stream { stream, backend, key } => ReadSource::Stream {
                stream: wrap(stream),
                backend,
                key,
            },
            other => other,
        };
        self
    }

    /// The next piece; `None` after exactly [`length`](Self::length) bytes.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// All of it in one piece; without a copy where it came in one.
    ///
    /// # Errors
    /// What the stream failed with. The caller has looked at [`length`](Self::length) and can
    /// afford that much memory.
    pub async fn collect(mut self) -> Result<Bytes> {
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await.transpose()? else {
            return Ok(first);
        };
        let mut all = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or(0));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await.transpose()? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match &mut self.source {
                ReadSource::Spent => return Poll::Ready(None),
                ReadSource::Memory(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.given = self.length;
                    self.source = ReadSource::Spent;
                    return Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)));
                }
                ReadSource::Stream { .. } if self.given == self.length => self.source = ReadSource::Spent,
                ReadSource::Stream { stream, backend, key } => {
                    let outcome = match ready!(stream.as_mut().poll_next(cx)) {
                        Some(Ok(piece)) if piece.is_empty() => continue,
                        Some(Ok(piece)) if piece.len() as u64 > self.length - self.given => Err(broken(
                            backend,
                            key,
                            format!("more than {} bytes came", self.length),
                        )),
                        Some(Ok(piece)) => {
                            self.given += piece.len() as u64;
                            Ok(piece)
                        }
                        Some(Err(error)) => Err(error),
                        None => {
                            let what =
                                format!("the body ended after {} of {} bytes", self.given, self.length);
                            Err(broken(backend, key, what))
                        }
                    };
                    if outcome.is_err() {
                        self.source = ReadSource::Spent;
                    }
                    return Poll::Ready(Some(outcome));
                }
            }
        }
    }
}

fn broken(backend: &Arc<BackendName>, key: &BackendKey, what: String) -> Error {
    Error::new(ErrorKind::corrupt(what), Operation::Get, backend).with_key(key)
}

impl Stream for ReadBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(cx)
    }
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBody")
            .field("length", &self.length)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}
