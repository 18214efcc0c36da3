//! RocksDB's settings for the state.
//!
//! Sized for a node with a million objects in 512 MiB: two memtables of 16 MiB in the ordinary case,
//! 96 MiB of block cache with the indexes and filters in it.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteOptions};

/// WAL after which the memtable is written out and another WAL begun, by our own hand: see
/// [`super::generation::Generation::write`]. Bounds the replay at the next start, too.
pub(crate) const WAL_BYTES: u64 = 16 << 20;

/// Blocks, indexes and filters of the generation in use.
const BLOCK_CACHE_BYTES: usize = 96 << 20;
/// Where RocksDB would begin another memtable by itself. Far above [`WAL_BYTES`] with the largest
/// batch on top, so that it never does.
const MEMTABLE_BYTES: usize = 192 << 20;
const MEMTABLES: i32 = 3;
/// Part of [`MEMTABLE_BYTES`] that a filter over the keys may take: most lookups of apply find nothing
/// in the memtable.
const MEMTABLE_FILTER_RATIO: f64 = 0.005;
/// About one false positive in a hundred lookups of an absent key.
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// A point lookup decompresses one block.
const BLOCK_BYTES: usize = 16 << 10;
/// Files of the last level. Snapshots and backups move whole files.
const FILE_BYTES: u64 = 32 << 20;
/// Sync files in the background as they are written, so that a flush does not end in a burst.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// One flush and one compaction on a machine of two cores.
const BACKGROUND_JOBS: i32 = 2;
const INFO_LOG_BYTES: usize = 4 << 20;
const INFO_LOG_FILES: usize = 4;
/// A file is compacted when, within this many keys in a row, half are deleted ones: queues
/// (outcomes, garbage, work) and deleted ranges of a bucket leave tombstones that listings walk over.
const DELETION_WINDOW: usize = 1024;
const DELETION_TRIGGER: usize = 512;

/// Settings of the database, with a cache of its own.
pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_paranoid_checks(true);
    // The WAL is not synced, so after a power cut its end may be torn in any way. What is found up
    // to the first flaw is a state that once was; the log has what came after.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_use_fsync(false);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_stats_dump_period_sec(0);

    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    table.set_block_size(BLOCK_BYTES);
    table.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    table.set_optimize_filters_for_memory(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(MEMTABLES);
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_RATIO);
    options.set_memtable_whole_key_filtering(true);
    options.set_target_file_size_base(FILE_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.add_compact_on_deletion_collector_factory(DELETION_WINDOW, DELETION_TRIGGER, 0.0);
    options
}

/// In the WAL, not synced: see the module's documentation.
pub(crate) fn unsynced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(false);
    options
}

/// Only while a database is created.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}
