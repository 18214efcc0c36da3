//! Consensus and durable metadata: what the cluster agrees on, and how it survives.
//!
//! The only user of openraft and RocksDB. Neither appears in a public signature, on the disk or on
//! the wire.
//!
//! # Entry points
//!
//! 1. [`Store::open`] opens, locks and verifies a data directory, and refuses what is damaged.
//! 2. [`Store::bootstrap`] founds a cluster, [`Store::start`] starts a member: a [`Node`] runs.
//! 3. [`MetadataHandle`] reads: [`MetadataHandle::read`] is linearizable on any node and gives a [`View`], over
//!    which the queries of `raft_machine` run.
//! 4. [`Session::execute`] writes: a command, applied at most once, with its outcome.
//! 5. [`Node::shutdown`] ends in order. Whatever leaves no honest way to go on ends the process: [`Fatal`].
//!
//! # Map
//!
//! ```text
//! Session ─► MetadataHandle ─► handle::{propose, barrier} ─► openraft ─► network
//!                 │                                           │     │
//!                 ▼                                           ▼     ▼
//!            state::View ◄──────── state (apply, tables) ◄── log  snapshot
//!                                        │                    │     │
//!                                        └──── directory: files, identity, lock
//! ```
//!
//! # What is not here
//!
//! No policy and no S3: what a command does stands in `raft_machine`, what a request means in `api` and
//! `node`. No fsync is hidden: each one is listed in the documentation of `directory`, `log`, `state` or
//! `snapshot`, and a failed one is never tried again.

mod clock;
mod compaction;
mod consensus;
mod directory;
mod error;
mod fatal;
mod handle;
mod log;
mod network;
mod node;
mod random;
mod session;
mod snapshot;
mod state;
mod telemetry;

#[cfg(test)]
mod storage_suite;
#[cfg(test)]
mod testing;

pub use clock::{Clock, ClockComparison, ClockVerdict, NoOtherClocks, SystemClock, TOLERANCE};
pub use compaction::CompactionLimits;
pub use directory::{Condition, OpenOptions, Store};
pub use error::{Damage, Error};
pub use fatal::{Fatal, FatalCause};
pub use handle::{
    Applied, BarrierError, Boot, Leadership, MetadataHandle, NodeIdentity, ProposeError, ReadIndex, Role,
};
pub use node::{Node, NodeOptions};
pub use session::{ExecuteError, OpenSessionError, Session, SessionOptions};
pub use state::{NotInMemory, View};
