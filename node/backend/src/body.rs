//! What a put stores: a body of known length, in memory or streamed.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

/// Pieces that a [`BodyWriter`] may be ahead of the backend. One being written, one ready and two
/// under way keep both sides busy; a piece is at most one chunk of a blob frame (1 MiB), so that a
/// body holds at most 4 MiB.
const CHANNEL_PIECES: usize = 4;

/// A body of known length.
///
/// It ends after exactly [`length`](Self::length) bytes, or fails: a source that ends early or runs
/// over is a [`BodyError`], which no implementation may take for an end. So a writer aborts a put by
/// dropping its end before the last byte, and a stream by failing at any time, even in place of its
/// end.
pub struct Body {
    length: u64,
    taken: u64,
    progress: Option<Progress>,
    source: Source,
}

enum Source {
    Memory(Bytes),
    Channel(mpsc::Receiver<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>),
    /// Ended or failed; nothing more comes.
    Spent,
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// The writing end of [`Body::channel`]. Dropping it before the last byte fails the put.
#[derive(Debug)]
pub struct BodyWriter {
    sender: mpsc::Sender<Bytes>,
}

/// How far a backend has come with a [`Body`], seen from outside and while it runs.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Come>);

#[derive(Debug, Default)]
struct Come {
    taken: AtomicU64,
    starved: AtomicBool,
}

/// Why a body could not be taken to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The source ended, or its writer was dropped, before the last byte.
    #[error("the body ended after {got} of {expected} bytes")]
    Short {
        /// The length that was announced, in bytes.
        expected: u64,
        /// The bytes that came.
        got: u64,
    },
    /// The source gave more than was announced.
    #[error("the body runs over its {expected} bytes")]
    Long {
        /// The length that was announced, in bytes.
        expected: u64,
    },
    /// The source failed.
    #[error("the source of the body failed")]
    Source(#[source] BoxError),
}

/// The put that a [`BodyWriter`] feeds has ended, failed or been dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the backend takes no more of this body")]
pub struct Closed;

impl Body {
    /// A body that is wholly in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::of(bytes.len() as u64, Source::Memory(bytes))
    }

    /// A body of `length` bytes that is written piece by piece, with backpressure. It is complete with
    /// its last byte: what is written after that is refused.
    pub fn channel(length: u64) -> (BodyWriter, Self) {
        let (sender, receiver) = mpsc::channel(CHANNEL_PIECES);
        (BodyWriter { sender }, Self::of(length, Source::Channel(receiver)))
    }

    /// A body of `length` bytes that is pulled from `stream`, to its end.
    pub fn from_stream<S>(length: u64, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    {
        Self::of(length, Source::Stream(Box::pin(stream)))
    }

    fn of(length: u64, source: Source) -> Self {
        Self {
            length,
            taken: 0,
            progress: None,
            source,
        }
    }

    /// The length in bytes, known before the first one.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether all of it was taken, or it failed: nothing more comes. After the last byte of a stream
    /// this takes one more [`next`](Self::next), since the stream may yet fail.
    pub fn is_finished(&self) -> bool {
        matches!(self.source, Source::Spent)
    }

    /// Watches how far a backend comes with it.
    pub fn progress(&mut self) -> Progress {
        self.progress.get_or_insert_default().clone()
    }

    /// The whole body if it is in memory and untouched, else the body as it was.
    ///
    /// # Errors
    /// Gives the body back when it has to be streamed.
    pub fn into_memory(mut self) -> Result<Bytes, Self> {
        if self.taken != 0 {
            return Err(self);
        }
        match std::mem::replace(&mut self.source, Source::Spent) {
            Source::Memory(bytes) => {
                self.count(bytes.len());
                Ok(bytes)
            }
            source => {
                self.source = source;
                Err(self)
            }
        }
    }

    /// The next piece, never an empty one; `None` after exactly [`length`](Self::length) bytes.
    ///
    /// # Errors
    /// The source failed, ended early or ran over. Nothing comes after an error.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_piece(cx)).await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = self.poll_source(cx);
        if let Some(progress) = &self.progress {
            progress.0.starved.store(piece.is_pending(), Ordering::Relaxed);
        }
        piece
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            if matches!(self.source, Source::Spent) {
                return Poll::Ready(None);
            }
            // A writer has no end to tell beside the last byte, and may live on.
            if self.taken == self.length && matches!(self.source, Source::Channel(_)) {
                self.source = Source::Spent;
                return Poll::Ready(None);
            }
            let next = match &mut self.source {
                Source::Memory(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.source = Source::Spent;
                    Some(Ok(bytes))
                }
                Source::Channel(receiver) => ready!(receiver.poll_recv(cx)).map(Ok),
                Source::Stream(stream) => ready!(stream.as_mut().poll_next(cx)),
                Source::Spent => None,
            };
            let outcome = match next {
                None if self.taken == self.length => {
                    self.source = Source::Spent;
                    return Poll::Ready(None);
                }
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) if piece.len() as u64 > self.length - self.taken => Err(BodyError::Long {
                    expected: self.length,
                }),
                Some(Ok(piece)) => {
                    self.count(piece.len());
                    if self.taken == self.length && matches!(self.source, Source::Channel(_)) {
                        self.source = Source::Spent;
                    }
                    Ok(piece)
                }
                Some(Err(cause)) => Err(BodyError::Source(cause)),
                None => Err(BodyError::Short {
                    expected: self.length,
                    got: self.taken,
                }),
            };
            if outcome.is_err() {
                self.source = Source::Spent;
            }
            return Poll::Ready(Some(outcome));
        }
    }

    fn count(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        if let Some(progress) = &self.progress {
            progress.0.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl BodyWriter {
    /// Hands over the next piece; waits while the backend is behind.
    ///
    /// # Errors
    /// The put has ended; its own result says why.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), Closed> {
        self.sender.send(piece).await.map_err(|_| Closed)
    }

    /// Resolves when the put has ended, failed or been dropped.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl Progress {
    /// Bytes taken so far.
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Whether the backend has asked for more and the source has nothing yet: what is slow then is
    /// the source, not the backend.
    pub fn is_starved(&self) -> bool {
        self.0.starved.load(Ordering::Relaxed)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.length)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn fed(length: u64, pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        Body::from_stream(length, stream::iter(pieces))
    }

    async fn drain(mut body: Body) -> Result<String, BodyError> {
        let mut all = String::new();
        while let Some(piece) = body.next().await {
            let piece = piece.inspect_err(|_| assert!(body.is_finished()))?;
            assert!(!piece.is_empty());
            all.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert!(body.is_finished());
        assert!(body.next().await.is_none());
        Ok(all)
    }

    #[tokio::test]
    async fn a_body_is_exactly_as_long_as_announced_or_fails() {
        assert_eq!(drain(fed(5, &["ab", "", "cde", ""])).await.unwrap(), "abcde");
        assert_eq!(drain(fed(0, &[""])).await.unwrap(), "");
        assert_eq!(drain(Body::from_bytes(Bytes::new())).await.unwrap(), "");
        assert_eq!(
            drain(Body::from_bytes(Bytes::from_static(b"abc"))).await.unwrap(),
            "abc"
        );

        let short = drain(fed(5, &["ab", "cd"])).await.unwrap_err();
        assert!(
            matches!(short, BodyError::Short { expected: 5, got: 4 }),
            "{short:?}"
        );
        for pieces in [&["ab", "cdef"][..], &["abcde", "f"], &["abcdef"]] {
            let long = drain(fed(5, pieces)).await.unwrap_err();
            assert!(matches!(long, BodyError::Long { expected: 5 }), "{long:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_may_fail_in_place_of_its_end() {
        let pieces = [
            Ok(Bytes::from_static(b"abcde")),
            Err("the trailer does not match".into()),
        ];
        let failed = drain(Body::from_stream(5, stream::iter(pieces)))
            .await
            .unwrap_err();
        assert!(matches!(failed, BodyError::Source(_)), "{failed:?}");
    }

    #[tokio::test]
    async fn a_written_body_is_complete_with_its_last_byte_and_fails_without_it() {
        let (mut writer, body) = Body::channel(4);
        let reading = tokio::spawn(drain(body));
        writer.write(Bytes::from_static(b"ab")).await.unwrap();
        writer.write(Bytes::from_static(b"cd")).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), "abcd");
        writer.closed().await;
        assert_eq!(writer.write(Bytes::from_static(b"e")).await, Err(Closed));

        let (mut writer, body) = Body::channel(4);
        writer.write(Bytes::from_static(b"abc")).await.unwrap();
        drop(writer);
        let short = drain(body).await.unwrap_err();
        assert!(
            matches!(short, BodyError::Short { expected: 4, got: 3 }),
            "{short:?}"
        );
    }

    #[tokio::test]
    async fn a_body_is_starved_while_its_reader_waits_for_the_source_and_at_no_other_time() {
        use futures_util::FutureExt;
        let (mut writer, mut body) = Body::channel(4);
        let progress = body.progress();
        assert!(!progress.is_starved(), "nobody has asked yet");
        assert!(body.next().now_or_never().is_none());
        assert!(progress.is_starved());
        writer.write(Bytes::from_static(b"ab")).await.unwrap();
        assert!(progress.is_starved(), "what came was not taken yet");
        body.next().await.unwrap().unwrap();
        assert_eq!((progress.is_starved(), progress.taken()), (false, 2));
        assert!(body.next().now_or_never().is_none());
        drop(writer);
        assert!(body.next().await.unwrap().is_err());
        assert!(!progress.is_starved(), "a body that failed asks for nothing");
    }

    #[tokio::test]
    async fn only_an_untouched_body_in_memory_is_given_out_whole() {
        let bytes = Bytes::from_static(b"abc");
        let mut body = Body::from_bytes(bytes.clone());
        let progress = body.progress();
        assert_eq!(body.into_memory().unwrap(), bytes);
        assert_eq!(progress.taken(), 3);

        let body = fed(3, &["abc"]).into_memory().unwrap_err();
        assert_eq!(drain(body).await.unwrap(), "abc");
        let mut body = Body::from_bytes(bytes);
        body.next().await.unwrap().unwrap();
        assert!(body.into_memory().is_err());
    }
}
