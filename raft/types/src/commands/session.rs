use crate::address::BlobAttempt;
use crate::codec::record;
use crate::ids::{BackendId, BootNonce, EpochId, NodeId, SessionId};
use crate::records::SweepPass;

record! {
    /// Begins a session and seals the node's earlier one.
    pub struct OpenSession {
        /// The node.
        1 => node: NodeId,
        /// Counted in the node's data directory, from 1.
        2 => boot: u64,
        /// Drawn at this boot.
        3 => nonce: BootNonce,
    }
}

record! {
    /// Ends the session that sends it: nothing of it is under way any more.
    pub struct CloseSession {
    }
}

record! {
    /// Seals a session that has been silent. Sent by the leader, never forwarded.
    pub struct SealSession {
        /// The session.
        1 => session: SessionId,
        /// Refused in an entry of another term: a deposed leader's opinion does not count.
        2 => term: u64,
    }
}

record! {
    /// Asks for the outcome of a number of the same session. If it has none it is cancelled for ever and
    /// the attempts go into `garbage`.
    pub struct Settle {
        /// The number.
        1 => seq: u64,
        /// The attempts that the command of that number named.
        2 => attempts: Vec<BlobAttempt>,
    }
}

record! {
    /// Opens a key prefix for attempts of the session that sends it.
    pub struct OpenEpoch {
    }
}

record! {
    /// Ends the beginning of attempts under an epoch of the session that sends it.
    pub struct CloseEpoch {
        /// The epoch.
        1 => epoch: EpochId,
        /// The backends on which it began attempts: those to be swept.
        2 => used: Vec<BackendId>,
    }
}

record! {
    /// Ends a closed epoch of the session that sends it. Every attempt is settled, or is given up by this.
    pub struct SealEpoch {
        /// The epoch.
        1 => epoch: EpochId,
    }
}

record! {
    /// Records sweeps of a sealed epoch. With the last one the epoch is forgotten.
    pub struct RecordSweep {
        /// The epoch.
        1 => epoch: EpochId,
        /// What was swept; nothing where there was nothing to sweep.
        2 => sweeps: Vec<SweepMark>,
    }
}

record! {
    /// A sweep of one backend.
    #[derive(Copy)]
    pub struct SweepMark {
        /// The backend.
        1 => backend: BackendId,
        /// Which sweep.
        2 => pass: SweepPass,
    }
}
