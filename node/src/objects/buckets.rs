//! Buckets.

use api::port::{
    BucketInfo, BucketList, BucketName, Caller, CreateBucket, Error, ListBuckets, Owner, WriteConditions,
};
use raft_machine::queries;
use raft_types::commands::{self, DeleteBucket};
use raft_types::{Command, Outcome, PrincipalName, Rejection};

use super::access::{CreateBuckets, UsableBucket, may_use, owned_bucket};
use super::errors::{execute_failed, rejected, state_fault, unexpected};
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

/// Buckets that are read at a time while looking for those of one user.
const BUCKETS_PER_STEP: usize = 1_000;

impl Gateway {
    pub(super) fn do_list_buckets(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &ListBuckets,
    ) -> Result<BucketList, Error> {
        let policy = self.policy();
        let mut buckets = Vec::new();
        let mut after = request
            .after
            .as_deref()
            .and_then(|name| raft_types::BucketName::new(name).ok());
        let limit = request.limit as usize;
        'pages: loop {
            let page = queries::buckets_after(view.tables(), after.as_ref(), BUCKETS_PER_STEP)
                .map_err(state_fault)?;
            let last = page.len() < BUCKETS_PER_STEP;
            after = page.last().map(|(_, record)| record.name.clone()).or(after);
            for (_, record) in page {
                let name = record.name.as_str();
                let usable = may_use(&*policy, caller, name, Some(record.owner.as_str()));
                let Some(port_name) = translate::port_bucket_name(&record.name).filter(|_| usable) else {
                    continue;
                };
                if !name.starts_with(&request.prefix) {
                    continue;
                }
                buckets.push(BucketInfo {
                    name: port_name,
                    created: translate::millis(record.created),
                });
                if buckets.len() > limit {
                    break 'pages;
                }
            }
            if last {
                break;
            }
        }
        let truncated = buckets.len() > limit;
        buckets.truncate(limit);
        Ok(BucketList {
            owner: owner_of(caller),
            buckets,
            truncated,
        })
    }

    pub(super) async fn do_create_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        request: CreateBucket,
    ) -> Result<(), Error> {
        let policy = self.policy();
        if policy.create_buckets(caller.access_key()) == CreateBuckets::Denied {
            return Err(Error::AccessDenied);
        }
        let reserved = &self.parts.limits.reserved_buckets;
        let Some(name) = translate::bucket_name(&request.name) else {
            return Err(Error::ReservedBucketName);
        };
        if reserved.iter().any(|reserved| reserved == name.as_str()) {
            return Err(Error::ReservedBucketName);
        }
        let (name, found) = view
            .decide(name, |view, name| {
                queries::bucket_by_name(view.tables(), name).map_err(state_fault)
            })
            .await?;
        if let Some((_, record)) = found {
            return Err(taken(record.owner.as_str(), &caller));
        }
        drop(view);
        let owner = principal(&caller)?;
        let command = Command::CreateBucket(commands::CreateBucket { name, owner });
        match self
            .parts
            .metadata
            .execute(command)
            .await
            .map_err(execute_failed)?
        {
            Outcome::BucketCreated(_) => Ok(()),
            Outcome::Rejected(Rejection::BucketExists(owner)) => Err(taken(owner.as_str(), &caller)),
            Outcome::Rejected(other) => Err(rejected("CreateBucket", other, &WriteConditions::default())),
            other => Err(unexpected("CreateBucket", &other)),
        }
    }

    pub(super) async fn do_delete_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<(), Error> {
        let (_, usable) = self.usable(&view, &caller, bucket).await?;
        let UsableBucket { id, .. } = owned_bucket(&*self.policy(), &caller, usable)?;
        drop(view);
        let command = Command::DeleteBucket(DeleteBucket { bucket: id });
        match self
            .parts
            .metadata
            .execute(command)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Done => Ok(()),
            Outcome::Rejected(other) => Err(rejected("DeleteBucket", other, &WriteConditions::default())),
            other => Err(unexpected("DeleteBucket", &other)),
        }
    }

    pub(super) async fn do_head_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<BucketInfo, Error> {
        let (bucket, usable) = self.usable(&view, &caller, bucket).await?;
        Ok(BucketInfo {
            name: bucket,
            created: translate::millis(usable.record.created),
        })
    }
}

/// The caller as a name of the state.
pub(super) fn principal(caller: &Caller) -> Result<PrincipalName, Error> {
    PrincipalName::new(&**caller.user()).map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a configured user has an impossible name"
        );
        Error::Internal
    })
}

fn owner_of(caller: &Caller) -> Owner {
    Owner {
        id: caller.user().clone(),
        display_name: caller.user().clone(),
    }
}

fn taken(owner: &str, caller: &Caller) -> Error {
    if owner == &**caller.user() {
        Error::BucketAlreadyOwnedByYou
    } else {
        Error::BucketAlreadyExists
    }
}
