//! One object or version.

use raft_types::keys::{CurrentKey, NullVersionKey, VersionKey};
use raft_types::records::{DeleteMarker, ObjectRecord, VersionEntry, VersionName};
use raft_types::{BucketId, ObjectKey};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// What stands under a key or version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A version with content.
    Object(Box<ObjectRecord>),
    /// A delete marker: named by its version, or the newest entry of a key without a current version.
    DeleteMarker(DeleteMarker),
    /// Nothing.
    Nothing,
}

impl From<VersionEntry> for Lookup {
    fn from(entry: VersionEntry) -> Self {
        match entry {
            VersionEntry::Object(object) => Lookup::Object(object),
            VersionEntry::DeleteMarker(marker) => Lookup::DeleteMarker(marker),
        }
    }
}

/// The current version of a key: one lookup.
pub fn current(
    tables: &impl ReadTables,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<ObjectRecord>, Fault> {
    rows::get(
        tables,
        &CurrentKey {
            bucket,
            key: key.clone(),
        },
    )
}

/// A version of a key by the name that clients give it, or its newest entry.
pub fn lookup(
    tables: &impl ReadTables,
    bucket: BucketId,
    key: &ObjectKey,
    version: Option<&VersionName>,
) -> Result<Lookup, Fault> {
    let current = current(tables, bucket, key)?;
    let Some(version) = version else {
        return match current {
            Some(object) => Ok(Lookup::Object(Box::new(object))),
            None => newest_noncurrent(tables, bucket, key),
        };
    };
    if let Some(object) = current
        && VersionName::of(object.version, object.is_null) == *version
    {
        return Ok(Lookup::Object(Box::new(object)));
    }
    noncurrent(tables, bucket, key, version)
}

/// The newest entry of a key that has no current version: a delete marker, if there is any.
fn newest_noncurrent(tables: &impl ReadTables, bucket: BucketId, key: &ObjectKey) -> Result<Lookup, Fault> {
    let newest = rows::scan::<_, VersionKey>(tables, &VersionKey::of_object(bucket, key))?.peek()?;
    match newest {
        Some((_, VersionEntry::DeleteMarker(marker))) => Ok(Lookup::DeleteMarker(marker)),
        _ => Ok(Lookup::Nothing),
    }
}

fn noncurrent(
    tables: &impl ReadTables,
    bucket: BucketId,
    key: &ObjectKey,
    name: &VersionName,
) -> Result<Lookup, Fault> {
    let version = match name {
        VersionName::Id(version) => *version,
        VersionName::Null => {
            let pointer = rows::get(
                tables,
                &NullVersionKey {
                    bucket,
                    key: key.clone(),
                },
            )?;
            let Some(pointer) = pointer else {
                return Ok(Lookup::Nothing);
            };
            pointer.version
        }
    };
    let entry = rows::get(
        tables,
        &VersionKey {
            bucket,
            key: key.clone(),
            version,
        },
    )?;
    // A null version goes by its name, not by its id.
    let entry = entry.filter(|entry| VersionName::of(entry.version(), entry.is_null()) == *name);
    Ok(entry.map_or(Lookup::Nothing, Lookup::from))
}
