use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumScope};
use crate::codec::record;
use crate::etag::ETag;
use crate::ids::{BackendId, BucketId, VersionId};
use crate::names::{ObjectKey, PrincipalName};
use crate::records::{MetadataPair, Piece, SystemHeaders, Versioning};
use crate::time::MillisUtc;

record! {
    /// An open multipart upload.
    pub struct UploadRecord {
        /// When it was created.
        1 => initiated: MillisUtc,
        /// Who created it, where that is not the bucket's owner.
        2 => owner: Option<PrincipalName>,
        /// Headers of the object that it will become.
        3 => headers: Option<SystemHeaders>,
        /// User metadata of the object.
        4 => metadata: Vec<MetadataPair>,
        /// Storage class where it is not `STANDARD`.
        5 => storage_class: Option<String>,
        /// The checksum that the client chose.
        6 => algorithm: Option<ChecksumAlgorithm>,
        /// What that checksum covers.
        7 => scope: ChecksumScope,
        /// The backends that its parts prefer, so that a large object depends on few of them.
        8 => backends: Vec<BackendId>,
    }
}

record! {
    /// A part of an upload, or of the manifest that it became.
    pub struct PartRecord {
        /// Its blobs, in the order of the bytes; at least one.
        1 => pieces: Vec<Piece>,
        /// Logical length in bytes.
        2 => size: u64,
        /// MD5 of the bytes.
        3 => etag: ETag,
        /// Checksums of the part.
        4 => checksums: Vec<Checksum>,
        /// When it was applied.
        5 => modified: MillisUtc,
    }
}

record! {
    /// The result of a completed upload: what a repetition is answered with.
    pub struct CompletionRecord {
        /// The bucket.
        1 => bucket: BucketId,
        /// The object's key.
        2 => key: ObjectKey,
        /// The version that it became.
        3 => version: VersionId,
        /// Whether clients see that as the version `null`.
        4 => is_null: bool,
        /// The bucket's versioning then.
        5 => versioning: Versioning,
        /// The object's ETag.
        6 => etag: ETag,
        /// The object's length in bytes.
        7 => size: u64,
        /// The object's checksums.
        8 => checksums: Vec<Checksum>,
        /// When it was applied.
        9 => modified: MillisUtc,
        /// Until when the row stays at least.
        10 => due: MillisUtc,
    }
}

record! {
    /// Stands where a completion becomes due; all that is to be known is in the key.
    pub struct CompletionDueRecord {
    }
}
