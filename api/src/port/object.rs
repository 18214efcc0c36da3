//! Calls on objects.

use super::checksum::ObjectChecksum;
use super::conditions::WriteConditions;
use super::name::{BucketName, ETag, ObjectKey, PartNumber, UploadId, VersionId};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

/// What a client may store beside the bytes. Values are those to be sent back, decoded and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectMetadata {
    /// `Content-Type`; `None` when the client sent none.
    pub content_type: Option<String>,
    /// `Content-Encoding`, without the `aws-chunked` of the transfer.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as sent.
    pub expires: Option<String>,
    /// `x-amz-meta-*`: names in lower case without the prefix, in order of arrival, each once.
    /// Names and values together are at most 2 KiB.
    pub user: Vec<(String, String)>,
}

/// Whether bytes are encrypted by the cluster before they leave the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// They are not.
    None,
    /// They are, with keys of the cluster; shown as `x-amz-server-side-encryption: AES256`.
    ServerManaged,
}

/// An object to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What is stored beside the bytes.
    pub metadata: ObjectMetadata,
    /// Decided where the write is applied.
    pub conditions: WriteConditions,
}

/// An object stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its ETag.
    pub etag: ETag,
    /// Its version, in a bucket that keeps versions.
    pub version: Option<VersionId>,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Whether it is encrypted.
    pub encryption: Encryption,
}

/// An upload begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedUpload {
    /// Its id.
    pub upload: UploadId,
    /// Whether its parts will be encrypted.
    pub encryption: Encryption,
}

/// An object to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Where this part lies, too. An object that was not uploaded in parts has one, number 1.
    pub part: Option<PartNumber>,
}

/// An object found.
#[derive(Debug)]
pub struct Found<H> {
    /// What is known of it.
    pub info: ObjectInfo,
    /// Opens it.
    pub handle: H,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: UnixMillis,
    /// Its version, in a bucket that keeps versions.
    pub version: Option<VersionId>,
    /// What was stored beside the bytes.
    pub metadata: ObjectMetadata,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Whether it is encrypted.
    pub encryption: Encryption,
    /// The part that was asked for.
    pub part: Option<PartSpan>,
}

/// A part of a complete object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSpan {
    /// Where it lies.
    pub range: ByteRange,
    /// How many parts the object has; `None` when it was not uploaded in parts.
    pub parts: Option<u32>,
    /// The checksum of the part.
    pub checksum: Option<super::Checksum>,
}

/// Some bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// An object to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Decided where the delete is applied. With `If-Match` a key that is not there is
    /// [`NoSuchKey`](super::Error::NoSuchKey); without, its deletion succeeds.
    pub conditions: WriteConditions,
}

/// A delete that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedObject {
    /// The delete marker that it made, in a bucket that keeps versions.
    pub marker: Option<VersionId>,
}
