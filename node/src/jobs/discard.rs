//! Gives up the attempts of requests that ended without a commit.

use raft_types::commands::GiveUpAttempts;
use raft_types::limits::ATTEMPTS;
use raft_types::{BlobAttempt, Command, Outcome};
use tokio::sync::{mpsc, watch};

use super::{JobError, Shared, next_turn};
use crate::replicas::Discarded;

pub(super) async fn run(
    shared: Shared,
    mut discards: mpsc::Receiver<Discarded>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut batch = Vec::new();
    loop {
        if batch.is_empty() {
            let received = tokio::select! {
                _ = stopped.changed() => return,
                received = discards.recv_many(&mut batch, ATTEMPTS) => received,
            };
            if received == 0 {
                return;
            }
        }
        match shared.give_up(&batch).await {
            Ok(()) => batch.clear(),
            Err(error) => {
                error.report("discard");
                // Kept for the next turn; what the node does not get to hand over, the sweep finds.
                if !next_turn(&mut stopped, shared.times.tick).await {
                    return;
                }
            }
        }
    }
}

impl Shared {
    pub(super) async fn give_up(&self, batch: &[Discarded]) -> Result<(), JobError> {
        let session = self.metadata.session();
        let attempts: Vec<BlobAttempt> = batch
            .iter()
            // Those of a sealed session are the sweep's, and no other session may speak for them.
            .filter(|discarded| discarded.session() == session.id())
            .map(|discarded| discarded.attempt.clone())
            .collect();
        if attempts.is_empty() {
            return Ok(());
        }
        let give_up = GiveUpAttempts { attempts };
        match session.execute(Command::GiveUpAttempts(give_up)).await? {
            Outcome::Done => Ok(()),
            // An attempt is live that should not be. Apply has handed over all others and left an
            // incident; to say it again would change nothing.
            Outcome::Rejected(rejection) => {
                tracing::error!(?rejection, "attempts to be given up were refused");
                Ok(())
            }
            outcome => Err(JobError::Unexpected {
                command: "GiveUpAttempts",
                outcome,
            }),
        }
    }
}
