//! Bucket keys.

use raft_types::keys::{KeyRange, KeyVersionKey, KeyringKey, Table, WrapKey};
use raft_types::records::{KeyRecord, KeyringRecord};
use raft_types::{BucketId, KeyVersion};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// A version of a bucket key.
pub fn key_version(
    tables: &impl ReadTables,
    bucket: BucketId,
    version: KeyVersion,
) -> Result<Option<KeyRecord>, Fault> {
    rows::get(tables, &KeyVersionKey { bucket, version })
}

/// All bucket keys in the order of bucket and version, or those of one bucket.
pub fn bucket_keys(
    tables: &impl ReadTables,
    bucket: Option<BucketId>,
) -> Result<Vec<(KeyVersionKey, KeyRecord)>, Fault> {
    let range = match bucket {
        Some(bucket) => KeyRange::under(Table::Keys, &bucket),
        None => KeyRange::of_table(Table::Keys),
    };
    rows::page(tables, &range, None, usize::MAX)
}

/// Where the keyring was last written; `None` before that.
pub fn keyring(tables: &impl ReadTables) -> Result<Option<KeyringRecord>, Fault> {
    rows::get(tables, &KeyringKey)
}

/// How many blobs a key version wraps.
pub fn wrapped_blobs(tables: &impl ReadTables, bucket: BucketId, version: KeyVersion) -> Result<u64, Fault> {
    Ok(rows::get(tables, &WrapKey { bucket, version })?.map_or(0, |wrap| wrap.blobs))
}
