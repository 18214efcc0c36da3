//! What this crate's tests share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

pub(crate) mod history;

use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use openraft::EntryPayload;
use openraft::storage::RaftStateMachine;
use raft_machine::{Cursor, ReadTables, queries};
use raft_types::{Digest, NodeName};

use crate::consensus::{Entry, Proposal, log_id};
use crate::directory::{OpenOptions, Phase, Store};
use crate::fatal::Fatal;
use crate::log::batch::CommandBatch;
use crate::state::{StateMachine, View};

/// The node of all tests.
pub(crate) fn name() -> NodeName {
    NodeName::new("node-1").unwrap()
}

/// Options for `path`. A fatal cause fails the test.
pub(crate) fn options(path: &Path) -> OpenOptions {
    OpenOptions {
        path: path.to_owned(),
        node_name: name(),
        fatal: Fatal::with(|cause| panic!("{cause}")),
    }
}

/// A new, empty data directory under `folder`, opened.
pub(crate) fn pristine(folder: &Path) -> Store {
    open(folder)
}

/// The data directory under `folder`, opened again or for the first time.
pub(crate) fn open(folder: &Path) -> Store {
    Store::open(options(&folder.join("data"))).unwrap()
}

/// A new data directory under `folder` that belongs to the cluster of the [`history`].
pub(crate) fn member(folder: &Path) -> Store {
    let mut store = pristine(folder);
    store.identity.cluster_id = history::CLUSTER.0.to_vec();
    store.identity.raft_id = 1;
    store.identity.set_life_phase(Phase::Member);
    store.write_identity().unwrap();
    store.write_log_identity().unwrap();
    store
}

/// The state machine of a store.
pub(crate) fn machine(store: &Store) -> StateMachine {
    StateMachine::new(store.state.clone(), store.snapshots.clone(), store.fatal.clone()).unwrap()
}

/// An entry that holds `commands`.
pub(crate) fn entry(term: u64, index: u64, now: u64, commands: Vec<Bytes>) -> Entry {
    let batch = CommandBatch { now, commands };
    Entry {
        log_id: log_id(term, index),
        payload: EntryPayload::Normal(Proposal(batch.to_bytes())),
    }
}

/// An entry without commands.
pub(crate) fn blank(term: u64, index: u64) -> Entry {
    Entry {
        log_id: log_id(term, index),
        payload: EntryPayload::Blank,
    }
}

/// Applies entries in one call, as the core does.
pub(crate) async fn apply(machine: &mut StateMachine, entries: impl IntoIterator<Item = Entry>) {
    let entries: Vec<_> = entries.into_iter().map(|entry| Ok((entry, None))).collect();
    machine.apply(stream::iter(entries)).await.unwrap();
}

/// Digest of all tables.
pub(crate) fn digest(view: &View) -> Digest {
    queries::state_digest(view).unwrap().digest
}

/// Every row of every table.
pub(crate) fn rows(tables: &impl ReadTables) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = tables.cursor(&[], &[]).unwrap();
    let mut rows = Vec::new();
    while let Some((key, value)) = cursor.entry() {
        rows.push((key.to_vec(), value.to_vec()));
        cursor.next().unwrap();
    }
    rows
}
