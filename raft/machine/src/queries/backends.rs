//! Backends.

use raft_types::keys::{BackendCountersKey, BackendKey, BackendNameKey, KeyRange, Table};
use raft_types::records::{BackendCounters, BackendRecord};
use raft_types::{BackendId, BackendName};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// A backend, removed or not.
pub fn backend(tables: &impl ReadTables, backend: BackendId) -> Result<Option<BackendRecord>, Fault> {
    rows::get(tables, &BackendKey { backend })
}

/// The backend that bears a name now.
pub fn backend_by_name(
    tables: &impl ReadTables,
    name: &BackendName,
) -> Result<Option<(BackendId, BackendRecord)>, Fault> {
    let Some(found) = rows::get(tables, &BackendNameKey { name: name.clone() })? else {
        return Ok(None);
    };
    Ok(backend(tables, found.backend)?.map(|record| (found.backend, record)))
}

/// All backends in the order of their ids, removed ones included.
pub fn backends(tables: &impl ReadTables) -> Result<Vec<(BackendId, BackendRecord)>, Fault> {
    let rows = rows::page::<BackendKey>(tables, &KeyRange::of_table(Table::Backends), None, usize::MAX)?;
    Ok(rows
        .into_iter()
        .map(|(key, record)| (key.backend, record))
        .collect())
}

/// What a backend holds; zeros where it has held nothing.
pub fn backend_counters(tables: &impl ReadTables, backend: BackendId) -> Result<BackendCounters, Fault> {
    Ok(rows::get(tables, &BackendCountersKey { backend })?.unwrap_or_default())
}
