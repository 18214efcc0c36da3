//! Listing keys.

use super::checksum::{ChecksumAlgorithm, ChecksumType};
use super::identity::Owner;
use super::name::{BucketName, ETag, ObjectKey};
use super::object::UnixMillis;

/// One page of a bucket.
///
/// The items of a listing are the keys that begin with the prefix, where all keys that share the
/// part up to the first delimiter after the prefix are one item, their common prefix. Items are
/// ordered by their bytes; a page holds those strictly after the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// Groups keys; never empty.
    pub delimiter: Option<String>,
    /// Where to go on.
    pub after: Option<ListCursor>,
    /// At most this many items, 0 to 1,000. With 0 the page is empty and not truncated.
    pub limit: u32,
}

/// An item of a listing after which to go on: the last key or common prefix of a page, or what a
/// client gave as marker, which need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListCursor(pub String);

/// The answer to [`ListObjects`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The owner of the bucket and of all in it.
    pub owner: Owner,
    /// Keys in order.
    pub entries: Vec<ListEntry>,
    /// Common prefixes in order, each ending with the delimiter.
    pub common_prefixes: Vec<String>,
    /// The last item of this page, when more follow it.
    pub next: Option<ListCursor>,
}

/// A key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The key.
    pub key: ObjectKey,
    /// Bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: UnixMillis,
    /// The algorithm of its checksum and what that covers.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}
