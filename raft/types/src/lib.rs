//! Vocabulary of the replicated metadata: ids, names, records, commands, outcomes, key layouts.
//!
//! Passive data without IO, shared by everything that speaks about the state. What the values mean to each
//! other, and how commands change them, stands in `raft-machine`.
//!
//! - [`ids`], [`names`], [`address`]: who and where things are;
//! - [`records`]: what rows hold; [`keys`]: where they stand;
//! - [`Command`] in its [`Envelope`]: what can be done; [`Outcome`], [`Rejection`]: what became of it;
//! - [`codec`]: how all of them are encoded; [`limits`]: bounds that are part of the format.
//!
//! Nothing here reads a clock, draws a random number, or knows a configuration.

pub mod address;
pub mod checksum;
pub mod codec;
pub mod commands;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod names;
pub mod records;

mod digest;
mod etag;
mod outcome;
mod rejection;
mod time;

pub use address::{AttemptAddress, BlobAttempt, PhysicalKey};
pub use codec::{DecodeError, Record};
pub use commands::{Command, Envelope, Numbered, Proposal};
pub use digest::Digest;
pub use etag::ETag;
pub use ids::*;
pub use names::{BackendName, BucketName, InvalidName, NodeName, ObjectKey, PrincipalName};
pub use outcome::{Committed, DeleteResult, Deletions, Gone, Outcome, Refusal, Released, SettingsVerdict};
pub use rejection::Rejection;
pub use time::MillisUtc;
