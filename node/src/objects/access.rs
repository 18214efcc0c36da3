//! Who may do what. Everything that is not granted is denied.

use std::sync::Arc;

use api::port::{BucketName, Caller, Credential, Error};
use raft_machine::{ReadTables, queries};
use raft_types::BucketId;
use raft_types::records::BucketRecord;

use super::errors::state_fault;
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

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

impl Gateway {
    /// The bucket, if the caller may use it; its name is handed back. See [`usable_bucket`].
    pub(super) async fn usable(
        &self,
        view: &RequestView,
        caller: &Caller,
        bucket: BucketName,
    ) -> Result<(BucketName, UsableBucket), Error> {
        let context = (self.policy(), caller.clone(), bucket);
        let ((.., bucket), usable) = view
            .decide(context, |view, (policy, caller, bucket)| {
                usable_bucket(&**policy, view.tables(), caller, bucket)
            })
            .await?;
        Ok((bucket, usable))
    }
}

fn missing(policy: &dyn AccessPolicy, caller: &Caller, bucket: &BucketName) -> Error {
    if may_use(policy, caller, bucket.as_str(), None) {
        Error::NoSuchBucket
    } else {
        Error::AccessDenied
    }
}
