use raft_types::DecodeError;
use raft_types::keys::{KeyError, Table};
use thiserror::Error;

use crate::port::StorageFault;

/// The state could not be read. Not an answer: the node that meets this stops, or fails the request.
#[derive(Debug, Error)]
pub enum Fault {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageFault),
    /// A row is not what its table holds: the state is damaged, or of a later version.
    #[error("damaged row in {}", table.name())]
    Row {
        /// The table.
        table: Table,
        /// What is wrong with the value.
        source: DecodeError,
    },
    /// A key does not have the layout of its table.
    #[error("damaged key in {}", table.name())]
    Key {
        /// The table.
        table: Table,
        /// What is wrong with the key.
        source: KeyError,
    },
    /// A row refers to another one that does not stand.
    #[error("no row {id} in {}", table.name())]
    Dangling {
        /// The table in which a row is missing.
        table: Table,
        /// The missing row.
        id: String,
    },
    /// A sequence of ids is exhausted.
    #[error("no {0} id is left")]
    Exhausted(&'static str),
}

/// The node cannot apply an entry and must stop: going on would make its state differ from the others'.
#[derive(Debug, Error)]
pub enum Halt {
    /// The entry was written by a later version of this program.
    #[error("the envelope has version {0}, which this program does not know")]
    UnknownVersion(u32),
    /// The entry holds something that this version of the program does not know.
    #[error("the command cannot be read")]
    Undecodable(#[source] DecodeError),
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}
