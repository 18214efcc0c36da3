//! A consistent view of the state: one RocksDB snapshot.

use std::sync::Arc;

use bytes::Bytes;
use raft_machine::{Fault, ReadTables, StorageFault};
use rocksdb::Snapshot;
use self_cell::self_cell;

use super::generation::Generation;
use super::tables::{Tables, TablesCursor, Tier, would_block};

self_cell!(
    /// A snapshot together with the database it belongs to.
    struct Pinned {
        owner: Arc<Generation>,
        #[covariant]
        dependent: Snapshot,
    }
);

/// All tables as they were at one moment.
///
/// Cheap to clone and to send; clones share one snapshot. A view holds back the compaction of what
/// it sees, and the removal of a state that was superseded: keep it for the metadata phase of one
/// request, not longer.
///
/// Reading through [`ReadTables`] may do IO. In async code use [`View::query`].
#[derive(Clone)]
pub struct View {
    pinned: Arc<Pinned>,
    applied: u64,
    tier: Tier,
}

impl View {
    /// A view of `generation` as it is now, in which at least the entries to `applied` are applied.
    pub(crate) fn new(generation: Arc<Generation>, applied: u64) -> Self {
        Self {
            pinned: Arc::new(Pinned::new(generation, |generation| generation.db.snapshot())),
            applied,
            tier: Tier::Disk,
        }
    }

    /// An entry that is certainly applied in this view, with all before it. Later ones may be.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.applied
    }

    /// Runs a query: at once if all that it reads is in memory, otherwise on a thread that may wait
    /// for the disk. It may therefore run twice.
    ///
    /// # Errors
    /// What the query returns, or that the thread that ran it is gone.
    pub async fn query<R, F>(&self, query: F) -> Result<R, Fault>
    where
        F: Fn(&View) -> Result<R, Fault> + Send + 'static,
        R: Send + 'static,
    {
        match query(&self.at(Tier::Memory)) {
            Err(Fault::Storage(fault)) if would_block(&fault) => {}
            answer => return answer,
        }
        let view = self.at(Tier::Disk);
        tokio::task::spawn_blocking(move || query(&view))
            .await
            .map_err(|error| Fault::Storage(StorageFault::new("query", error)))?
    }

    fn at(&self, tier: Tier) -> Self {
        Self { tier, ..self.clone() }
    }

    fn tables(&self) -> Tables<'_> {
        Tables {
            db: &self.pinned.borrow_owner().db,
            snapshot: Some(self.pinned.borrow_dependent()),
            tier: self.tier,
        }
    }
}

impl ReadTables for View {
    type Cursor<'a> = TablesCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        self.tables().get(key)
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<TablesCursor<'_>, StorageFault> {
        self.tables().cursor(lower, upper)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}
