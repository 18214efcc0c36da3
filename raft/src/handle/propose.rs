//! Proposing commands: bounded, batched, with an outcome that says what is certain.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::ClientWriteError;
use raft_types::{NodeId, Outcome};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{RaftCore, in_order};
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
    /// The node is being shut down. The command was not taken.
    #[error("the node is being shut down")]
    Shutdown,
}

type Answer = Result<Applied, ProposeError>;

/// Takes commands from all tasks and packs them into entries.
pub(crate) struct Proposer {
    queue: mpsc::UnboundedSender<Queued>,
    budget: Arc<Budget>,
    metrics: HandleMetrics,
}

/// What is in flight.
#[derive(Default)]
struct Budget {
    commands: AtomicUsize,
    bytes: AtomicUsize,
    stopping: AtomicBool,
    idle: Notify,
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
    pub(crate) fn start(raft: RaftCore, stamper: Stamper) -> Self {
        // Bounded by the budget.
        let (queue, received) = mpsc::unbounded_channel();
        let metrics = HandleMetrics::register();
        let packer = Packer {
            raft,
            stamper,
            slots: Arc::new(Semaphore::new(ENTRIES_IN_FLIGHT)),
            metrics: metrics.clone(),
        };
        tokio::spawn(packer.run(received));
        Self {
            queue,
            budget: Arc::default(),
            metrics,
        }
    }

    pub(crate) async fn propose(&self, command: Bytes) -> Answer {
        if command.len() > COMMAND_BYTES {
            return Err(ProposeError::TooLarge {
                length: command.len(),
                limit: COMMAND_BYTES,
            });
        }
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
    fn take(self: &Arc<Self>, bytes: usize) -> Result<Share, ProposeError> {
        // Taken first and checked then: two who check first could both pass.
        let share = Share {
            budget: Arc::clone(self),
            bytes,
        };
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
        self.budget.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if self.budget.commands.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.budget.idle.notify_waiters();
        }
    }
}

/// The task that packs commands into entries.
struct Packer {
    raft: RaftCore,
    stamper: Stamper,
    slots: Arc<Semaphore>,
    metrics: HandleMetrics,
}

impl Packer {
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
        let in_flight = Arc::clone(&self.slots);
        let metrics = self.metrics.clone();
        let answer = Callback::new(move |result: WriteResult| {
            drop(slot);
            metrics
                .in_flight
                .set(ENTRIES_IN_FLIGHT.saturating_sub(in_flight.available_permits()) as f64);
            answer_all(entry, result);
        });
        // If the core is gone it has dropped the callback, and with it everybody's answer: unknown.
        if let Err(error) = self
            .raft
            .client_write_ff(Proposal(batch.to_bytes()), Some(answer))
            .await
        {
            tracing::debug!(%error, "the Raft core takes no commands");
        }
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
            let index = response.log_id.index();
            // The state machine answers every command of an entry.
            in_order(response.data.0, expected)
                .map(|outcomes| (index, outcomes))
                .ok_or(ProposeError::Unknown)
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
mod tests {
    use super::*;

    fn queued(length: usize) -> Queued {
        let budget = Arc::new(Budget::default());
        Queued {
            command: vec![0; length].into(),
            answer: oneshot::channel().0,
            share: budget.take(length).unwrap(),
        }
    }

    fn entry_sizes(lengths: &[usize]) -> Vec<usize> {
        let mut waiting: VecDeque<_> = lengths.iter().map(|&length| queued(length)).collect();
        let mut sizes = Vec::new();
        while !waiting.is_empty() {
            sizes.push(take_entry(&mut waiting).len());
        }
        sizes
    }

    #[test]
    fn an_entry_is_bounded_by_count_and_bytes_and_holds_at_least_one_command() {
        assert_eq!(entry_sizes(&[10; 130]), [64, 64, 2]);
        assert_eq!(entry_sizes(&[BYTES_PER_ENTRY / 2; 3]), [2, 1]);
        assert_eq!(entry_sizes(&[BYTES_PER_ENTRY + 1, 1, 1]), [1, 2]);
        assert_eq!(entry_sizes(&[1, COMMAND_BYTES, 1]), [1, 1, 1]);
    }

    #[test]
    fn the_budget_refuses_what_exceeds_it_and_takes_back_what_is_done() {
        let budget = Arc::new(Budget::default());
        let shares: Vec<_> = (0..IN_FLIGHT_COMMANDS).map(|_| budget.take(1).unwrap()).collect();
        assert!(matches!(budget.take(1), Err(ProposeError::Overloaded { .. })));
        drop(shares);
        let half = budget.take(IN_FLIGHT_BYTES / 2).unwrap();
        let other = budget.take(IN_FLIGHT_BYTES / 2).unwrap();
        assert!(matches!(budget.take(1), Err(ProposeError::Overloaded { .. })));
        drop(half);
        drop(budget.take(1).unwrap());
        drop(other);
        assert_eq!(budget.commands.load(Ordering::SeqCst), 0);
        assert_eq!(budget.bytes.load(Ordering::SeqCst), 0);
        budget.stopping.store(true, Ordering::SeqCst);
        assert!(matches!(budget.take(1), Err(ProposeError::Shutdown)));
        assert_eq!(
            budget.commands.load(Ordering::SeqCst),
            0,
            "a refusal takes nothing"
        );
    }
}
