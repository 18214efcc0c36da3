//! What keeps the backends free of bytes that nobody refers to.
//!
//! Lives here: the loops and executors of collection, release, sweeps, epochs, the session and reports.
//! May not: a decision of what is due (that is `node-planner`), a deletion that no row or sealed epoch
//! allows.
//!
//! Each job is a reconciler: it looks at a view, carries out what is due in bounded steps, reports by a
//! command, and tries again at its next turn. A crash between any two steps costs a repetition. What
//! fails for one backend, epoch or row holds up no other.

mod collect;
mod discard;
mod keep_epochs;
mod keep_session;
mod per_backend;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod steps;
mod suspect;
mod sweep;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;

#[cfg(test)]
pub(crate) use steps::Steps;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use raft_types::{ClusterId, Incarnation, MillisUtc};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::metadata::Metadata;
use crate::replicas::{Backends, Discarded, Epochs, Suspicion};

/// How long jobs that are told to stop may take for their present step. One that hangs is cut off: what
/// it does is done again by the next boot.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Bounds of jobs in time, from the settings; tests shrink them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobTimes {
    /// How often a job looks for something due when nothing woke it.
    pub(crate) tick: Duration,
    /// How long the dead are kept at least.
    pub(crate) min_age: Duration,
    /// After how long they are deleted although a read still runs.
    pub(crate) max_age: Duration,
    /// From the first sweep of an epoch to the second.
    pub(crate) second_sweep_after: Duration,
}

impl Default for JobTimes {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            min_age: Duration::from_secs(5 * 60),
            max_age: Duration::from_secs(24 * 60 * 60),
            second_sweep_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What the jobs work with.
#[derive(Debug)]
pub(crate) struct JobParts {
    pub(crate) metadata: Metadata,
    pub(crate) backends: Arc<Backends>,
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) cluster: ClusterId,
    pub(crate) incarnation: Incarnation,
    pub(crate) discards: mpsc::Receiver<Discarded>,
    pub(crate) suspicions: mpsc::Receiver<Suspicion>,
    pub(crate) times: JobTimes,
}

/// The running jobs. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Jobs {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    session_lost: watch::Receiver<Option<String>>,
}

/// Why a step of a job did not succeed. It is tried again at the job's next turn.
#[derive(Debug, thiserror::Error)]
enum JobError {
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] raft_machine::Fault),
    /// A command did not get through.
    #[error(transparent)]
    Execute(#[from] raft::ExecuteError),
    /// An epoch did not move on.
    #[error(transparent)]
    Epoch(#[from] crate::replicas::AdvanceError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] node_backend::Error),
    /// A name that no backend can hold: a defect of this node.
    #[error(transparent)]
    Key(#[from] node_backend::KeyError),
    /// A row names a life of the cluster that has no row.
    #[error("incarnation {0} is not known")]
    UnknownIncarnation(raft_types::IncarnationCounter),
    /// An answer that the command should not have.
    #[error("{command} was answered with {outcome:?}")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The answer.
        outcome: raft_types::Outcome,
    },
}

impl JobError {
    fn report(&self, job: &'static str) {
        metrics::counter!("s3o_job_failures_total", "job" => job).increment(1);
        tracing::warn!(
            job,
            error = self as &dyn std::error::Error,
            "a job will try again"
        );
    }
}

/// What every executor shares.
#[derive(Debug, Clone)]
struct Shared {
    metadata: Metadata,
    backends: Arc<Backends>,
    epochs: Arc<Epochs>,
    cluster: ClusterId,
    incarnation: Incarnation,
    times: JobTimes,
}

impl Jobs {
    pub(crate) fn start(parts: JobParts) -> Self {
        let JobParts {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            discards,
            suspicions,
            times,
        } = parts;
        let shared = Shared {
            metadata,
            backends,
            epochs,
            cluster,
            incarnation,
            times,
        };
        let (lost, session_lost) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(collect::run(shared.clone(), stopped.clone()));
        tasks.spawn(sweep::run(shared.clone(), stopped.clone()));
        tasks.spawn(keep_epochs::run(shared.clone(), stopped.clone()));
        tasks.spawn(discard::run(shared.clone(), discards, stopped.clone()));
        tasks.spawn(keep_session::run(shared.clone(), lost, stopped.clone()));
        tasks.spawn(suspect::run(shared, suspicions, stopped));
        Self {
            tasks,
            stop,
            session_lost,
        }
    }

    /// Says why, once this node's session was sealed and it cannot go on with another.
    pub(crate) fn session_lost(&self) -> watch::Receiver<Option<String>> {
        self.session_lost.clone()
    }

    /// Lets each job finish its present step, then ends.
    pub(crate) async fn stop(mut self) {
        // Nobody listens any more where all jobs have ended by themselves.
        let _ = self.stop.send(true);
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a job ended with a panic");
                }
            }
        };
        if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
            tracing::warn!("a job took too long for its present step and is cut off");
        }
    }
}

/// Waits for the next turn of a job; `false` once it is to stop.
async fn next_turn(stopped: &mut watch::Receiver<bool>, tick: Duration) -> bool {
    if *stopped.borrow() {
        return false;
    }
    // A closed channel means that the owner of the jobs is gone.
    tokio::time::timeout(tick, stopped.changed()).await.is_err()
}

/// Wall clock of this node.
fn now() -> MillisUtc {
    MillisUtc(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64),
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
