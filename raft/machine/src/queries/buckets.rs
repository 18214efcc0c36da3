//! Buckets by id and by name.

use raft_types::keys::{BucketCountersKey, BucketKey, BucketNameKey, KeyRange, Table};
use raft_types::records::{BucketCounters, BucketRecord};
use raft_types::{BucketId, BucketName};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// A bucket.
pub fn bucket(tables: &impl ReadTables, bucket: BucketId) -> Result<Option<BucketRecord>, Fault> {
    rows::get(tables, &BucketKey { bucket })
}

/// The bucket that bears a name now.
pub fn bucket_by_name(
    tables: &impl ReadTables,
    name: &BucketName,
) -> Result<Option<(BucketId, BucketRecord)>, Fault> {
    let Some(found) = rows::get(tables, &BucketNameKey { name: name.clone() })? else {
        return Ok(None);
    };
    Ok(bucket(tables, found.bucket)?.map(|record| (found.bucket, record)))
}

/// At most `limit` buckets in the order of their names, those after the name `after`.
pub fn buckets_after(
    tables: &impl ReadTables,
    after: Option<&BucketName>,
    limit: usize,
) -> Result<Vec<(BucketId, BucketRecord)>, Fault> {
    let after = after.map(|name| BucketNameKey { name: name.clone() });
    let names = rows::page(
        tables,
        &KeyRange::of_table(Table::BucketNames),
        after.as_ref(),
        limit,
    )?;
    let mut buckets = Vec::with_capacity(names.len());
    for (_, found) in names {
        if let Some(record) = bucket(tables, found.bucket)? {
            buckets.push((found.bucket, record));
        }
    }
    Ok(buckets)
}

/// What a bucket holds; zeros where it has held nothing.
pub fn bucket_counters(tables: &impl ReadTables, bucket: BucketId) -> Result<BucketCounters, Fault> {
    Ok(rows::get(tables, &BucketCountersKey { bucket })?.unwrap_or_default())
}
