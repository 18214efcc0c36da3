//! The one way in which this crate ends a process.
//!
//! Some failures leave no honest way to go on: after a failed `fsync` nobody knows which of the
//! preceding writes reached the disk (and a second `fsync` may report success for pages that the
//! kernel has already dropped), and a Raft core that has stopped never heals. A process that lives
//! on would serve stale reads and accept writes that nobody applies. All of these end here, and the
//! supervisor (systemd, Nomad, Kubernetes) starts the process again from what is on the disk.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why the process cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatalCause {
    /// Writing to the log database failed.
    #[error("writing to the Raft log failed: {0}")]
    LogWrite(String),
    /// Flushing the log's write-ahead log to the disk failed. It must not be tried again.
    #[error("fsync of the Raft log failed: {0}")]
    LogSync(String),
    /// A log record that should exist is missing or unreadable.
    #[error("reading the Raft log failed: {0}")]
    LogRead(String),
    /// The state machine could not apply a committed entry.
    #[error("applying the log failed: {0}")]
    Apply(String),
    /// A snapshot could not be built or installed.
    #[error("handling a snapshot failed: {0}")]
    Snapshot(String),
    /// The Raft core has stopped although nobody asked it to.
    #[error("the Raft core has stopped: {0}")]
    CoreStopped(String),
}

/// Shared handle to the process's way out.
///
/// Only the first cause counts: later ones are consequences and are only logged.
#[derive(Clone)]
pub struct Fatal {
    inner: Arc<Inner>,
}

struct Inner {
    triggered: AtomicBool,
    action: Box<dyn Fn(&FatalCause) + Send + Sync>,
}

impl Fatal {
    /// Ends the process at once, without running destructors: RocksDB's threads may be in the
    /// middle of a write, and everything that was acknowledged is already on the disk.
    #[must_use]
    pub fn abort() -> Self {
        Self::with(|_| std::process::abort())
    }

    /// Calls `action` instead, exactly once. For processes with their own way to stop, and tests.
    pub fn with(action: impl Fn(&FatalCause) + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::new(Inner {
                triggered: AtomicBool::new(false),
                action: Box::new(action),
            }),
        }
    }

    /// Reports `cause` and runs the action, unless another cause was first.
    pub fn trigger(&self, cause: &FatalCause) {
        tracing::error!(%cause, "cannot go on, the process ends");
        if self.inner.triggered.swap(true, Ordering::AcqRel) {
            return;
        }
        (self.inner.action)(cause);
    }

    /// Whether a cause was reported.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.inner.triggered.load(Ordering::Acquire)
    }
}

impl Default for Fatal {
    fn default() -> Self {
        Self::abort()
    }
}

impl fmt::Debug for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fatal")
            .field("triggered", &self.is_triggered())
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
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn only_the_first_cause_runs_the_action() {
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&calls);
        let fatal = Fatal::with(move |cause| {
            assert_eq!(cause, &FatalCause::LogSync("EIO".into()));
            seen.fetch_add(1, Ordering::Relaxed);
        });
        assert!(!fatal.is_triggered());
        fatal.trigger(&FatalCause::LogSync("EIO".into()));
        fatal.trigger(&FatalCause::CoreStopped("storage".into()));
        assert!(fatal.is_triggered());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
