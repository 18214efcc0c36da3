//! The threads that hash large bodies.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::engine::Engine;

/// A few threads that only hash.
///
/// A body hands over a hasher together with some pieces and gets it back when they are hashed, so a slow
/// client holds no thread, and as many bodies as there may be share as many threads as there are cores,
/// first come, first served. They are not the runtime's blocking threads, because those are for waiting:
/// hundreds of them computing would starve every other task of the process.
#[derive(Debug)]
pub(super) struct HashPool {
    shared: Arc<Shared>,
}

/// A hasher, what it is to hash, and afterwards the hasher alone.
#[derive(Debug)]
pub(super) struct HashWork {
    pub(super) engine: Engine,
    /// Emptied by the work; the allocation is used again.
    pub(super) pieces: Vec<Bytes>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

/// Holds at most one job per lane of an open body.
#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Debug)]
struct Job {
    work: HashWork,
    done: oneshot::Sender<HashWork>,
}

impl HashPool {
    /// Starts the threads; they end when the pool is dropped.
    pub(super) fn new(threads: NonZeroUsize) -> io::Result<Self> {
        let pool = Self {
            shared: Arc::new(Shared::default()),
        };
        for number in 0..threads.get() {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("body-hash-{number}"))
                .spawn(move || shared.run())?;
        }
        Ok(pool)
    }

    /// Has a thread do the work.
    pub(super) fn submit(&self, work: HashWork) -> oneshot::Receiver<HashWork> {
        let (done, receiver) = oneshot::channel();
        self.shared.queue.lock().jobs.push_back(Job { work, done });
        self.shared.filled.notify_one();
        receiver
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.filled.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        while let Some(Job { mut work, done }) = self.next() {
            // A body that was dropped meanwhile wants no result; its pieces need not be hashed either.
            if done.is_closed() {
                continue;
            }
            for piece in work.pieces.drain(..) {
                work.engine.update(&piece);
            }
            let _ = done.send(work);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            self.filled.wait(&mut queue);
        }
    }
}
