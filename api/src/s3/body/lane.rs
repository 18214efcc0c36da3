//! One hash of one body, computed beside everything else.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::engine::{Engine, Hash};
use super::pool::{HashPool, HashWork};

/// A hash that is computed on the pool, in order, a batch at a time.
#[derive(Debug)]
pub(super) struct Lane {
    engine: Place,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

/// Where the hasher is.
#[derive(Debug)]
enum Place {
    Here(Engine),
    AtWork(oneshot::Receiver<HashWork>),
    Lost,
}

/// The pool went away with the hasher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// A batch is handed over at this many bytes: 200 µs of MD5, against some 10 µs for handing it over.
const BATCH: usize = 128 * 1024;
/// A batch is handed over at this many pieces too, so that tiny ones do not pile up.
const BATCH_PIECES: usize = 64;
/// A body is read on until this many bytes wait beside those being hashed: so the threads need not wait
/// for the network, and a body holds at most twice this.
const MAX_WAITING: usize = 256 * 1024;
const MAX_WAITING_PIECES: usize = 128;

impl Lane {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine: Place::Here(engine),
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Adds a piece, without copying it. To be called once [`poll_ready`](Self::poll_ready) is.
    pub(super) fn add(&mut self, piece: &Bytes, pool: &HashPool) {
        self.waiting_bytes += piece.len();
        self.waiting.push(piece.clone());
        if self.waiting_bytes >= BATCH || self.waiting.len() >= BATCH_PIECES {
            self.submit(pool);
        }
    }

    /// Waits until another piece may be added.
    pub(super) fn poll_ready(&mut self, pool: &HashPool, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.waiting_bytes < MAX_WAITING && self.waiting.len() < MAX_WAITING_PIECES {
            return Poll::Ready(Ok(()));
        }
        let fetched = ready!(self.poll_fetch(cx));
        self.submit(pool);
        Poll::Ready(fetched)
    }

    /// Hashes what is left and ends.
    pub(super) fn poll_finish(&mut self, pool: &HashPool, cx: &mut Context<'_>) -> Poll<Result<Hash, Lost>> {
        loop {
            ready!(self.poll_fetch(cx))?;
            if self.waiting.is_empty() {
                break;
            }
            self.submit(pool);
        }
        match std::mem::replace(&mut self.engine, Place::Lost) {
            Place::Here(engine) => Poll::Ready(Ok(engine.finish())),
            Place::AtWork(_) | Place::Lost => Poll::Ready(Err(Lost)),
        }
    }

    /// Waits until the hasher is here.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match &mut self.engine {
            Place::Here(_) => Poll::Ready(Ok(())),
            Place::Lost => Poll::Ready(Err(Lost)),
            Place::AtWork(done) => {
                let work = ready!(Pin::new(done).poll(cx));
                let Ok(HashWork { engine, pieces }) = work else {
                    self.engine = Place::Lost;
                    return Poll::Ready(Err(Lost));
                };
                self.engine = Place::Here(engine);
                if self.waiting.is_empty() {
                    self.waiting = pieces;
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Hands over what waits, unless the hasher is at work: then it waits on.
    fn submit(&mut self, pool: &HashPool) {
        if let Place::AtWork(done) = &mut self.engine
            && let Ok(HashWork { engine, .. }) = done.try_recv()
        {
            self.engine = Place::Here(engine);
        }
        match std::mem::replace(&mut self.engine, Place::Lost) {
            Place::Here(engine) => {
                let pieces = std::mem::take(&mut self.waiting);
                self.waiting_bytes = 0;
                self.engine = Place::AtWork(pool.submit(HashWork { engine, pieces }));
            }
            other => self.engine = other,
        }
    }
}
