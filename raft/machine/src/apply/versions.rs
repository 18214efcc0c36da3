//! The versions of one key: what a write displaces, what a deletion promotes (H6).
//!
//! `current` holds the newest entry of a key if that has content. `versions` holds everything else, newest
//! first: so where a key has no current row, its newest entry in `versions`, if any, is a delete marker.
//! `null_versions` points to the null version where that stands in `versions`.

use raft_types::keys::{CurrentKey, NullVersionKey, VersionKey};
use raft_types::records::{
    DeleteMarker, IncidentKind, NullVersionRecord, ObjectRecord, VersionEntry, VersionName, Versioning,
};
use raft_types::{BucketId, Gone, ObjectKey, PrincipalName, Record, Rejection, VersionId, limits};

use super::context::Context;
use super::counters::signed;
use super::stop::Stop;
use crate::port::ReadTables;
use crate::rows;

/// An object key of a bucket, with the bucket's versioning.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) bucket: BucketId,
    pub(super) key: &'a ObjectKey,
    pub(super) versioning: Versioning,
}

impl Place<'_> {
    fn current(&self) -> CurrentKey {
        CurrentKey {
            bucket: self.bucket,
            key: self.key.clone(),
        }
    }

    fn version(&self, version: VersionId) -> VersionKey {
        VersionKey {
            bucket: self.bucket,
            key: self.key.clone(),
            version,
        }
    }

    fn null_version(&self) -> NullVersionKey {
        NullVersionKey {
            bucket: self.bucket,
            key: self.key.clone(),
        }
    }

    /// Whether a version written now is the null version.
    pub(super) fn writes_null(&self) -> bool {
        self.versioning != Versioning::Enabled
    }
}

/// The current version of a key.
pub(super) fn current<T: ReadTables>(
    context: &Context<'_, '_, T>,
    place: &Place<'_>,
) -> Result<Option<ObjectRecord>, Stop> {
    Ok(context.get(&place.current())?)
}

/// Makes a record the current version, in the place of `existing`. The record's content is already counted.
pub(super) fn put_current<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    existing: Option<ObjectRecord>,
    record: &ObjectRecord,
) -> Result<(), Stop> {
    if record.encoded_len() > limits::OBJECT_RECORD {
        return Err(Rejection::RecordTooLarge.into());
    }
    displace(context, place, existing)?;
    context.put(&place.current(), record);
    let delta = context.deltas.bucket(place.bucket);
    delta.objects += 1;
    delta.bytes = delta.bytes.saturating_add(signed(record.size));
    Ok(())
}

/// Deletes a key as its bucket's versioning demands.
pub(super) fn delete_current<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    existing: Option<ObjectRecord>,
    owner: Option<&PrincipalName>,
) -> Result<Gone, Stop> {
    if existing.is_some() {
        context.delete(&place.current());
    }
    displace(context, place, existing)?;
    if place.versioning == Versioning::Off {
        return Ok(Gone {
            removed: None,
            removed_marker: false,
            marker: None,
        });
    }
    let version = context.next_version()?;
    let is_null = place.writes_null();
    let marker = DeleteMarker {
        version,
        is_null,
        modified: context.now,
        owner: owner.cloned(),
    };
    insert(context, place, VersionEntry::DeleteMarker(marker));
    Ok(Gone {
        removed: None,
        removed_marker: false,
        marker: Some(VersionName::of(version, is_null)),
    })
}

/// Takes the current version, and the null version where the next entry replaces it, out of the way.
fn displace<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    existing: Option<ObjectRecord>,
) -> Result<(), Stop> {
    if existing.is_some() {
        context.deltas.bucket(place.bucket).objects -= 1;
    }
    let replaces_null = place.writes_null();
    match existing {
        Some(existing) if existing.is_null && replaces_null => {
            drop_object(context, place, &existing);
            // A key has one null version, and this was it.
            return Ok(());
        }
        Some(existing) => insert(context, place, VersionEntry::Object(Box::new(existing))),
        None => {}
    }
    // In a bucket that never kept versions there is no noncurrent one to look for.
    if place.versioning == Versioning::Suspended
        && let Some(pointer) = context.get(&place.null_version())?
    {
        let entry = noncurrent(context, place, pointer.version)?;
        remove_noncurrent(context, place, &entry);
    }
    Ok(())
}

fn noncurrent<T: ReadTables>(
    context: &Context<'_, '_, T>,
    place: &Place<'_>,
    version: VersionId,
) -> Result<VersionEntry, Stop> {
    context.get(&place.version(version))?.ok_or_else(|| {
        let detail = format!("bucket {}, key {}: no version {version}", place.bucket, place.key);
        Stop::broken(IncidentKind::DanglingReference, detail)
    })
}

/// Writes a noncurrent version or delete marker.
fn insert<T: ReadTables>(context: &mut Context<'_, '_, T>, place: &Place<'_>, entry: VersionEntry) {
    let version = entry.version();
    if entry.is_null() {
        context.put(&place.null_version(), &NullVersionRecord { version });
    }
    context.put(&place.version(version), &entry);
    context.deltas.bucket(place.bucket).versions += 1;
}

/// Deletes a noncurrent version or delete marker, without what it holds.
fn take_out<T: ReadTables>(context: &mut Context<'_, '_, T>, place: &Place<'_>, entry: &VersionEntry) {
    context.delete(&place.version(entry.version()));
    if entry.is_null() {
        context.delete(&place.null_version());
    }
    context.deltas.bucket(place.bucket).versions -= 1;
}

fn remove_noncurrent<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    entry: &VersionEntry,
) {
    take_out(context, place, entry);
    if let VersionEntry::Object(object) = entry {
        drop_object(context, place, object);
    }
}

fn drop_object<T: ReadTables>(context: &mut Context<'_, '_, T>, place: &Place<'_>, object: &ObjectRecord) {
    context.references.let_go(&object.content);
    let delta = context.deltas.bucket(place.bucket);
    delta.bytes = delta.bytes.saturating_sub(signed(object.size));
}

/// A version that is to be removed for good.
pub(super) enum Found {
    /// It is the current one.
    Current(Box<ObjectRecord>),
    /// It stands in `versions`.
    Noncurrent(VersionEntry),
}

/// Looks for a version by its name.
pub(super) fn find<T: ReadTables>(
    context: &Context<'_, '_, T>,
    place: &Place<'_>,
    name: &VersionName,
) -> Result<Option<Found>, Stop> {
    if let Some(current) = current(context, place)?
        && VersionName::of(current.version, current.is_null) == *name
    {
        return Ok(Some(Found::Current(Box::new(current))));
    }
    let version = match name {
        VersionName::Id(version) => *version,
        VersionName::Null => match context.get(&place.null_version())? {
            Some(pointer) => pointer.version,
            None => return Ok(None),
        },
    };
    let entry = context.get(&place.version(version))?;
    // A null version goes by its name, not by its id.
    let entry = entry.filter(|entry| VersionName::of(entry.version(), entry.is_null()) == *name);
    Ok(entry.map(Found::Noncurrent))
}

/// Removes a version for good, and promotes the newest remaining entry unless that is a delete marker.
pub(super) fn remove<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    found: Found,
) -> Result<Gone, Stop> {
    let (name, removed_marker) = match found {
        Found::Current(object) => {
            context.delete(&place.current());
            context.deltas.bucket(place.bucket).objects -= 1;
            drop_object(context, place, &object);
            (VersionName::of(object.version, object.is_null), false)
        }
        Found::Noncurrent(entry) => {
            remove_noncurrent(context, place, &entry);
            let name = VersionName::of(entry.version(), entry.is_null());
            (name, matches!(entry, VersionEntry::DeleteMarker(_)))
        }
    };
    promote(context, place)?;
    Ok(Gone {
        removed: Some(name),
        removed_marker,
        marker: None,
    })
}

/// Where a key has no current version, its newest entry becomes that, unless it is a delete marker.
fn promote<T: ReadTables>(context: &mut Context<'_, '_, T>, place: &Place<'_>) -> Result<(), Stop> {
    if place.versioning == Versioning::Off || context.get(&place.current())?.is_some() {
        return Ok(());
    }
    let range = VersionKey::of_object(place.bucket, place.key);
    let newest = rows::scan::<_, VersionKey>(&*context.tx, &range)?.peek()?;
    context.scanned(1)?;
    let Some((_, entry)) = newest else {
        return Ok(());
    };
    if let VersionEntry::Object(object) = &entry {
        take_out(context, place, &entry);
        context.put(&place.current(), object);
        context.deltas.bucket(place.bucket).objects += 1;
    }
    Ok(())
}
