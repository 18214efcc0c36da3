//! Why the node did not do what a client asked.

use std::time::Duration;

use super::body::BodyError;
use super::name::{PartNumber, VersionId};

/// Every way in which an operation can fail. Closed: each surface says what each one is in its
/// protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller may not do this, or may not know whether it could.
    #[error("access denied")]
    AccessDenied,
    /// The bucket does not exist.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket belongs to someone else.
    #[error("the bucket belongs to another user")]
    BucketAlreadyExists,
    /// The bucket is the caller's already.
    #[error("the bucket is owned by the caller already")]
    BucketAlreadyOwnedByYou,
    /// The bucket still holds objects, versions or uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// A name that this node keeps for itself.
    #[error("the name of the bucket is reserved")]
    ReservedBucketName,
    /// The caller has as many buckets as it may have.
    #[error("too many buckets")]
    TooManyBuckets,
    /// The object does not exist.
    #[error("no such key")]
    NoSuchKey {
        /// The delete marker that hides it, in a bucket that keeps versions.
        marker: Option<VersionId>,
    },
    /// The upload does not exist, was completed or aborted, or belongs to another key.
    #[error("no such upload")]
    NoSuchUpload,
    /// A listed part does not exist or has another ETag or checksum.
    #[error("part {} is not the one stored", .0.get())]
    InvalidPart(PartNumber),
    /// A part that is not the last is too small.
    #[error("part {} has {size} of at least {minimum} bytes", .number.get())]
    PartTooSmall {
        /// The part.
        number: PartNumber,
        /// Its bytes.
        size: u64,
        /// The least number of bytes of a part that is not the last.
        minimum: u64,
    },
    /// The object has no part of this number.
    #[error("the object has no part {}", .0.get())]
    NoSuchPart(PartNumber),
    /// The object or part is larger than any may be.
    #[error("larger than {maximum} bytes")]
    TooLarge {
        /// The most bytes.
        maximum: u64,
    },
    /// The upload was begun with another checksum algorithm or type, or lacks one here.
    #[error("the checksum is not of the kind that the upload was begun with")]
    ChecksumKindMismatch,
    /// The checksum expected of a completed object is not its own.
    #[error("the checksum of the object is another")]
    ChecksumMismatch,
    /// The size expected of a completed object is not its own.
    #[error("the object has another size than expected")]
    SizeMismatch,
    /// A condition does not hold.
    #[error("the condition {} does not hold", .0.header())]
    PreconditionFailed(Condition),
    /// Another write of the key was decided while this one was under way; to be tried again.
    #[error("a conflicting conditional write is under way")]
    ConditionalConflict,
    /// Another operation on the same thing is under way; to be tried again.
    #[error("a conflicting operation is under way")]
    OperationAborted,
    /// A quota of the bucket, the user or all backends leaves no room.
    #[error("the quota is exhausted")]
    QuotaExceeded,
    /// The body was refused; nothing of it is kept.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The client asks faster than it may.
    #[error("too many requests")]
    SlowDown {
        /// When to try again.
        retry_after: Duration,
    },
    /// No quorum, no usable backend, shutting down. The outcome of a write is unknown.
    #[error("temporarily unavailable")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that should not happen did; logged where it did. The outcome of a write is unknown.
    #[error("internal error")]
    Internal,
}

/// A condition of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`.
    IfMatch,
    /// `If-None-Match`.
    IfNoneMatch,
    /// `If-Modified-Since`.
    IfModifiedSince,
    /// `If-Unmodified-Since`.
    IfUnmodifiedSince,
}

impl Condition {
    /// The header that states it.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::IfModifiedSince => "If-Modified-Since",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
        }
    }
}
