//! What this crate measures, by name.
//!
//! The handles are registered when a database or node is opened, so the process installs its
//! recorder before. Durations are in seconds, sizes in bytes.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// The log.
#[derive(Clone)]
pub(crate) struct LogMetrics {
    /// Syncs of the log's WAL.
    pub(crate) syncs: Counter,
    /// How long each took.
    pub(crate) sync_seconds: Histogram,
    /// Appends and votes that one sync completed.
    pub(crate) writes_per_sync: Histogram,
    /// Entries appended.
    pub(crate) appended: Counter,
    /// Bytes of records appended.
    pub(crate) appended_bytes: Counter,
    /// Entries in the log.
    pub(crate) entries: Gauge,
    /// Bytes in the log, estimated for what was there before the start.
    pub(crate) bytes: Gauge,
}

impl LogMetrics {
    pub(crate) fn register() -> Self {
        Self {
            syncs: counter!("holdfast_raft_log_syncs_total"),
            sync_seconds: histogram!("holdfast_raft_log_sync_seconds"),
            writes_per_sync: histogram!("holdfast_raft_log_writes_per_sync"),
            appended: counter!("holdfast_raft_log_appended_entries_total"),
            appended_bytes: counter!("holdfast_raft_log_appended_bytes_total"),
            entries: gauge!("holdfast_raft_log_entries"),
            bytes: gauge!("holdfast_raft_log_bytes"),
        }
    }
}

/// The state machine and its snapshots.
#[derive(Clone)]
pub(crate) struct StateMetrics {
    /// Commands applied.
    pub(crate) applied_commands: Counter,
    /// How long one batch of entries took, from the first read to the last row written.
    pub(crate) apply_seconds: Histogram,
    /// Commands in one batch.
    pub(crate) commands_per_apply: Histogram,
    /// Index of the last entry applied.
    pub(crate) applied_index: Gauge,
    /// Snapshots built.
    pub(crate) snapshots_built: Counter,
    /// How long each took.
    pub(crate) snapshot_build_seconds: Histogram,
    /// Snapshots installed.
    pub(crate) snapshots_installed: Counter,
    /// Index that the current snapshot covers.
    pub(crate) snapshot_index: Gauge,
}

impl StateMetrics {
    pub(crate) fn register() -> Self {
        Self {
            applied_commands: counter!("holdfast_raft_applied_commands_total"),
            apply_seconds: histogram!("holdfast_raft_apply_seconds"),
            commands_per_apply: histogram!("holdfast_raft_commands_per_apply"),
            applied_index: gauge!("holdfast_raft_applied_index"),
            snapshots_built: counter!("holdfast_raft_snapshots_built_total"),
            snapshot_build_seconds: histogram!("holdfast_raft_snapshot_build_seconds"),
            snapshots_installed: counter!("holdfast_raft_snapshots_installed_total"),
            snapshot_index: gauge!("holdfast_raft_snapshot_index"),
        }
    }
}

/// Proposals and read barriers.
#[derive(Clone)]
pub(crate) struct HandleMetrics {
    /// Commands proposed here.
    pub(crate) proposed: Counter,
    /// Commands refused because too many are in flight.
    pub(crate) overloaded: Counter,
    /// Commands in flight.
    pub(crate) in_flight: Gauge,
    /// Commands in one log entry.
    pub(crate) commands_per_entry: Histogram,
    /// Rounds in which the leader confirmed that it leads.
    pub(crate) barrier_rounds: Counter,
    /// Reads that one round served.
    pub(crate) reads_per_round: Histogram,
    /// 1 while this node leads.
    pub(crate) leader: Gauge,
    /// The current term.
    pub(crate) term: Gauge,
}

impl HandleMetrics {
    pub(crate) fn register() -> Self {
        Self {
            proposed: counter!("holdfast_raft_proposed_commands_total"),
            overloaded: counter!("holdfast_raft_overloaded_commands_total"),
            in_flight: gauge!("holdfast_raft_commands_in_flight"),
            commands_per_entry: histogram!("holdfast_raft_commands_per_entry"),
            barrier_rounds: counter!("holdfast_raft_barrier_rounds_total"),
            reads_per_round: histogram!("holdfast_raft_reads_per_round"),
            leader: gauge!("holdfast_raft_leader"),
            term: gauge!("holdfast_raft_term"),
        }
    }
}
