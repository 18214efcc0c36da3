//! Storage backends: the places that hold replicas of blobs.
//!
//! # What lives here
//! - the port: [`Backend`], one trait with few methods, its contract in its documentation, its
//!   argument types ([`BackendKey`], [`Body`], [`GetOptions`], [`ListRequest`], [`Target`]) and one
//!   closed [`Error`] that says what a caller can do;
//! - the implementations: [`fs`] (a directory) and [`memory`] (for tests);
//! - [`identity`]: what a backend says about whose it is;
//! - the decorators, each a [`Backend`] around a [`Backend`]: [`guard`] (nothing destructive without a
//!   fresh look at the identity), [`observe`] (metrics), [`limit`] (concurrent requests),
//!   [`timeout`] (no request goes without progress for long), [`count`] (requests are money),
//!   [`fault`] (scripted faults for tests);
//! - the conformance suite in `conformance` (feature `conformance`), which every implementation and
//!   every decorated one passes.
//!
//! # What may not live here
//! No policy: no placement, no retries, no choice between backends, no knowledge of metadata. One call
//! of the port is at most one try. No cryptography: bytes come framed and leave framed. Nothing here
//! decides that something may be deleted; it only refuses to delete where the identity is not ours.
//!
//! # How the parts stack
//! ```text
//!   replica writer / reader, executors          (crate `node`)
//!        │ dyn Backend
//!   guard → observe → limit → (breaker) → timeout → (fault) → fs | memory | s3
//! ```
//! A decorator holds its inner backend by value (`Limit<FsBackend>`) or shared
//! (`Limit<Arc<dyn Backend>>`): `Arc<dyn Backend>` is a [`Backend`] too.

pub mod body;
pub mod capabilities;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod count;
pub mod download;
pub mod error;
pub mod fault;
pub mod fs;
pub mod guard;
pub mod identity;
pub mod key;
pub mod limit;
pub mod listing;
pub mod memory;
pub mod observe;
pub mod port;
pub mod timeout;

pub use body::{Body, BodyError, BodyWriter};
pub use capabilities::Capabilities;
pub use download::{ByteRange, Download, ReadBody};
pub use error::{Class, Error, ErrorKind, Operation, Result};
pub use guard::Guard;
pub use identity::{Identity, Verdict};
pub use key::{BackendKey, KeyError, KeyKind, KeyPrefix};
pub use listing::{
    Entry, EntryKind, IncompleteId, ListRequest, Listing, Page, Position, ProviderVersion, Target, TargetKind,
};
pub use port::{Backend, Evidence, GetOptions, Head, PutMode, PutOptions, Reply, Stored};
