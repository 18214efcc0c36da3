//! Why a command has no outcome.

use raft_types::Outcome;

use crate::handle::ProposeError;

/// Why a command has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The command was not applied and never will be. What it names is the caller's.
    #[error("the command was not applied: {0}")]
    NotApplied(#[source] ProposeError),
    /// The command may have been applied, or may still be. Its number is being settled;
    /// [`Session::settled`](crate::Session::settled) tells the result. Until then nobody may touch what
    /// it names, and a client hears nothing but that the outcome is unknown.
    #[error("the outcome of command {number} is unknown")]
    Unknown {
        /// Its number.
        number: u64,
    },
    /// The session is sealed. Counts as unknown: an earlier delivery may have been applied, and what the
    /// command names is the sweep's. The node opens another session.
    #[error("the session is sealed")]
    SessionSealed,
}

/// Why no session was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSessionError {
    /// Nobody answered until the deadline. It may be open; trying again is safe.
    #[error("the session was not opened in time: {0}")]
    NoAnswer(#[source] ProposeError),
    /// A later boot of this node is known: another process runs with a copy of the data directory, or
    /// this one was put back from a backup.
    #[error(
        "a later boot of this node is known; does another process run with a copy of its data directory?"
    )]
    Superseded,
    /// The node was removed from the cluster.
    #[error("this node is not, or no longer, part of the cluster")]
    NoSuchNode,
    /// The boot could not be counted in the data directory.
    #[error("the boot could not be counted: {0}")]
    Boot(String),
    /// The state answered with something else.
    #[error("the state answered {0:?}")]
    Unexpected(Box<Outcome>),
    /// The node is being shut down.
    #[error("the node is being shut down")]
    Shutdown,
}
