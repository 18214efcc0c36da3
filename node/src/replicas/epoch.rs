//! The epoch in use: the key prefix under which this session's attempts lie (DESIGN 3.5).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use raft::ExecuteError;
use raft_types::address::{AttemptAddress, PhysicalKey};
use raft_types::commands::{CloseEpoch, Command, OpenEpoch, SealEpoch};
use raft_types::ids::{Attempt, BackendId, BlobId, ClusterId, EpochId, Incarnation, SessionId};
use raft_types::{Outcome, Rejection};
use tokio::sync::{Notify, mpsc};

use super::ticket::{Discarded, Ticket};
use crate::metadata::{AnySession, Metadata, SessionPort};

/// Attempts after which a session opens another epoch: bounds the listing of one sweep.
const MAX_ATTEMPTS: u32 = 100_000;
/// Use after which a session opens another epoch, so that the safety net of the sweep does not
/// depend on crashes.
const MAX_USE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a closing epoch waits for its attempts before it is sealed under them.
const FORCE_SEAL_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why no attempt could be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EpochsError {
    /// The command that opens an epoch did not get through.
    #[error("no epoch could be opened")]
    Execute(#[from] ExecuteError),
    /// The state answered with something else than an epoch.
    #[error("no epoch was opened: {0:?}")]
    Refused(Outcome),
    /// The task that opens one ended without an answer: the process is going down.
    #[error("no epoch was opened: the task that does it has ended")]
    Ended,
}

/// Why an epoch did not move on. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdvanceError {
    /// A command did not get through.
    #[error("epoch {epoch}")]
    Execute {
        /// The epoch.
        epoch: EpochId,
        /// Why.
        source: ExecuteError,
    },
    /// A command was answered otherwise than expected.
    #[error("epoch {epoch}: {command} was answered with {outcome:?}")]
    Refused {
        /// The epoch.
        epoch: EpochId,
        /// The command.
        command: &'static str,
        /// The answer.
        outcome: Outcome,
    },
}

/// Hands out attempts of the session in use, opening and ending epochs as they are used up. What an
/// earlier session opened was sealed with it.
#[derive(Debug)]
pub(crate) struct Epochs {
    metadata: Metadata,
    cluster: ClusterId,
    incarnation: Incarnation,
    limits: EpochLimits,
    current: ArcSwapOption<EpochInUse>,
    opening: tokio::sync::Mutex<()>,
    closing: Mutex<Vec<Arc<EpochInUse>>>,
    discards: mpsc::Sender<Discarded>,
    wake: Arc<Notify>,
}

/// When an epoch ends. Settings that tests shrink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochLimits {
    /// Attempts of one epoch.
    pub(crate) attempts: u32,
    /// Time of use.
    pub(crate) in_use: Duration,
    /// Time from closing to sealing by force.
    pub(crate) force_seal_after: Duration,
}

impl Default for EpochLimits {
    fn default() -> Self {
        Self {
            attempts: MAX_ATTEMPTS,
            in_use: MAX_USE,
            force_seal_after: FORCE_SEAL_AFTER,
        }
    }
}

/// One epoch of this session that is open or closing.
#[derive(Debug)]
pub(crate) struct EpochInUse {
    id: EpochId,
    session: SessionId,
    opened: Instant,
    next_attempt: AtomicU32,
    in_flight: AtomicU64,
    /// Attempts whose fate only the settling of a number, or the end of the session, will decide.
    unknown: AtomicU64,
    usage: Mutex<Usage>,
    wake: Arc<Notify>,
}

/// Where an epoch has attempts, and whether it still takes new ones. One lock, so that no backend is
/// added after the list was told to the state.
#[derive(Debug, Default)]
struct Usage {
    backends: BTreeSet<BackendId>,
    closed: Option<Instant>,
    told: bool,
}

impl EpochInUse {
    fn new(id: EpochId, session: SessionId, wake: Arc<Notify>) -> Self {
        Self {
            id,
            session,
            opened: Instant::now(),
            next_attempt: AtomicU32::new(0),
            in_flight: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            usage: Mutex::default(),
            wake,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn begin_attempt(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_attempt(&self) {
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.usage.lock().closed.is_some() {
            self.wake.notify_one();
        }
    }

    /// The number of the next attempt; `None` once the epoch is closed.
    fn take_number(&self, backend: BackendId) -> Option<u32> {
        let mut usage = self.usage.lock();
        if usage.closed.is_some() {
            return None;
        }
        usage.backends.insert(backend);
        Some(self.next_attempt.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets it take no new attempts; since when that is so.
    fn close(&self) -> Instant {
        *self.usage.lock().closed.get_or_insert_with(Instant::now)
    }

    /// The backends to be told to the state, until [`note_told`](Self::note_told).
    fn untold(&self) -> Option<Vec<BackendId>> {
        let usage = self.usage.lock();
        (!usage.told).then(|| usage.backends.iter().copied().collect())
    }

    fn note_told(&self) {
        self.usage.lock().told = true;
    }

    pub(super) fn note_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether every attempt begun under it is referenced or in garbage.
    fn is_settled(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0 && self.unknown.load(Ordering::Acquire) == 0
    }
}

impl Epochs {
    pub(crate) fn new(
        metadata: Metadata,
        cluster: ClusterId,
        incarnation: Incarnation,
        limits: EpochLimits,
        discards: mpsc::Sender<Discarded>,
    ) -> Self {
        Self {
            metadata,
            cluster,
            incarnation,
            limits,
            current: ArcSwapOption::empty(),
            opening: tokio::sync::Mutex::new(()),
            closing: Mutex::new(Vec::new()),
            discards,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Begins an attempt to write `stored` bytes of `blob` to `backend`.
    ///
    /// # Errors
    /// No epoch is open and none could be opened.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        blob: BlobId,
        backend: BackendId,
        stored: u64,
    ) -> Result<(Ticket, PhysicalKey), EpochsError> {
        loop {
            let epoch = match self.current.load_full() {
                Some(epoch) if !self.is_used_up(&epoch) => epoch,
                _ => self.open().await?,
            };
            // Counted before the check of closing, so that an epoch never looks settled to the job
            // that seals it while an attempt is about to begin under it.
            epoch.begin_attempt();
            let taken = epoch
                .take_number(backend)
                .filter(|number| *number < self.limits.attempts);
            let Some(number) = taken else {
                epoch.end_attempt();
                continue;
            };
            let address = AttemptAddress {
                backend,
                incarnation: self.incarnation.counter,
                epoch: epoch.id,
                attempt: Attempt(number),
            };
            let key = self.physical_key(blob, &address);
            let ticket = Ticket::new(blob, address, stored, Arc::clone(&epoch), self.discards.clone());
            epoch.end_attempt();
            return Ok((ticket, key));
        }
    }

    /// The key of an attempt of this incarnation.
    fn physical_key(&self, blob: BlobId, address: &AttemptAddress) -> PhysicalKey {
        PhysicalKey {
            cluster: self.cluster,
            incarnation: self.incarnation,
            epoch: address.epoch,
            blob,
            attempt: address.attempt,
        }
    }

    fn is_used_up(&self, epoch: &EpochInUse) -> bool {
        epoch.opened.elapsed() >= self.limits.in_use
            || epoch.next_attempt.load(Ordering::Relaxed) >= self.limits.attempts
            || epoch.session != self.metadata.session().id()
    }

    /// Opens the next epoch and lets the present one close. In a task of its own: a request that is
    /// dropped meanwhile leaves no epoch that nobody knows.
    async fn open(self: &Arc<Self>) -> Result<Arc<EpochInUse>, EpochsError> {
        let epochs = Arc::clone(self);
        let opening = tokio::spawn(async move { epochs.open_next().await });
        opening.await.unwrap_or(Err(EpochsError::Ended))
    }

    /// Single flight.
    async fn open_next(self: &Arc<Self>) -> Result<Arc<EpochInUse>, EpochsError> {
        let _only_one = self.opening.lock().await;
        if let Some(epoch) = self.current.load_full().filter(|epoch| !self.is_used_up(epoch)) {
            return Ok(epoch);
        }
        let session = self.metadata.session();
        let id = match session.execute(Command::OpenEpoch(OpenEpoch {})).await {
            Ok(Outcome::EpochOpened(id)) => id,
            Ok(other) => return Err(EpochsError::Refused(other)),
            Err(error) => {
                if let ExecuteError::Unknown { number } = error {
                    self.end_if_opened(session, number);
                }
                return Err(error.into());
            }
        };
        let epoch = Arc::new(EpochInUse::new(id, session.id(), Arc::clone(&self.wake)));
        if let Some(earlier) = self.current.swap(Some(Arc::clone(&epoch))) {
            self.let_close(earlier);
        }
        Ok(epoch)
    }

    /// Nobody waits for an epoch whose opening had no answer in time: if there is one, it ends unused.
    fn end_if_opened(self: &Arc<Self>, session: AnySession, number: u64) {
        let epochs = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(Outcome::EpochOpened(id)) = session.settled(number).await {
                let wake = Arc::clone(&epochs.wake);
                epochs.let_close(Arc::new(EpochInUse::new(id, session.id(), wake)));
            }
        });
    }

    fn let_close(&self, epoch: Arc<EpochInUse>) {
        self.closing.lock().push(epoch);
        self.wake.notify_one();
    }

    /// Attempts that are under way, or wait to be handed over, in the epochs that are open or closing.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> u64 {
        let closing = self.closing.lock().clone();
        let epochs = self.current.load_full().into_iter().chain(closing);
        epochs.map(|epoch| epoch.in_flight.load(Ordering::Acquire)).sum()
    }

    /// Resolves when an epoch may have become ready to be closed or sealed.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Ends the use of the present epoch; the next attempt opens another.
    pub(crate) fn rotate(&self) {
        if let Some(earlier) = self.current.swap(None) {
            self.let_close(earlier);
        }
    }

    /// Moves closing epochs on: tells the state that they take no new attempts, and seals those whose
    /// attempts are all settled, or that waited too long. What fails is tried at the next call, and
    /// holds up no other epoch.
    ///
    /// # Errors
    /// What kept the last epoch of those that failed.
    pub(crate) async fn advance(&self) -> Result<(), AdvanceError> {
        if self
            .current
            .load()
            .as_ref()
            .is_some_and(|epoch| self.is_used_up(epoch))
        {
            self.rotate();
        }
        let mut failed = None;
        let closing = self.closing.lock().clone();
        for epoch in closing {
            match self.advance_one(&epoch).await {
                Ok(Advanced::Ended) => self.closing.lock().retain(|other| other.id != epoch.id),
                Ok(Advanced::Waits) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn advance_one(&self, epoch: &EpochInUse) -> Result<Advanced, AdvanceError> {
        let since = epoch.close();
        let session = self.metadata.session();
        if epoch.session != session.id() {
            // Its session was sealed, and it with it.
            return Ok(Advanced::Ended);
        }
        let EpochInUse { id, .. } = *epoch;
        if let Some(used) = epoch.untold() {
            let close = Command::CloseEpoch(CloseEpoch { epoch: id, used });
            self.execute(&*session, id, "CloseEpoch", close).await?;
            epoch.note_told();
        }
        if !epoch.is_settled() && since.elapsed() < self.limits.force_seal_after {
            return Ok(Advanced::Waits);
        }
        let seal = Command::SealEpoch(SealEpoch { epoch: id });
        self.execute(&*session, id, "SealEpoch", seal).await?;
        Ok(Advanced::Ended)
    }

    async fn execute(
        &self,
        session: &dyn SessionPort,
        epoch: EpochId,
        name: &'static str,
        command: Command,
    ) -> Result<(), AdvanceError> {
        let executed = session.execute(command).await;
        match executed.map_err(|source| AdvanceError::Execute { epoch, source })? {
            // An earlier try, of which no answer came, has done it.
            Outcome::Done | Outcome::Rejected(Rejection::EpochNotOpen(_)) => Ok(()),
            outcome => Err(AdvanceError::Refused {
                epoch,
                command: name,
                outcome,
            }),
        }
    }
}

/// How far an epoch has come.
enum Advanced {
    /// It is sealed.
    Ended,
    /// It has attempts that are not settled.
    Waits,
}
