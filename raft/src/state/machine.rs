//! openraft's state machine over the state store.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftStateMachine};

use super::apply::{Applier, ApplyError, ToApply};
use super::store::StateStore;
use crate::consensus::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::error::Error;
use crate::fatal::{Fatal, FatalCause};
use crate::log::payload_bytes;
use crate::snapshot::{SnapshotBuilder, SnapshotHandle, SnapshotStore};

/// Payload applied and written at once. Large enough to share the write, small enough that readers
/// see progress.
const BYTES_PER_APPLY: usize = 1 << 20;
/// Entries applied and written at once, for entries without payload.
const ENTRIES_PER_APPLY: usize = 4096;

/// The state machine that the Raft core drives.
pub(crate) struct StateMachine {
    store: Arc<StateStore>,
    snapshots: Arc<SnapshotStore>,
    applier: Applier,
    fatal: Fatal,
}

impl StateMachine {
    pub(crate) fn new(
        store: Arc<StateStore>,
        snapshots: Arc<SnapshotStore>,
        fatal: Fatal,
    ) -> Result<Self, Error> {
        let applier = Applier::start(Arc::clone(&store))?;
        Ok(Self {
            store,
            snapshots,
            applier,
            fatal,
        })
    }

    async fn apply_chunk(&self, chunk: Vec<ToApply>) -> io::Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        self.applier.apply(chunk).await.map_err(|error| {
            if !matches!(error, ApplyError::Gone) {
                self.fatal.trigger(&FatalCause::Apply(error.to_string()));
            }
            io::Error::other(error)
        })
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotHandle;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let state = self.store.generation().applied().map_err(io::Error::other)?;
        Ok((state.applied, state.membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = entries.try_next().await? {
            bytes += payload_bytes(&entry.0);
            chunk.push(entry);
            if bytes >= BYTES_PER_APPLY || chunk.len() >= ENTRIES_PER_APPLY {
                self.apply_chunk(std::mem::take(&mut chunk)).await?;
                bytes = 0;
            }
        }
        self.apply_chunk(chunk).await
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(
            Arc::clone(&self.store),
            Arc::clone(&self.snapshots),
            self.fatal.clone(),
        )
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotHandle,
    ) -> Result<(), io::Error> {
        let (store, snapshots) = (Arc::clone(&self.store), Arc::clone(&self.snapshots));
        let last = meta.last_log_id;
        let installed = tokio::task::spawn_blocking(move || snapshots.install(&store, last, &snapshot))
            .await
            .map_err(io::Error::other)?;
        installed.map_err(|error| {
            self.fatal.trigger(&FatalCause::Snapshot(error.to_string()));
            io::Error::other(error)
        })
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<SnapshotHandle>>, io::Error> {
        self.snapshots
            .current()
            .map(|handle| handle.into_snapshot())
            .transpose()
    }
}
