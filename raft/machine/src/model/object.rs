//! Objects and their versions.

use raft_types::commands::{
    CommitObject, Conditions, CopyReference, DeleteObjects, DeleteTarget, ETagCondition, NewObject,
};
use raft_types::records::{Content, DeleteMarker, ObjectRecord, VersionEntry, VersionName, Versioning};
use raft_types::{
    BucketId, Committed, DeleteResult, Deletions, Gone, ObjectKey, Outcome, PrincipalName, Record, Rejection,
    VersionId, limits,
};

use super::{Model, No, malformed};
use crate::queries::Lookup;

pub(super) fn name_of(entry: &VersionEntry) -> VersionName {
    VersionName::of(entry.version(), entry.is_null())
}

/// What clients demand of a version, or of there being none (RFC 9110, section 13.2.2).
pub(super) fn check(
    conditions: Option<&Conditions>,
    subject: Option<&ObjectRecord>,
) -> Result<(), Rejection> {
    let Some(Conditions {
        if_match,
        if_none_match,
        if_modified_since,
        if_unmodified_since,
    }) = conditions
    else {
        return Ok(());
    };
    let Some(object) = subject else {
        // Nothing that is absent matches, and nothing else is asked of it.
        return if if_match.is_some() {
            Err(Rejection::NoSuchKey)
        } else {
            Ok(())
        };
    };
    let listed = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::OneOf(list) => list.etags.contains(&object.etag),
    };
    let modified = object.modified.seconds();
    let fails = match (if_match, if_unmodified_since) {
        (Some(etags), _) => !listed(etags),
        (None, Some(time)) => modified > time.seconds(),
        (None, None) => false,
    } || match (if_none_match, if_modified_since) {
        (Some(etags), _) => listed(etags),
        (None, Some(time)) => modified <= time.seconds(),
        (None, None) => false,
    };
    if fails {
        Err(Rejection::PreconditionFailed)
    } else {
        Ok(())
    }
}

impl Model {
    pub(super) fn commit_object(&mut self, command: &CommitObject) -> Result<Outcome, No> {
        let CommitObject {
            bucket,
            key,
            written,
            object,
            conditions,
            order,
        } = command;
        if order.incarnation != self.incarnation_now() || order.read_index >= self.moment.index {
            return malformed("the request began in another life, or in the future");
        }
        self.bucket_or_none(*bucket)?;
        check(conditions.as_ref(), self.current_of(*bucket, key))?;
        let content = self.write(*bucket, written, object.size)?;
        self.put_object(*bucket, key, object.clone(), content)
            .map(Outcome::Committed)
    }

    /// A copy holds the same content as its source, which must still be the version that was read.
    pub(super) fn copy_reference(&mut self, command: &CopyReference) -> Result<Outcome, No> {
        let CopyReference {
            bucket,
            source,
            source_version,
            key,
            object,
            ..
        } = command;
        self.bucket_or_none(*bucket)?;
        let entries = self.entries(*bucket, source);
        let found = entries.iter().find(|entry| entry.version() == *source_version);
        let Some(VersionEntry::Object(source)) = found.cloned() else {
            return Err(Rejection::SourceChanged.into());
        };
        check(command.source_conditions.as_ref(), Some(&source))?;
        if (object.size, object.etag) != (source.size, source.etag) {
            return malformed("length or ETag is not the source's");
        }
        check(command.conditions.as_ref(), self.current_of(*bucket, key))?;
        self.moment.taken.push(source.content.clone());
        self.put_object(*bucket, key, object.clone(), source.content)
            .map(Outcome::Committed)
    }

    /// Makes a content the newest version of a key.
    pub(super) fn put_object(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        object: NewObject,
        content: Content,
    ) -> Result<Committed, No> {
        let versioning = self.bucket_or_none(bucket)?.versioning;
        let record = ObjectRecord {
            version: self.next_version(),
            is_null: versioning != Versioning::Enabled,
            size: object.size,
            etag: object.etag,
            modified: self.now,
            content,
            headers: object.headers.filter(|headers| !headers.is_empty()),
            metadata: object.metadata,
            checksums: object.checksums,
            storage_class: object.storage_class,
            owner: object.owner,
        };
        if record.encoded_len() > limits::OBJECT_RECORD {
            return Err(Rejection::RecordTooLarge.into());
        }
        let committed = Committed {
            version: record.version,
            is_null: record.is_null,
            versioning,
            etag: record.etag,
            size: record.size,
            checksums: Vec::new(),
            modified: record.modified,
        };
        self.add_entry(bucket, key, VersionEntry::Object(Box::new(record)));
        Ok(committed)
    }

    /// An entry that is the null version takes the place of the one that was, wherever that stands (H6).
    fn add_entry(&mut self, bucket: BucketId, key: &ObjectKey, entry: VersionEntry) {
        if entry.is_null() {
            self.remove_entry(bucket, key, VersionName::Null);
        }
        self.versions
            .entry((bucket, key.clone()))
            .or_default()
            .push(entry);
    }

    fn remove_entry(&mut self, bucket: BucketId, key: &ObjectKey, name: VersionName) -> Option<VersionEntry> {
        let place = (bucket, key.clone());
        let entries = self.versions.get_mut(&place)?;
        let removed = entries.remove(entries.iter().position(|entry| name_of(entry) == name)?);
        if entries.is_empty() {
            self.versions.remove(&place);
        }
        if let VersionEntry::Object(object) = &removed {
            self.moment.lost.push(object.content.clone());
        }
        Some(removed)
    }

    /// Each target for itself.
    pub(super) fn delete_objects(&mut self, command: &DeleteObjects) -> Result<Outcome, No> {
        let DeleteObjects {
            bucket,
            targets,
            owner,
        } = command;
        if targets.is_empty() || targets.len() > limits::DELETE_KEYS {
            return malformed("a command deletes 1 to 100 keys");
        }
        self.bucket_or_none(*bucket)?;
        let mut results = Vec::new();
        for target in targets {
            results.push(match self.delete_target(*bucket, target, owner.as_ref())? {
                Ok(gone) => DeleteResult::Gone(gone),
                Err(rejection) => DeleteResult::Rejected(rejection),
            });
        }
        Ok(Outcome::Deleted(Deletions { results }))
    }

    fn delete_target(
        &mut self,
        bucket: BucketId,
        target: &DeleteTarget,
        owner: Option<&PrincipalName>,
    ) -> Result<Result<Gone, Rejection>, No> {
        let DeleteTarget {
            key,
            version,
            conditions,
        } = target;
        let subject = match version {
            None => self.current_of(bucket, key),
            Some(name) => {
                let entries = self.entries(bucket, key).iter();
                let mut objects = entries.filter_map(as_object);
                objects.find(|object| VersionName::of(object.version, object.is_null) == *name)
            }
        };
        if let Err(rejection) = check(conditions.as_ref(), subject) {
            return Ok(Err(rejection));
        }
        let mut gone = Gone {
            removed: *version,
            removed_marker: false,
            marker: None,
        };
        match version {
            Some(name) => {
                let removed = self.remove_entry(bucket, key, *name);
                gone.removed_marker = matches!(removed, Some(VersionEntry::DeleteMarker(_)));
            }
            None => gone.marker = self.delete_current(bucket, key, owner)?,
        }
        Ok(Ok(gone))
    }

    /// In a bucket that keeps versions, a marker says that the key was deleted; in another the object goes.
    fn delete_current(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        owner: Option<&PrincipalName>,
    ) -> Result<Option<VersionName>, No> {
        let versioning = self.bucket_or_none(bucket)?.versioning;
        if versioning == Versioning::Off {
            self.remove_entry(bucket, key, VersionName::Null);
            return Ok(None);
        }
        let marker = VersionEntry::DeleteMarker(DeleteMarker {
            version: self.next_version(),
            is_null: versioning == Versioning::Suspended,
            modified: self.now,
            owner: owner.cloned(),
        });
        let name = name_of(&marker);
        self.add_entry(bucket, key, marker);
        Ok(Some(name))
    }

    /// All versions and delete markers of a key, the oldest first.
    pub(super) fn entries(&self, bucket: BucketId, key: &ObjectKey) -> &[VersionEntry] {
        self.versions
            .get(&(bucket, key.clone()))
            .map_or(&[], Vec::as_slice)
    }

    /// The newest entry of a key is its current version, unless it is a delete marker.
    fn current_of(&self, bucket: BucketId, key: &ObjectKey) -> Option<&ObjectRecord> {
        self.entries(bucket, key).last().and_then(as_object)
    }

    /// The current version of a key.
    pub fn current(&self, bucket: BucketId, key: &ObjectKey) -> Option<ObjectRecord> {
        self.current_of(bucket, key).cloned()
    }

    /// A version of a key by the name that clients give it, or its newest entry.
    pub fn lookup(&self, bucket: BucketId, key: &ObjectKey, version: Option<&VersionName>) -> Lookup {
        let entries = self.entries(bucket, key);
        let found = match version {
            None => entries.last(),
            Some(name) => entries.iter().find(|entry| name_of(entry) == *name),
        };
        match found {
            Some(VersionEntry::Object(object)) => Lookup::Object(object.clone()),
            Some(VersionEntry::DeleteMarker(marker)) => Lookup::DeleteMarker(marker.clone()),
            None => Lookup::Nothing,
        }
    }

    /// All versions with content.
    pub fn objects(&self) -> impl Iterator<Item = (BucketId, &ObjectKey, &ObjectRecord)> {
        self.versions.iter().flat_map(|((bucket, key), entries)| {
            entries
                .iter()
                .filter_map(as_object)
                .map(move |object| (*bucket, key, object))
        })
    }

    /// The id of the null version of a key.
    pub(super) fn null_version(&self, bucket: BucketId, key: &ObjectKey) -> Option<VersionId> {
        self.entries(bucket, key)
            .iter()
            .find(|entry| entry.is_null())
            .map(VersionEntry::version)
    }
}

fn as_object(entry: &VersionEntry) -> Option<&ObjectRecord> {
    match entry {
        VersionEntry::Object(object) => Some(object),
        VersionEntry::DeleteMarker(_) => None,
    }
}
