//! Naming what lies on a backend: pages of a listing, and what to delete.

use std::fmt;
use std::sync::Arc;

use raft_types::BackendName;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyError, KeyPrefix};

/// Most keys of one delete: the limit of S3's DeleteObjects.
pub const MAX_DELETE_BATCH: usize = 1_000;

/// Most entries of one page: the limit of S3's listings. A backend may give fewer.
pub const MAX_PAGE: u32 = 1_000;

/// The provider's name of one version of a stored body, at most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderVersion(Arc<str>);

/// The provider's name of one upload that is not complete; on a directory, of a temporary file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncompleteId(Arc<str>);

/// Which page of which listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// What to list.
    pub listing: Listing,
    /// Under which prefix.
    pub prefix: KeyPrefix,
    /// Strictly after which position; what an earlier page gave as [`Page::next`], or any other.
    pub after: Option<Position>,
    /// At most how many entries; 1 to [`MAX_PAGE`], what is outside is moved to the nearer bound.
    pub limit: u32,
}

/// What a listing lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    /// What a get would find: at most one entry per key, without delete markers.
    Objects,
    /// Every version of every key, delete markers too. The same as [`Objects`](Self::Objects) on a
    /// backend without versions. This is what a sweep lists.
    Versions,
    /// Uploads that were begun and neither completed nor given up. This, too, is what a sweep lists.
    Incomplete,
}

/// A place in a listing: a key and, where one key can have several entries, which of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The key, as the backend writes it.
    pub key: String,
    /// Version or upload; `None` is after all entries of the key.
    pub id: Option<String>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// What was found. May be empty although more follows.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<Position>,
}

/// One thing that lies on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key as the backend has it. It may be of any shape: whoever wants to act on it parses it.
    pub key: String,
    /// Its size in bytes; of an upload, what has come so far where the backend tells.
    pub size: u64,
    /// What it is.
    pub kind: EntryKind,
}

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A stored body; with its version on a backend that has them.
    Object(Option<ProviderVersion>),
    /// A marker of a backend with versions: the key looks deleted.
    DeleteMarker(ProviderVersion),
    /// An upload that is not complete.
    Incomplete(IncompleteId),
}

/// One thing to delete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its key.
    pub key: BackendKey,
    /// What of the key.
    pub kind: TargetKind,
}

/// What of a key is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// The body under the key. On a backend with versions this only hides it.
    Current,
    /// One version, or delete marker, of it.
    Version(ProviderVersion),
    /// One upload that is not complete.
    Incomplete(IncompleteId),
}

impl ListRequest {
    /// The first page, of the usual size.
    pub fn first(listing: Listing, prefix: KeyPrefix) -> Self {
        Self {
            listing,
            prefix,
            after: None,
            limit: MAX_PAGE,
        }
    }

    /// The page after `position`.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.after = Some(position);
        self
    }

    /// The page size within its bounds.
    pub fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE) as usize
    }
}

impl Position {
    /// After all entries of `key`.
    pub fn after_key(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            id: None,
        }
    }
}

impl Entry {
    /// Where this entry stands, to go on after it.
    pub fn position(&self) -> Position {
        let id = match &self.kind {
            EntryKind::Object(version) => version.as_ref().map(|version| version.as_str().to_owned()),
            EntryKind::DeleteMarker(version) => Some(version.as_str().to_owned()),
            EntryKind::Incomplete(upload) => Some(upload.as_str().to_owned()),
        };
        Position {
            key: self.key.clone(),
            id,
        }
    }

    /// What deletes exactly this entry.
    ///
    /// # Errors
    /// The key is of a shape that no call of the port takes; such a key is not ours.
    pub fn target(&self) -> Result<Target, KeyError> {
        let kind = match &self.kind {
            EntryKind::Object(None) => TargetKind::Current,
            EntryKind::Object(Some(version)) | EntryKind::DeleteMarker(version) => {
                TargetKind::Version(version.clone())
            }
            EntryKind::Incomplete(upload) => TargetKind::Incomplete(upload.clone()),
        };
        Ok(Target {
            key: BackendKey::parse(&self.key)?,
            kind,
        })
    }
}

impl Target {
    /// The body under `key`, on a backend without versions.
    pub fn current(key: BackendKey) -> Self {
        Self {
            key,
            kind: TargetKind::Current,
        }
    }

    /// What a put stored: the version where it returned one.
    pub fn stored(key: BackendKey, version: Option<ProviderVersion>) -> Self {
        let kind = version.map_or(TargetKind::Current, TargetKind::Version);
        Self { key, kind }
    }

    /// Refuses a batch that is longer than [`MAX_DELETE_BATCH`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`].
    pub fn check_batch(targets: &[Self], backend: &Arc<BackendName>) -> Result<()> {
        if targets.len() <= MAX_DELETE_BATCH {
            return Ok(());
        }
        let kind = ErrorKind::invalid(format!("{} keys in one delete", targets.len()));
        Err(Error::new(kind, Operation::Delete, backend))
    }
}

impl ProviderVersion {
    /// Takes what a provider named a version.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref()))
    }

    /// The provider's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IncompleteId {
    /// Takes what a provider named an upload.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref()))
    }

    /// The provider's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProviderVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderVersion({:?})", &self.0)
    }
}

impl fmt::Debug for IncompleteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IncompleteId({:?})", &self.0)
    }
}
