//! How commands change the tables.

use bytes::Bytes;
use raft_types::MillisUtc;

use crate::effect::Applied;
use crate::fault::Halt;
use crate::port::ReadTables;
use crate::transaction::Transaction;

/// Where a command stands in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryContext {
    /// Term of the entry.
    pub term: u64,
    /// Index of the entry.
    pub index: u64,
    /// Place of the command among those of the entry, from 0.
    pub position: u32,
    /// Time that the leader stamped when it appended the entry.
    pub now: MillisUtc,
}

/// Applies one command. Commands are applied in the order of the log, and many of them, of one or several
/// entries, may go through one transaction.
pub fn apply<T: ReadTables>(
    transaction: &mut Transaction<'_, T>,
    at: &EntryContext,
    envelope: Bytes,
) -> Result<Applied, Halt> {
    let _ = (transaction, at, envelope);
    todo!("next commit")
}
