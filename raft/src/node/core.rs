//! The Raft core: its runtime, its settings, its start.

use std::sync::Arc;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Config, SnapshotPolicy};
use tokio::runtime::{Builder, Runtime};

use crate::consensus::RaftId;
use crate::directory::Store;
use crate::error::Error;
use crate::handle::RaftCore;
use crate::network::Network;
use crate::state::StateMachine;

/// Milliseconds between heartbeats.
const HEARTBEAT_MS: u64 = 100;
/// Bounds of the election timeout in milliseconds: ten times and more what an append takes under load,
/// and a new leader within three seconds.
const ELECTION_MIN_MS: u64 = 600;
const ELECTION_MAX_MS: u64 = 1200;
/// Entries of one replication request; its bytes are bounded by the log reader.
const ENTRIES_PER_REQUEST: u64 = 2048;
/// Entries of one append to the log.
const ENTRIES_PER_APPEND: u64 = 4096;
/// Messages waiting for the core. What clients may have in flight is bounded before that.
const CORE_QUEUE: u64 = 4096;
/// Milliseconds that installing a snapshot may take; the transport bounds each piece.
const SNAPSHOT_MS: u64 = 30 * 60 * 1000;
/// Pauses between tries to reach a peer that does not answer.
const BACKOFF: &str = "100ms 200ms 400ms ..2s";

/// A runtime of its own: streaming bodies must not starve heartbeats.
pub(super) fn runtime(worker_threads: usize) -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(worker_threads.max(1))
        .thread_name("raft")
        .enable_all()
        .build()
        .map_err(|source| Error::Start {
            what: "the Raft runtime",
            source,
        })
}

fn config(cluster: &[u8]) -> Result<Config, Error> {
    let config = Config {
        cluster_name: hex::encode(cluster),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        max_payload_entries: ENTRIES_PER_REQUEST,
        max_append_entries: Some(ENTRIES_PER_APPEND),
        // Snapshots and purges are triggered by the compactor.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        install_snapshot_timeout: SNAPSHOT_MS,
        api_channel_size: Some(CORE_QUEUE),
        backoff: BACKOFF.to_owned(),
        enable_pre_vote: Some(true),
        // A leader that was restarted must be elected again: its unsynced state may be behind what
        // it has answered.
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Core(error.to_string()))
}

/// Starts the core of `store`. Must run on the Raft runtime.
pub(super) async fn start(store: &Store) -> Result<RaftCore, Error> {
    let id: RaftId = store.identity.raft_id;
    let config = Arc::new(config(&store.identity.cluster_id)?);
    let machine = StateMachine::new(
        Arc::clone(&store.state),
        Arc::clone(&store.snapshots),
        store.fatal.clone(),
    )?;
    let raft = RaftCore::new(id, config, Network, store.log.clone(), machine)
        .await
        .map_err(|error| Error::Core(error.to_string()))?;
    if is_only_voter(&raft, id) {
        // Nobody to wait for.
        raft.trigger()
            .elect(false)
            .await
            .map_err(|error| Error::Core(error.to_string()))?;
    }
    Ok(raft)
}

fn is_only_voter(raft: &RaftCore, id: RaftId) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.voter_ids().eq([id])
}
