use crate::codec::{numbered, record};
use crate::ids::{BackendId, BootNonce, IncarnationCounter, NodeId, SessionId};
use crate::time::MillisUtc;

record! {
    /// One boot of one node.
    pub struct SessionRecord {
        /// The node.
        1 => node: NodeId,
        /// Its boot number, counted in its data directory.
        2 => boot: u64,
        /// Drawn at that boot.
        3 => nonce: BootNonce,
        /// Index of the entry that opened it.
        4 => opened_index: u64,
        /// When it was opened.
        5 => opened: MillisUtc,
        /// Numbers below this one are settled: their outcomes are known to the node and forgotten here.
        6 => floor: u64,
        /// No outcome row stands below this number.
        7 => trimmed: u64,
        /// Its end; absent while it is open. It seals all epochs of the session.
        8 => seal: Option<Seal>,
    }
}

numbered! {
    /// Why a session or epoch was sealed.
    pub enum SealCause {
        /// Its node ended it in order.
        1 => Ended,
        /// Its node booted again.
        2 => Rebooted,
        /// The leader did not hear from it.
        3 => Silent,
        /// Its node was removed.
        4 => NodeRemoved,
        /// A new incarnation began.
        5 => NewIncarnation,
    }
}

record! {
    /// The end of a session or epoch.
    #[derive(Copy)]
    pub struct Seal {
        /// Index of the entry.
        1 => index: u64,
        /// When it was applied.
        2 => at: MillisUtc,
        /// Why.
        3 => cause: SealCause,
    }
}

record! {
    /// A key prefix of attempts.
    pub struct EpochRecord {
        /// The session that opened it. Its seal is this epoch's seal too.
        1 => session: SessionId,
        /// The life of the cluster in which it was opened; part of its prefix.
        2 => incarnation: IncarnationCounter,
        /// Index of the entry that opened it.
        3 => opened_index: u64,
        /// When it was opened.
        4 => opened: MillisUtc,
        /// Set once it takes no new attempts.
        5 => closing: Option<Closing>,
        /// Its end, where it was sealed before its session.
        6 => seal: Option<Seal>,
        /// What was swept so far.
        7 => sweeps: Vec<Sweep>,
        /// Whether a restore found it unswept: nothing in it is deleted without an operator.
        8 => quarantined: bool,
    }
}

record! {
    /// From here on an epoch takes no new attempts.
    pub struct Closing {
        /// Index of the entry.
        1 => index: u64,
        /// The backends on which it began attempts. An epoch that is sealed untold may have used all.
        2 => used: Vec<BackendId>,
    }
}

numbered! {
    /// A sweep of an epoch on a backend.
    pub enum SweepPass {
        /// At once after the seal.
        1 => First,
        /// A day later: finds late writes.
        2 => Second,
        /// One sweep that stands for both: the backend is being removed.
        3 => Final,
    }
}

record! {
    /// What was swept of an epoch on one backend.
    #[derive(Copy)]
    pub struct Sweep {
        /// The backend.
        1 => backend: BackendId,
        /// The latest pass.
        2 => pass: SweepPass,
        /// When it was recorded.
        3 => at: MillisUtc,
    }
}
