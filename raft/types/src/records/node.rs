use bytes::Bytes;

use crate::codec::record;
use crate::digest::Digest;
use crate::ids::{BootNonce, DiskId, NodeId, SessionId};
use crate::names::NodeName;
use crate::time::MillisUtc;

record! {
    /// A node: name, disk and raft id bound together.
    pub struct NodeRecord {
        /// Its configured name.
        1 => name: NodeName,
        /// Its data directory. The name with another disk is refused.
        2 => disk: DiskId,
        /// When it was registered.
        3 => registered: MillisUtc,
        /// Its newest boot number; 0 before the first session.
        4 => boot: u64,
        /// The nonce of that boot.
        5 => nonce: Option<BootNonce>,
        /// The session of that boot.
        6 => session: Option<SessionId>,
        /// Fingerprint of the cluster part of its file, as last shown.
        7 => seen: Option<Digest>,
    }
}

record! {
    /// The node of a name.
    pub struct NodeNameRecord {
        /// Its id.
        1 => node: NodeId,
    }
}

record! {
    /// The cluster-wide settings.
    pub struct SettingsRecord {
        /// Index of the entry that took them.
        1 => revision: u64,
        /// The settings; opaque to the state machine.
        2 => content: Bytes,
        /// Fingerprint of the content.
        3 => fingerprint: Digest,
        /// When they were taken.
        4 => taken: MillisUtc,
        /// The node that proposed them.
        5 => node: NodeId,
    }
}
