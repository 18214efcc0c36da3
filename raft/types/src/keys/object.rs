//! Keys that hold an object key.

use bytes::Bytes;

use super::reader::{write_escaped, write_escaped_open};
use super::{KeyError, KeyPart, KeyRange, KeyReader, RowKey, Table, TableKey};
use crate::ids::{BucketId, UploadId, VersionId};
use crate::names::ObjectKey;
use crate::records::{NullVersionRecord, ObjectRecord, UploadRecord, VersionEntry};

/// Key of the current version of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrentKey {
    /// The bucket.
    pub bucket: BucketId,
    /// The object's key.
    pub key: ObjectKey,
}

/// Key of a noncurrent version or delete marker. The newest of one key comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionKey {
    /// The bucket.
    pub bucket: BucketId,
    /// The object's key.
    pub key: ObjectKey,
    /// The version.
    pub version: VersionId,
}

/// Key of the row that says where the noncurrent null version of an object stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NullVersionKey {
    /// The bucket.
    pub bucket: BucketId,
    /// The object's key.
    pub key: ObjectKey,
}

/// Key of an open upload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadKey {
    /// The bucket.
    pub bucket: BucketId,
    /// Key of the object that the upload will become.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
}

fn raw_object_key(reader: &mut KeyReader<'_>) -> Result<ObjectKey, KeyError> {
    ObjectKey::new(Bytes::copy_from_slice(reader.rest())).map_err(|_| KeyError::Name)
}

fn escaped_object_key(reader: &mut KeyReader<'_>) -> Result<ObjectKey, KeyError> {
    ObjectKey::new(reader.escaped()?).map_err(|_| KeyError::Name)
}

fn bucket_prefix(table: Table, bucket: BucketId) -> Vec<u8> {
    let mut prefix = vec![table.number()];
    bucket.write(&mut prefix);
    prefix
}

impl CurrentKey {
    /// The rows of all keys of `bucket` that begin with `prefix`.
    pub fn with_prefix(bucket: BucketId, prefix: &[u8]) -> KeyRange {
        let mut start = bucket_prefix(Table::Current, bucket);
        start.extend_from_slice(prefix);
        KeyRange::of_prefix(start)
    }
}

impl TableKey for CurrentKey {
    const TABLE: Table = Table::Current;

    fn write_components(&self, out: &mut Vec<u8>) {
        self.bucket.write(out);
        out.extend_from_slice(self.key.as_bytes());
    }

    fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok(CurrentKey {
            bucket: BucketId::read(reader)?,
            key: raw_object_key(reader)?,
        })
    }
}

impl RowKey for CurrentKey {
    type Record = ObjectRecord;
}

impl VersionKey {
    /// All rows of one object key.
    pub fn of_object(bucket: BucketId, key: &ObjectKey) -> KeyRange {
        let mut prefix = bucket_prefix(Table::Versions, bucket);
        write_escaped(key.as_bytes(), &mut prefix);
        KeyRange::of_prefix(prefix)
    }

    /// The rows of all keys of `bucket` that begin with `prefix`.
    pub fn with_prefix(bucket: BucketId, prefix: &[u8]) -> KeyRange {
        let mut start = bucket_prefix(Table::Versions, bucket);
        write_escaped_open(prefix, &mut start);
        KeyRange::of_prefix(start)
    }
}

impl TableKey for VersionKey {
    const TABLE: Table = Table::Versions;

    fn write_components(&self, out: &mut Vec<u8>) {
        self.bucket.write(out);
        write_escaped(self.key.as_bytes(), out);
        out.extend(self.version.to_bytes().map(|byte| !byte));
    }

    fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok(VersionKey {
            bucket: BucketId::read(reader)?,
            key: escaped_object_key(reader)?,
            version: VersionId::from_bytes(reader.array()?.map(|byte: u8| !byte)),
        })
    }
}

impl RowKey for VersionKey {
    type Record = VersionEntry;
}

impl TableKey for NullVersionKey {
    const TABLE: Table = Table::NullVersions;

    fn write_components(&self, out: &mut Vec<u8>) {
        self.bucket.write(out);
        out.extend_from_slice(self.key.as_bytes());
    }

    fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok(NullVersionKey {
            bucket: BucketId::read(reader)?,
            key: raw_object_key(reader)?,
        })
    }
}

impl RowKey for NullVersionKey {
    type Record = NullVersionRecord;
}

impl UploadKey {
    /// The rows of all uploads of `bucket` whose object keys begin with `prefix`.
    pub fn with_prefix(bucket: BucketId, prefix: &[u8]) -> KeyRange {
        let mut start = bucket_prefix(Table::Uploads, bucket);
        write_escaped_open(prefix, &mut start);
        KeyRange::of_prefix(start)
    }

    /// The rows of all uploads to one object key.
    pub fn of_object(bucket: BucketId, key: &ObjectKey) -> KeyRange {
        let mut prefix = bucket_prefix(Table::Uploads, bucket);
        write_escaped(key.as_bytes(), &mut prefix);
        KeyRange::of_prefix(prefix)
    }
}

impl TableKey for UploadKey {
    const TABLE: Table = Table::Uploads;

    fn write_components(&self, out: &mut Vec<u8>) {
        self.bucket.write(out);
        write_escaped(self.key.as_bytes(), out);
        self.upload.write(out);
    }

    fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        Ok(UploadKey {
            bucket: BucketId::read(reader)?,
            key: escaped_object_key(reader)?,
            upload: UploadId::read(reader)?,
        })
    }
}

impl RowKey for UploadKey {
    type Record = UploadRecord;
}
