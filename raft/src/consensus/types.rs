//! openraft's type parameters.

use std::fmt;

use bytes::Bytes;
use openraft::impls::leader_id_std::LeaderId;
use openraft::vote::RaftLeaderId;
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};

use crate::state::Answers;

/// A node's number in the Raft group. Never used again after the node was removed.
pub(crate) type RaftId = u64;

/// What a log id says of the leader that proposed the entry: its term.
pub(crate) type Committed = <LeaderId<u64, RaftId> as RaftLeaderId>::Committed;

pub(crate) type LogId = openraft::LogId<Committed>;
pub(crate) type Vote = openraft::impls::Vote<LeaderId<u64, RaftId>>;
pub(crate) type Entry = openraft::Entry<Committed, EntryPayload<Proposal, RaftId, Peer>>;
pub(crate) type Membership = openraft::Membership<RaftId, Peer>;
pub(crate) type StoredMembership = openraft::StoredMembership<Committed, RaftId, Peer>;
pub(crate) type SnapshotMeta = openraft::storage::SnapshotMeta<Committed, RaftId, Peer>;
pub(crate) type Snapshot<D> = openraft::storage::Snapshot<Committed, RaftId, Peer, D>;
pub(crate) type WriteResult = openraft::raft::ClientWriteResult<TypeConfig>;

/// The log id at `index`, proposed in `term`.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

/// The term in which the entry was proposed.
pub(crate) fn term_of(log_id: &LogId) -> u64 {
    log_id.committed_leader_id().term
}

/// What membership entries say of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The node's configured name, as in its certificate.
    pub(crate) name: String,
    /// Where its peers reach it, `host:port`; empty in a cluster of one.
    pub(crate) address: String,
}

/// The payload of a normal log entry: an encoded [`crate::log::batch`], as it stands in the log and
/// travels to the followers. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proposal(pub(crate) Bytes);

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Delivers the result of a write by calling a function: one per log entry, for all its commands.
pub(crate) struct Callback<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Callback<T> {
    pub(crate) fn new(call: impl FnOnce(T) + Send + 'static) -> Self {
        Self(Box::new(call))
    }
}

impl<T: OptionalSend + 'static> openraft::raft::responder::Responder<TypeConfig, T> for Callback<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}

/// Our choice of every type that openraft leaves open. One leader per term, as in the paper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl RaftTypeConfig for TypeConfig {
    type D = Proposal;
    type R = Answers;
    type NodeId = RaftId;
    type Node = Peer;
    type Term = u64;
    type LeaderId = LeaderId<u64, RaftId>;
    type Vote = Vote;
    type Payload = EntryPayload<Proposal, RaftId, Peer>;
    type Entry = Entry;
    type AsyncRuntime = openraft_rt_tokio::TokioRuntime;
    type Responder<T>
        = Callback<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}
