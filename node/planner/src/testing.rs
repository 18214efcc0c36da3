//! Tables with the rows that a test names.

use raft_machine::MemoryTables;
use raft_types::Record;
use raft_types::keys::RowKey;

/// Adds a row.
pub(crate) fn put<K: RowKey>(tables: &mut MemoryTables, key: &K, record: &K::Record) {
    tables.write([(key.to_bytes(), Some(record.encode()))]);
}
