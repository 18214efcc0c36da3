//! A session whose commands meet what a test wants: lost answers, refusals, delays.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use raft::{ExecuteError, ProposeError, Session};
use raft_types::commands::GiveUpAttempts;
use raft_types::{BlobAttempt, Command, Outcome, SessionId};
use tokio::sync::watch;

use super::DEADLINE;
use crate::metadata::SessionPort;

/// What becomes of a command on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It gets through: for the one before another one.
    Sent,
    /// It is not taken into the log, which is certain.
    NotTaken,
    /// It is applied, and said not to have been taken, which no session does.
    Denied,
    /// It is lost, and nobody knows. It is cancelled when its number is settled, after the release.
    Lost,
    /// It is applied, and nobody knows. Its number is settled after the release.
    AnswerLost,
    /// It waits for the release before it is sent.
    Held,
    /// It is applied, and its answer waits for the release.
    AnswerHeld,
    /// Somebody gives this answer, and it is not applied.
    Answered(Outcome),
}

/// A session of a real cluster behind a bad network. Clones are the same session.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    session: Session,
    rules: Mutex<VecDeque<(&'static str, Fate)>>,
    /// What settling a number of unknown outcome will find.
    unknown: Mutex<BTreeMap<u64, Unknown>>,
    met: watch::Sender<u64>,
    released: watch::Sender<bool>,
}

#[derive(Debug, Clone)]
enum Unknown {
    Applied(Outcome),
    Lost(Vec<BlobAttempt>),
}

/// Numbers that no real session gives out.
const FIRST_UNKNOWN: u64 = 1 << 40;

impl Wire {
    pub(crate) fn new(session: Session) -> Self {
        Self(Arc::new(Inner {
            session,
            rules: Mutex::default(),
            unknown: Mutex::default(),
            met: watch::Sender::new(0),
            released: watch::Sender::new(false),
        }))
    }

    /// The fate of the next command of this name that has none yet.
    pub(crate) fn next(&self, name: &'static str, fate: Fate) {
        self.0.rules.lock().push_back((name, fate));
    }

    /// Waits until so many commands have met a fate.
    pub(crate) async fn until_met(&self, times: u64) {
        let mut met = self.0.met.subscribe();
        let met = tokio::time::timeout(DEADLINE, met.wait_for(|met| *met >= times)).await;
        assert!(met.is_ok(), "{times} commands did not meet their fate in time");
    }

    /// Lets everything go on that waits, now and later.
    pub(crate) fn release(&self) {
        self.0.released.send_replace(true);
    }

    fn fate(&self, command: &Command) -> Option<Fate> {
        let mut rules = self.0.rules.lock();
        let place = rules.iter().position(|(name, _)| *name == command.name())?;
        rules.remove(place).map(|(_, fate)| fate)
    }

    fn meet(&self) {
        self.0.met.send_modify(|met| *met += 1);
    }

    async fn released(&self) {
        let _ = self.0.released.subscribe().wait_for(|released| *released).await;
    }

    async fn play(&self, fate: Fate, command: Command) -> Result<Outcome, ExecuteError> {
        match fate {
            Fate::Sent => self.0.session.execute(command).await,
            Fate::NotTaken => {
                self.meet();
                Err(not_taken())
            }
            Fate::Denied => {
                self.0.session.execute(command).await?;
                self.meet();
                Err(not_taken())
            }
            Fate::Lost => Err(self.unknown(Unknown::Lost(command.attempts()))),
            Fate::AnswerLost => {
                let outcome = self.0.session.execute(command).await?;
                Err(self.unknown(Unknown::Applied(outcome)))
            }
            Fate::Held => {
                self.meet();
                self.released().await;
                self.0.session.execute(command).await
            }
            Fate::AnswerHeld => {
                let outcome = self.0.session.execute(command).await?;
                self.meet();
                self.released().await;
                Ok(outcome)
            }
            Fate::Answered(outcome) => {
                self.meet();
                Ok(outcome)
            }
        }
    }

    fn unknown(&self, what: Unknown) -> ExecuteError {
        let mut unknown = self.0.unknown.lock();
        let number = FIRST_UNKNOWN + unknown.len() as u64;
        unknown.insert(number, what);
        drop(unknown);
        self.meet();
        ExecuteError::Unknown { number }
    }

    async fn settle(&self, number: u64) -> Option<Outcome> {
        let Some(what) = self.0.unknown.lock().get(&number).cloned() else {
            return self.0.session.settled(number).await;
        };
        self.released().await;
        match what {
            Unknown::Applied(outcome) => Some(outcome),
            Unknown::Lost(attempts) => {
                // What the settling of a number does that was never applied.
                if !attempts.is_empty() {
                    let give_up = Command::GiveUpAttempts(GiveUpAttempts { attempts });
                    self.0.session.execute(give_up).await.ok()?;
                }
                Some(Outcome::Cancelled)
            }
        }
    }
}

fn not_taken() -> ExecuteError {
    ExecuteError::NotApplied(ProposeError::NotLeader { leader: None })
}

impl SessionPort for Wire {
    fn id(&self) -> SessionId {
        self.0.session.id()
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Outcome, ExecuteError>> {
        match self.fate(&command) {
            None => self.0.session.execute(command).boxed(),
            Some(fate) => self.play(fate, command).boxed(),
        }
    }

    fn settled(&self, number: u64) -> BoxFuture<'_, Option<Outcome>> {
        self.settle(number).boxed()
    }

    fn is_sealed(&self) -> bool {
        self.0.session.is_sealed()
    }

    fn sealed(&self) -> BoxFuture<'_, ()> {
        self.0.session.sealed().boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), ExecuteError>> {
        self.0.session.close().boxed()
    }
}
