//! Deletes what died: attempts in `garbage`, contents in `release`, results of old uploads.

use node_backend::{BackendKey, ProviderVersion, Target, TargetKind};
use node_planner::{CollectPlan, Horizon, plan_garbage, plan_release};
use raft_machine::queries;
use raft_types::commands::{ConfirmDeleted, ExpireCompletions, GarbageRow, Release};
use raft_types::keys::GarbageKey;
use raft_types::records::GarbageRecord;
use raft_types::{Command, Incarnation, Outcome, PhysicalKey, Rejection};
use tokio::sync::watch;

use super::per_backend::PerBackend;
use super::{JobError, Shared, millis, next_turn, now};
use crate::replicas::AttachedBackend;
use crate::telemetry::names;

/// Results of completed uploads that are forgotten in one step.
const EXPIRE_STEP: u32 = 100;

/// Whether a step had something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It had, and there may be more.
    Done,
    /// Nothing is due.
    Idle,
}

pub(super) async fn run(shared: Shared, mut stopped: watch::Receiver<bool>) {
    let mut backends = PerBackend::default();
    while next_turn(&mut stopped, shared.times.tick).await {
        shared.release_due(&stopped).await;
        for attached in shared.backends.all() {
            let (shared, stopped) = (shared.clone(), stopped.clone());
            backends.start(attached.id, async move {
                shared.collect_from(&attached, &stopped).await;
            });
        }
        shared.expire_due(&stopped).await;
    }
    backends.finish().await;
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

    /// Every release that is due, in steps; ends early when the node stops.
    pub(super) async fn release_due(&self, stopped: &watch::Receiver<bool>) {
        while !*stopped.borrow() {
            match self.release_one().await {
                Ok(Step::Done) => {}
                Ok(Step::Idle) => return,
                Err(error) => return error.report("release"),
            }
        }
    }

    /// One step of a release.
    async fn release_one(&self) -> Result<Step, JobError> {
        let horizon = self.deletion_horizon();
        let Some(step) = plan_release(&self.metadata.local(), &horizon)? else {
            return Ok(Step::Idle);
        };
        let release = Release {
            row: step.row,
            after: step.after,
            limit: step.limit,
        };
        match self.metadata.execute(Command::Release(release)).await? {
            Outcome::Released(_) => Ok(Step::Done),
            // Someone else has moved it on: the next look shows how far.
            Outcome::Rejected(Rejection::Changed | Rejection::NoSuchRow) => Ok(Step::Idle),
            outcome => Err(JobError::Unexpected {
                command: "Release",
                outcome,
            }),
        }
    }

    /// Everything that is due on a backend, in batches; ends early when the node stops, or when the
    /// backend fails as a whole.
    pub(super) async fn collect_from(&self, attached: &AttachedBackend, stopped: &watch::Receiver<bool>) {
        let mut after = None;
        while !*stopped.borrow() {
            match self.collect_batch(attached, after).await {
                Ok(Some(last)) => after = Some(last),
                Ok(None) => return,
                Err(error) => return error.report("collect"),
            }
        }
    }

    /// One batch of deletions on a backend: of what died after the row `after`. Says where the next one
    /// begins, if there is any.
    async fn collect_batch(
        &self,
        attached: &AttachedBackend,
        after: Option<GarbageKey>,
    ) -> Result<Option<GarbageKey>, JobError> {
        let view = self.metadata.local();
        let CollectPlan { batch, next, .. } =
            plan_garbage(&view, attached.id, &self.deletion_horizon(), after.as_ref())?;
        if batch.is_empty() {
            return Ok(None);
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
        let mut rows = Vec::with_capacity(batch.len());
        for ((key, _), result) in batch.iter().zip(results) {
            match result {
                Ok(()) => rows.push(row(key)),
                // Stays for the next turn, and holds up nothing that follows it.
                Err(error) => JobError::Backend(error).report("collect"),
            }
        }
        processed("success", rows.len());
        processed("retry", batch.len() - rows.len());
        if !rows.is_empty() {
            self.confirm(attached, rows).await?;
        }
        Ok(next)
    }

    async fn confirm(&self, attached: &AttachedBackend, rows: Vec<GarbageRow>) -> Result<(), JobError> {
        let confirm = ConfirmDeleted {
            backend: attached.id,
            rows,
        };
        match self.metadata.execute(Command::ConfirmDeleted(confirm)).await? {
            Outcome::Done => Ok(()),
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

    /// Forgets results of uploads that were kept long enough; ends early when the node stops.
    pub(super) async fn expire_due(&self, stopped: &watch::Receiver<bool>) {
        while !*stopped.borrow() {
            match self.expire_completions().await {
                Ok(Step::Done) => {}
                Ok(Step::Idle) => return,
                Err(error) => return error.report("expire"),
            }
        }
    }

    async fn expire_completions(&self) -> Result<Step, JobError> {
        if !queries::has_due_completion(&self.metadata.local(), now())? {
            return Ok(Step::Idle);
        }
        let expire = ExpireCompletions { limit: EXPIRE_STEP };
        match self.metadata.execute(Command::ExpireCompletions(expire)).await? {
            // By the replicated time, which may be behind this node's, nothing more is due.
            Outcome::Released(released) if released.finished => Ok(Step::Idle),
            Outcome::Released(_) => Ok(Step::Done),
            outcome => Err(JobError::Unexpected {
                command: "ExpireCompletions",
                outcome,
            }),
        }
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
