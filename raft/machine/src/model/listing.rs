//! Pages of listings: everything is looked at, most of it is thrown away, and the rest is rolled up.

use bytes::Bytes;
use raft_types::ObjectKey;
use raft_types::records::VersionName;

use super::Model;
use crate::queries::{
    ListEntry, ListPage, ListQuery, ListStart, UploadEntry, UploadPage, UploadStart, UploadsQuery,
    VersionListEntry, VersionPage, VersionStart, VersionsQuery,
};

/// The keys that a listing is asked for, and what stands for several of them.
struct Names<'q> {
    prefix: &'q [u8],
    delimiter: &'q [u8],
}

impl Names<'_> {
    fn include(&self, key: &ObjectKey) -> bool {
        key.as_bytes().starts_with(self.prefix)
    }

    /// A key that has the delimiter after the prefix stands for all that begin as it does, up to there.
    fn common(&self, key: &ObjectKey) -> Option<Bytes> {
        let (key, begin, len) = (key.as_bytes(), self.prefix.len(), self.delimiter.len());
        let ends = begin + len..=key.len();
        let mut ends = ends.filter(|end| len > 0 && key[*end - len..*end] == *self.delimiter);
        ends.next().map(|end| Bytes::copy_from_slice(&key[..end]))
    }
}

/// After all keys with a prefix.
fn is_after_prefix(key: &ObjectKey, prefix: &Bytes) -> bool {
    key.as_bytes() > prefix && !key.as_bytes().starts_with(prefix)
}

/// The first entries, equal neighbours once, and whether others follow.
fn page<E: PartialEq>(entries: impl Iterator<Item = E>, limit: usize) -> (Vec<E>, bool) {
    let mut page: Vec<E> = entries.collect();
    page.dedup();
    let more = page.len() > limit;
    page.truncate(limit);
    (page, more)
}

impl Model {
    /// A page of the current objects of a bucket.
    pub fn list_objects(&self, query: &ListQuery) -> ListPage {
        let names = Names {
            prefix: &query.prefix,
            delimiter: &query.delimiter,
        };
        let is_after = |key: &ObjectKey| match &query.start {
            ListStart::Beginning => true,
            ListStart::AfterKey(after) => key.as_bytes() > after,
            ListStart::AfterPrefix(prefix) => is_after_prefix(key, prefix),
        };
        let of_bucket = self.versions.keys().filter(|(bucket, _)| *bucket == query.bucket);
        let keys = of_bucket
            .map(|(_, key)| key)
            .filter(|key| names.include(key) && is_after(key));
        let entries = keys.filter_map(|key| {
            let object = self.current(query.bucket, key)?;
            Some(match names.common(key) {
                Some(common) => ListEntry::Prefix(common),
                None => ListEntry::Object(key.clone(), Box::new(object)),
            })
        });
        let (entries, more) = page(entries, query.limit);
        let next = entries.last().filter(|_| more).map(|last| match last {
            ListEntry::Object(key, _) => ListStart::AfterKey(Bytes::copy_from_slice(key.as_bytes())),
            ListEntry::Prefix(prefix) => ListStart::AfterPrefix(prefix.clone()),
        });
        ListPage { entries, next }
    }

    /// A page of all versions of a bucket, of each key the newest first.
    pub fn list_versions(&self, query: &VersionsQuery) -> VersionPage {
        let names = Names {
            prefix: &query.prefix,
            delimiter: &query.delimiter,
        };
        let mut all = Vec::new();
        for ((_, key), entries) in self
            .versions
            .iter()
            .filter(|((bucket, _), _)| *bucket == query.bucket)
        {
            for (place, entry) in entries.iter().rev().enumerate() {
                let is_after = match &query.start {
                    VersionStart::Beginning => true,
                    VersionStart::AfterKey(after) => key.as_bytes() > after,
                    VersionStart::AfterPrefix(prefix) => is_after_prefix(key, prefix),
                    VersionStart::AfterVersion(after, name) => {
                        let id = match name {
                            VersionName::Id(id) => Some(*id),
                            VersionName::Null => self.null_version(query.bucket, after),
                        };
                        key > after || key == after && id.is_none_or(|id| entry.version() < id)
                    }
                };
                if is_after && names.include(key) {
                    all.push((key, entry, place == 0));
                }
            }
        }
        let entries = all
            .into_iter()
            .map(|(key, entry, is_latest)| match names.common(key) {
                Some(common) => VersionListEntry::Prefix(common),
                None => VersionListEntry::Version {
                    key: key.clone(),
                    entry: entry.clone(),
                    is_latest,
                },
            });
        let (entries, more) = page(entries, query.limit);
        let next = entries.last().filter(|_| more).map(|last| match last {
            VersionListEntry::Prefix(prefix) => VersionStart::AfterPrefix(prefix.clone()),
            VersionListEntry::Version { key, entry, .. } => {
                VersionStart::AfterVersion(key.clone(), VersionName::Id(entry.version()))
            }
        });
        VersionPage { entries, next }
    }

    /// A page of the open uploads of a bucket.
    pub fn list_uploads(&self, query: &UploadsQuery) -> UploadPage {
        let names = Names {
            prefix: &query.prefix,
            delimiter: &query.delimiter,
        };
        let of_bucket = self
            .uploads
            .iter()
            .filter(|((bucket, ..), _)| *bucket == query.bucket);
        let after = of_bucket.filter(|((_, key, upload), _)| match &query.start {
            UploadStart::Beginning => true,
            UploadStart::AfterKey(after) => key.as_bytes() > after,
            UploadStart::AfterPrefix(prefix) => is_after_prefix(key, prefix),
            UploadStart::AfterUpload(after, id) => (key, upload) > (after, id),
        });
        let wanted = after.filter(|((_, key, _), _)| names.include(key));
        let entries = wanted.map(|((_, key, upload), record)| match names.common(key) {
            Some(common) => UploadEntry::Prefix(common),
            None => UploadEntry::Upload(key.clone(), *upload, Box::new(record.clone())),
        });
        let (entries, more) = page(entries, query.limit);
        let next = entries.last().filter(|_| more).map(|last| match last {
            UploadEntry::Upload(key, upload, _) => UploadStart::AfterUpload(key.clone(), *upload),
            UploadEntry::Prefix(prefix) => UploadStart::AfterPrefix(prefix.clone()),
        });
        UploadPage { entries, next }
    }
}
