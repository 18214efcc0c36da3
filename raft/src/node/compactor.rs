//! The task that keeps the log bounded.

use std::sync::Arc;
use std::time::Instant;

use openraft::async_runtime::watch::WatchReceiver;
use raft_types::NodeId;

use crate::compaction::{CompactionLimits, Facts, plan};
use crate::consensus::RaftId;
use crate::error::Error;
use crate::handle::RaftCore;
use crate::log::LogStore;
use crate::snapshot::SnapshotStore;
use crate::state::StateStore;

/// Looks at the limits now and then, and tells the core what to do.
pub(super) struct Compactor {
    pub(super) raft: RaftCore,
    pub(super) log: LogStore,
    pub(super) state: Arc<StateStore>,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) limits: CompactionLimits,
    pub(super) node: RaftId,
}

impl Compactor {
    /// Runs until the core stops.
    pub(super) async fn run(self) {
        let mut checks = tokio::time::interval(self.limits.check_interval);
        checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut built: Option<(u64, Instant)> = None;
        let mut reported = Vec::new();
        loop {
            checks.tick().await;
            let facts = self.facts(&mut built);
            let plan = plan(&self.limits, &facts);
            if plan.given_up != reported {
                for node in &plan.given_up {
                    tracing::error!(%node, log_bytes = facts.log_bytes, "a follower is too far behind and is no longer waited for; it needs a snapshot");
                }
                reported = plan.given_up;
            }
            if !plan.waiting_for.is_empty() {
                tracing::debug!(nodes = ?plan.waiting_for, "the log is kept for followers that are catching up");
            }
            let mut done = Ok(());
            if plan.build_snapshot {
                done = self.raft.trigger().snapshot().await;
            }
            if let (Ok(()), Some(upto)) = (&done, plan.purge_to) {
                done = self.raft.trigger().purge_log(upto).await;
            }
            if done.is_err() {
                return;
            }
        }
    }

    fn facts(&self, built: &mut Option<(u64, Instant)>) -> Facts {
        let snapshot = self.snapshots.last().map(|last| last.index());
        if let Some(index) = snapshot
            && built.is_none_or(|(known, _)| known != index)
        {
            *built = Some((index, Instant::now()));
        }
        let extent = self.log.extent();
        Facts {
            applied: self.state.applied_index(),
            snapshot,
            snapshot_age: built.map(|(_, since)| since.elapsed()),
            purged: extent.purged,
            log_bytes: extent.bytes,
            bytes_since_snapshot: snapshot.map_or(extent.bytes, |index| self.log.bytes_after(index)),
            byte_tail_start: self.log.start_of_tail(self.limits.keep_bytes),
            followers: self.followers(),
        }
    }

    fn followers(&self) -> Vec<(NodeId, Option<u64>)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let progress = metrics.replication.iter().flatten();
        progress
            .filter(|(node, _)| **node != self.node)
            .map(|(node, matched)| (NodeId(*node), matched.as_ref().map(|id| id.index())))
            .collect()
    }
}

/// Builds a snapshot that covers `index` at least; the index that it covers.
pub(super) async fn build_snapshot(raft: &RaftCore, index: u64) -> Result<u64, Error> {
    let stopped = |error: &dyn std::fmt::Display| Error::Core(error.to_string());
    let mut metrics = raft.metrics();
    raft.trigger().snapshot().await.map_err(|error| stopped(&error))?;
    loop {
        let (covered, running) = {
            let metrics = metrics.borrow_watched();
            (
                metrics.snapshot.map(|id| id.index()),
                metrics.running_state.clone(),
            )
        };
        running.map_err(|error| stopped(&error))?;
        if let Some(covered) = covered.filter(|covered| *covered >= index) {
            return Ok(covered);
        }
        metrics.changed().await.map_err(|error| stopped(&error))?;
    }
}
