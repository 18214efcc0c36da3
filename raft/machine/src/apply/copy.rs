//! Copying by reference within one bucket (H3).

use raft_types::commands::CopyReference;
use raft_types::keys::VersionKey;
use raft_types::records::{ObjectRecord, VersionEntry};
use raft_types::{BucketId, ObjectKey, Outcome, Rejection, VersionId};

use super::commit::{committed, new_record, subject};
use super::context::Context;
use super::stop::Stop;
use super::versions::{self, Place};
use super::{bucket, conditions};
use crate::port::ReadTables;
use crate::queries;

/// Makes the content of one version the current version of a key, without moving bytes. A source that is not
/// the one that the node has read is refused: the node reads it again.
pub(super) fn copy_reference<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CopyReference,
) -> Result<Outcome, Stop> {
    let id = command.bucket;
    let bucket = bucket::open(context, id)?;
    let source = find_source(context, id, &command.source, command.source_version)?;
    conditions::check(command.source_conditions.as_ref(), Some(subject(&source)))?;
    if command.object.size != source.size || command.object.etag != source.etag {
        return Err(Stop::malformed("length or ETag is not the source's"));
    }
    let place = Place {
        bucket: id,
        key: &command.key,
        versioning: bucket.versioning,
    };
    let existing = versions::current(context, &place)?;
    conditions::check(command.conditions.as_ref(), existing.as_ref().map(subject))?;
    // Taken before the old version is let go: a copy onto itself nets to nothing.
    context.references.take(&source.content);
    let version = context.next_version()?;
    let record = new_record(context, &place, version, command.object, source.content);
    versions::put_current(context, &place, existing, &record)?;
    Ok(Outcome::Committed(committed(&record, bucket.versioning)))
}

/// The source by its version's id, which stays in its place whatever clients call the version.
fn find_source<T: ReadTables>(
    context: &Context<'_, '_, T>,
    bucket: BucketId,
    key: &ObjectKey,
    version: VersionId,
) -> Result<ObjectRecord, Stop> {
    if let Some(current) = queries::current(&*context.tx, bucket, key)?
        && current.version == version
    {
        return Ok(current);
    }
    match context.get(&VersionKey {
        bucket,
        key: key.clone(),
        version,
    })? {
        Some(VersionEntry::Object(object)) => Ok(*object),
        _ => Err(Rejection::SourceChanged.into()),
    }
}
