//! Who may do what. Everything that is not granted is denied.

use std::sync::Arc;

use api::port::{BucketName, Caller, Credential, Error};
use raft_machine::{ReadTables, queries};
use raft_types::BucketId;
use raft_types::records::BucketRecord;

use super::errors::state_fault;
use super::translate;

/// Whether a user may create buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateBuckets {
    /// It may, and owns what it creates.
    Allowed,
    /// It may not.
    Denied,
}

/// What the users' configuration grants. An implementation is immutable; a reload puts another in its
/// place.
pub(crate) trait AccessPolicy: std::fmt::Debug + Send + Sync + 'static {
    /// The credential of an active access key.
    fn credential(&self, access_key: &str) -> Option<Arc<Credential>>;

    /// Whether the access key's grants name the bucket, whoever owns it.
    fn grants(&self, access_key: &str, bucket: &str) -> bool;

    /// Whether the access key's user may create buckets.
    fn create_buckets(&self, access_key: &str) -> CreateBuckets;

    /// Whether the access key's user administers every bucket: it may use all and create them.
    fn administers(&self, access_key: &str) -> bool;

    /// Whether the configuration declares the bucket, so that it exists for as long as it does.
    fn declares(&self, bucket: &str) -> bool;
}

/// A bucket that the caller may use.
#[derive(Debug, Clone)]
pub(crate) struct UsableBucket {
    /// Its number.
    pub(crate) id: BucketId,
    /// Its row.
    pub(crate) record: BucketRecord,
}

/// Whether the caller may use a bucket of this name and, where it exists, this owner.
pub(crate) fn may_use(policy: &dyn AccessPolicy, caller: &Caller, name: &str, owner: Option<&str>) -> bool {
    policy.grants(caller.access_key(), name) || owner.is_some_and(|owner| owner == &**caller.user())
}

/// Whether the caller may delete a bucket of this name and owner: its owner may, and who administers
/// all; nobody may where the configuration declares it, since it would only come back.
pub(crate) fn may_delete(policy: &dyn AccessPolicy, caller: &Caller, name: &str, owner: &str) -> bool {
    !policy.declares(name) && (owner == &**caller.user() || policy.administers(caller.access_key()))
}

/// The bucket, if the caller may use it.
///
/// # Errors
/// [`Error::AccessDenied`] where the caller may not use a bucket of this name, whether or not there is
/// one; [`Error::NoSuchBucket`] only to those who may.
pub(crate) fn usable_bucket(
    policy: &dyn AccessPolicy,
    tables: &impl ReadTables,
    caller: &Caller,
    bucket: &BucketName,
) -> Result<UsableBucket, Error> {
    let Some(name) = translate::bucket_name(bucket) else {
        return Err(missing(policy, caller, bucket));
    };
    let Some((id, record)) = queries::bucket_by_name(tables, &name).map_err(state_fault)? else {
        return Err(missing(policy, caller, bucket));
    };
    if !may_use(policy, caller, bucket.as_str(), Some(record.owner.as_str())) {
        return Err(Error::AccessDenied);
    }
    Ok(UsableBucket { id, record })
}

fn missing(policy: &dyn AccessPolicy, caller: &Caller, bucket: &BucketName) -> Error {
    if may_use(policy, caller, bucket.as_str(), None) {
        Error::NoSuchBucket
    } else {
        Error::AccessDenied
    }
}
