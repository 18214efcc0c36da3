//! Settling what was given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use raft_types::commands::{Command, Settle};
use raft_types::{BlobAttempt, Outcome, Refusal};
use tokio::sync::{mpsc, watch};

use super::numbers::Number;
use super::{Propose, Retry, SessionCore};
use crate::handle::{Applied, ProposeError};

/// Results kept for whoever asks late. Who wants one asks as soon as it is told the number.
const RESULTS_KEPT: usize = 4096;

/// A number that nobody waits for any more.
pub(super) struct GivenUp {
    pub(super) number: Number,
    pub(super) attempts: Vec<BlobAttempt>,
}

/// What became of numbers that were given up.
#[derive(Default)]
pub(super) struct Settled {
    numbers: Mutex<BTreeMap<u64, watch::Sender<Option<Outcome>>>>,
}

impl Settled {
    /// From now on somebody may wait for `number`.
    pub(super) fn expect(&self, number: u64) {
        let mut numbers = self.numbers.lock();
        numbers.insert(number, watch::Sender::new(None));
        if numbers.len() > RESULTS_KEPT {
            let oldest = numbers.iter().find(|(_, result)| result.borrow().is_some());
            let oldest = oldest.map(|(number, _)| *number);
            oldest.map(|number| numbers.remove(&number));
        }
    }

    /// Tells whoever waits for `number`.
    fn tell(&self, number: u64, outcome: Outcome) {
        if let Some(result) = self.numbers.lock().get(&number) {
            result.send_replace(Some(outcome));
        }
    }

    /// Nobody will ever know what is not known yet.
    pub(super) fn forget_all(&self) {
        self.numbers.lock().retain(|_, result| result.borrow().is_some());
    }

    /// Waits for `number`; `None` if it never will be known.
    pub(super) async fn wait(&self, number: u64) -> Option<Outcome> {
        let mut result = self.numbers.lock().get(&number)?.subscribe();
        let outcome = result.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}

/// Settles one number after the other, however long it takes, until the session is sealed or gone.
pub(super) struct Settler<P> {
    core: Weak<SessionCore<P>>,
    given_up: mpsc::UnboundedReceiver<GivenUp>,
}

/// What came of one try.
enum Try {
    Settled(Outcome),
    Sealed,
    Again,
    /// The node is being shut down; its next boot seals this session.
    Stopped,
}

impl<P: Propose> Settler<P> {
    pub(super) fn new(core: &Arc<SessionCore<P>>, given_up: mpsc::UnboundedReceiver<GivenUp>) -> Self {
        Self {
            core: Arc::downgrade(core),
            given_up,
        }
    }

    pub(super) async fn run(mut self) {
        while let Some(given_up) = self.given_up.recv().await {
            // Held only while there is something to settle, so that a session that is not used ends.
            let Some(core) = self.core.upgrade() else { return };
            if !core.settle(given_up).await {
                return;
            }
        }
    }
}

impl<P: Propose> SessionCore<P> {
    /// Settles a number; false if nothing of this session will be settled any more.
    async fn settle(&self, given_up: GivenUp) -> bool {
        let settled = given_up.number.get();
        let mut retry = Retry::without_end();
        let own = loop {
            match self.numbers.take_for_settling() {
                Some(own) => break own,
                // Cannot last: at most half of the window waits to be settled.
                None => {
                    retry.pause(&self.target).await;
                }
            }
        };
        let command = Command::Settle(Settle {
            seq: settled,
            attempts: given_up.attempts,
        });
        let envelope = self.envelope(&own, command);
        loop {
            match self.try_to_settle(envelope.clone()).await {
                Try::Settled(outcome) => {
                    tracing::info!(session = %self.id, number = settled, ?outcome, "a command of unknown outcome is settled");
                    self.settled.tell(settled, outcome);
                    self.numbers.settle(given_up.number);
                    self.numbers.settle(own);
                    return true;
                }
                Try::Sealed => {
                    self.seal();
                    return false;
                }
                Try::Stopped => {
                    self.settled.forget_all();
                    return false;
                }
                Try::Again => {
                    retry.pause(&self.target).await;
                }
            }
        }
    }

    async fn try_to_settle(&self, envelope: bytes::Bytes) -> Try {
        match self.target.propose(envelope).await {
            Ok(Applied { outcome, .. }) => match outcome {
                Outcome::Refused(Refusal::SessionSealed | Refusal::UnknownSession) => Try::Sealed,
                Outcome::Refused(refusal) => {
                    tracing::error!(session = %self.id, ?refusal, "a number that settles another one was refused");
                    Try::Again
                }
                outcome => Try::Settled(outcome),
            },
            Err(ProposeError::Shutdown) => Try::Stopped,
            Err(_) => Try::Again,
        }
    }
}
