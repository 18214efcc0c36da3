//! The data directory: what belongs to it, and how it is created, opened and refused.
//!
//! ```text
//! <data>/            mode 0700
//!   LOCK             held by the process that has it open
//!   IDENTITY         format, disk id, node name, boot counter, phase, cluster id, raft id
//!   raftlog/         the log                  (crate::log)
//!   state/CURRENT    names the generation     (crate::state)
//!   state/00000001/  the state
//!   snapshots/       the published snapshot   (crate::snapshot)
//!   incoming/        snapshots being received; emptied at the start
//! ```
//!
//! Folders have mode 0700 and our own files 0600. RocksDB creates its files under the process's umask:
//! the folders above them keep others out whatever that is.
//!
//! # Creation and bootstrap, step by step
//!
//! Each step is durable before the next one begins, so a crash leaves one of the states below; the
//! phase in `IDENTITY` says which.
//!
//! | phase | steps of the phase | after a crash |
//! |---|---|---|
//! | (no file) | folder, `LOCK` | created as if nothing had been |
//! | creating | `IDENTITY` → log → state → snapshots | what stands beside `IDENTITY` is thrown away and created again: nothing was ever stored in it |
//! | pristine | `IDENTITY` | opens; may bootstrap or join |
//! | bootstrapping | cluster id in `IDENTITY` → in the log → first membership → first entry committed | is bootstrapped again, under the same cluster id |
//! | member | `IDENTITY` | opens |
//!
//! From *pristine* on nothing is ever created again: whatever is missing or does not fit is refused.

pub(crate) mod files;
pub(crate) mod identity;
mod lock;
mod open;

pub use open::{Condition, OpenOptions, Store};

pub(crate) use identity::{Identity, Phase};
pub(crate) use lock::DirectoryLock;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
