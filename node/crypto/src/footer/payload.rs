//! What a footer's sealed part says.

use crate::{BlobId, BucketId, ClusterId};

/// Bytes of a bucket name at most; S3 allows 63, legacy buckets had up to 255.
pub const MAX_BUCKET_NAME_LEN: usize = 255;
/// Bytes of an object key at most, by S3.
pub const MAX_OBJECT_KEY_LEN: usize = 1024;
/// Bytes of an upload id at most.
pub const MAX_UPLOAD_ID_LEN: usize = 128;
/// Bytes of an ETag at most: 32 hex digits, a dash and the number of parts.
pub const MAX_ETAG_LEN: usize = 40;
/// Entries of system and of user metadata at most, each.
pub const MAX_METADATA_ENTRIES: usize = 512;

/// Why an authentic payload is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The length before the message, or the padding behind it, is wrong.
    #[error("its framing is wrong")]
    Framing,
    /// It is not the message that it should be.
    #[error("it is not a footer message")]
    Message,
    /// A field is missing, too long or out of range.
    #[error("its {0} is missing or out of range")]
    Field(&'static str),
}

/// What is known about a blob when its first byte is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterFacts {
    /// The cluster that writes it.
    pub cluster: ClusterId,
    /// The bucket it belongs to.
    pub bucket: BucketId,
    /// That bucket's name at this time.
    pub bucket_name: String,
    /// The object's key.
    pub object_key: String,
    /// The multipart upload it is a part of, if it is.
    pub upload: Option<UploadPart>,
    /// Its place among the blobs of the body.
    pub place: Place,
    /// Headers that S3 keeps with an object (`content-type`, `cache-control`, …).
    pub system_metadata: Metadata,
    /// `x-amz-meta-*` without that prefix.
    pub user_metadata: Metadata,
    /// When it was written, relative to other writes.
    pub order: Order,
}

/// Names and values in the order in which they were given.
pub type Metadata = Vec<(String, String)>;

/// A part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart {
    /// The upload.
    pub upload_id: Vec<u8>,
    /// The part, 1 to 10,000.
    pub part_number: u32,
}

/// Where a blob stands among the blobs of one body (one PUT, or one part).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First blob of the body; names the body.
    pub body: BlobId,
    /// Number of blobs before this one.
    pub index: u32,
    /// Client bytes before this blob.
    pub offset: u64,
}

impl Place {
    /// The only blob of a body, or its first.
    pub const fn first(blob: BlobId) -> Self {
        Self {
            body: blob,
            index: 0,
            offset: 0,
        }
    }
}

/// Orders writes that a rebuilt cluster finds: lexicographically by these fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Incarnation counter of the cluster.
    pub incarnation: u64,
    /// Read index of the request's barrier: everything committed up to it preceded this write.
    pub read_index: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z, by the node's clock.
    pub unix_ms: u64,
}

/// What is known about a blob when its last byte has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterResults {
    /// Client bytes in this blob; less than its plaintext when the body was padded.
    pub content_len: u64,
    /// About the whole body. Present in its last blob only, whose existence therefore proves that
    /// the body was complete and verified.
    pub body: Option<BodyResults>,
}

/// What is known about a whole body after its last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyResults {
    /// Client bytes of the whole body.
    pub len: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksums.
    pub checksums: Vec<Checksum>,
}

/// One checksum of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The raw digest, of the algorithm's length.
    pub value: Vec<u8>,
}

/// The checksum algorithms of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// Bytes of a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Crc32 => 1,
            Self::Crc32c => 2,
            Self::Crc64Nvme => 3,
            Self::Sha1 => 4,
            Self::Sha256 => 5,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.number() == number)
    }
}
