//! The state machine's tables in RocksDB (`<data>/state/<generation>`), and how entries reach them.
//!
//! # Layout
//!
//! One ordered key space: the tables of `raft_machine` as `raft_types::keys` lays them out, and under
//! the byte 0, which no table has, `format` (u32 LE), `applied` (log id) and `membership`.
//!
//! `state/CURRENT` names the generation in use. A snapshot is installed into a new generation, which
//! the pointer then names; readers of the old one keep it until they are done.
//!
//! # What is synced, and when
//!
//! 1. Each batch of entries is one RocksDB write with the rows, `applied` and `membership` in it, in
//!    the WAL but **not synced**: a killed process loses nothing, a machine that loses power loses
//!    the last batches, whole ones and without a gap, and openraft applies them again from the log.
//!    So that there is no gap, each WAL is synced before the next one is begun.
//! 2. The log is purged only up to a snapshot, and a snapshot is a checkpoint whose files are synced
//!    ([`crate::snapshot`]). A state that lost more than the log still holds is restored from it.
//! 3. A new generation is complete and synced, file by file and then its folder, before `CURRENT`
//!    is replaced (file, rename, folder). The old one is deleted after that.

mod apply;
mod generation;
mod machine;
mod meta;
mod options;
mod store;
mod tables;
mod view;

pub use tables::NotInMemory;
pub use view::View;

pub(crate) use apply::Answers;
pub(crate) use generation::{FOLDER, Generation, write_pointer};
pub(crate) use machine::StateMachine;
pub(crate) use store::StateStore;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
