use bytes::Bytes;

use crate::codec::{numbered, record};
use crate::ids::{BackendId, BackendNonce};
use crate::names::BackendName;
use crate::time::MillisUtc;

numbered! {
    /// Where a backend stands in its life.
    pub enum BackendState {
        /// Its identity is being written and read by all nodes.
        1 => Attaching,
        /// Takes new replicas.
        2 => Active,
        /// Takes only replicas of epochs that were opened before the drain began; no others are placed on it.
        3 => Draining,
        /// Gone. The row stays: its id is never used again.
        4 => Removed,
    }
}

impl BackendState {
    /// Whether a command may add a replica there.
    pub const fn takes_replicas(self) -> bool {
        matches!(self, BackendState::Active | BackendState::Draining)
    }
}

record! {
    /// A storage backend.
    pub struct BackendRecord {
        /// Its label, unique among those that are not removed.
        1 => name: BackendName,
        /// Which adapter serves it: `s3`, `fs`, `memory`.
        2 => kind: String,
        /// What the adapter is told, without secrets; opaque to the state machine.
        3 => spec: Bytes,
        /// Everything of ours lies under this prefix and `.holdfast/`. Fixed when it is attached.
        4 => prefix: String,
        /// Stands in its identity object too.
        5 => nonce: BackendNonce,
        /// Where it stands in its life.
        6 => state: BackendState,
        /// Index of the entry that attached it.
        7 => attached_index: u64,
        /// When it was attached.
        8 => attached: MillisUtc,
        /// Index of the entry that changed the state last.
        9 => state_index: u64,
    }
}

record! {
    /// The backend of a name.
    pub struct BackendNameRecord {
        /// Its id.
        1 => backend: BackendId,
    }
}

record! {
    /// What a backend holds. Derived from row transitions, never set.
    #[derive(Default)]
    pub struct BackendCounters {
        /// Replicas that are present or suspect.
        1 => replicas: u64,
        /// Their bytes as stored.
        2 => stored_bytes: u64,
        /// Rows in `garbage`.
        3 => garbage: u64,
        /// Bytes that these may occupy.
        4 => garbage_bytes: u64,
    }
}
