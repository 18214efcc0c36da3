//! The session client: commands that are applied at most once (C4).
//!
//! A session is one boot of this node, as the state knows it. Every command gets a number in it. A
//! command of unknown outcome (the leader vanished, the answer was lost) is sent again **under its
//! number**: if it was applied, the state answers with the stored outcome. Whoever gives up lets the
//! number be *settled* in the background: then it turns out what became of it, or it is cancelled for
//! ever. A number counts as settled once its outcome is known here; the state forgets outcomes below
//! the lowest number that is not.

mod error;
mod numbers;
mod settler;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft_types::commands::{CloseSession, Command, OpenSession};
use raft_types::{BlobAttempt, Envelope, Outcome, Record, Refusal, Rejection, SessionId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use error::{ExecuteError, OpenSessionError};

use crate::handle::{Applied, Boot, MetadataHandle, ProposeError};
use numbers::{Number, Numbers};
use settler::{GivenUp, Settled, Settler};

/// Time after which a command is given up, unless configured.
const DEADLINE: Duration = Duration::from_secs(5);
/// The first pause before a command is sent again. A change of leadership ends any pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How a session behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// How long a command is sent again before it is given up.
    pub deadline: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { deadline: DEADLINE }
    }
}

/// Where commands go. The node's handle; a double in tests.
pub(crate) trait Propose: Send + Sync + 'static {
    /// Proposes an envelope.
    fn propose(&self, envelope: Bytes) -> impl Future<Output = Result<Applied, ProposeError>> + Send;

    /// Completes when it may be worth trying again.
    fn changed(&self) -> impl Future<Output = ()> + Send;
}

impl Propose for MetadataHandle {
    async fn propose(&self, envelope: Bytes) -> Result<Applied, ProposeError> {
        self.propose_known(envelope).await
    }

    async fn changed(&self) {
        // An error means that the node has stopped; the next proposal says so.
        if self.leadership().changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// One boot of this node, through which all its commands go. Cheap to clone; all clones are the same
/// session.
#[derive(Clone)]
pub struct Session {
    core: Arc<SessionCore<MetadataHandle>>,
    boot: Boot,
}

impl Session {
    /// Opens a session with a boot that none was opened with. An earlier session of this node is
    /// sealed by that.
    ///
    /// # Errors
    /// If no leader takes it until the deadline, the state refuses it, or no boot can be counted.
    pub async fn open(handle: &MetadataHandle, options: SessionOptions) -> Result<Self, OpenSessionError> {
        let boot = handle
            .next_boot()
            .await
            .map_err(|error| OpenSessionError::Boot(error.to_string()))?;
        let id = open(handle, handle.identity().node, boot, options).await?;
        let core = SessionCore::start(handle.clone(), id, options, handle.runtime());
        Ok(Self { core, boot })
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.core.id
    }

    /// The boot that it was opened with.
    #[must_use]
    pub fn boot(&self) -> Boot {
        self.boot
    }

    /// Applies a command once and says what became of it. A rejection is an outcome like any other.
    ///
    /// Dropping the future gives the command up: its number is settled in the background, and
    /// nobody may conclude anything about it.
    ///
    /// # Errors
    /// [`ExecuteError::NotApplied`] if it never will be applied, otherwise its outcome is unknown.
    pub async fn execute(&self, command: Command) -> Result<Outcome, ExecuteError> {
        self.core.execute(command).await
    }

    /// Waits until a number is settled that [`ExecuteError::Unknown`] named. `None` if the session is
    /// sealed first, or the number was settled so long ago that its outcome is forgotten.
    pub async fn settled(&self, number: u64) -> Option<Outcome> {
        self.core.settled.wait(number).await
    }

    /// Whether the session is known to be sealed. Then no command of it is applied any more, and the
    /// node opens another session.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        *self.core.sealed.borrow()
    }

    /// Completes once the session is known to be sealed.
    pub async fn sealed(&self) {
        // The sender lives as long as this session.
        let _ = self.core.sealed.subscribe().wait_for(|&sealed| sealed).await;
    }

    /// Ends the session in order: nothing of it is under way any more. Every later command fails.
    ///
    /// # Errors
    /// As [`execute`](Self::execute). A session that is not ended in order is sealed later.
    pub async fn close(&self) -> Result<(), ExecuteError> {
        match self.execute(Command::CloseSession(CloseSession {})).await {
            Ok(_) | Err(ExecuteError::SessionSealed) => {
                self.core.seal();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.core.id)
            .field("boot", &self.boot.number)
            .finish_non_exhaustive()
    }
}

/// Sends `OpenSession` until it is answered. Repetitions are known by boot number and nonce.
async fn open<P: Propose>(
    target: &P,
    node: raft_types::NodeId,
    boot: Boot,
    options: SessionOptions,
) -> Result<SessionId, OpenSessionError> {
    let command = OpenSession {
        node,
        boot: boot.number,
        nonce: boot.nonce,
    };
    let envelope = Envelope::new(raft_types::Proposal::OpenSession(command)).encode();
    let mut retry = Retry::new(options.deadline);
    loop {
        match target.propose(envelope.clone()).await {
            Ok(Applied { outcome, .. }) => {
                return match outcome {
                    Outcome::SessionOpened(session) => Ok(session),
                    Outcome::Rejected(Rejection::BootSuperseded) => Err(OpenSessionError::Superseded),
                    Outcome::Rejected(Rejection::NoSuchNode) => Err(OpenSessionError::NoSuchNode),
                    other => Err(OpenSessionError::Unexpected(Box::new(other))),
                };
            }
            Err(ProposeError::Shutdown) => return Err(OpenSessionError::Shutdown),
            Err(error) => {
                if !retry.pause(target).await {
                    return Err(OpenSessionError::NoAnswer(error));
                }
            }
        }
    }
}

/// A session without its boot: what its clones and its settler share.
pub(crate) struct SessionCore<P> {
    target: P,
    id: SessionId,
    options: SessionOptions,
    numbers: Numbers,
    given_up: mpsc::UnboundedSender<GivenUp>,
    settled: Settled,
    sealed: watch::Sender<bool>,
}

impl<P: Propose> SessionCore<P> {
    /// Starts the task that settles what is given up, on `runtime`.
    pub(crate) fn start(
        target: P,
        id: SessionId,
        options: SessionOptions,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        // Bounded by the numbers that may be open.
        let (given_up, received) = mpsc::unbounded_channel();
        let core = Arc::new(Self {
            target,
            id,
            options,
            numbers: Numbers::new(),
            given_up,
            settled: Settled::default(),
            sealed: watch::Sender::new(false),
        });
        runtime.spawn(Settler::new(&core, received).run());
        core
    }

    pub(crate) async fn execute(&self, command: Command) -> Result<Outcome, ExecuteError> {
        if *self.sealed.borrow() {
            return Err(ExecuteError::SessionSealed);
        }
        let number = self
            .numbers
            .take()
            .ok_or(ExecuteError::NotApplied(ProposeError::Overloaded {
                retry_after: FIRST_PAUSE,
            }))?;
        let attempts = command.attempts();
        let envelope = self.envelope(&number, command);
        let mut flight = Flight {
            core: self,
            attempts,
            number: Some(number),
        };

        let mut retry = Retry::new(self.options.deadline);
        let mut in_doubt = false;
        loop {
            let error = match self.target.propose(envelope.clone()).await {
                Ok(Applied { outcome, .. }) => match outcome {
                    Outcome::Refused(refusal) => return Err(flight.refused(refusal, in_doubt)),
                    outcome => {
                        flight.known();
                        return Ok(outcome);
                    }
                },
                Err(error) => error,
            };
            in_doubt |= error == ProposeError::Unknown;
            let hopeless = match &error {
                ProposeError::TooLarge { .. } | ProposeError::Unreadable(_) | ProposeError::Shutdown => true,
                // Told at once to come again, as long as nothing is in doubt.
                ProposeError::Overloaded { .. } => !in_doubt,
                ProposeError::NotLeader { .. } | ProposeError::Unknown => false,
            };
            if hopeless || !retry.pause(&self.target).await {
                return Err(flight.give_up(error, in_doubt));
            }
        }
    }

    fn envelope(&self, number: &Number, command: Command) -> Bytes {
        Envelope::numbered(self.id, number.get(), self.numbers.settled_below(), command).encode()
    }

    fn seal(&self) {
        self.sealed.send_replace(true);
        self.settled.forget_all();
    }
}

/// A command on its way. Dropped without an outcome, its number is settled in the background.
struct Flight<'a, P: Propose> {
    core: &'a SessionCore<P>,
    attempts: Vec<BlobAttempt>,
    number: Option<Number>,
}

impl<P: Propose> Flight<'_, P> {
    /// The number's outcome is known, or it was never used.
    fn known(&mut self) {
        if let Some(number) = self.number.take() {
            self.core.numbers.settle(number);
        }
    }

    /// No more tries.
    fn give_up(mut self, error: ProposeError, in_doubt: bool) -> ExecuteError {
        if !in_doubt {
            self.known();
            return ExecuteError::NotApplied(error);
        }
        match self.hand_over() {
            Some(number) => ExecuteError::Unknown { number },
            None => ExecuteError::SessionSealed,
        }
    }

    fn refused(mut self, refusal: Refusal, in_doubt: bool) -> ExecuteError {
        match refusal {
            Refusal::SessionSealed | Refusal::UnknownSession => {
                self.core.seal();
                self.known();
                ExecuteError::SessionSealed
            }
            Refusal::BeyondWindow | Refusal::Settled => {
                // Neither can happen to a number that is open here; if it does, nothing is known.
                tracing::error!(session = %self.core.id, ?refusal, in_doubt, "a number was refused that is in use");
                match self.hand_over() {
                    Some(number) => ExecuteError::Unknown { number },
                    None => ExecuteError::SessionSealed,
                }
            }
        }
    }

    fn hand_over(&mut self) -> Option<u64> {
        let number = self.number.take()?;
        let name = number.get();
        self.core.settled.expect(name);
        let attempts = std::mem::take(&mut self.attempts);
        // The settler ends with the session only.
        self.core.given_up.send(GivenUp { number, attempts }).ok()?;
        Some(name)
    }
}

impl<P: Propose> Drop for Flight<'_, P> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.hand_over();
        }
    }
}

/// Pauses between tries, longer and longer, until a deadline.
struct Retry {
    deadline: Option<Instant>,
    pause: Duration,
}

impl Retry {
    fn new(limit: Duration) -> Self {
        Self {
            deadline: Some(Instant::now() + limit),
            pause: FIRST_PAUSE,
        }
    }

    fn without_end() -> Self {
        Self {
            deadline: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits for a change or for a while. False once the deadline is reached.
    async fn pause(&mut self, target: &impl Propose) -> bool {
        let now = Instant::now();
        let mut until = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if let Some(deadline) = self.deadline {
            if deadline <= now {
                return false;
            }
            until = until.min(deadline);
        }
        // Either ends the pause.
        let _ = tokio::time::timeout_at(until, target.changed()).await;
        self.deadline.is_none_or(|deadline| Instant::now() < deadline)
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
