//! Listing of all versions: the current ones and the noncurrent ones merged by key.

use bytes::Bytes;
use raft_types::keys::{CurrentKey, TableKey, VersionKey, after_prefix};
use raft_types::records::{VersionEntry, VersionName};
use raft_types::{BucketId, ObjectKey, VersionId};

use super::listing::common_prefix;
use super::{Lookup, lookup};
use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};
use crate::rows;

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionsQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin with these bytes.
    pub prefix: Bytes,
    /// Keys that have these bytes after the prefix are rolled up. Empty: none are.
    pub delimiter: Bytes,
    /// Where to begin.
    pub start: VersionStart,
    /// Most entries of the page, versions and common prefixes together.
    pub limit: usize,
}

/// Where a page of a listing of versions begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionStart {
    /// At the first key.
    Beginning,
    /// After all versions of this key.
    AfterKey(Bytes),
    /// After all keys with this prefix.
    AfterPrefix(Bytes),
    /// After this version of this key. If a null version meant by its name is gone, all versions of the key
    /// are listed again rather than some left out.
    AfterVersion(ObjectKey, VersionName),
}

/// An entry of a listing of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionListEntry {
    /// A version or delete marker.
    Version {
        /// The object's key.
        key: ObjectKey,
        /// What stands there.
        entry: VersionEntry,
        /// Whether it is the newest entry of its key.
        is_latest: bool,
    },
    /// Keys rolled up.
    Prefix(Bytes),
}

/// A page of a listing of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionPage {
    /// Its entries: by key, the newest version of a key first.
    pub entries: Vec<VersionListEntry>,
    /// Where the next page begins; `None` where nothing follows.
    pub next: Option<VersionStart>,
}

/// A page of all versions of a bucket.
pub fn list_versions(tables: &impl ReadTables, query: &VersionsQuery) -> Result<VersionPage, Fault> {
    let mut walk = Walk::new(tables, query)?;
    let mut entries: Vec<VersionListEntry> = Vec::new();
    while entries.len() < query.limit {
        let Some(entry) = walk.take()? else {
            return Ok(VersionPage { entries, next: None });
        };
        entries.push(entry);
    }
    let next = match entries.last() {
        Some(last) if !walk.is_at_end() => Some(match last {
            VersionListEntry::Prefix(prefix) => VersionStart::AfterPrefix(prefix.clone()),
            VersionListEntry::Version { key, entry, .. } => {
                // By id, even where clients see the version `null`: an id stays in its place.
                VersionStart::AfterVersion(key.clone(), VersionName::Id(entry.version()))
            }
        }),
        _ => None,
    };
    Ok(VersionPage { entries, next })
}

/// Both tables, walked side by side.
struct Walk<'a, T: ReadTables + 'a> {
    query: &'a VersionsQuery,
    current: T::Cursor<'a>,
    versions: T::Cursor<'a>,
    /// The key whose newest entry has been seen or passed over.
    begun: Option<ObjectKey>,
}

impl<'a, T: ReadTables> Walk<'a, T> {
    fn new(tables: &'a T, query: &'a VersionsQuery) -> Result<Self, Fault> {
        let current = CurrentKey::with_prefix(query.bucket, &query.prefix);
        let versions = VersionKey::with_prefix(query.bucket, &query.prefix);
        let mut walk = Walk {
            query,
            current: tables.cursor(&current.lower, &current.upper)?,
            versions: tables.cursor(&versions.lower, &versions.upper)?,
            begun: None,
        };
        match &query.start {
            VersionStart::Beginning => {}
            VersionStart::AfterKey(key) => walk.seek_after_key(key)?,
            VersionStart::AfterPrefix(prefix) => walk.seek_after_prefix(prefix)?,
            VersionStart::AfterVersion(key, version) => walk.seek_after_version(tables, key, version)?,
        }
        Ok(walk)
    }

    fn seek_after_key(&mut self, key: &[u8]) -> Result<(), Fault> {
        let mut current = CurrentKey::with_prefix(self.query.bucket, key).lower.to_vec();
        current.push(0);
        self.current.seek(&current)?;
        let mut versions = VersionKey::with_prefix(self.query.bucket, key).lower.to_vec();
        // Above the terminator that ends the key, and below everything that continues it.
        versions.extend_from_slice(&[0, 2]);
        self.versions.seek(&versions)?;
        Ok(())
    }

    fn seek_after_prefix(&mut self, prefix: &[u8]) -> Result<(), Fault> {
        let current = CurrentKey::with_prefix(self.query.bucket, prefix).lower;
        self.current.seek(&after_prefix(&current))?;
        let versions = VersionKey::with_prefix(self.query.bucket, prefix).lower;
        self.versions.seek(&after_prefix(&versions))?;
        Ok(())
    }

    fn seek_after_version(
        &mut self,
        tables: &T,
        key: &ObjectKey,
        version: &VersionName,
    ) -> Result<(), Fault> {
        let bucket = self.query.bucket;
        let id = match version {
            VersionName::Id(id) => Some(*id),
            VersionName::Null => match lookup(tables, bucket, key, Some(version))? {
                Lookup::Object(object) => Some(object.version),
                Lookup::DeleteMarker(marker) => Some(marker.version),
                Lookup::Nothing => None,
            },
        };
        self.current.seek(
            &CurrentKey {
                bucket,
                key: key.clone(),
            }
            .to_bytes(),
        )?;
        self.versions.seek(&VersionKey::of_object(bucket, key).lower)?;
        let Some(id) = id else {
            return Ok(());
        };
        self.pass_over(bucket, key, id)
    }

    /// Goes on to the first entry of `key` that is older than `id`.
    fn pass_over(&mut self, bucket: BucketId, key: &ObjectKey, id: VersionId) -> Result<(), Fault> {
        let newest_is_passed = match self.current_row()? {
            Some((current, version)) if current == *key => {
                if version < id {
                    return Ok(());
                }
                self.current.next()?;
                true
            }
            _ => matches!(self.version_key()?, Some(newest) if newest.key == *key && newest.version >= id),
        };
        if newest_is_passed {
            self.begun = Some(key.clone());
        }
        let mut after = VersionKey {
            bucket,
            key: key.clone(),
            version: id,
        }
        .to_bytes()
        .to_vec();
        after.push(0);
        self.versions.seek(&after)?;
        Ok(())
    }

    fn current_row(&self) -> Result<Option<(ObjectKey, VersionId)>, Fault> {
        let Some((key, value)) = self.current.entry() else {
            return Ok(None);
        };
        let record = rows::decode::<CurrentKey>(Bytes::copy_from_slice(value))?;
        Ok(Some((rows::parse::<CurrentKey>(key)?.key, record.version)))
    }

    fn version_key(&self) -> Result<Option<VersionKey>, Fault> {
        self.versions.entry().map(|(key, _)| rows::parse(key)).transpose()
    }

    fn is_at_end(&self) -> bool {
        self.current.entry().is_none() && self.versions.entry().is_none()
    }

    fn take(&mut self) -> Result<Option<VersionListEntry>, Fault> {
        let current = match self.current.entry() {
            Some((key, _)) => Some(rows::parse::<CurrentKey>(key)?.key),
            None => None,
        };
        let version = self.version_key()?.map(|key| key.key);
        let (key, from_current) = match (current, version) {
            (None, None) => return Ok(None),
            (Some(current), None) => (current, true),
            (None, Some(version)) => (version, false),
            // Of one key the current version is the newest entry.
            (Some(current), Some(version)) if current <= version => {
                // Entries of a key that were begun are finished before the current row of a later one.
                (current, true)
            }
            (Some(_), Some(version)) => (version, false),
        };
        if let Some(common) = common_prefix(key.as_bytes(), &self.query.prefix, &self.query.delimiter) {
            let common = Bytes::copy_from_slice(common);
            self.seek_after_prefix(&common)?;
            return Ok(Some(VersionListEntry::Prefix(common)));
        }
        let entry = if from_current {
            self.take_current()?
        } else {
            self.take_version()?
        };
        let is_latest = self.begun.as_ref() != Some(&key);
        self.begun = Some(key.clone());
        Ok(entry.map(|entry| VersionListEntry::Version {
            key,
            entry,
            is_latest,
        }))
    }

    fn take_current(&mut self) -> Result<Option<VersionEntry>, Fault> {
        let Some((_, value)) = self.current.entry() else {
            return Ok(None);
        };
        let record = rows::decode::<CurrentKey>(Bytes::copy_from_slice(value))?;
        self.current.next()?;
        Ok(Some(VersionEntry::Object(Box::new(record))))
    }

    fn take_version(&mut self) -> Result<Option<VersionEntry>, Fault> {
        let Some((_, value)) = self.versions.entry() else {
            return Ok(None);
        };
        let entry = rows::decode::<VersionKey>(Bytes::copy_from_slice(value))?;
        self.versions.next()?;
        Ok(Some(entry))
    }
}
