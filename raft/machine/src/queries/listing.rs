//! Listing of current objects.

use bytes::Bytes;
use raft_types::keys::{CurrentKey, after_prefix};
use raft_types::records::ObjectRecord;
use raft_types::{BucketId, ObjectKey};

use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};
use crate::rows;

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin with these bytes.
    pub prefix: Bytes,
    /// Keys that have these bytes after the prefix are rolled up into common prefixes. Empty: none are.
    pub delimiter: Bytes,
    /// Where to begin.
    pub start: ListStart,
    /// Most entries of the page, keys and common prefixes together.
    pub limit: usize,
}

/// Where a page of a listing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListStart {
    /// At the first key.
    Beginning,
    /// After this key. A common prefix that contains it is listed if further keys follow in it.
    AfterKey(Bytes),
    /// After all keys with this prefix.
    AfterPrefix(Bytes),
}

impl ListStart {
    /// The start that a client means by a marker: entries strictly greater than it. A common prefix that the
    /// marker is, or lies in, is not greater, so nothing of it is listed any more.
    pub fn from_marker(marker: Bytes, prefix: &[u8], delimiter: &[u8]) -> Self {
        if marker.is_empty() {
            return ListStart::Beginning;
        }
        match common_prefix(&marker, prefix, delimiter).map(<[u8]>::len) {
            Some(common) => ListStart::AfterPrefix(marker.slice(..common)),
            None => ListStart::AfterKey(marker),
        }
    }
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(ObjectKey, Box<ObjectRecord>),
    /// Keys rolled up: everything up to and with the delimiter.
    Prefix(Bytes),
}

impl ListEntry {
    /// Key or common prefix: the marker after which the next page begins.
    pub fn name(&self) -> &[u8] {
        match self {
            ListEntry::Object(key, _) => key.as_bytes(),
            ListEntry::Prefix(prefix) => prefix,
        }
    }
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// Its entries in the order of their names.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins; `None` where nothing follows.
    pub next: Option<ListStart>,
}

/// The common prefix that a key is rolled up into, if the delimiter stands in it after `prefix`.
pub(super) fn common_prefix<'a>(key: &'a [u8], prefix: &[u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let place = rest
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    key.get(..prefix.len() + place + delimiter.len())
}

/// A page of the current objects of a bucket. The keys under a common prefix are passed over by one seek.
pub fn list_objects(tables: &impl ReadTables, query: &ListQuery) -> Result<ListPage, Fault> {
    let range = CurrentKey::with_prefix(query.bucket, &query.prefix);
    // What stands in a key before the object's key: table and bucket.
    let head_len = range.lower.len() - query.prefix.len();
    let head = range.lower.slice(..head_len);
    let at = |name: &[u8]| [&head[..], name].concat();
    let mut cursor = tables.cursor(&range.lower, &range.upper)?;
    match &query.start {
        ListStart::Beginning => {}
        ListStart::AfterKey(key) => {
            let mut start = at(key);
            start.push(0);
            cursor.seek(&start)?;
        }
        ListStart::AfterPrefix(prefix) => cursor.seek(&after_prefix(&at(prefix)))?,
    }
    let mut entries = Vec::new();
    while entries.len() < query.limit {
        let Some((key, value)) = cursor.entry() else {
            return Ok(ListPage { entries, next: None });
        };
        let name = key.get(head_len..).unwrap_or_default();
        match common_prefix(name, &query.prefix, &query.delimiter) {
            Some(common) => {
                let common = Bytes::copy_from_slice(common);
                cursor.seek(&after_prefix(&at(&common)))?;
                entries.push(ListEntry::Prefix(common));
            }
            None => {
                let key = rows::parse::<CurrentKey>(key)?.key;
                let record = rows::decode::<CurrentKey>(Bytes::copy_from_slice(value))?;
                entries.push(ListEntry::Object(key, Box::new(record)));
                cursor.next()?;
            }
        }
    }
    let next = match entries.last() {
        Some(last) if cursor.entry().is_some() => Some(match last {
            ListEntry::Object(key, _) => ListStart::AfterKey(Bytes::copy_from_slice(key.as_bytes())),
            ListEntry::Prefix(prefix) => ListStart::AfterPrefix(prefix.clone()),
        }),
        _ => None,
    };
    Ok(ListPage { entries, next })
}
