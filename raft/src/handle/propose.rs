//! Proposing commands: bounded, batched, with an outcome that says what is certain.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use metrics::Gauge;
use openraft::errors::ClientWriteError;
use raft_types::{NodeId, Outcome};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::RaftCore;
use crate::clock::Stamper;
use crate::consensus::{Callback, Proposal, TypeConfig, WriteResult};
use crate::log::batch::CommandBatch;
use crate::telemetry::HandleMetrics;

/// Commands in flight on one node. At some thousand commands per second this is a second of work:
/// whoever comes on top is better told to come again.
const IN_FLIGHT_COMMANDS: usize = 4096;
/// Bytes of commands in flight on one node.
const IN_FLIGHT_BYTES: usize = 32 << 20;
/// When to come again: as long as what is in flight takes.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The longest command. Larger ones would make append requests that gRPC refuses.
const COMMAND_BYTES: usize = 1 << 20;
/// Commands in one log entry: enough that an entry's cost is shared, few enough that apply can write
/// between entries.
const COMMANDS_PER_ENTRY: usize = 64;
/// Bytes of commands in one log entry that holds more than one.
const BYTES_PER_ENTRY: usize = 256 << 10;
/// Entries of this node that may be on their way at once. While all are, commands gather for the
/// next one; this is what makes batches under load, without anybody waiting for company.
const ENTRIES_IN_FLIGHT: usize = 8;

/// A command that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Index of the entry it was in.
    pub index: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why a proposal has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This node does not lead. The command was not taken into the log and will never be applied.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// It was taken into the log, or may have been, and this node does not know whether it will be
    /// applied. It may be repeated only under its number.
    #[error("the outcome of the command is unknown")]
    Unknown,
    /// Too much is in flight. The command was not taken.
    #[error("too many commands are in flight")]
    Overloaded {
        /// When to come again.
        retry_after: Duration,
    },
    /// The command is too long. It was not taken.
    #[error("the command is {length} bytes long, more than {limit}")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The command cannot be read by this release. It was not taken.
    #[error("the command cannot be read: {0}")]
    Unreadable(String),
    /// The node is being shut down. The command was not taken.
    #[error("the node is being shut down")]
    Shutdown,
}

type Answer = Result<Applied, ProposeError>;

/// Where entries go. The Raft core; a double in tests.
pub(crate) trait Append: Send + Sync + 'static {
    /// Hands an entry over. `answer` is called once, or dropped if nobody will ever know.
    fn append(&self, proposal: Proposal, answer: Callback<WriteResult>) -> impl Future<Output = ()> + Send;
}

impl Append for RaftCore {
    async fn append(&self, proposal: Proposal, answer: Callback<WriteResult>) {
        // A core that is gone drops the callback.
        if let Err(error) = self.client_write_ff(proposal, Some(answer)).await {
            tracing::debug!(%error, "the Raft core takes no commands");
        }
    }
}

/// Takes commands from all tasks and packs them into entries.
pub(crate) struct Proposer {
    queue: mpsc::UnboundedSender<Queued>,
    budget: Arc<Budget>,
    metrics: HandleMetrics,
}

/// What is in flight.
struct Budget {
    commands: AtomicUsize,
    bytes: AtomicUsize,
    stopping: AtomicBool,
    idle: Notify,
    gauge: Gauge,
}

/// A command's share of the budget, given back when it is dropped.
struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

struct Queued {
    command: Bytes,
    answer: oneshot::Sender<Answer>,
    share: Share,
}

impl Proposer {
    /// Starts the task that packs, on the current runtime.
    pub(crate) fn start(target: impl Append, stamper: Stamper) -> Self {
        // Bounded by the budget.
        let (queue, received) = mpsc::unbounded_channel();
        let metrics = HandleMetrics::register();
        let packer = Packer {
            target,
            stamper,
            slots: Arc::new(Semaphore::new(ENTRIES_IN_FLIGHT)),
            metrics: metrics.clone(),
        };
        tokio::spawn(packer.run(received));
        Self {
            queue,
            budget: Arc::new(Budget::new(metrics.in_flight.clone())),
            metrics,
        }
    }

    /// Refuses what is certain not to be taken, before anybody looks into it.
    pub(crate) fn check(&self, command: &Bytes) -> Result<(), ProposeError> {
        if self.budget.stopping.load(Ordering::SeqCst) {
            return Err(ProposeError::Shutdown);
        }
        if command.len() > COMMAND_BYTES {
            return Err(ProposeError::TooLarge {
                length: command.len(),
                limit: COMMAND_BYTES,
            });
        }
        Ok(())
    }

    pub(crate) async fn propose(&self, command: Bytes) -> Answer {
        self.check(&command)?;
        let share = self.budget.take(command.len()).inspect_err(|error| {
            if matches!(error, ProposeError::Overloaded { .. }) {
                self.metrics.overloaded.increment(1);
            }
        })?;
        self.metrics.proposed.increment(1);
        let (answer, answered) = oneshot::channel();
        let queued = Queued {
            command,
            answer,
            share,
        };
        self.queue.send(queued).map_err(|_| ProposeError::Shutdown)?;
        // Nobody answers when the core ends with the command in its log.
        answered.await.unwrap_or(Err(ProposeError::Unknown))
    }

    /// Refuses further commands and waits for those in flight.
    pub(crate) async fn stop(&self) {
        self.budget.stopping.store(true, Ordering::SeqCst);
        loop {
            let idle = self.budget.idle.notified();
            if self.budget.commands.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Budget {
    fn new(gauge: Gauge) -> Self {
        Self {
            commands: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            idle: Notify::new(),
            gauge,
        }
    }

    fn take(self: &Arc<Self>, bytes: usize) -> Result<Share, ProposeError> {
        // Taken first and checked then: two who check first could both pass.
        let share = Share {
            budget: Arc::clone(self),
            bytes,
        };
        self.gauge.increment(1.0);
        let commands = self.commands.fetch_add(1, Ordering::SeqCst) + 1;
        let total = self.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if self.stopping.load(Ordering::SeqCst) {
            return Err(ProposeError::Shutdown);
        }
        if commands > IN_FLIGHT_COMMANDS || total > IN_FLIGHT_BYTES {
            return Err(ProposeError::Overloaded {
                retry_after: RETRY_AFTER,
            });
        }
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.gauge.decrement(1.0);
        self.budget.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if self.budget.commands.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.budget.idle.notify_waiters();
        }
    }
}

/// The task that packs commands into entries.
struct Packer<A> {
    target: A,
    stamper: Stamper,
    slots: Arc<Semaphore>,
    metrics: HandleMetrics,
}

impl<A: Append> Packer<A> {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Queued>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match queue.recv().await {
                    Some(queued) => waiting.push_back(queued),
                    None => return,
                }
            }
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                return;
            };
            while waiting.len() < COMMANDS_PER_ENTRY
                && let Ok(queued) = queue.try_recv()
            {
                waiting.push_back(queued);
            }
            self.submit(take_entry(&mut waiting), slot).await;
        }
    }

    async fn submit(&self, entry: Vec<Queued>, slot: OwnedSemaphorePermit) {
        self.metrics.commands_per_entry.record(entry.len() as f64);
        let batch = CommandBatch {
            now: self.stamper.stamp().0,
            commands: entry.iter().map(|queued| queued.command.clone()).collect(),
        };
        // Dropped without a call it drops everybody's answer: unknown.
        let answer = Callback::new(move |result: WriteResult| {
            drop(slot);
            answer_all(entry, result);
        });
        self.target.append(Proposal(batch.to_bytes()), answer).await;
    }
}

/// Takes the commands of one entry from the front.
fn take_entry(waiting: &mut VecDeque<Queued>) -> Vec<Queued> {
    let mut bytes = 0;
    let mut count = 0;
    for queued in waiting.iter().take(COMMANDS_PER_ENTRY) {
        bytes += queued.command.len();
        if count > 0 && bytes > BYTES_PER_ENTRY {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}

fn answer_all(entry: Vec<Queued>, result: WriteResult) {
    let expected = entry.len();
    let answers = match result {
        Ok(response) => {
            let outcomes = response.data.0;
            // The state machine answers every command of an entry.
            if outcomes.len() == expected {
                Ok((response.log_id.index(), outcomes))
            } else {
                Err(ProposeError::Unknown)
            }
        }
        Err(error) => Err(refusal(&error)),
    };
    match answers {
        Ok((index, outcomes)) => {
            for (queued, outcome) in entry.into_iter().zip(outcomes) {
                queued.finish(Ok(Applied { index, outcome }));
            }
        }
        Err(error) => {
            for queued in entry {
                queued.finish(Err(error.clone()));
            }
        }
    }
}

impl Queued {
    fn finish(self, answer: Answer) {
        // Given back first, so that whoever is answered finds room.
        drop(self.share);
        // Whoever asked may have stopped waiting.
        let _ = self.answer.send(answer);
    }
}

fn refusal(error: &ClientWriteError<TypeConfig>) -> ProposeError {
    match error {
        ClientWriteError::ForwardToLeader(forward) => ProposeError::NotLeader {
            leader: forward.leader_id.map(NodeId),
        },
        ClientWriteError::LogEntryDiscarded(_)
        | ClientWriteError::ChangeMembershipError(_)
        | ClientWriteError::PreconditionFailed(_) => ProposeError::Unknown,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
