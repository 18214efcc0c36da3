//! Sweeps sealed epochs: lists their prefix and deletes what no row refers to.

use node_backend::{Entry, KeyPrefix, ListRequest, Listing, Target};
use node_planner::{SweepTask, plan_forgetting, plan_sweeps};
use raft_machine::queries::{self, AttemptState};
use raft_types::commands::{RecordSweep, SweepMark};
use raft_types::{AttemptAddress, Command, EpochId, Incarnation, Outcome, PhysicalKey, Rejection};
use tokio::sync::watch;

use super::per_backend::PerBackend;
use super::{JobError, Shared, millis, next_turn, now};
use crate::replicas::AttachedBackend;

/// Sweeps that are planned on one view.
const SWEEPS_PER_LOOK: usize = 16;

/// What a sweep came to.
#[derive(Debug)]
enum Swept {
    /// Nothing without a row is left.
    Wholly,
    /// Something could not be deleted, for the last of these reasons. It is tried again.
    Partly(node_backend::Error),
    /// The node stops.
    Stopped,
}

pub(super) async fn run(shared: Shared, mut stopped: watch::Receiver<bool>) {
    let mut backends = PerBackend::default();
    while next_turn(&mut stopped, shared.times.tick).await {
        for attached in shared.backends.all() {
            let (shared, stopped) = (shared.clone(), stopped.clone());
            backends.start(attached.id, async move {
                shared.sweep_on(&attached, &stopped).await;
            });
        }
        if let Err(error) = shared.forget_due().await {
            error.report("sweep");
        }
    }
    backends.finish().await;
}

impl Shared {
    /// The sweeps that are due on a backend. What cannot be swept wholly holds up no other epoch; where
    /// the backend fails as a whole, all wait for the next turn.
    pub(super) async fn sweep_on(&self, attached: &AttachedBackend, stopped: &watch::Receiver<bool>) {
        let after = millis(self.times.second_sweep_after);
        let tasks = plan_sweeps(&self.metadata.local(), attached.id, now(), after, SWEEPS_PER_LOOK);
        let tasks = match tasks {
            Ok(tasks) => tasks,
            Err(fault) => return JobError::from(fault).report("sweep"),
        };
        for task in tasks {
            let swept = match self.sweep(attached, &task, stopped).await {
                Ok(Swept::Wholly) => self.record(attached, &task).await,
                Ok(Swept::Partly(error)) => {
                    JobError::from(error).report("sweep");
                    continue;
                }
                Ok(Swept::Stopped) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = swept {
                return error.report("sweep");
            }
        }
    }

    async fn record(&self, attached: &AttachedBackend, task: &SweepTask) -> Result<(), JobError> {
        let mark = SweepMark {
            backend: attached.id,
            pass: task.pass,
        };
        self.record_sweeps(task.epoch, vec![mark]).await
    }

    /// Forgets sealed epochs that lie on no backend.
    pub(super) async fn forget_due(&self) -> Result<(), JobError> {
        for epoch in plan_forgetting(&self.metadata.local(), SWEEPS_PER_LOOK)? {
            self.record_sweeps(epoch, Vec::new()).await?;
        }
        Ok(())
    }

    async fn record_sweeps(&self, epoch: EpochId, sweeps: Vec<SweepMark>) -> Result<(), JobError> {
        let record = RecordSweep { epoch, sweeps };
        match self.metadata.execute(Command::RecordSweep(record)).await? {
            // Or an earlier try, of which no answer came, has recorded it.
            Outcome::Done | Outcome::Rejected(Rejection::Changed | Rejection::EpochNotSweepable) => Ok(()),
            outcome => Err(JobError::Unexpected {
                command: "RecordSweep",
                outcome,
            }),
        }
    }

    async fn sweep(
        &self,
        attached: &AttachedBackend,
        task: &SweepTask,
        stopped: &watch::Receiver<bool>,
    ) -> Result<Swept, JobError> {
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
        let mut swept = Swept::Wholly;
        for listing in [Listing::Incomplete, Listing::Versions] {
            let mut request = ListRequest::first(listing, prefix.clone());
            loop {
                if *stopped.borrow() {
                    return Ok(Swept::Stopped);
                }
                let page = attached.backend.list(&request).await?;
                let deleted = self.delete_unreferenced(attached, &page.entries, &incarnation, task);
                if let Some(error) = deleted.await? {
                    swept = Swept::Partly(error);
                }
                let Some(next) = page.next else { break };
                request = request.after(next);
            }
        }
        attached.backend.tidy(&prefix).await?;
        Ok(swept)
    }

    /// Deletes what of a page no row refers to; why the last of those that failed did.
    async fn delete_unreferenced(
        &self,
        attached: &AttachedBackend,
        entries: &[Entry],
        incarnation: &Incarnation,
        task: &SweepTask,
    ) -> Result<Option<node_backend::Error>, JobError> {
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
            return Ok(None);
        }
        tracing::info!(
            backend = %attached.backend.name(),
            epoch = %task.epoch,
            count = targets.len(),
            "a sweep deletes what no row refers to"
        );
        let results = attached.backend.delete(&targets).await?;
        let deleted = results.iter().filter(|result| result.is_ok()).count();
        metrics::counter!("s3o_swept_total").increment(deleted as u64);
        Ok(results.into_iter().filter_map(Result::err).last())
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
