//! What can go wrong while a data directory is opened or a node started.
//!
//! Every message of a directory that is refused says what to do: the reader is an operator at a bad
//! moment. Nothing is ever initialised anew because something is missing.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory was not opened, or a node not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has the directory open.
    #[error("{} is in use by another process; stop that one first (each node needs a data directory of its own)", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory is written in a format that this release does not know.
    #[error("{} has format {found}, this release reads up to {supported}; start the release that wrote it, or a later one", path.display())]
    NewerFormat {
        /// The file or database.
        path: PathBuf,
        /// The format found there.
        found: u32,
        /// The newest format that this release reads.
        supported: u32,
    },
    /// The directory is not whole.
    #[error("the data directory {} is damaged: {damage}; {}", path.display(), damage.advice())]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The parts of the directory do not belong together.
    #[error("{} does not belong to this data directory: {what} is {found} there and {expected} in IDENTITY; put back the folders that belong together, or give the node an empty data directory and let it join again under a new identity", path.display())]
    Foreign {
        /// The database or file.
        path: PathBuf,
        /// Which property differs.
        what: &'static str,
        /// What stands there.
        found: String,
        /// What the identity file says.
        expected: String,
    },
    /// The directory belongs to a node of another name.
    #[error("{} belongs to the node {stored:?}, but this node is configured as {configured:?}; correct `node_name` or the path of the data directory", path.display())]
    OtherNode {
        /// The data directory.
        path: PathBuf,
        /// The name it was created for.
        stored: String,
        /// The configured name.
        configured: String,
    },
    /// The directory belongs to no cluster, but a running node was asked for.
    #[error("{} belongs to no cluster yet; bootstrap one or join one", path.display())]
    NotAMember {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory belongs to a cluster, so that it cannot start another one.
    #[error("{} belongs to cluster {cluster} already and is not bootstrapped again; a new cluster needs an empty data directory", path.display())]
    AlreadyMember {
        /// The data directory.
        path: PathBuf,
        /// The cluster it belongs to.
        cluster: String,
    },
    /// An operation on the file system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// RocksDB failed.
    #[error("the database {} cannot be used: {message}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// RocksDB's message.
        message: String,
    },
    /// A thread or runtime could not be started.
    #[error("cannot start {what}: {source}")]
    Start {
        /// Which one.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The Raft core did not start, or stopped while the node was starting.
    #[error("the Raft core did not start: {0}")]
    Core(String),
    /// The node did not recover the state that it had before it stopped.
    #[error("the node did not recover its state within {seconds} s: {what}")]
    Recovery {
        /// The limit.
        seconds: u64,
        /// What was being waited for.
        what: String,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers: {0}")]
    Random(String),
}

/// What is wrong with a data directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The identity file cannot be read.
    #[error("IDENTITY cannot be read: {0}")]
    Identity(String),
    /// There is data, but no identity file.
    #[error("IDENTITY is missing although {0} exists")]
    IdentityMissing(&'static str),
    /// A part of a complete directory is gone.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The pointer to the current state cannot be read.
    #[error("state/CURRENT cannot be read: {0}")]
    Pointer(String),
    /// The pointer names a generation that does not exist.
    #[error("state/CURRENT names generation {0}, which does not exist")]
    GenerationMissing(u64),
    /// RocksDB found its own files damaged.
    #[error("{database}: {message}")]
    Database {
        /// Which database.
        database: &'static str,
        /// RocksDB's message.
        message: String,
    },
    /// A log record cannot be read.
    #[error("the log record {index} cannot be read: {problem}")]
    Record {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Log records are missing between two that exist.
    #[error("the log has a gap: after {before} comes {after}")]
    Gap {
        /// The last index before the gap, or what stands for it.
        before: String,
        /// The first index after it.
        after: u64,
    },
    /// A row that every complete database has is missing or unreadable.
    #[error("the row {row} of {database} cannot be read: {problem}")]
    Row {
        /// Which database.
        database: &'static str,
        /// Which row.
        row: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A published snapshot is not what its manifest says.
    #[error("the snapshot {name} is not whole: {problem}")]
    Snapshot {
        /// Its folder.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Damage {
    /// What an operator can do. The same for every kind: a damaged replica is replaced, not mended.
    fn advice(&self) -> &'static str {
        "keep the folder as it is for a look, and either put back a copy of the whole data directory made while the node was stopped, \
         or start the node with an empty one: a member of a larger cluster joins again under a new identity, \
         a cluster of one is restored from its metadata backup"
    }
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn damaged(path: &Path, damage: Damage) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            damage,
        }
    }
}
