//! The port: what Holdfast wants of a place that holds bytes.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use raft_types::BackendName;
use raft_types::checksum::Crc64;

use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::download::{ByteRange, Download};
use crate::error::Result;
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{ListRequest, Page, ProviderVersion, Target};

/// The answer of a call, to be waited for.
pub type Reply<'a, T> = BoxFuture<'a, Result<T>>;

/// A place that holds immutable bodies under flat keys.
///
/// # Contract
/// Held for every implementation, decorated or not, by the crate's conformance suite.
///
/// 1. **A put is atomic.** A body is visible whole, under its key, or not at all: a reader, a head or
///    a listing of objects never sees a part of it. It is visible from the put's success on at the
///    latest, to every node that uses the backend.
/// 2. **A put's success means durable** as far as the backend can promise it: on a directory the bytes,
///    the name and every folder above it were synced.
/// 3. **A put that fails or is dropped** leaves either nothing visible or, when the backend had the
///    last byte already, the whole body; what else it leaves shows in [`Listing::Incomplete`]. A body
///    that itself fails ([`ErrorKind::Body`]) leaves nothing visible. So a caller treats every failed
///    attempt as possibly there, and its key as used.
/// 4. **Nothing is overwritten**: with [`PutMode::Create`] a key that is taken is refused and what it
///    holds stays (where [`Capabilities::create`] says so; keys of attempts are drawn once anyway).
/// 5. **A get gives what a put stored**, byte for byte, whole or any range of it, of exactly the length
///    it announces, or fails. It may fail after its first byte.
/// 6. **A delete is idempotent**: a key that is absent counts as deleted. Its success means that the
///    body does not come back, power loss included. It touches exactly the keys it names.
/// 7. **A listing is complete** for what was there from before its first page to after its last one:
///    each such entry comes once. What changes meanwhile may come or not. Entries of any shape are
///    listed, none is touched.
/// 8. **One call is at most one try** of each thing it does: no retries inside, no request that the
///    caller did not ask for.
/// 9. **Dropping a future ends its work** at the next chance; nothing goes on without bound.
/// 10. **Memory is flat**: what a call holds does not grow with the size of a body, unless that body
///     was handed in whole.
///
/// Methods return boxed futures so that the trait has objects; the box is one small allocation beside
/// a request's system calls.
///
/// [`Listing::Incomplete`]: crate::Listing::Incomplete
/// [`ErrorKind::Body`]: crate::ErrorKind::Body
pub trait Backend: Debug + Send + Sync + 'static {
    /// The configured name.
    fn name(&self) -> &Arc<BackendName>;

    /// What it can do beyond the contract. May change when a probe has been made.
    fn capabilities(&self) -> Capabilities;

    /// Stores `body` under `key`.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists), [`Full`](crate::ErrorKind::Full),
    /// [`Body`](crate::ErrorKind::Body), [`Corrupt`](crate::ErrorKind::Corrupt) when what was stored
    /// is not what [`PutOptions::checksum`] demands, and what every call can fail with:
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Throttled`](crate::ErrorKind::Throttled),
    /// [`Denied`](crate::ErrorKind::Denied), [`NotOurs`](crate::ErrorKind::NotOurs),
    /// [`Invalid`](crate::ErrorKind::Invalid).
    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored>;

    /// Reads what is stored under `key`, or a range of it.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound); [`Corrupt`](crate::ErrorKind::Corrupt) when fewer
    /// bytes are stored than the range wants; what every call can fail with.
    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download>;

    /// What is stored under `key`, without its bytes.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) and what every call can fail with.
    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head>;

    /// Deletes up to [`MAX_DELETE_BATCH`](crate::listing::MAX_DELETE_BATCH) targets; one result for
    /// each, in their order. What is absent is deleted.
    ///
    /// # Errors
    /// The outer error when the batch as a whole failed: then any of them may have been deleted.
    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>>;

    /// One page of what lies under a prefix.
    ///
    /// # Errors
    /// What every call can fail with.
    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page>;

    /// Says that nothing lies under `prefix` any more and nothing will: an epoch was swept. A backend
    /// that keeps folders removes the empty ones and leaves those that are not.
    ///
    /// # Errors
    /// What every call can fail with.
    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        let _ = prefix;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How a body is to be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Whether the key may be taken.
    pub mode: PutMode,
    /// The CRC64-NVME of the body where it is known before the first byte: the put fails as
    /// [`Corrupt`](crate::ErrorKind::Corrupt), and nothing becomes visible, if something else arrives.
    pub checksum: Option<Crc64>,
}

/// Whether the key of a put may be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PutMode {
    /// It may not: [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    #[default]
    Create,
    /// The new body takes the place of the old one at once. Only for the few system objects; refused
    /// as [`Invalid`](crate::ErrorKind::Invalid) for the key of an attempt.
    Replace,
}

/// What of a body is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// Which part; all of it when absent.
    pub range: Option<ByteRange>,
}

/// What a put stored, as the backend saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its size in bytes.
    pub size: u64,
    /// What proves its content.
    pub evidence: Evidence,
    /// The version it became, on a backend that has them: what a delete has to name.
    pub version: Option<ProviderVersion>,
}

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size in bytes.
    pub size: u64,
    /// What proves its content, where the backend keeps such a thing.
    pub evidence: Evidence,
    /// Its version, on a backend that has them.
    pub version: Option<ProviderVersion>,
}

/// What a backend says about the content of a stored body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Its CRC64-NVME, computed from the bytes as the backend took them.
    Crc64(Crc64),
    /// Its MD5, likewise.
    Md5([u8; 16]),
    /// Nothing.
    None,
}

/// What [`Evidence`] says about a body whose size and checksum are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confirmation {
    /// Size and checksum are those of the body.
    Confirmed,
    /// The size fits; there is no checksum to compare: ask with a head, or read it back.
    SizeOnly,
    /// It is another body, or a part of it.
    Differs,
}

impl Stored {
    /// Whether this is the body of `size` bytes with the CRC64-NVME `checksum`.
    pub fn confirms(&self, size: u64, checksum: Crc64) -> Confirmation {
        if self.size != size {
            return Confirmation::Differs;
        }
        match self.evidence {
            Evidence::Crc64(found) if found == checksum => Confirmation::Confirmed,
            Evidence::Crc64(_) => Confirmation::Differs,
            Evidence::Md5(_) | Evidence::None => Confirmation::SizeOnly,
        }
    }
}

impl GetOptions {
    /// A range instead of all.
    pub fn range(range: ByteRange) -> Self {
        Self { range: Some(range) }
    }
}

impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn name(&self) -> &Arc<BackendName> {
        (**self).name()
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        (**self).put(key, body, options)
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        (**self).get(key, options)
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        (**self).head(key)
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        (**self).delete(targets)
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        (**self).list(request)
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        (**self).tidy(prefix)
    }
}
