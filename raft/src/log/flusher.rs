//! Group commit: one thread that syncs the WAL for everybody who waits.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use openraft::storage::IOFlushed;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::consensus::TypeConfig;
use crate::error::Error;
use crate::fatal::{Fatal, FatalCause};
use crate::telemetry::LogMetrics;

/// Somebody whose write stands in the WAL and must reach the disk.
pub(crate) enum Waiter {
    /// An append: openraft's callback.
    Append(IOFlushed<TypeConfig>),
    /// A vote.
    Vote(oneshot::Sender<io::Result<()>>),
}

impl Waiter {
    fn complete(self, result: io::Result<()>) {
        match self {
            Self::Append(callback) => callback.io_completed(result),
            // The core has stopped waiting only if it is being shut down.
            Self::Vote(sender) => drop(sender.send(result)),
        }
    }
}

/// Syncs in a thread of its own. At most one sync is in flight; whoever comes while it runs shares
/// the next one.
pub(crate) struct Flusher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiter>,
    stopping: bool,
    /// Set with the first failed sync: nothing completes successfully after it.
    failure: Option<String>,
}

impl Flusher {
    /// Starts the thread. `sync` makes durable what was written before the call.
    pub(crate) fn start(
        sync: impl Fn() -> Result<(), String> + Send + 'static,
        fatal: Fatal,
        metrics: LogMetrics,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            fatal,
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("raft-log-sync".into())
            .spawn(move || worker.run(sync))
            .map_err(|source| Error::Start {
                what: "the thread that syncs the log",
                source,
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Completes `waiter` once everything written before this call is on the disk. Waiters complete
    /// in the order of their calls.
    pub(crate) fn submit(&self, waiter: Waiter) {
        let mut queue = self.shared.queue.lock();
        if let Some(refusal) = queue.refusal() {
            drop(queue);
            waiter.complete(Err(refusal));
            return;
        }
        queue.waiting.push(waiter);
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// Completes everybody who waits, then ends the thread. Later calls of `submit` fail.
    pub(crate) fn stop(&self) {
        self.shared.queue.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the log has panicked");
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    fn refusal(&self) -> Option<io::Error> {
        match &self.failure {
            Some(failure) => Some(io::Error::other(failure.clone())),
            None if self.stopping => Some(io::Error::new(io::ErrorKind::NotConnected, "the log is closed")),
            None => None,
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    fatal: Fatal,
    metrics: LogMetrics,
}

impl Worker {
    fn run(self, sync: impl Fn() -> Result<(), String>) {
        // Swapped with the queue's, so that neither allocates once they have grown.
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            let started = Instant::now();
            let result = sync();
            self.metrics.syncs.increment(1);
            self.metrics.sync_seconds.record(started.elapsed());
            // Below 2^52 in any case.
            self.metrics.writes_per_sync.record(batch.len() as f64);
            if let Err(message) = &result {
                self.shared.queue.lock().failure = Some(message.clone());
                self.fatal.trigger(&FatalCause::LogSync(message.clone()));
            }
            for waiter in batch.drain(..) {
                waiter.complete(result.clone().map_err(io::Error::other));
            }
        }
    }

    /// Waits for work. False once there is none left and none will come.
    fn take(&self, batch: &mut Vec<Waiter>) -> bool {
        let mut queue = self.shared.queue.lock();
        loop {
            if !queue.waiting.is_empty() {
                std::mem::swap(batch, &mut queue.waiting);
                if let Some(failure) = queue.failure.clone() {
                    // Submitted while the failing sync ran: never to be synced again.
                    drop(queue);
                    for waiter in batch.drain(..) {
                        waiter.complete(Err(io::Error::other(failure.clone())));
                    }
                    queue = self.shared.queue.lock();
                    continue;
                }
                return true;
            }
            if queue.stopping {
                return false;
            }
            self.shared.wake.wait(&mut queue);
        }
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn vote(flusher: &Flusher) -> oneshot::Receiver<io::Result<()>> {
        let (sender, receiver) = oneshot::channel();
        flusher.submit(Waiter::Vote(sender));
        receiver
    }

    #[test]
    fn everybody_who_comes_while_a_sync_runs_shares_the_next_one() {
        let (entered, wait_entered) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let syncs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&syncs);
        let flusher = Flusher::start(
            move || {
                counted.fetch_add(1, Ordering::Relaxed);
                entered.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            },
            Fatal::with(|cause| panic!("{cause}")),
            LogMetrics::register(),
        )
        .unwrap();
        let first = vote(&flusher);
        wait_entered.recv().unwrap();
        let others: Vec<_> = (0..100).map(|_| vote(&flusher)).collect();
        release.send(()).unwrap();
        first.blocking_recv().unwrap().unwrap();
        wait_entered.recv().unwrap();
        release.send(()).unwrap();
        for other in others {
            other.blocking_recv().unwrap().unwrap();
        }
        assert_eq!(syncs.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_synced_again_and_nothing_succeeds() {
        let (causes, cause) = mpsc::channel();
        let syncs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&syncs);
        let flusher = Flusher::start(
            move || {
                // A second sync would succeed, as it does after a failed one on Linux.
                match counted.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("EIO".to_owned()),
                    _ => Ok(()),
                }
            },
            Fatal::with(move |cause| causes.send(cause.clone()).unwrap()),
            LogMetrics::register(),
        )
        .unwrap();
        assert!(vote(&flusher).blocking_recv().unwrap().is_err());
        assert_eq!(cause.recv().unwrap(), FatalCause::LogSync("EIO".into()));
        assert!(vote(&flusher).blocking_recv().unwrap().is_err());
        flusher.stop();
        assert_eq!(syncs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn stopping_completes_whoever_waits_and_refuses_whoever_comes_later() {
        let flusher = Flusher::start(
            || Ok(()),
            Fatal::with(|cause| panic!("{cause}")),
            LogMetrics::register(),
        )
        .unwrap();
        let waiting: Vec<_> = (0..10).map(|_| vote(&flusher)).collect();
        flusher.stop();
        for waiter in waiting {
            waiter.blocking_recv().unwrap().unwrap();
        }
        assert!(vote(&flusher).blocking_recv().unwrap().is_err());
    }

    #[test]
    fn waiters_complete_in_the_order_of_their_calls() {
        let flusher = Flusher::start(
            || Ok(()),
            Fatal::with(|cause| panic!("{cause}")),
            LogMetrics::register(),
        )
        .unwrap();
        let mut waiting: Vec<_> = (0..1000).map(|_| vote(&flusher)).collect();
        // When the last one is complete, all before it are.
        waiting.pop().unwrap().blocking_recv().unwrap().unwrap();
        for mut earlier in waiting {
            earlier.try_recv().unwrap().unwrap();
        }
    }
}
