//! Deletes what died: attempts in `garbage`, contents in `release`, results of old uploads.

use node_backend::{BackendKey, ProviderVersion, Target, TargetKind};
use node_planner::{CollectPlan, Horizon, plan_garbage, plan_release};
use raft_machine::queries;
use raft_types::commands::{ConfirmDeleted, ExpireCompletions, GarbageRow, Release};
use raft_types::keys::GarbageKey;
use raft_types::records::GarbageRecord;
use raft_types::{Command, Incarnation, Outcome, PhysicalKey, Released};
use tokio::sync::watch;

use super::{JobError, Shared, millis, next_turn, now};
use crate::replicas::AttachedBackend;
use crate::telemetry::names;

/// Results of completed uploads that are forgotten in one step.
const EXPIRE_STEP: u32 = 100;

pub(super) async fn run(shared: Shared, mut stopped: watch::Receiver<bool>) {
    while next_turn(&mut stopped, shared.times.tick).await {
        if let Err(error) = shared.collect_all(&stopped).await {
            error.report("collect");
        }
    }
}

impl Shared {
    fn deletion_horizon(&self) -> Horizon {
        Horizon {
            index: self.metadata.horizon(),
            now: now(),
            min_age: millis(self.times.min_age),
            max_age: millis(self.times.max_age),
        }
    }

    /// Everything that is due now, in steps; ends early when the node stops.
    async fn collect_all(&self, stopped: &watch::Receiver<bool>) -> Result<(), JobError> {
        while !*stopped.borrow() && self.release_one().await? {}
        for attached in self.backends.all() {
            while !*stopped.borrow() && self.collect_batch(&attached).await? {}
        }
        self.expire_completions(stopped).await
    }

    /// One step of a release; whether there was any.
    async fn release_one(&self) -> Result<bool, JobError> {
        let horizon = self.deletion_horizon();
        let Some(step) = plan_release(&self.metadata.local(), &horizon)? else {
            return Ok(false);
        };
        let release = Release {
            row: step.row,
            after: step.after,
            limit: step.limit,
        };
        match self.metadata.execute(Command::Release(release)).await? {
            Outcome::Released(_) => Ok(true),
            // Someone else has moved it on: the next look shows how far.
            Outcome::Rejected(_) => Ok(false),
            outcome => Err(JobError::Unexpected {
                command: "Release",
                outcome,
            }),
        }
    }

    /// One batch of deletions on a backend; whether there was any.
    async fn collect_batch(&self, attached: &AttachedBackend) -> Result<bool, JobError> {
        let view = self.metadata.local();
        let CollectPlan { batch, .. } = plan_garbage(&view, attached.id, &self.deletion_horizon())?;
        if batch.is_empty() {
            return Ok(false);
        }
        let mut targets = Vec::with_capacity(batch.len());
        for (key, record) in &batch {
            let tag = queries::incarnation(&view, record.incarnation)?;
            let tag = tag.ok_or(JobError::UnknownIncarnation(record.incarnation))?.tag;
            let incarnation = Incarnation {
                counter: record.incarnation,
                tag,
            };
            targets.push(self.target(attached, key, record, incarnation)?);
        }
        drop(view);
        let results = attached.backend.delete(&targets).await?;
        let mut failed = None;
        let mut rows = Vec::with_capacity(batch.len());
        for ((key, _), result) in batch.iter().zip(results) {
            match result {
                Ok(()) => rows.push(row(key)),
                Err(error) => failed = Some(error),
            }
        }
        processed("success", rows.len());
        processed("retry", batch.len() - rows.len());
        if rows.is_empty() {
            return failed.map_or(Ok(false), |error| Err(JobError::Backend(error)));
        }
        let confirm = ConfirmDeleted {
            backend: attached.id,
            rows,
        };
        match self.metadata.execute(Command::ConfirmDeleted(confirm)).await? {
            // What failed stays for the next turn, not for a loop that never ends.
            Outcome::Done => Ok(failed.is_none()),
            outcome => Err(JobError::Unexpected {
                command: "ConfirmDeleted",
                outcome,
            }),
        }
    }

    fn target(
        &self,
        attached: &AttachedBackend,
        key: &GarbageKey,
        record: &GarbageRecord,
        incarnation: Incarnation,
    ) -> Result<Target, JobError> {
        let physical = PhysicalKey {
            cluster: self.cluster,
            incarnation,
            epoch: key.epoch,
            blob: key.blob,
            attempt: key.attempt,
        };
        let key: BackendKey = attached.key(&physical)?;
        let kind = match &record.provider_version {
            Some(version) => TargetKind::Version(ProviderVersion::new(version.as_str())),
            None => TargetKind::Current,
        };
        Ok(Target { key, kind })
    }

    /// Forgets every result that is due; ends early when the node stops.
    async fn expire_completions(&self, stopped: &watch::Receiver<bool>) -> Result<(), JobError> {
        while !*stopped.borrow() && queries::has_due_completion(&self.metadata.local(), now())? {
            let expire = Command::ExpireCompletions(ExpireCompletions { limit: EXPIRE_STEP });
            match self.metadata.execute(expire).await? {
                // The state's clock may be behind this node's: what it does not find due yet can wait.
                Outcome::Released(Released { finished: true, .. }) => break,
                Outcome::Released(_) => {}
                outcome => {
                    return Err(JobError::Unexpected {
                        command: "ExpireCompletions",
                        outcome,
                    });
                }
            }
        }
        Ok(())
    }
}

fn processed(status: &'static str, count: usize) {
    if count > 0 {
        metrics::counter!(names::CLEANUP_QUEUE_PROCESSED, "status" => status).increment(count as u64);
    }
}

fn row(key: &GarbageKey) -> GarbageRow {
    GarbageRow {
        died: key.died,
        blob: key.blob,
        epoch: key.epoch,
        attempt: key.attempt,
    }
}
