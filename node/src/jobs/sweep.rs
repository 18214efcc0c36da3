//! Sweeps sealed epochs: lists their prefix and deletes what no row refers to.

use node_backend::{Entry, KeyPrefix, ListRequest, Listing, Target};
use node_planner::{SweepTask, plan_sweeps};
use raft_machine::queries::{self, AttemptState};
use raft_types::commands::{RecordSweep, SweepMark};
use raft_types::{AttemptAddress, Command, Incarnation, Outcome, PhysicalKey};
use tokio::sync::watch;

use super::{JobError, Shared, millis, next_turn, now};
use crate::replicas::AttachedBackend;

/// Sweeps that are planned on one view.
const SWEEPS_PER_LOOK: usize = 16;

pub(super) async fn run(shared: Shared, mut stopped: watch::Receiver<bool>) {
    while next_turn(&mut stopped, shared.times.tick).await {
        if let Err(error) = shared.sweep_due().await {
            error.report("sweep");
        }
    }
}

impl Shared {
    async fn sweep_due(&self) -> Result<(), JobError> {
        let after = millis(self.times.second_sweep_after);
        for task in plan_sweeps(&self.metadata.local(), now(), after, SWEEPS_PER_LOOK)? {
            self.sweep(task).await?;
        }
        Ok(())
    }

    async fn sweep(&self, task: SweepTask) -> Result<(), JobError> {
        let sweeps = match task.backend {
            None => Vec::new(),
            Some(id) => {
                // A backend that is away is swept when it is back.
                let Some(attached) = self.backends.get(id) else {
                    return Ok(());
                };
                self.sweep_backend(&attached, &task).await?;
                vec![SweepMark {
                    backend: id,
                    pass: task.pass,
                }]
            }
        };
        let record = RecordSweep {
            epoch: task.epoch,
            sweeps,
        };
        match self.metadata.execute(Command::RecordSweep(record)).await? {
            Outcome::Done => Ok(()),
            outcome => Err(JobError::Unexpected {
                command: "RecordSweep",
                outcome,
            }),
        }
    }

    async fn sweep_backend(&self, attached: &AttachedBackend, task: &SweepTask) -> Result<(), JobError> {
        let incarnation = {
            let row = queries::incarnation(&self.metadata.local(), task.incarnation)?;
            let tag = row.ok_or(JobError::UnknownIncarnation(task.incarnation))?.tag;
            Incarnation {
                counter: task.incarnation,
                tag,
            }
        };
        let below = PhysicalKey::epoch_prefix(self.cluster, incarnation, task.epoch);
        let prefix = KeyPrefix::parse(&format!("{}{below}", attached.prefix))?;
        for listing in [Listing::Incomplete, Listing::Versions] {
            let mut request = ListRequest::first(listing, prefix.clone());
            loop {
                let page = attached.backend.list(&request).await?;
                self.delete_unreferenced(attached, &page.entries, &incarnation, task)
                    .await?;
                let Some(next) = page.next else { break };
                request = request.after(next);
            }
        }
        attached.backend.tidy(&prefix).await?;
        Ok(())
    }

    async fn delete_unreferenced(
        &self,
        attached: &AttachedBackend,
        entries: &[Entry],
        incarnation: &Incarnation,
        task: &SweepTask,
    ) -> Result<(), JobError> {
        // Taken after the listing: a key of a sealed epoch that no row refers to now never will be.
        let view = self.metadata.local();
        let mut targets: Vec<Target> = Vec::new();
        for entry in entries {
            let Some(physical) = self.parse_ours(attached, entry, incarnation, task) else {
                continue;
            };
            let address = AttemptAddress {
                backend: attached.id,
                incarnation: incarnation.counter,
                epoch: physical.epoch,
                attempt: physical.attempt,
            };
            if queries::attempt_state(&view, physical.blob, &address)? == AttemptState::Unknown {
                targets.push(entry.target()?);
            }
        }
        drop(view);
        if targets.is_empty() {
            return Ok(());
        }
        tracing::info!(
            backend = %attached.backend.name(),
            epoch = %task.epoch,
            count = targets.len(),
            "a sweep deletes what no row refers to"
        );
        metrics::counter!("s3o_swept_total").increment(targets.len() as u64);
        for result in attached.backend.delete(&targets).await? {
            result?;
        }
        Ok(())
    }

    /// The attempt that an entry is, where its key is strictly one of this epoch.
    fn parse_ours(
        &self,
        attached: &AttachedBackend,
        entry: &Entry,
        incarnation: &Incarnation,
        task: &SweepTask,
    ) -> Option<PhysicalKey> {
        let physical: PhysicalKey = entry.key.strip_prefix(attached.prefix.as_str())?.parse().ok()?;
        let ours = physical.cluster == self.cluster
            && physical.incarnation == *incarnation
            && physical.epoch == task.epoch;
        ours.then_some(physical)
    }
}
