use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Conditions, Written};
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumScope};
use crate::codec::record;
use crate::digest::Digest;
use crate::etag::ETag;
use crate::ids::{BackendId, BucketId, PartNumber, UploadId};
use crate::names::{ObjectKey, PrincipalName};
use crate::records::{MetadataPair, Piece, SystemHeaders};

record! {
    /// An upload, as requests name it.
    #[derive(Hash)]
    pub struct UploadTarget {
        /// The bucket.
        1 => bucket: BucketId,
        /// Key of the object that it will become.
        2 => key: ObjectKey,
        /// The upload.
        3 => upload: UploadId,
    }
}

record! {
    /// Opens a multipart upload.
    pub struct CreateUpload {
        /// The upload; its id is drawn by the proposer.
        1 => target: UploadTarget,
        /// Who creates it, where that is not the bucket's owner.
        2 => owner: Option<PrincipalName>,
        /// Headers of the object.
        3 => headers: Option<SystemHeaders>,
        /// User metadata of the object.
        4 => metadata: Vec<MetadataPair>,
        /// Storage class where it is not `STANDARD`.
        5 => storage_class: Option<String>,
        /// The checksum that the client chose.
        6 => algorithm: Option<ChecksumAlgorithm>,
        /// What it covers.
        7 => scope: ChecksumScope,
        /// The backends that parts shall prefer.
        8 => backends: Vec<BackendId>,
    }
}

record! {
    /// Makes written blobs a part of an upload, in the place of an earlier part of that number.
    pub struct CommitPart {
        /// The upload.
        1 => target: UploadTarget,
        /// The part's number.
        2 => number: PartNumber,
        /// The blobs, in the order of the bytes.
        3 => written: Written,
        /// Logical length in bytes; the blobs add up to it.
        4 => size: u64,
        /// MD5 of the bytes.
        5 => etag: ETag,
        /// Checksums of the part, verified.
        6 => checksums: Vec<Checksum>,
    }
}

record! {
    /// Makes listed parts the current version of the upload's key.
    pub struct CompleteUpload {
        /// The upload.
        1 => target: UploadTarget,
        /// Which parts are listed: as in [`ManifestRecord`](crate::records::ManifestRecord).
        2 => listed: Bytes,
        /// Which parts the node has seen under these numbers: see [`PartsDigest`].
        3 => digest: Digest,
        /// Logical length in bytes; the parts add up to it.
        4 => size: u64,
        /// The object's ETag.
        5 => etag: ETag,
        /// The object's checksums.
        6 => checksums: Vec<Checksum>,
        /// What must hold of the key's current version.
        7 => conditions: Option<Conditions>,
        /// How long the result is kept for repetitions, in milliseconds; 0 stands for
        /// [`COMPLETION_KEPT_MILLIS`](crate::limits::COMPLETION_KEPT_MILLIS).
        8 => kept_millis: u64,
    }
}

/// Digest over listed parts: number and blobs of each, in the order of the numbers.
///
/// A blob is written once, so equal digests mean the same parts with the same bytes.
#[derive(Clone, Debug, Default)]
pub struct PartsDigest {
    hash: Sha256,
}

impl PartsDigest {
    /// The digest of no parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next part.
    pub fn add(&mut self, number: PartNumber, pieces: &[Piece]) {
        self.hash.update(number.get().to_be_bytes());
        self.hash.update((pieces.len() as u64).to_be_bytes());
        for piece in pieces {
            self.hash.update(piece.blob.as_bytes());
            self.hash.update(piece.length.to_be_bytes());
        }
    }

    /// The digest of all parts that were added.
    pub fn finish(self) -> Digest {
        Digest(self.hash.finalize().into())
    }
}

record! {
    /// Ends an upload without effect.
    pub struct AbortUpload {
        /// The upload.
        1 => target: UploadTarget,
    }
}

record! {
    /// Forgets results of completed uploads whose time has come.
    pub struct ExpireCompletions {
        /// How many at most.
        1 => limit: u32,
    }
}
