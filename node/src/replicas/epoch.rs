//! The epoch in use: the key prefix under which this session's attempts lie (DESIGN 3.5).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use raft::{ExecuteError, Session};
use raft_types::Outcome;
use raft_types::address::{AttemptAddress, PhysicalKey};
use raft_types::commands::{CloseEpoch, Command, OpenEpoch, SealEpoch};
use raft_types::ids::{Attempt, BackendId, BlobId, ClusterId, EpochId, Incarnation};
use tokio::sync::{Notify, mpsc};

use super::ticket::{Discarded, Ticket};

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
}

/// Hands out attempts of this session, opening and ending epochs as they are used up.
#[derive(Debug)]
pub(crate) struct Epochs {
    session: Session,
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
        session: Session,
        cluster: ClusterId,
        incarnation: Incarnation,
        limits: EpochLimits,
        discards: mpsc::Sender<Discarded>,
    ) -> Self {
        Self {
            session,
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
        &self,
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
    }

    /// Opens the next epoch and lets the present one close. Single flight.
    async fn open(&self) -> Result<Arc<EpochInUse>, EpochsError> {
        let _only_one = self.opening.lock().await;
        if let Some(epoch) = self.current.load_full().filter(|epoch| !self.is_used_up(epoch)) {
            return Ok(epoch);
        }
        let id = match self.session.execute(Command::OpenEpoch(OpenEpoch {})).await? {
            Outcome::EpochOpened(id) => id,
            other => return Err(EpochsError::Refused(other)),
        };
        let epoch = Arc::new(EpochInUse {
            id,
            opened: Instant::now(),
            next_attempt: AtomicU32::new(0),
            in_flight: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            usage: Mutex::default(),
            wake: Arc::clone(&self.wake),
        });
        if let Some(earlier) = self.current.swap(Some(Arc::clone(&epoch))) {
            self.closing.lock().push(earlier);
            self.wake.notify_one();
        }
        Ok(epoch)
    }

    /// Resolves when an epoch may have become ready to be closed or sealed.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Ends the use of the present epoch; the next attempt opens another.
    pub(crate) fn rotate(&self) {
        if let Some(earlier) = self.current.swap(None) {
            self.closing.lock().push(earlier);
            self.wake.notify_one();
        }
    }

    /// Moves closing epochs on: tells the state that they take no new attempts, and seals those whose
    /// attempts are all settled, or that waited too long. What fails is tried at the next call.
    ///
    /// # Errors
    /// The first command that did not get through.
    pub(crate) async fn advance(&self) -> Result<(), ExecuteError> {
        if self
            .current
            .load()
            .as_ref()
            .is_some_and(|epoch| self.is_used_up(epoch))
        {
            self.rotate();
        }
        let closing = self.closing.lock().clone();
        for epoch in closing {
            let since = epoch.close();
            if let Some(used) = epoch.untold() {
                self.session
                    .execute(Command::CloseEpoch(CloseEpoch {
                        epoch: epoch.id,
                        used,
                    }))
                    .await?;
                epoch.note_told();
            }
            if !epoch.is_settled() && since.elapsed() < self.limits.force_seal_after {
                continue;
            }
            self.session
                .execute(Command::SealEpoch(SealEpoch { epoch: epoch.id }))
                .await?;
            self.closing.lock().retain(|other| other.id != epoch.id);
        }
        Ok(())
    }
}
