//! What is to be done: work, garbage, release.

use raft_types::keys::{GarbageKey, KeyPart, KeyRange, ReleaseKey, Table, WorkKey};
use raft_types::records::{GarbageRecord, ReleaseRecord, WorkKind, WorkRecord};
use raft_types::{BackendId, BlobId, RowId};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// At most `limit` attempts to delete from a backend that died at or before `died`, oldest first, those
/// after the row `after`.
pub fn garbage(
    tables: &impl ReadTables,
    backend: BackendId,
    died: u64,
    after: Option<&GarbageKey>,
    limit: usize,
) -> Result<Vec<(GarbageKey, GarbageRecord)>, Fault> {
    let mut range = KeyRange::under(Table::Garbage, &backend);
    if let Some(above) = died.checked_add(1) {
        let mut upper = vec![Table::Garbage.number()];
        backend.write(&mut upper);
        above.write(&mut upper);
        range.upper = upper.into();
    }
    rows::page(tables, &range, after, limit)
}

/// At most `limit` dead contents that died at or before `died`, oldest first.
pub fn release(
    tables: &impl ReadTables,
    died: u64,
    limit: usize,
) -> Result<Vec<(RowId, ReleaseRecord)>, Fault> {
    let mut range = KeyRange::of_table(Table::Release);
    if let Some(above) = died.checked_add(1) {
        let mut upper = vec![Table::Release.number()];
        above.write(&mut upper);
        range.upper = upper.into();
    }
    let rows = rows::page::<ReleaseKey>(tables, &range, None, limit)?;
    Ok(rows.into_iter().map(|(key, record)| (key.row, record)).collect())
}

/// One release.
pub fn release_row(tables: &impl ReadTables, row: RowId) -> Result<Option<ReleaseRecord>, Fault> {
    rows::get(tables, &ReleaseKey { row })
}

/// At most `limit` blobs that need urgent work of a kind, those after the blob `after`.
pub fn work(
    tables: &impl ReadTables,
    kind: WorkKind,
    after: Option<BlobId>,
    limit: usize,
) -> Result<Vec<(BlobId, WorkRecord)>, Fault> {
    let after = after.map(|blob| WorkKey { kind, blob });
    let rows = rows::page(
        tables,
        &KeyRange::under(Table::Work, &kind),
        after.as_ref(),
        limit,
    )?;
    Ok(rows.into_iter().map(|(key, record)| (key.blob, record)).collect())
}
