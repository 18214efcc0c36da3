//! The memory in which signed chunks wait for the rest of themselves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::chunked::MAX_SIGNED_CHUNK;

/// How many bytes of signed chunks all bodies together hold.
///
/// A chunk takes what it announces before its first byte is kept and gives it back once it was read:
/// no body holds some while it waits for more, so none waits for ever.
#[derive(Debug, Clone)]
pub(super) struct ChunkMemory {
    kibibytes: Arc<Semaphore>,
}

/// Memory taken from the budget, given back when dropped. None for a chunk too small to count.
#[derive(Debug)]
pub(super) struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
}

/// A reservation that waits for its turn.
#[derive(Default)]
pub(super) struct Reservation {
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// Chunks up to this many bytes are not counted: a connection's buffers hold as much anyway, and the
/// usual chunk of 64 KiB then touches no shared counter.
const UNCOUNTED: u64 = 64 * 1024;

impl Reserved {
    /// Whether others may be waiting for what this holds.
    pub(super) const fn counts(&self) -> bool {
        self.permit.is_some()
    }
}

impl ChunkMemory {
    /// A budget of so many bytes; at least one chunk of the largest size always fits.
    pub(super) fn new(bytes: u64) -> Self {
        let kibibytes = usize::try_from(bytes.max(MAX_SIGNED_CHUNK) / 1024).unwrap_or(usize::MAX);
        Self {
            kibibytes: Arc::new(Semaphore::new(kibibytes.min(Semaphore::MAX_PERMITS))),
        }
    }
}

impl Reservation {
    /// Waits until so many bytes, at most [`MAX_SIGNED_CHUNK`], are free, first come, first served.
    pub(super) fn poll(&mut self, memory: &ChunkMemory, bytes: u64, cx: &mut Context<'_>) -> Poll<Reserved> {
        if bytes <= UNCOUNTED {
            return Poll::Ready(Reserved { permit: None });
        }
        let kibibytes = u32::try_from(bytes.min(MAX_SIGNED_CHUNK).div_ceil(1024)).unwrap_or(u32::MAX);
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(Arc::clone(&memory.kibibytes).acquire_many_owned(kibibytes)));
        waiting.as_mut().poll(cx).map(|permit| {
            self.waiting = None;
            // The semaphore is never closed.
            Reserved { permit: permit.ok() }
        })
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("waiting", &self.waiting.is_some())
            .finish()
    }
}
