//! Buckets that the configuration names exist from the start, or the reload, on that names them.

use raft::ExecuteError;
use raft_machine::{Fault, queries};
use raft_types::commands::CreateBucket;
use raft_types::{BucketName, Command, Outcome, PrincipalName, Rejection};

use crate::config::{BucketSettings, ClusterSettings, OPERATOR};
use crate::metadata::Metadata;

/// Why a configured bucket does not exist.
#[derive(Debug, thiserror::Error)]
pub(super) enum BucketsError {
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The command did not get through.
    #[error("bucket {name} could not be created")]
    Execute {
        /// The bucket.
        name: BucketName,
        /// Why.
        source: ExecuteError,
    },
    /// The command was answered otherwise than expected.
    #[error("bucket {name} could not be created: {outcome:?}")]
    Refused {
        /// The bucket.
        name: BucketName,
        /// The answer.
        outcome: Outcome,
    },
    /// No owner can be named.
    #[error(transparent)]
    Owner(#[from] raft_types::InvalidName),
}

/// Creates the configured buckets that do not exist.
pub(super) async fn ensure(metadata: &Metadata, settings: &ClusterSettings) -> Result<(), BucketsError> {
    for bucket in &settings.buckets {
        if queries::bucket_by_name(&metadata.local(), &bucket.name)?.is_none() {
            create(metadata, bucket).await?;
        }
    }
    Ok(())
}

async fn create(metadata: &Metadata, bucket: &BucketSettings) -> Result<(), BucketsError> {
    let name = bucket.name.clone();
    let owner = PrincipalName::new(OPERATOR)?;
    let command = Command::CreateBucket(CreateBucket {
        name: name.clone(),
        owner,
    });
    match metadata.execute(command).await {
        Ok(Outcome::BucketCreated(_) | Outcome::Rejected(Rejection::BucketExists(_))) => Ok(()),
        Ok(outcome) => Err(BucketsError::Refused { name, outcome }),
        Err(source) => Err(BucketsError::Execute { name, source }),
    }
}
