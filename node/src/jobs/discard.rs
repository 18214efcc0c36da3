//! Gives up the attempts of requests that ended without a commit.

use raft_types::commands::GiveUpAttempts;
use raft_types::limits::ATTEMPTS;
use raft_types::{Command, Outcome};
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
    async fn give_up(&self, batch: &[Discarded]) -> Result<(), JobError> {
        let attempts = batch.iter().map(|discarded| discarded.attempt.clone()).collect();
        match self
            .metadata
            .execute(Command::GiveUpAttempts(GiveUpAttempts { attempts }))
            .await?
        {
            Outcome::Done => Ok(()),
            outcome => Err(JobError::Unexpected {
                command: "GiveUpAttempts",
                outcome,
            }),
        }
    }
}
