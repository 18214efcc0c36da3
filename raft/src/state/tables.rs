//! The port [`ReadTables`] over RocksDB.

use bytes::Bytes;
use raft_machine::{Cursor, ReadTables, StorageFault};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ErrorKind, ReadOptions, ReadTier, Snapshot};

use super::meta::FIRST_TABLE_KEY;

/// Where a read may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Anywhere; may do IO.
    Disk,
    /// Memtables and block cache only. A read that would do IO fails with [`WouldBlock`].
    Memory,
}

/// The source of a fault of a read in [`Tier::Memory`] that needs IO. Not a fault of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the row is not in memory")]
pub(crate) struct WouldBlock;

/// The tables of a database, as of a snapshot or as they are now.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    pub(super) db: &'a DB,
    pub(super) snapshot: Option<&'a Snapshot<'a>>,
    pub(super) tier: Tier,
}

/// A cursor over a range of [`Tables`].
pub struct TablesCursor<'a> {
    iterator: DBRawIteratorWithThreadMode<'a, DB>,
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
            .map_err(|error| fault("get", error))?;
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
        if self.tier == Tier::Memory {
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
        self.iterator.status().map_err(|error| fault(operation, error))
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

fn fault(operation: &'static str, error: rocksdb::Error) -> StorageFault {
    if error.kind() == ErrorKind::Incomplete {
        return StorageFault::new(operation, WouldBlock);
    }
    StorageFault::new(operation, error.into_string())
}

/// Whether a fault only says that the read needs IO.
pub(super) fn would_block(fault: &StorageFault) -> bool {
    fault.source.is::<WouldBlock>()
}
