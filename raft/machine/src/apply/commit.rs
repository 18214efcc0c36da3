//! Writing an object.

use raft_types::commands::{CommitObject, NewObject, OrderStamp};
use raft_types::records::{Content, ObjectRecord, Versioning};
use raft_types::{Committed, Outcome, VersionId};

use super::bucket;
use super::conditions::{self, Subject};
use super::context::Context;
use super::stop::Stop;
use super::versions::{self, Place};
use super::written;
use crate::port::ReadTables;

/// Makes written blobs the current version of a key: the one commit point of a PUT.
pub(super) fn commit_object<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CommitObject,
) -> Result<Outcome, Stop> {
    let CommitObject {
        bucket: id,
        key,
        written,
        object,
        conditions,
        order,
    } = command;
    check_order(context, order)?;
    let bucket = bucket::open(context, id)?;
    let place = Place {
        bucket: id,
        key: &key,
        versioning: bucket.versioning,
    };
    let existing = versions::current(context, &place)?;
    conditions::check(conditions.as_ref(), existing.as_ref().map(subject))?;
    let pieces = written::commit(context, id, &bucket, &written, object.size)?;
    let version = context.next_version()?;
    let record = new_record(context, &place, version, object, written::content_of(pieces));
    versions::put_current(context, &place, existing, &record)?;
    Ok(Outcome::Committed(committed(&record, bucket.versioning)))
}

/// A request began in this life of the cluster, and before its commit.
fn check_order<T: ReadTables>(context: &Context<'_, '_, T>, order: OrderStamp) -> Result<(), Stop> {
    if order.incarnation != context.incarnation || order.read_index >= context.index {
        return Err(Stop::malformed(
            "the order stamp is not of this life of the cluster, or of the future",
        ));
    }
    Ok(())
}

/// What conditions see of a version.
pub(super) fn subject(record: &ObjectRecord) -> Subject {
    Subject {
        etag: record.etag,
        modified: record.modified,
    }
}

/// The record of a new version.
pub(super) fn new_record<T: ReadTables>(
    context: &Context<'_, '_, T>,
    place: &Place<'_>,
    version: VersionId,
    object: NewObject,
    content: Content,
) -> ObjectRecord {
    ObjectRecord {
        version,
        is_null: place.writes_null(),
        size: object.size,
        etag: object.etag,
        modified: context.now,
        content,
        headers: object.headers.filter(|headers| !headers.is_empty()),
        metadata: object.metadata,
        checksums: object.checksums,
        storage_class: object.storage_class,
        owner: object.owner,
    }
}

/// The answer to the writer of a version.
pub(super) fn committed(record: &ObjectRecord, versioning: Versioning) -> Committed {
    Committed {
        version: record.version,
        is_null: record.is_null,
        versioning,
        etag: record.etag,
        size: record.size,
        checksums: Vec::new(),
        modified: record.modified,
    }
}
