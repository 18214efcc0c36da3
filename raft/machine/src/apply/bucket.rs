//! Buckets.

use raft_types::commands::{CreateBucket, DeleteBucket, SetVersioning};
use raft_types::keys::{
    BucketCountersKey, BucketKey, BucketNameKey, CountersKey, CurrentKey, KeyRange, KeyVersionKey, Table,
    UploadKey, VersionKey,
};
use raft_types::records::{BucketNameRecord, BucketRecord, ReleaseSubject, Versioning};
use raft_types::{BucketId, Outcome, Rejection};

use super::context::Context;
use super::numbered::required;
use super::references::release;
use super::stop::Stop;
use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};
use crate::{queries, rows};

/// Key versions that are destroyed in the command that deletes their bucket; more are left to a release.
const KEYS_AT_ONCE: usize = 256;

/// The bucket of a command. A bucket is named by its id, so that a command never lands in a later bucket of
/// the same name (M7).
pub(super) fn open<T: ReadTables>(
    context: &Context<'_, '_, T>,
    bucket: BucketId,
) -> Result<BucketRecord, Stop> {
    required(context.get(&BucketKey { bucket })?, Rejection::NoSuchBucket)
}

/// Creates a bucket.
pub(super) fn create<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CreateBucket,
) -> Result<Outcome, Stop> {
    if let Some((_, existing)) = queries::bucket_by_name(&*context.tx, &command.name)? {
        return Err(Rejection::BucketExists(existing.owner).into());
    }
    let mut counters = context.counters()?;
    let bucket = counters.bucket.next().ok_or(Fault::Exhausted("bucket"))?;
    counters.bucket = bucket;
    context.put(&CountersKey, &counters);
    context.put(
        &BucketNameKey {
            name: command.name.clone(),
        },
        &BucketNameRecord { bucket },
    );
    let record = BucketRecord {
        name: command.name,
        owner: command.owner,
        created: context.now,
        versioning: Versioning::Off,
        key_version: None,
    };
    context.put(&BucketKey { bucket }, &record);
    context.changed(Table::Buckets);
    Ok(Outcome::BucketCreated(bucket))
}

/// Deletes a bucket that holds no version. Its keys are destroyed, its open uploads are released.
pub(super) fn delete<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &DeleteBucket,
) -> Result<Outcome, Stop> {
    let bucket = command.bucket;
    let record = open(context, bucket)?;
    let objects = CurrentKey::with_prefix(bucket, b"");
    let versions = VersionKey::with_prefix(bucket, b"");
    if !is_empty(context, &objects)? || !is_empty(context, &versions)? {
        return Err(Rejection::BucketNotEmpty.into());
    }
    let keys = rows::page::<KeyVersionKey>(
        &*context.tx,
        &KeyRange::under(Table::Keys, &bucket),
        None,
        KEYS_AT_ONCE + 1,
    )?;
    context.scanned(keys.len())?;
    if keys.len() > KEYS_AT_ONCE || !is_empty(context, &UploadKey::with_prefix(bucket, b""))? {
        release(context, ReleaseSubject::Bucket(bucket));
    }
    if !keys.is_empty() {
        context.changed(Table::Keys);
    }
    for (key, _) in keys.iter().take(KEYS_AT_ONCE) {
        context.delete(key);
    }
    context.delete(&BucketKey { bucket });
    context.delete(&BucketNameKey { name: record.name });
    context.delete(&BucketCountersKey { bucket });
    context.changed(Table::Buckets);
    Ok(Outcome::Done)
}

fn is_empty<T: ReadTables>(context: &Context<'_, '_, T>, range: &KeyRange) -> Result<bool, Stop> {
    Ok(context.tx.cursor(&range.lower, &range.upper)?.entry().is_none())
}

/// Switches versioning on or suspends it.
pub(super) fn set_versioning<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &SetVersioning,
) -> Result<Outcome, Stop> {
    if command.versioning == Versioning::Off {
        return Err(Stop::malformed("versioning is never switched off"));
    }
    let mut record = open(context, command.bucket)?;
    if record.versioning != command.versioning {
        record.versioning = command.versioning;
        context.put(
            &BucketKey {
                bucket: command.bucket,
            },
            &record,
        );
        context.changed(Table::Buckets);
    }
    Ok(Outcome::Done)
}
