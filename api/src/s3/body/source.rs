//! The bytes of a body as they arrive.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::{Instant, Sleep, sleep};

use crate::port::BodyError;

/// A body on the wire: its length is checked against what was announced, its silence and its pace
/// against a clock. Only waiting for the client counts, not the time that our own consumer takes.
#[derive(Debug)]
pub(super) struct Source<B> {
    body: B,
    announced: Option<u64>,
    received: u64,
    idle: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    /// Since when the client is waited for; none when the last poll brought something.
    waiting: Option<Instant>,
    pace: Pace,
}

/// What came during some waiting. A client that sends a byte now and then is never silent, and would
/// hold its connection and all that hangs on it for days.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    received: u64,
}

/// The slowest pace of a body, over each idle time of waiting: far below any line that carries a file,
/// and four thousand connections at this pace take a megabyte per second of whoever holds them.
pub const MIN_BYTES_PER_SECOND: u64 = 256;

/// How many frames without data are passed over in one poll before others get their turn.
const EMPTY_FRAMES: usize = 16;

impl<B> Source<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(body: B, announced: Option<u64>, idle: Duration) -> Self {
        Self {
            body,
            announced,
            received: 0,
            idle,
            silence: None,
            waiting: None,
            pace: Pace::default(),
        }
    }

    /// The next bytes, never none; `None` at the end of a body that is as long as announced.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        for _ in 0..EMPTY_FRAMES {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                return self.poll_silence(cx);
            };
            let Some(frame) = frame else {
                let complete = self.announced.is_none_or(|announced| announced == self.received);
                return Poll::Ready(complete.then_some(None).ok_or(BodyError::Incomplete));
            };
            let frame = frame.map_err(|_| BodyError::Disconnected)?;
            // Trailers of HTTP itself say nothing about the payload.
            let Ok(bytes) = frame.into_data() else { continue };
            if bytes.is_empty() {
                continue;
            }
            self.received = self.received.saturating_add(bytes.len() as u64);
            if self.announced.is_some_and(|announced| announced < self.received) {
                return Poll::Ready(Err(BodyError::TooLong));
            }
            let waited = self
                .waiting
                .take()
                .map_or(Duration::ZERO, |since| since.elapsed());
            if self.pace.is_too_slow(waited, bytes.len() as u64, self.idle) {
                return Poll::Ready(Err(BodyError::TimedOut));
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(self.idle)));
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            silence.as_mut().reset(now + self.idle);
        }
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Err(BodyError::TimedOut))
    }
}

impl Pace {
    /// Adds what came after some waiting, and judges once `period` was waited in all.
    fn is_too_slow(&mut self, waited: Duration, bytes: u64, period: Duration) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.received = self.received.saturating_add(bytes);
        if self.waited < period {
            return false;
        }
        let Self { waited, received } = std::mem::take(self);
        received < waited.as_secs().saturating_mul(MIN_BYTES_PER_SECOND)
    }
}
