//! The read barrier: ReadIndex, one round for all who wait.
//!
//! The leader confirms that it still leads by hearing from a majority, and names the index up to which
//! a reader must have applied. Everybody who waits when a round begins shares it. Whoever comes
//! while it runs waits for the next one: the index was taken before they asked, so something
//! acknowledged in between could be missing.
//!
//! A leader that has nobody to ask answers at once: see [`SoleLeader`].

use std::sync::Arc;
use std::time::Duration;

use openraft::errors::RaftError;
use openraft::raft::ReadPolicy;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::RaftCore;
use super::leadership::Leadership;
use super::sole::SoleLeader;
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

/// Who can tell the index of a linearizable read. The Raft core; a double in tests.
pub(crate) trait ReadIndexSource: Send + Sync + 'static {
    /// Confirms the leadership and names the index, both after this call began.
    fn read_index(&self) -> impl Future<Output = Result<ReadIndex, RoundError>> + Send;
}

/// Why a round failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoundError {
    /// Nobody confirmed leadership; there may be a leader soon.
    NoLeader,
    /// There will be no further round.
    Stopped,
}

impl ReadIndexSource for RaftCore {
    /// Asks this node's core. Where another node leads, its answer will come over the network.
    async fn read_index(&self) -> Result<ReadIndex, RoundError> {
        match self.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(ReadIndex(linearizer.read_log_id().index())),
            Err(RaftError::APIError(error)) => {
                tracing::debug!(%error, "no leadership was confirmed");
                Err(RoundError::NoLeader)
            }
            Err(RaftError::Fatal(_)) => Err(RoundError::Stopped),
        }
    }
}

/// Lets readers wait for a round, where one is needed.
pub(crate) struct Barrier {
    readers: mpsc::Sender<Reader>,
    leader_wait: Duration,
    sole: Arc<SoleLeader>,
    applied: watch::Receiver<u64>,
}

/// What a barrier knows of this node without asking the core.
pub(crate) struct OwnState {
    /// Who leads.
    pub(crate) leadership: watch::Receiver<Leadership>,
    /// Whether this node leads alone.
    pub(crate) sole: Arc<SoleLeader>,
    /// Index of the last applied entry.
    pub(crate) applied: watch::Receiver<u64>,
}

struct Reader {
    deadline: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Barrier {
    /// Starts the task that runs the rounds, on the current runtime.
    pub(crate) fn start(source: impl ReadIndexSource, own: OwnState, leader_wait: Duration) -> Self {
        let (readers, received) = mpsc::channel(WAITING_READERS);
        let (sole, applied) = (Arc::clone(&own.sole), own.applied.clone());
        let rounds = Rounds {
            source,
            own,
            leader_wait,
            metrics: HandleMetrics::register(),
        };
        tokio::spawn(rounds.run(received));
        Self {
            readers,
            leader_wait,
            sole,
            applied,
        }
    }

    /// An index without a round, where this node can tell one.
    pub(crate) fn now(&self) -> Option<ReadIndex> {
        // The index is looked up after the check: see [`SoleLeader::is_current`].
        self.sole.is_current().then(|| ReadIndex(*self.applied.borrow()))
    }

    pub(crate) async fn wait(&self) -> Answer {
        if let Some(index) = self.now() {
            return Ok(index);
        }
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

struct Rounds<S> {
    source: S,
    own: OwnState,
    leader_wait: Duration,
    metrics: HandleMetrics,
}

impl<S: ReadIndexSource> Rounds<S> {
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
            let alone_in = self.own.sole.term();
            match self.source.read_index().await {
                Ok(index) => {
                    self.note_round(alone_in, index);
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

    /// A round that began and ended in a term in which this node leads alone names an index that holds
    /// everything committed before the term.
    fn note_round(&self, alone_in: Option<u64>, index: ReadIndex) {
        if let Some(term) = alone_in
            && self.own.sole.term() == alone_in
            && *self.own.applied.borrow() >= index.get()
        {
            self.own.sole.note_caught_up(term);
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
            changed = self.own.leadership.changed() => {
                if changed.is_err() {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
            }
            () = tokio::time::sleep(RETRY_INTERVAL) => {}
        }
    }
}

fn answer(readers: impl Iterator<Item = Reader>, answer: &Answer) {
    for reader in readers {
        // Whoever asked may have stopped waiting.
        let _ = reader.answer.send(answer.clone());
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
