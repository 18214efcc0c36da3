//! Reports replicas that could not be read.

use node_backend::identity::Verdict;
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
    /// Looks first whether the backend is still ours: of a folder that is not mounted, or of another
    /// one in its place, nothing that is missing speaks against a replica (DESIGN 3.4).
    pub(super) async fn report(&self, suspicion: Suspicion) -> Result<(), JobError> {
        let Suspicion { blob, address } = suspicion;
        let Some(attached) = self.backends.get(address.backend) else {
            return Ok(());
        };
        let verdict = attached.check_identity().await?;
        if verdict != Verdict::Ours {
            tracing::warn!(
                backend = %attached.backend.name(),
                %verdict,
                %blob,
                "a replica is not suspected: its backend is not ours at the moment"
            );
            return Ok(());
        }
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
