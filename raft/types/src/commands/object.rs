use super::Written;
use crate::checksum::Checksum;
use crate::codec::{choice, record};
use crate::etag::ETag;
use crate::ids::{BucketId, IncarnationCounter, VersionId};
use crate::names::{ObjectKey, PrincipalName};
use crate::records::{MetadataPair, SystemHeaders, VersionName};
use crate::time::MillisUtc;

record! {
    /// Makes written blobs the current version of a key.
    pub struct CommitObject {
        /// The bucket.
        1 => bucket: BucketId,
        /// The object's key.
        2 => key: ObjectKey,
        /// The blobs, in the order of the bytes.
        3 => written: Written,
        /// The version's fields.
        4 => object: NewObject,
        /// What must hold of the current version.
        5 => conditions: Option<Conditions>,
        /// When the request began, as in the blobs' footers.
        6 => order: OrderStamp,
    }
}

record! {
    /// What the writer says of a new version.
    pub struct NewObject {
        /// Logical length in bytes; the blobs add up to it.
        1 => size: u64,
        /// The ETag.
        2 => etag: ETag,
        /// Headers to return.
        3 => headers: Option<SystemHeaders>,
        /// User metadata.
        4 => metadata: Vec<MetadataPair>,
        /// Checksums to return, verified.
        5 => checksums: Vec<Checksum>,
        /// Storage class where it is not `STANDARD`.
        6 => storage_class: Option<String>,
        /// Who writes, where that is not the bucket's owner.
        7 => owner: Option<PrincipalName>,
    }
}

record! {
    /// When a request began: after everything that was applied up to this index.
    #[derive(Copy)]
    pub struct OrderStamp {
        /// The life of the cluster.
        1 => incarnation: IncarnationCounter,
        /// Read index of the request's barrier.
        2 => read_index: u64,
        /// Clock of the node.
        3 => time: MillisUtc,
    }
}

record! {
    /// What must hold of a version, decided where the command is applied.
    #[derive(Default)]
    pub struct Conditions {
        /// `If-Match`: there is such a version and its ETag is one of these.
        1 => if_match: Option<ETagCondition>,
        /// `If-None-Match`: there is no such version or its ETag is none of these.
        2 => if_none_match: Option<ETagCondition>,
        /// `If-Modified-Since`, in whole seconds.
        3 => if_modified_since: Option<MillisUtc>,
        /// `If-Unmodified-Since`, in whole seconds.
        4 => if_unmodified_since: Option<MillisUtc>,
    }
}

choice! {
    /// The ETags of a condition.
    pub enum ETagCondition {
        /// `*`: every ETag.
        1 => Any,
        /// A list. ETags that no version of ours can have are left out of it, so it may be empty.
        2 => OneOf(ETags),
    }
}

record! {
    /// A list of ETags.
    pub struct ETags {
        /// The ETags.
        1 => etags: Vec<ETag>,
    }
}

record! {
    /// Deletes keys or versions of one bucket, at most [`limits::DELETE_KEYS`](crate::limits::DELETE_KEYS).
    /// Each has an outcome of its own, in the same order; those that fail do not hinder the others.
    pub struct DeleteObjects {
        /// The bucket.
        1 => bucket: BucketId,
        /// What to delete.
        2 => targets: Vec<DeleteTarget>,
        /// Owner of delete markers, where that is not the bucket's owner.
        3 => owner: Option<PrincipalName>,
    }
}

record! {
    /// A key or version to delete.
    pub struct DeleteTarget {
        /// The key.
        1 => key: ObjectKey,
        /// The version to remove for good; without it the current version goes, as versioning demands.
        2 => version: Option<VersionName>,
        /// What must hold of the version that goes.
        3 => conditions: Option<Conditions>,
    }
}

record! {
    /// Makes the content of one version the current version of a key of the same bucket, by reference.
    pub struct CopyReference {
        /// The bucket of both.
        1 => bucket: BucketId,
        /// Key of the source.
        2 => source: ObjectKey,
        /// The version that the node has read and whose content is meant.
        3 => source_version: VersionId,
        /// What must hold of the source.
        4 => source_conditions: Option<Conditions>,
        /// Key of the target.
        5 => key: ObjectKey,
        /// The new version's fields; size and ETag equal the source's.
        6 => object: NewObject,
        /// What must hold of the target's current version.
        7 => conditions: Option<Conditions>,
    }
}
