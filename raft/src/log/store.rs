//! The open log: what the reader and the writer share.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rocksdb::{ColumnFamily, DB, FlushOptions, WriteBatch};

use super::cache::TailCache;
use super::flusher::Flusher;
use super::keys::{GroupId, LOG_FAMILY, META_FAMILY, MetaRow, log_key};
use super::options;
use super::sizes::LogSizes;
use crate::consensus::{LogId, StoredCommitted, Vote};
use crate::directory::DirectoryLock;
use crate::fatal::{Fatal, FatalCause};
use crate::telemetry::LogMetrics;

/// One Raft group's log. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    pub(super) inner: Arc<Inner>,
}

/// The shared part of a log.
pub(super) struct Inner {
    pub(super) db: Arc<DB>,
    pub(super) group: GroupId,
    pub(super) contents: Mutex<Contents>,
    /// Bytes in the WAL that is being written. Held while it is written or another one is begun.
    pub(super) wal_bytes: Mutex<u64>,
    pub(super) flusher: Flusher,
    pub(super) fatal: Fatal,
    pub(super) metrics: LogMetrics,
    /// Let go of after the database is closed: fields are dropped in the order of declaration.
    pub(super) _lock: Arc<DirectoryLock>,
}

/// What stands in the log, in memory. Only the Raft core changes it.
pub(super) struct Contents {
    pub(super) span: Option<Span>,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// `committed` is newer than its row.
    pub(super) committed_is_ahead: bool,
    pub(super) cache: TailCache,
    pub(super) sizes: LogSizes,
}

/// The entries of a log that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: LogId,
}

/// What a node needs to know of its log's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogExtent {
    /// Index of the last entry; that of the last purged one in an empty log.
    pub(crate) last: Option<u64>,
    /// Index of the last purged entry.
    pub(crate) purged: Option<u64>,
    /// Bytes of all entries.
    pub(crate) bytes: u64,
}

impl Contents {
    pub(super) fn last_log_id(&self) -> Option<LogId> {
        self.span.map(|span| span.last).or(self.purged)
    }

    pub(super) fn entries(&self) -> u64 {
        self.span.map_or(0, |span| span.last.index() - span.first + 1)
    }
}

impl Inner {
    pub(super) fn family(&self, name: &'static str) -> io::Result<&ColumnFamily> {
        self.db
            .cf_handle(name)
            .ok_or_else(|| io::Error::other(format!("the log database has no family {name}")))
    }

    pub(super) fn log_family(&self) -> io::Result<&ColumnFamily> {
        self.family(LOG_FAMILY)
    }

    pub(super) fn meta_family(&self) -> io::Result<&ColumnFamily> {
        self.family(META_FAMILY)
    }

    /// Deletes the entries from `from` to `last`, both included.
    pub(super) fn delete_entries(&self, batch: &mut WriteBatch, from: u64, last: u64) -> io::Result<()> {
        batch.delete_range_cf(
            self.log_family()?,
            log_key(self.group, from),
            log_key(self.group, last.saturating_add(1)),
        );
        Ok(())
    }

    /// Writes `batch` to the WAL, unsynced. A failure ends the process: the log in memory and the
    /// one on the disk might differ from here on.
    ///
    /// RocksDB begins another WAL whenever it begins another memtable, and does not sync the old one
    /// before it writes to the new one. A power cut could then keep later entries and lose earlier
    /// ones: a gap. So it never comes to that: before its memtables are full, the WAL is synced and
    /// another one begun, while nothing is being written.
    pub(super) fn write(&self, batch: WriteBatch) -> io::Result<()> {
        let size = batch.size_in_bytes() as u64;
        let mut wal_bytes = self.wal_bytes.lock();
        let begun = if *wal_bytes > 0 && *wal_bytes + size > options::WAL_BYTES {
            self.begin_wal(&mut wal_bytes)
        } else {
            Ok(())
        };
        begun
            .and_then(|()| self.db.write_opt(batch, &options::unsynced()))
            .map_err(|error| {
                self.fatal.trigger(&FatalCause::LogWrite(error.to_string()));
                database_error(&error)
            })?;
        *wal_bytes += size;
        Ok(())
    }

    /// Syncs the WAL and begins another one with the next write; the memtables are written out in
    /// the background.
    fn begin_wal(&self, wal_bytes: &mut u64) -> Result<(), rocksdb::Error> {
        self.db.flush_wal(true)?;
        let mut flush = FlushOptions::default();
        flush.set_wait(false);
        let families: Vec<_> = [LOG_FAMILY, META_FAMILY]
            .iter()
            .filter_map(|name| self.db.cf_handle(name))
            .collect();
        self.db.flush_cfs_opt(&families, &flush)?;
        *wal_bytes = 0;
        Ok(())
    }

    pub(super) fn put_meta(&self, batch: &mut WriteBatch, row: MetaRow, value: &[u8]) -> io::Result<()> {
        batch.put_cf(self.meta_family()?, row.key(self.group), value);
        Ok(())
    }

    pub(super) fn report_size(&self, contents: &Contents) {
        self.metrics.entries.set(contents.entries() as f64);
        self.metrics.bytes.set(contents.sizes.total_bytes() as f64);
    }
}

impl LogStore {
    /// How large the log is.
    pub(crate) fn extent(&self) -> LogExtent {
        let contents = self.inner.contents.lock();
        LogExtent {
            last: contents.last_log_id().map(|id| id.index()),
            purged: contents.purged.map(|id| id.index()),
            bytes: contents.sizes.total_bytes(),
        }
    }

    /// The database's folder.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.inner.db.path()
    }

    /// Bytes of the entries after `index`.
    pub(crate) fn bytes_after(&self, index: u64) -> u64 {
        self.inner.contents.lock().sizes.bytes_after(index)
    }

    /// The smallest index whose following entries fit into `bytes`.
    pub(crate) fn start_of_tail(&self, bytes: u64) -> Option<u64> {
        self.inner.contents.lock().sizes.start_of_tail(bytes)
    }

    /// Completes what waits for the disk, saves the commit pointer and writes the memtables out, so
    /// that the next start has nothing to replay. The log takes no writes after this.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.inner.flusher.stop();
        let committed = {
            let contents = self.inner.contents.lock();
            contents
                .committed_is_ahead
                .then_some(contents.committed)
                .flatten()
        };
        let mut batch = WriteBatch::default();
        if let Some(committed) = committed {
            self.inner
                .put_meta(&mut batch, MetaRow::Committed, &committed_row(committed))?;
        }
        let failed = |error: rocksdb::Error| database_error(&error);
        self.inner
            .db
            .write_opt(batch, &options::synced())
            .map_err(failed)?;
        self.inner
            .db
            .flush_cfs_opt(
                &[self.inner.log_family()?, self.inner.meta_family()?],
                &FlushOptions::default(),
            )
            .map_err(failed)?;
        self.inner.db.cancel_all_background_work(true);
        Ok(())
    }
}

pub(super) fn committed_row(committed: LogId) -> Vec<u8> {
    prost::Message::encode_to_vec(&StoredCommitted {
        log_id: Some(committed.into()),
    })
}

pub(super) fn database_error(error: &rocksdb::Error) -> io::Error {
    io::Error::other(error.to_string())
}
