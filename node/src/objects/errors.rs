//! From what went wrong inside to what a client is told.

use std::time::Duration;

use api::port::{Condition, Error, PartNumber, WriteConditions};
use raft::{ExecuteError, NotInMemory};
use raft_machine::Fault;
use raft_types::limits::MIN_PART_SIZE;
use raft_types::{BucketId, Outcome, Rejection};

use crate::keys::KeysError;
use crate::replicas::{ReadError, WriteError};

/// When a client is to try again after something that passes: longer than an election, short enough
/// that a client does not give up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Something passes; to be tried again.
pub(crate) fn unavailable() -> Error {
    Error::Unavailable {
        retry_after: RETRY_AFTER,
    }
}

/// The local state could not be read.
pub(crate) fn state_fault(fault: Fault) -> Error {
    if let Fault::Storage(storage) = &fault
        && storage.source.is::<NotInMemory>()
    {
        // Nobody hears of it: the query is run again where it may wait for the disk.
        return Error::Internal;
    }
    tracing::error!(
        error = &fault as &dyn std::error::Error,
        "the state could not be read"
    );
    Error::Internal
}

/// A command did not get through, or its outcome is unknown.
pub(crate) fn execute_failed(error: ExecuteError) -> Error {
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "a command did not get through"
    );
    unavailable()
}

/// An answer that the command cannot have.
pub(crate) fn unexpected(command: &'static str, outcome: &Outcome) -> Error {
    tracing::error!(
        command,
        ?outcome,
        "a command was answered with an outcome that it cannot have"
    );
    Error::Internal
}

/// A bucket has no key that could seal.
pub(crate) fn keys_failed(bucket: BucketId, error: &KeysError) -> Error {
    if let KeysError::NoSuchBucket(_) = error {
        return Error::NoSuchBucket;
    }
    tracing::warn!(
        %bucket,
        error = error as &dyn std::error::Error,
        "the bucket has no usable key"
    );
    unavailable()
}

/// A body was not written.
pub(crate) fn write_failed(error: WriteError) -> Error {
    match error {
        WriteError::Body(error) => Error::Body(error),
        WriteError::Epoch(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no attempt could be begun"
            );
            unavailable()
        }
        WriteError::Backends { .. } | WriteError::Key(_) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a body could not be stored"
            );
            unavailable()
        }
        WriteError::NoEntropy(_) | WriteError::Internal { .. } => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a body could not be stored"
            );
            Error::Internal
        }
    }
}

/// A body could not be read.
pub(crate) fn read_failed(error: &ReadError) -> Error {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "an object could not be read"
    );
    match error {
        ReadError::Open(_) => Error::Internal,
        ReadError::Replicas { .. } => unavailable(),
    }
}

/// Why a write did not happen, in the words of the surface.
pub(crate) fn rejected(command: &'static str, rejection: Rejection, conditions: &WriteConditions) -> Error {
    match rejection {
        Rejection::NoSuchBucket => Error::NoSuchBucket,
        Rejection::BucketNotEmpty => Error::BucketNotEmpty,
        Rejection::NoSuchKey => Error::NoSuchKey { marker: None },
        Rejection::PreconditionFailed => Error::PreconditionFailed(failed_condition(conditions)),
        Rejection::NoSuchUpload => Error::NoSuchUpload,
        Rejection::PartTooSmall(number) => match PartNumber::new(u64::from(number.get())) {
            // The size is not known here; whoever knows it answers before the command is sent.
            Some(number) => Error::PartTooSmall {
                number,
                size: 0,
                minimum: MIN_PART_SIZE,
            },
            None => Error::Internal,
        },
        // What the proposer has seen changed under it: sent again it may succeed.
        Rejection::PartsChanged | Rejection::SourceChanged | Rejection::Changed => Error::OperationAborted,
        // The epoch, the backend or the key ended while the body was on its way.
        Rejection::EpochNotOpen(_)
        | Rejection::BackendClosed(_)
        | Rejection::NoSuchKeyVersion
        | Rejection::Unsealed => {
            tracing::warn!(
                command,
                ?rejection,
                "a write came too late and is to be tried again"
            );
            unavailable()
        }
        other => {
            tracing::error!(command, rejection = ?other, "a command was rejected as malformed");
            Error::Internal
        }
    }
}

fn failed_condition(conditions: &WriteConditions) -> Condition {
    if conditions.if_match.is_some() {
        Condition::IfMatch
    } else {
        Condition::IfNoneMatch
    }
}
