//! Who the cluster and its nodes are, and what they have agreed on beside data.

use raft_types::keys::{
    ClockKey, CountersKey, IdentityKey, IncarnationKey, IncidentKey, KeyRange, NodeKey, NodeNameKey,
    RevisionKey, SettingsKey, Table,
};
use raft_types::records::{
    CountersRecord, Identity, IncarnationRecord, IncidentRecord, NodeRecord, SettingsRecord,
};
use raft_types::{IncarnationCounter, MillisUtc, NodeId, NodeName, RowId};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// Who the cluster is; `None` before its first entry.
pub fn identity(tables: &impl ReadTables) -> Result<Option<Identity>, Fault> {
    rows::get(tables, &IdentityKey)
}

/// The replicated time: the largest that any applied entry carried.
pub fn clock(tables: &impl ReadTables) -> Result<MillisUtc, Fault> {
    Ok(rows::get(tables, &ClockKey)?.map_or(MillisUtc::default(), |clock| clock.now))
}

/// The ids that were given out last.
pub fn counters(tables: &impl ReadTables) -> Result<CountersRecord, Fault> {
    Ok(rows::get(tables, &CountersKey)?.unwrap_or_default())
}

/// A life of the cluster.
pub fn incarnation(
    tables: &impl ReadTables,
    counter: IncarnationCounter,
) -> Result<Option<IncarnationRecord>, Fault> {
    rows::get(tables, &IncarnationKey { counter })
}

/// Index of the last entry that changed a small table; 0 if none did. Kept for `buckets`, `backends`,
/// `settings`, `keys`, `principals` and `nodes`.
pub fn revision(tables: &impl ReadTables, table: Table) -> Result<u64, Fault> {
    Ok(rows::get(tables, &RevisionKey { table })?.map_or(0, |revision| revision.index))
}

/// The cluster-wide settings; `None` before any were taken.
pub fn settings(tables: &impl ReadTables) -> Result<Option<SettingsRecord>, Fault> {
    rows::get(tables, &SettingsKey)
}

/// A node.
pub fn node(tables: &impl ReadTables, node: NodeId) -> Result<Option<NodeRecord>, Fault> {
    rows::get(tables, &NodeKey { node })
}

/// The node of a name.
pub fn node_by_name(
    tables: &impl ReadTables,
    name: &NodeName,
) -> Result<Option<(NodeId, NodeRecord)>, Fault> {
    let Some(found) = rows::get(tables, &NodeNameKey { name: name.clone() })? else {
        return Ok(None);
    };
    Ok(node(tables, found.node)?.map(|record| (found.node, record)))
}

/// All nodes, in the order of their ids.
pub fn nodes(tables: &impl ReadTables) -> Result<Vec<(NodeId, NodeRecord)>, Fault> {
    let rows = rows::page::<NodeKey>(tables, &KeyRange::of_table(Table::Nodes), None, usize::MAX)?;
    Ok(rows.into_iter().map(|(key, record)| (key.node, record)).collect())
}

/// Incidents after a row, oldest first.
pub fn incidents(
    tables: &impl ReadTables,
    after: Option<RowId>,
    limit: usize,
) -> Result<Vec<(RowId, IncidentRecord)>, Fault> {
    let after = after.map(|row| IncidentKey { row });
    let rows = rows::page(
        tables,
        &KeyRange::of_table(Table::Incidents),
        after.as_ref(),
        limit,
    )?;
    Ok(rows.into_iter().map(|(key, record)| (key.row, record)).collect())
}
