//! The port [`ReadTables`] over RocksDB.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use raft_machine::{Cursor, ReadTables, StorageFault};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ErrorKind, ReadOptions, ReadTier, Snapshot};

use super::meta::FIRST_TABLE_KEY;

/// The source of the fault of a read that was confined to memory and needs the disk. Not a fault of the
/// store: the query is run again where it may wait; see [`View::try_in_memory`](crate::View::try_in_memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row is not in memory")]
pub struct NotInMemory;

/// Where a read may look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tier<'a> {
    /// Anywhere; may do IO.
    Disk,
    /// Memtables and block cache only. A read that would do IO fails and notes that it did.
    Memory(&'a AtomicBool),
}

/// The tables of a database, as of a snapshot or as they are now.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    pub(super) db: &'a DB,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
    pub(super) tier: Tier<'a>,
}

/// A cursor over a range of [`Tables`].
pub struct TablesCursor<'a> {
    iterator: DBRawIteratorWithThreadMode<'a, DB>,
    tier: Tier<'a>,
}

impl<'a> Tables<'a> {
    /// The tables as they are at each read. For the one thread that writes them.
    pub(super) fn live(db: &'a DB) -> Self {
        Self {
            db,
            snapshot: None,
            tier: Tier::Disk,
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        let found = self
            .db
            .get_pinned_opt(key, &self.options())
            .map_err(|error| self.tier.fault("get", error))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    pub(super) fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<TablesCursor<'a>, StorageFault> {
        let mut options = self.options();
        // What the store keeps for itself lies before the tables.
        options.set_iterate_lower_bound(lower.max(FIRST_TABLE_KEY));
        if !upper.is_empty() {
            options.set_iterate_upper_bound(upper);
        }
        let mut cursor = TablesCursor {
            iterator: self.db.raw_iterator_opt(options),
            tier: self.tier,
        };
        cursor.iterator.seek_to_first();
        cursor.checked("cursor")?;
        Ok(cursor)
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = self.snapshot {
            options.set_snapshot(snapshot);
        }
        if matches!(self.tier, Tier::Memory(_)) {
            options.set_read_tier(ReadTier::BlockCache);
        }
        options
    }
}

impl ReadTables for Tables<'_> {
    type Cursor<'a>
        = TablesCursor<'a>
    where
        Self: 'a;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        Tables::get(self, key)
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<TablesCursor<'_>, StorageFault> {
        Tables::cursor(self, lower, upper)
    }
}

impl TablesCursor<'_> {
    /// An iterator ends the same way at the end of its range and at an error.
    fn checked(&self, operation: &'static str) -> Result<(), StorageFault> {
        if self.iterator.valid() {
            return Ok(());
        }
        self.iterator
            .status()
            .map_err(|error| self.tier.fault(operation, error))
    }
}

impl Cursor for TablesCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault> {
        self.iterator.seek(key);
        self.checked("seek")
    }

    fn next(&mut self) -> Result<(), StorageFault> {
        self.iterator.next();
        self.checked("next")
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.iterator.item()
    }
}

impl Tier<'_> {
    fn fault(self, operation: &'static str, error: rocksdb::Error) -> StorageFault {
        if error.kind() == ErrorKind::Incomplete
            && let Tier::Memory(missed) = self
        {
            missed.store(true, Ordering::Relaxed);
            return StorageFault::new(operation, NotInMemory);
        }
        StorageFault::new(operation, error.into_string())
    }
}
