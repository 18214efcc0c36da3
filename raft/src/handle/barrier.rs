//! The read barrier: ReadIndex, one round for all who wait.
//!
//! The leader confirms that it still leads by hearing from a majority, and names the index up to which
//! a reader must have applied. Everybody who waits when a round begins shares it. Whoever comes
//! while it runs waits for the next one: the index was taken before they asked, so something
//! acknowledged in between could be missing.

use std::time::Duration;

use openraft::errors::{LinearizableReadError, RaftError};
use openraft::raft::ReadPolicy;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::RaftCore;
use super::leadership::Leadership;
use crate::consensus::TypeConfig;
use crate::telemetry::HandleMetrics;

/// Readers that may wait at once: far more than connections are served.
const WAITING_READERS: usize = 65_536;
/// Readers taken into a round in one go.
const READERS_PER_ROUND: usize = 4096;
/// How soon to ask again while there is no leader and nothing is heard of one. A change of
/// leadership wakes earlier.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// An index that a linearizable read must have applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadIndex(u64);

impl ReadIndex {
    /// The index.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Why there is no barrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError {
    /// No leader could confirm its leadership in time.
    #[error("no leader confirmed its leadership within {} ms", waited.as_millis())]
    NoLeader {
        /// How long was waited.
        waited: Duration,
    },
    /// Too many readers wait.
    #[error("too many readers wait for a barrier")]
    Overloaded,
    /// The node is being shut down.
    #[error("the node is being shut down")]
    Shutdown,
}

type Answer = Result<ReadIndex, BarrierError>;

/// Lets readers wait for a round.
pub(crate) struct Barrier {
    readers: mpsc::Sender<Reader>,
    leader_wait: Duration,
}

struct Reader {
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Barrier {
    /// Starts the task that runs the rounds, on the current runtime.
    pub(crate) fn start(
        raft: RaftCore,
        leadership: watch::Receiver<Leadership>,
        leader_wait: Duration,
    ) -> Self {
        let (readers, received) = mpsc::channel(WAITING_READERS);
        let rounds = Rounds {
            raft,
            leadership,
            leader_wait,
            metrics: HandleMetrics::register(),
        };
        tokio::spawn(rounds.run(received));
        Self { readers, leader_wait }
    }

    pub(crate) async fn wait(&self) -> Answer {
        let (answer, answered) = oneshot::channel();
        let reader = Reader {
            deadline: Instant::now() + self.leader_wait,
            answer,
        };
        self.readers.try_send(reader).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BarrierError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => BarrierError::Shutdown,
        })?;
        answered.await.unwrap_or(Err(BarrierError::Shutdown))
    }
}

struct Rounds {
    raft: RaftCore,
    leadership: watch::Receiver<Leadership>,
    leader_wait: Duration,
    metrics: HandleMetrics,
}

impl Rounds {
    async fn run(mut self, mut readers: mpsc::Receiver<Reader>) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() && readers.recv_many(&mut waiting, READERS_PER_ROUND).await == 0 {
                return;
            }
            while waiting.len() < WAITING_READERS
                && let Ok(reader) = readers.try_recv()
            {
                waiting.push(reader);
            }
            match self.round().await {
                Ok(index) => {
                    self.metrics.barrier_rounds.increment(1);
                    self.metrics.reads_per_round.record(waiting.len() as f64);
                    answer(waiting.drain(..), &Ok(index));
                }
                Err(RoundError::Stopped) => {
                    answer(waiting.drain(..), &Err(BarrierError::Shutdown));
                    return;
                }
                Err(RoundError::NoLeader) => self.keep_waiting(&mut waiting).await,
            }
        }
    }

    /// Asks this node's core. Where another node leads, its answer will come over the network.
    async fn round(&self) -> Result<ReadIndex, RoundError> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(ReadIndex(linearizer.read_log_id().index())),
            Err(RaftError::APIError(error)) => {
                log_round(&error);
                Err(RoundError::NoLeader)
            }
            Err(RaftError::Fatal(_)) => Err(RoundError::Stopped),
        }
    }

    /// Sends away whoever has waited long enough, then waits for a change.
    async fn keep_waiting(&mut self, waiting: &mut Vec<Reader>) {
        let now = Instant::now();
        let gone = waiting.extract_if(.., |reader| reader.deadline <= now || reader.answer.is_closed());
        let waited = self.leader_wait;
        answer(gone, &Err(BarrierError::NoLeader { waited }));
        if waiting.is_empty() {
            return;
        }
        tokio::select! {
            changed = self.leadership.changed() => {
                if changed.is_err() {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
            () = tokio::time::sleep(RETRY_INTERVAL) => {}
        }
    }
}

enum RoundError {
    NoLeader,
    Stopped,
}

fn log_round(error: &LinearizableReadError<TypeConfig>) {
    tracing::debug!(%error, "no leadership was confirmed");
}

fn answer(readers: impl Iterator<Item = Reader>, answer: &Answer) {
    for reader in readers {
        // Whoever asked may have stopped waiting.
        let _ = reader.answer.send(answer.clone());
    }
}
