//! Deleting objects and versions.

use raft_types::commands::{DeleteObjects, DeleteTarget};
use raft_types::records::VersionEntry;
use raft_types::{DeleteResult, Deletions, Gone, Outcome, PrincipalName, Rejection, limits};

use super::commit::subject;
use super::context::Context;
use super::stop::Stop;
use super::versions::{self, Found, Place};
use super::{bucket, conditions};
use crate::port::ReadTables;

/// Deletes keys or versions, each for itself: one that is rejected does not hinder the others.
pub(super) fn delete_objects<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &DeleteObjects,
) -> Result<Outcome, Stop> {
    if command.targets.is_empty() || command.targets.len() > limits::DELETE_KEYS {
        return Err(Stop::malformed("a command deletes 1 to 100 keys"));
    }
    let bucket = bucket::open(context, command.bucket)?;
    let mut results = Vec::with_capacity(command.targets.len());
    for target in &command.targets {
        let place = Place {
            bucket: command.bucket,
            key: &target.key,
            versioning: bucket.versioning,
        };
        // A rejection stands before the first write of its target, so there is nothing to take back.
        results.push(match delete(context, &place, target, command.owner.as_ref()) {
            Ok(gone) => DeleteResult::Gone(gone),
            Err(Stop::Reject(rejection)) if rejection != Rejection::TooLarge => {
                DeleteResult::Rejected(rejection)
            }
            Err(stop) => return Err(stop),
        });
    }
    Ok(Outcome::Deleted(Deletions { results }))
}

fn delete<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    place: &Place<'_>,
    target: &DeleteTarget,
    owner: Option<&PrincipalName>,
) -> Result<Gone, Stop> {
    let Some(name) = &target.version else {
        let existing = versions::current(context, place)?;
        conditions::check(target.conditions.as_ref(), existing.as_ref().map(subject))?;
        return versions::delete_current(context, place, existing, owner);
    };
    let found = versions::find(context, place, name)?;
    let subject = match &found {
        Some(Found::Current(object)) => Some(subject(object)),
        Some(Found::Noncurrent(VersionEntry::Object(object))) => Some(subject(object)),
        Some(Found::Noncurrent(VersionEntry::DeleteMarker(_))) | None => None,
    };
    conditions::check(target.conditions.as_ref(), subject)?;
    match found {
        Some(found) => versions::remove(context, place, found),
        // What is not there is gone: deletions may be repeated.
        None => Ok(Gone {
            removed: Some(*name),
            removed_marker: false,
            marker: None,
        }),
    }
}
