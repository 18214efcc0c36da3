//! Reports replicas that could not be read.

use raft_types::commands::MarkSuspect;
use raft_types::{Command, Outcome};
use tokio::sync::{mpsc, watch};

use super::{JobError, Shared};
use crate::replicas::Suspicion;

pub(super) async fn run(
    shared: Shared,
    mut suspicions: mpsc::Receiver<Suspicion>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let suspicion = tokio::select! {
            _ = stopped.changed() => return,
            received = suspicions.recv() => match received {
                Some(suspicion) => suspicion,
                None => return,
            },
        };
        // A report that is lost is made again by the next read of the replica.
        if let Err(error) = shared.report(suspicion).await {
            error.report("suspect");
        }
    }
}

impl Shared {
    async fn report(&self, suspicion: Suspicion) -> Result<(), JobError> {
        let Suspicion { blob, address } = suspicion;
        match self
            .metadata
            .execute(Command::MarkSuspect(MarkSuspect { blob, address }))
            .await?
        {
            // The blob died, or the replica is suspect or being removed already.
            Outcome::Done | Outcome::Rejected(_) => Ok(()),
            outcome => Err(JobError::Unexpected {
                command: "MarkSuspect",
                outcome,
            }),
        }
    }
}
