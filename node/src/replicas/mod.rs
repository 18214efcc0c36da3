//! Bytes on backends: how a body becomes blobs with replicas, and how a range is read back.
//!
//! Lives here: attempts and their tickets, the epoch in use, the fan-out of a write, the failover of
//! a read. May not: a decision about placement (`node-planner`), a commit (`objects`), a deletion
//! (`jobs`). Nothing written here is visible to a client before a use case commits it.
//!
//! Entry points: [`Epochs`] hands out tickets, [`BlobWriter`] writes a body, [`BlobReader`] reads one.

mod attached;
mod epoch;
mod fanout;
mod pieces;
mod reader;
mod reads;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
mod ticket;
mod writer;

pub(crate) use attached::{AttachedBackend, Backends};
pub(crate) use epoch::{AdvanceError, EpochLimits, Epochs};
pub(crate) use pieces::{KeyIds, PieceOpener, PieceRead};
pub(crate) use reader::{BlobReader, PieceStream, ReadError, Suspicion};
pub(crate) use reads::{ReadGuard, Reads};
pub(crate) use ticket::{Discarded, Discards, Ticket};
pub(crate) use writer::{BlobWriter, BodyFacts, WriteError, WrittenBody};
