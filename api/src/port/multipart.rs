//! Multipart uploads.

use super::checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
use super::conditions::WriteConditions;
use super::identity::Owner;
use super::name::{BucketName, ETag, ObjectKey, PartNumber, UploadId, VersionId};
use super::object::{ObjectMetadata, UnixMillis};

/// An upload to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key of the object to be.
    pub key: ObjectKey,
    /// The metadata of the object to be.
    pub metadata: ObjectMetadata,
    /// The checksum that its parts carry, and what the object's will cover.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// Names one upload. An id that belongs to another key is [`NoSuchUpload`](super::Error::NoSuchUpload).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRef {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// The id, as the client sent it.
    pub upload: UploadId,
}

/// A part to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    /// Of this upload.
    pub upload: UploadRef,
    /// Its number.
    pub number: PartNumber,
}

/// A part stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// One page of the parts of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListParts {
    /// Of this upload.
    pub upload: UploadRef,
    /// Only parts after this number; 0 begins at the first.
    pub after: u32,
    /// At most this many, 0 to 1,000.
    pub limit: u32,
}

/// The answer to [`ListParts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPage {
    /// The owner of the bucket.
    pub owner: Owner,
    /// Who began the upload.
    pub initiator: Owner,
    /// The checksum that the upload was begun with.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// By number, ascending.
    pub parts: Vec<PartInfo>,
    /// Whether more follow the last one.
    pub truncated: bool,
}

/// A part as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    /// Its number.
    pub number: PartNumber,
    /// Bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was stored.
    pub last_modified: UnixMillis,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// One page of the incomplete uploads of a bucket. Items as in [`ListObjects`](super::ListObjects),
/// with several uploads of one key ordered by creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// Groups keys; never empty.
    pub delimiter: Option<String>,
    /// Where to go on.
    pub after: Option<UploadCursor>,
    /// At most this many items, 0 to 1,000.
    pub limit: u32,
}

/// Where a listing of uploads goes on: after this upload of this key, or, without one, after all of
/// this key or common prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadCursor {
    /// The key or common prefix.
    pub key: String,
    /// The upload.
    pub upload: Option<UploadId>,
}

/// The answer to [`ListUploads`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPage {
    /// The owner of the bucket.
    pub owner: Owner,
    /// In order.
    pub uploads: Vec<UploadInfo>,
    /// In order, each ending with the delimiter.
    pub common_prefixes: Vec<String>,
    /// The last item of this page, when more follow it.
    pub next: Option<UploadCursor>,
}

/// An incomplete upload as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInfo {
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub upload: UploadId,
    /// Who began it.
    pub initiator: Owner,
    /// When.
    pub initiated: UnixMillis,
    /// The checksum that it was begun with.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// An upload to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUpload {
    /// The upload.
    pub upload: UploadRef,
    /// 1 to 10,000 parts, their numbers strictly ascending.
    pub parts: Vec<CompletedPart>,
    /// Decided where the object is committed.
    pub conditions: WriteConditions,
    /// The checksum that the client expects of the whole object; refused when it differs.
    pub checksum: Option<Checksum>,
    /// What the client says that checksum covers; refused when the upload was begun otherwise.
    pub checksum_type: Option<ChecksumType>,
    /// The size that the client expects of the whole object in bytes; refused when it differs.
    pub size: Option<u64>,
}

/// A part as a client lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum, when the client says one.
    pub checksum: Option<Checksum>,
}

/// An object made of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedObject {
    /// Its ETag.
    pub etag: ETag,
    /// Its version, in a bucket that keeps versions.
    pub version: Option<VersionId>,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Whether it is encrypted.
    pub encryption: super::Encryption,
}
