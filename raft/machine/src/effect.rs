use raft_types::keys::Table;
use raft_types::{BackendId, EpochId, Outcome, SessionId};

/// What applying a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the proposer.
    pub outcome: Outcome,
    /// Hints for this node.
    pub effects: Vec<Effect>,
}

/// A hint that something may be worth a look now. Hints may be dropped: a snapshot that is installed gives
/// none. What must happen is a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A small table changed; what is cached from it is checked at its revision anyway.
    Changed(Table),
    /// There is urgent work.
    Work,
    /// There are attempts to delete from a backend.
    Garbage(BackendId),
    /// There is dead content to release.
    Release,
    /// A session was opened.
    SessionOpened(SessionId),
    /// A session was sealed, and with it its epochs.
    SessionSealed(SessionId),
    /// An epoch was sealed and is to be swept.
    EpochSealed(EpochId),
    /// A broken invariant was found.
    Incident,
}
