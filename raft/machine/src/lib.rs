//! The state machine: applies commands to tables and answers queries over them.
//!
//! Pure, synchronous, deterministic. [`apply()`] changes the tables through a [`Transaction`]; [`queries`]
//! read them. Both see the tables only through the port [`ReadTables`], so that one code runs over
//! [`MemoryTables`] in tests and over the durable store.
//!
//! Nothing here reads a clock, draws a random number, knows a configuration, iterates over a hash map, or
//! does IO. A command that may not happen is a [`Rejection`](raft_types::Rejection), an answer like any
//! other; only what makes a state untellable is an error ([`Halt`]), and then the node stops.
//!
//! A command is bounded: [`limits`](raft_types::limits) says how many rows it may write and scan. What is
//! larger stays as a row that a job walks in batches.

pub mod apply;
pub mod invariants;
pub mod listed;
#[cfg(any(test, feature = "testing"))]
pub mod model;
pub mod queries;

#[cfg(test)]
mod counting;
mod effect;
mod fault;
mod memory;
mod port;
mod rows;
mod transaction;

pub use apply::{EntryContext, apply};
pub use effect::{Applied, Effect};
pub use fault::{Fault, Halt};
pub use memory::{MemoryCursor, MemoryTables};
pub use port::{Cursor, ReadTables, StorageFault};
pub use transaction::{MergedCursor, Transaction};
