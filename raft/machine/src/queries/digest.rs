//! Digest of a whole state, to compare nodes and replays.

use std::collections::BTreeMap;

use raft_types::Digest;
use raft_types::keys::Table;
use sha2::{Digest as _, Sha256};

use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};

/// What a state comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDigest {
    /// SHA-256 over all rows in the order of their keys. Equal states have equal digests.
    pub digest: Digest,
    /// How many rows each table has; tables without rows are left out.
    pub rows: BTreeMap<Table, u64>,
}

/// Reads all rows of all tables. Rows of other first bytes, which a store may keep for itself, do not count.
pub fn state_digest(tables: &impl ReadTables) -> Result<StateDigest, Fault> {
    let mut hash = Sha256::new();
    let mut rows = BTreeMap::new();
    for &table in Table::ALL {
        let range = raft_types::keys::KeyRange::of_table(table);
        let mut cursor = tables.cursor(&range.lower, &range.upper)?;
        let mut count = 0_u64;
        while let Some((key, value)) = cursor.entry() {
            hash.update((key.len() as u64).to_be_bytes());
            hash.update(key);
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value);
            count += 1;
            cursor.next()?;
        }
        if count > 0 {
            rows.insert(table, count);
        }
    }
    Ok(StateDigest {
        digest: Digest(hash.finalize().into()),
        rows,
    })
}
