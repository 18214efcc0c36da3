//! Snapshots: copies of the whole state, made of files.
//!
//! # Layout
//!
//! `<data>/snapshots/<index, 20 digits>-<term>/` holds a RocksDB checkpoint of the state (hard links
//! to its files, and a copy of its WAL) and `SNAPSHOT`, the [`manifest`]: what the snapshot covers,
//! and name, length and CRC-32C of every file. At any time there is one published snapshot, besides
//! older ones that are still being sent.
//!
//! What a snapshot covers is read **from inside the checkpoint**: entries are applied while it is
//! made, so anything read from the running state would be of another moment.
//!
//! # What is synced, and when
//!
//! *Building*: checkpoint into `tmp-*` → sync of every file that RocksDB did not sync itself →
//! `SNAPSHOT` (file, rename, folder) → rename to the final name → sync of `snapshots/`. Only then
//! does openraft hear of it and may purge the log.
//!
//! *Installing*: the snapshot is published as above → a new generation is made of it (links, copies,
//! sync of files, of its folder, of `state/`) → opened and compared with what it should cover →
//! `state/CURRENT` (file, rename, folder): the commit point → the running state is switched, the old
//! generation removed when its last reader is done. A crash before the commit point leaves the old
//! state and a newer snapshot, which openraft installs at the next start; whatever else it leaves is
//! removed then.

mod build;
mod files;
mod handle;
mod install;
mod manifest;
mod store;

pub(crate) use build::SnapshotBuilder;
pub(crate) use handle::SnapshotHandle;
pub(crate) use store::{FOLDER, SnapshotStore};

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
