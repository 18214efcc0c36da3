//! What a backend says about whose it is: the object `<prefix>/.holdfast/identity`.
//!
//! It is written once when a backend is attached and rewritten only when a later life of the same
//! cluster takes the backend over. Everybody else only reads it: so two clusters on one bucket, one
//! bucket entered twice, a name that points elsewhere now, or directories of several machines posing
//! as one are found before anything is written or deleted there.
//!
//! The object is text, for an operator to read, and each identity has exactly one spelling:
//! ```text
//! holdfast backend identity 1
//! cluster 6f1c…
//! incarnation 00000001d2a3…
//! backend 7
//! nonce 09be…
//! check 5a0b…
//! ```
//! The check is the CRC-64/NVME of the lines before it.

use std::fmt;
use std::sync::Arc;

use raft_types::{BackendId, BackendName, BackendNonce, ClusterId, Incarnation};

use crate::body::Body;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyPrefix};
use crate::port::{Backend, GetOptions, PutMode, PutOptions};

/// The first line; its number is that of the format.
const TITLE: &str = "holdfast backend identity 1";

/// What is longer than this is no identity and is not read, in bytes. One takes about 200.
const MAX_LENGTH: u64 = 4_096;

/// Whose a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The cluster that attached it.
    pub cluster: ClusterId,
    /// The life of the cluster that wrote this.
    pub incarnation: Incarnation,
    /// Its number in that cluster.
    pub backend: BackendId,
    /// Drawn when it was attached; equal to that of its row.
    pub nonce: BackendNonce,
}

/// What was found where the identity must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// Nothing.
    Missing,
    /// An identity.
    Identity(Identity),
    /// Something else.
    Unreadable,
}

/// What an identity means to who expects another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one expected.
    Ours,
    /// There is none. What lies there may be read, not changed, until it is attached again.
    Missing,
    /// An earlier life of this cluster wrote it, for this very row: the backend was away during a
    /// restore and is to be taken over by [`take_over`].
    EarlierIncarnation(Identity),
    /// Somebody else's. Not to be used at all.
    Foreign(Foreign),
}

/// Why an identity is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// Another cluster attached it.
    OtherCluster(Identity),
    /// This cluster attached it as another backend: one place was entered twice.
    OtherBackend(Identity),
    /// The row was attached anew elsewhere, or this is another place than it was.
    OtherNonce(Identity),
    /// A later life of this cluster wrote it: we are the past and stop.
    LaterIncarnation(Identity),
    /// Another restore from the same point wrote it.
    OtherRestore(Identity),
    /// What lies there cannot be read as an identity.
    Unreadable,
}

/// Reads the identity of what lies under a prefix.
///
/// # Errors
/// The backend could not be asked. What was found, or not found, is no error.
pub async fn read_identity(backend: &dyn Backend, prefix: &KeyPrefix) -> Result<Found> {
    let key = identity_key(backend, prefix, Operation::Get)?;
    let download = match backend.get(&key, GetOptions::default()).await {
        Ok(download) => download,
        Err(error) if error.is_not_found() => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    if download.head.size > MAX_LENGTH {
        return Ok(Found::Unreadable);
    }
    let bytes = download.body.collect().await?;
    Ok(Identity::parse(&bytes).map_or(Found::Unreadable, Found::Identity))
}

/// Writes the identity of a backend that has none, and reads it back. Writing again what is there is
/// success, so that the job which attaches can be repeated.
///
/// Where the backend knows no conditions ([`CreateSupport::Unchecked`]) two clusters that attach at
/// the same moment may both believe they won until one of them reads again; no session uses a backend
/// before it has read the identity itself.
///
/// # Errors
/// [`NotOurs`](ErrorKind::NotOurs) when another identity is there; nothing was changed then. Errors of
/// the backend.
///
/// [`CreateSupport::Unchecked`]: crate::capabilities::CreateSupport::Unchecked
pub async fn write_identity(backend: &dyn Backend, prefix: &KeyPrefix, identity: &Identity) -> Result<()> {
    match identity.judge(read_identity(backend, prefix).await?) {
        Verdict::Ours => return Ok(()),
        Verdict::Missing => {}
        verdict => return Err(not_ours(backend, Operation::Put, verdict)),
    }
    put_and_read_back(backend, prefix, identity, PutMode::Create).await
}

/// Rewrites the identity that an earlier life of the cluster wrote for the same row, and reads it back.
/// The job of a restore, and of a backend that was away during one.
///
/// # Errors
/// [`NotOurs`](ErrorKind::NotOurs) when anything else is there, also nothing; nothing was changed then.
/// Errors of the backend.
pub async fn take_over(backend: &dyn Backend, prefix: &KeyPrefix, identity: &Identity) -> Result<()> {
    match identity.judge(read_identity(backend, prefix).await?) {
        Verdict::Ours => return Ok(()),
        Verdict::EarlierIncarnation(_) => {}
        verdict => return Err(not_ours(backend, Operation::Put, verdict)),
    }
    put_and_read_back(backend, prefix, identity, PutMode::Replace).await
}

async fn put_and_read_back(
    backend: &dyn Backend,
    prefix: &KeyPrefix,
    identity: &Identity,
    mode: PutMode,
) -> Result<()> {
    let key = identity_key(backend, prefix, Operation::Put)?;
    let options = PutOptions { mode, checksum: None };
    match backend
        .put(&key, Body::from_bytes(identity.to_string().into()), options)
        .await
    {
        Ok(_) => {}
        // Whoever was faster is found by reading.
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists) => {}
        Err(error) => return Err(error),
    }
    match identity.judge(read_identity(backend, prefix).await?) {
        Verdict::Ours => Ok(()),
        verdict => Err(not_ours(backend, Operation::Put, verdict)),
    }
}

fn identity_key(backend: &dyn Backend, prefix: &KeyPrefix, operation: Operation) -> Result<BackendKey> {
    BackendKey::identity(prefix).map_err(|cause| {
        Error::new(
            ErrorKind::invalid("the prefix is too long"),
            operation,
            backend.name(),
        )
        .with_source(cause)
    })
}

fn not_ours(backend: &dyn Backend, operation: Operation, verdict: Verdict) -> Error {
    verdict.refusal(operation, backend.name())
}

impl Identity {
    /// What an identity that was found means to who expects this one.
    pub fn judge(&self, found: Found) -> Verdict {
        let found = match found {
            Found::Missing => return Verdict::Missing,
            Found::Unreadable => return Verdict::Foreign(Foreign::Unreadable),
            Found::Identity(found) => found,
        };
        let counter = (found.incarnation.counter, self.incarnation.counter);
        if found == *self {
            Verdict::Ours
        } else if found.cluster != self.cluster {
            Verdict::Foreign(Foreign::OtherCluster(found))
        } else if found.backend != self.backend {
            Verdict::Foreign(Foreign::OtherBackend(found))
        } else if found.nonce != self.nonce {
            Verdict::Foreign(Foreign::OtherNonce(found))
        } else if counter.0 < counter.1 {
            Verdict::EarlierIncarnation(found)
        } else if counter.0 > counter.1 {
            Verdict::Foreign(Foreign::LaterIncarnation(found))
        } else {
            Verdict::Foreign(Foreign::OtherRestore(found))
        }
    }

    /// Reads the object; `None` for what [`Display`](fmt::Display) would never write.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let identity = Self {
            cluster: field("cluster")?.parse().ok()?,
            incarnation: field("incarnation")?.parse().ok()?,
            backend: BackendId(field("backend")?.parse().ok()?),
            nonce: field("nonce")?.parse().ok()?,
        };
        // One spelling: also holds the check, and that nothing follows.
        (identity.to_string() == text).then_some(identity)
    }
}

impl Verdict {
    /// The error of an operation that this verdict forbids.
    pub fn refusal(&self, operation: Operation, backend: &Arc<BackendName>) -> Error {
        Error::new(ErrorKind::not_ours(self.to_string()), operation, backend)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster,
            incarnation,
            backend,
            nonce,
        } = self;
        let lines = format!(
            "{TITLE}\ncluster {cluster}\nincarnation {incarnation}\nbackend {backend}\nnonce {nonce}\n"
        );
        let check = crc_fast::crc64_nvme(lines.as_bytes());
        writeln!(f, "{lines}check {check:016x}")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("the identity is ours"),
            Self::Missing => f.write_str("there is no identity"),
            Self::EarlierIncarnation(found) => {
                write!(
                    f,
                    "the identity is of the earlier incarnation {}",
                    found.incarnation
                )
            }
            Self::Foreign(foreign) => foreign.fmt(f),
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster(found) => write!(f, "the identity is of cluster {}", found.cluster),
            Self::OtherBackend(found) => {
                write!(f, "the identity is of backend {} of this cluster", found.backend)
            }
            Self::OtherNonce(found) => write!(f, "the identity has another nonce, {}", found.nonce),
            Self::LaterIncarnation(found) => {
                write!(
                    f,
                    "the identity is of the later incarnation {}",
                    found.incarnation
                )
            }
            Self::OtherRestore(found) => {
                write!(f, "the identity is of another restore, {}", found.incarnation)
            }
            Self::Unreadable => f.write_str("what lies there is no identity"),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
