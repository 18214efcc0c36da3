//! The types that openraft is told to use, and their encoding.
//!
//! None of them leaves this crate: public signatures, the disk and the wire know only our own
//! types and messages. openraft's serde support is off.

mod codec;
mod types;

pub(crate) use codec::{StoredCommitted, StoredLogId, StoredMembershipRow, StoredVote};
pub(crate) use types::{
    Callback, Entry, LogId, Peer, Proposal, RaftId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig,
    Vote, WriteResult, log_id, term_of,
};

#[cfg(test)]
pub(crate) use types::Membership;
