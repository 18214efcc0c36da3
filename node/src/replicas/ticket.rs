//! A ticket stands for one attempt from before its first byte until its fate is in the state.

use std::sync::Arc;

use raft_types::address::{AttemptAddress, BlobAttempt};
use raft_types::ids::{BlobId, SessionId};
use tokio::sync::mpsc;

use super::epoch::EpochInUse;

/// Attempts that wait to be handed to garbage. More than this many at once are left to the sweep of
/// their epoch: a node that drops so many uploads in one moment has lost its backend or its clients.
pub(super) const DISCARD_QUEUE: usize = 16_384;

/// One attempt under way.
///
/// Dropped without having been settled, as happens when a client goes away, it hands the attempt over
/// for deletion. While it lives its epoch is not sealed, so that a commit may still name it.
#[derive(Debug)]
pub(crate) struct Ticket {
    attempt: Option<BlobAttempt>,
    epoch: Arc<EpochInUse>,
    discards: mpsc::Sender<Discarded>,
}

/// An attempt that is to be given up. Holds its epoch open until that is recorded.
#[derive(Debug)]
pub(crate) struct Discarded {
    /// The attempt.
    pub(crate) attempt: BlobAttempt,
    epoch: InFlight,
}

/// Counts as an attempt in flight of its epoch.
#[derive(Debug)]
struct InFlight(Arc<EpochInUse>);

/// Where dropped tickets go.
#[derive(Debug)]
pub(crate) struct Discards {
    sender: mpsc::Sender<Discarded>,
    receiver: Option<mpsc::Receiver<Discarded>>,
}

impl Discards {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(DISCARD_QUEUE);
        Self {
            sender,
            receiver: Some(receiver),
        }
    }

    pub(crate) fn sender(&self) -> mpsc::Sender<Discarded> {
        self.sender.clone()
    }

    /// The receiving end, for the one job that gives attempts up.
    pub(crate) fn take_receiver(&mut self) -> Option<mpsc::Receiver<Discarded>> {
        self.receiver.take()
    }
}

impl Ticket {
    pub(super) fn new(
        blob: BlobId,
        address: AttemptAddress,
        stored: u64,
        epoch: Arc<EpochInUse>,
        discards: mpsc::Sender<Discarded>,
    ) -> Self {
        epoch.begin_attempt();
        let attempt = BlobAttempt {
            blob,
            address,
            stored,
            provider_version: None,
        };
        Self {
            attempt: Some(attempt),
            epoch,
            discards,
        }
    }

    /// The attempt, as commands name it.
    pub(crate) fn attempt(&self) -> Option<&BlobAttempt> {
        self.attempt.as_ref()
    }

    /// Notes the version that the provider gave it: what a deletion has to name.
    pub(crate) fn set_provider_version(&mut self, version: Option<String>) {
        if let Some(attempt) = &mut self.attempt {
            attempt.provider_version = version;
        }
    }

    /// The state knows the attempt's fate: a command that names it was applied or rejected.
    pub(crate) fn settle(mut self) {
        self.attempt = None;
    }

    /// Nobody knows the attempt's fate yet. Its bytes are not touched; the settling of the command's
    /// number decides about them, or the sweep of the epoch once its session is sealed.
    pub(crate) fn leave_unknown(mut self) {
        self.attempt = None;
        self.epoch.note_unknown();
    }
}

impl Discarded {
    /// The session under which the attempt was begun. Once that is sealed, the attempt is the sweep's.
    pub(crate) fn session(&self) -> SessionId {
        self.epoch.0.session()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.epoch.begin_attempt();
            let discarded = Discarded {
                attempt,
                epoch: InFlight(Arc::clone(&self.epoch)),
            };
            if self.discards.try_send(discarded).is_err() {
                metrics::counter!("s3o_attempts_left_to_sweep_total").increment(1);
            }
        }
        self.epoch.end_attempt();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_attempt();
    }
}
