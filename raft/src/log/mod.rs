//! The Raft log: entries, vote and commit pointer, in a RocksDB of their own (`<data>/raftlog`).
//!
//! # Layout
//!
//! | column family | key | value |
//! |---|---|---|
//! | `log` | group (u32 BE) · index (u64 BE) | a [`record`] |
//! | `meta` | group (u32 BE) · name | protobuf: `vote`, `committed`, `purged`; `format`, `identity` under group 0 |
//!
//! The group is 0 as long as there is one. Both families are flushed together (`atomic_flush`), so
//! that `purged` and the deletion that it describes can never part.
//!
//! # What is synced, and when
//!
//! 1. Entries and votes are written to the WAL unsynced, in the order in which the Raft core issues
//!    them, and are readable at once.
//! 2. One thread ([`flusher`]) then syncs the WAL for everything written so far and reports
//!    completion in that order: group commit without a linger, at most one `fsync` in flight.
//!    A vote is acknowledged through the same queue, so that it can neither overtake nor be
//!    overtaken by entries.
//! 3. A failed sync is final: nobody knows what reached the disk, so the process ends ([`Fatal`]).
//! 4. `committed` rides on the next append: it is a hint for the restart and needs no sync.
//! 5. Before RocksDB would begin another WAL, the present one is synced: only the last WAL ever has
//!    an unsynced end, so a power cut leaves no gap.
//! 6. Truncation and purge need no sync of their own: they stand in the same WAL before whatever
//!    is acknowledged next. A purge that is lost with the power is found again at the next start.
//!
//! [`Fatal`]: crate::Fatal

pub(crate) mod batch;
mod cache;
mod flusher;
mod keys;
mod open;
mod options;
mod read;
mod record;
mod sizes;
mod store;
mod write;

pub(crate) use cache::payload_bytes;
pub(crate) use open::{FOLDER, LogIdentity};
pub(crate) use store::LogStore;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
