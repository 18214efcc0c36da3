//! Calls on buckets.

use super::identity::Owner;
use super::name::BucketName;
use super::object::UnixMillis;

/// One page of the caller's buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListBuckets {
    /// Only names that begin with this.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most this many, 1 to 10,000.
    pub limit: u32,
}

/// The answer to [`ListBuckets`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketList {
    /// Who asked, as an owner.
    pub owner: Owner,
    /// By name, ascending.
    pub buckets: Vec<BucketInfo>,
    /// Whether more follow the last one.
    pub truncated: bool,
}

/// A bucket as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: BucketName,
    /// When it was created.
    pub created: UnixMillis,
}

/// A bucket to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBucket {
    /// Its name, checked against the rules of S3.
    pub name: BucketName,
}
