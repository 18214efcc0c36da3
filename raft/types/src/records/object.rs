use std::fmt;
use std::str::FromStr;

use crate::checksum::Checksum;
use crate::codec::{choice, record};
use crate::etag::ETag;
use crate::ids::{BlobId, InvalidId, UploadId, VersionId};
use crate::names::PrincipalName;
use crate::time::MillisUtc;

record! {
    /// A version of an object that has content. One lookup of this row serves HEAD and LIST.
    pub struct ObjectRecord {
        /// Assigned when it was applied.
        1 => version: VersionId,
        /// Whether clients see it as the version `null`.
        2 => is_null: bool,
        /// Logical length in bytes.
        3 => size: u64,
        /// The ETag.
        4 => etag: ETag,
        /// When it was applied.
        5 => modified: MillisUtc,
        /// Where the bytes are.
        6 => content: Content,
        /// Headers that S3 stores and returns.
        7 => headers: Option<SystemHeaders>,
        /// User metadata, in the order in which it was sent.
        8 => metadata: Vec<MetadataPair>,
        /// Checksums to return.
        9 => checksums: Vec<Checksum>,
        /// Storage class where it is not `STANDARD`.
        10 => storage_class: Option<String>,
        /// Who wrote it, where that is not the bucket's owner.
        11 => owner: Option<PrincipalName>,
    }
}

choice! {
    /// Where the bytes of an object are.
    pub enum Content {
        /// In one blob.
        1 => Blob(BlobId),
        /// In a few blobs, one after the other.
        2 => Blobs(Pieces),
        /// In the listed parts of a completed upload.
        3 => Manifest(UploadId),
    }
}

record! {
    /// Blobs in the order of the bytes.
    pub struct Pieces {
        /// The blobs and their plaintext lengths.
        1 => pieces: Vec<Piece>,
    }
}

record! {
    /// A blob as a part of something longer.
    #[derive(Copy)]
    pub struct Piece {
        /// The blob.
        1 => blob: BlobId,
        /// Its plaintext length in bytes.
        2 => length: u64,
    }
}

record! {
    /// Headers that S3 stores with an object and returns as they were.
    #[derive(Default)]
    pub struct SystemHeaders {
        /// `Content-Type`.
        1 => content_type: Option<String>,
        /// `Content-Encoding`, without `aws-chunked`.
        2 => content_encoding: Option<String>,
        /// `Content-Disposition`.
        3 => content_disposition: Option<String>,
        /// `Content-Language`.
        4 => content_language: Option<String>,
        /// `Cache-Control`.
        5 => cache_control: Option<String>,
        /// `Expires`, as it was sent.
        6 => expires: Option<String>,
    }
}

impl SystemHeaders {
    /// Whether no header is set; such a value is not stored.
    pub fn is_empty(&self) -> bool {
        *self == SystemHeaders::default()
    }
}

record! {
    /// One header of user metadata.
    pub struct MetadataPair {
        /// The name after `x-amz-meta-`, in lower case.
        1 => name: String,
        /// The value.
        2 => value: String,
    }
}

choice! {
    /// A row of `versions`.
    pub enum VersionEntry {
        /// A noncurrent version with content.
        1 => Object(Box<ObjectRecord>),
        /// A delete marker. Where it is the newest entry of its key, the key has no current version.
        2 => DeleteMarker(DeleteMarker),
    }
}

impl VersionEntry {
    /// The entry's version.
    pub fn version(&self) -> VersionId {
        match self {
            VersionEntry::Object(object) => object.version,
            VersionEntry::DeleteMarker(marker) => marker.version,
        }
    }

    /// Whether clients see the entry as the version `null`.
    pub fn is_null(&self) -> bool {
        match self {
            VersionEntry::Object(object) => object.is_null,
            VersionEntry::DeleteMarker(marker) => marker.is_null,
        }
    }

    /// When the entry was applied.
    pub fn modified(&self) -> MillisUtc {
        match self {
            VersionEntry::Object(object) => object.modified,
            VersionEntry::DeleteMarker(marker) => marker.modified,
        }
    }
}

record! {
    /// Says that the key was deleted while the bucket kept versions.
    pub struct DeleteMarker {
        /// Assigned when it was applied.
        1 => version: VersionId,
        /// Whether clients see it as the version `null`.
        2 => is_null: bool,
        /// When it was applied.
        3 => modified: MillisUtc,
        /// Who deleted, where that is not the bucket's owner.
        4 => owner: Option<PrincipalName>,
    }
}

record! {
    /// Points to the noncurrent null version of a key.
    pub struct NullVersionRecord {
        /// Its version in `versions`.
        1 => version: VersionId,
    }
}

choice! {
    /// A version as clients name it.
    #[derive(Copy, Hash)]
    pub enum VersionName {
        /// A version of a bucket that keeps versions.
        1 => Id(VersionId),
        /// The one version that was written while the bucket kept none.
        2 => Null,
    }
}

impl VersionName {
    /// How clients name this version.
    pub fn of(version: VersionId, is_null: bool) -> Self {
        if is_null {
            VersionName::Null
        } else {
            VersionName::Id(version)
        }
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VersionName::Id(version) => version.fmt(formatter),
            VersionName::Null => formatter.write_str("null"),
        }
    }
}

impl FromStr for VersionName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "null" {
            return Ok(VersionName::Null);
        }
        text.parse().map(VersionName::Id)
    }
}
