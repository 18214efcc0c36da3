//! RocksDB's settings for the log.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    WriteOptions,
};

use super::keys::{LOG_FAMILY, META_FAMILY};

/// WAL after which the memtables are written out and another WAL begun, by our own hand: see
/// [`super::store::Inner::write`]. Bounds the replay at the next start, too.
pub(super) const WAL_BYTES: u64 = 16 << 20;

/// Where RocksDB would begin another memtable by itself. Far above [`WAL_BYTES`] with the largest
/// append on top, so that it never does.
const MEMTABLE_BYTES: usize = 128 << 20;
const MEMTABLES: i32 = 3;
/// The vote, three log ids and an identity. Written out together with the entries.
const META_MEMTABLE_BYTES: usize = 16 << 20;
/// Sequential data read once: small blocks of index, larger blocks of data.
const BLOCK_BYTES: usize = 32 << 10;
/// What is read twice is in the tail cache; this holds indexes and the block being read.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
/// RocksDB's own log file: enough for a look, not enough to fill a disk.
const INFO_LOG_BYTES: usize = 4 << 20;
const INFO_LOG_FILES: usize = 4;
/// A flush and a compaction side by side; the log needs no more.
const BACKGROUND_JOBS: i32 = 2;

pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_paranoid_checks(true);
    // `purged` and the range that it deletes must reach the disk together.
    options.set_atomic_flush(true);
    // A record cut off by a crash at the very end is what an unsynced write looks like. Anything
    // else that is damaged must not be dropped silently with all that follows, as the default does.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_use_fsync(false);
    options.set_max_open_files(-1);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_stats_dump_period_sec(0);
    options
}

pub(crate) fn families() -> [ColumnFamilyDescriptor; 3] {
    [
        ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, meta_family()),
        ColumnFamilyDescriptor::new(LOG_FAMILY, log_family()),
        ColumnFamilyDescriptor::new(META_FAMILY, meta_family()),
    ]
}

/// Readable at once, on the disk after the next sync.
pub(crate) fn unsynced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(false);
    options
}

/// On the disk when the write returns. Only while a database is created or its identity changes.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn log_family() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_size(BLOCK_BYTES);
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(MEMTABLES);
    // The same at every level: files of ascending keys move down without being rewritten.
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn meta_family() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(META_MEMTABLE_BYTES);
    options.set_compression_type(DBCompressionType::None);
    options
}
