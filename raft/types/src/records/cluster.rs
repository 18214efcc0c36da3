use crate::codec::record;
use crate::ids::{BackendId, BucketId, ClusterId, EncryptionDomain, EpochId, Incarnation, NodeId, SessionId};
use crate::time::MillisUtc;

record! {
    /// Who this cluster is. Written by the first entry.
    pub struct Identity {
        /// Drawn at bootstrap, kept for ever.
        1 => cluster: ClusterId,
        /// The present life.
        2 => incarnation: Incarnation,
        /// Salt of the key derivation.
        3 => domain: EncryptionDomain,
        /// When the first entry was applied.
        4 => bound: MillisUtc,
        /// Which behaviour is switched on; only an operator raises it.
        5 => feature_level: u32,
    }
}

record! {
    /// The replicated clock.
    pub struct ClockRecord {
        /// The largest time that any applied entry carried.
        1 => now: MillisUtc,
    }
}

record! {
    /// The ids that were given out last, and the number of incidents.
    #[derive(Default)]
    pub struct CountersRecord {
        /// The newest node.
        1 => node: NodeId,
        /// The newest session.
        2 => session: SessionId,
        /// The newest epoch.
        3 => epoch: EpochId,
        /// The newest backend.
        4 => backend: BackendId,
        /// The newest bucket.
        5 => bucket: BucketId,
        /// Incident rows that stand.
        6 => incidents: u32,
        /// Incidents that were not recorded because too many stood already.
        7 => suppressed_incidents: u64,
    }
}

record! {
    /// When a small table last changed. What is cached from the table is valid at an equal revision.
    pub struct RevisionRecord {
        /// Index of the entry.
        1 => index: u64,
    }
}

record! {
    /// A life of the cluster. Never deleted: replicas name lives by their counter.
    pub struct IncarnationRecord {
        /// Drawn with it; part of the physical keys of its epochs.
        1 => tag: u64,
        /// Index of the entry that began it.
        2 => index: u64,
        /// When it began.
        3 => began: MillisUtc,
    }
}
