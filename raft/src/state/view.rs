//! A consistent view of the state: one RocksDB snapshot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use raft_machine::{Fault, ReadTables, StorageFault};
use rocksdb::Snapshot;
use self_cell::self_cell;

use super::generation::Generation;
use super::tables::{Tables, TablesCursor, Tier};

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
/// Reading through [`ReadTables`] may do IO. In async code use [`View::try_in_memory`] or
/// [`View::query`].
#[derive(Clone)]
pub struct View {
    pinned: Arc<Pinned>,
    applied: u64,
    reach: Reach,
}

/// Where the reads of a view may look.
#[derive(Clone)]
enum Reach {
    /// Anywhere.
    Disk,
    /// In memory; what is not there fails, and is noted here.
    Memory(Arc<AtomicBool>),
}

impl View {
    /// A view of `generation` as it is now, in which at least the entries to `applied` are applied.
    pub(crate) fn new(generation: Arc<Generation>, applied: u64) -> Self {
        Self {
            pinned: Arc::new(Pinned::new(generation, |generation| generation.db.snapshot())),
            applied,
            reach: Reach::Disk,
        }
    }

    /// An entry that is certainly applied in this view, with all before it. Later ones may be.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.applied
    }

    /// Runs a query on a view that reads only what is in memory. `None` if that was not enough: then
    /// whatever the query answered is void, and it is to be run where it may wait for the disk.
    pub fn try_in_memory<R>(&self, query: impl FnOnce(&View) -> R) -> Option<R> {
        let missed = Arc::new(AtomicBool::new(false));
        let view = Self {
            reach: Reach::Memory(Arc::clone(&missed)),
            ..self.clone()
        };
        let answer = query(&view);
        (!missed.load(Ordering::Relaxed)).then_some(answer)
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
        if let Some(answer) = self.try_in_memory(&query) {
            return answer;
        }
        let view = self.clone();
        tokio::task::spawn_blocking(move || query(&view))
            .await
            .map_err(|error| Fault::Storage(StorageFault::new("query", error)))?
    }

    fn tables(&self) -> Tables<'_> {
        Tables {
            db: &self.pinned.borrow_owner().db,
            snapshot: Some(self.pinned.borrow_dependent()),
            tier: match &self.reach {
                Reach::Disk => Tier::Disk,
                Reach::Memory(missed) => Tier::Memory(missed),
            },
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
