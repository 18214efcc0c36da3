//! Multipart uploads until they are completed or aborted.

use raft_types::commands::{AbortUpload, CommitPart, CreateUpload, UploadTarget};
use raft_types::keys::{CompletionKey, KeyRange, ManifestKey, PartKey, Table, UploadKey};
use raft_types::records::{DeadUpload, PartRecord, ReleaseSubject, UploadRecord};
use raft_types::{Outcome, Record, Rejection, UploadId, limits};

use super::context::Context;
use super::counters::signed;
use super::numbered::required;
use super::references::release;
use super::stop::Stop;
use super::{bucket, written};
use crate::port::{Cursor, ReadTables};

/// The row of an upload, as a request names it.
pub(super) fn key_of(target: &UploadTarget) -> UploadKey {
    UploadKey {
        bucket: target.bucket,
        key: target.key.clone(),
        upload: target.upload,
    }
}

/// Whether any part row of an upload or manifest stands.
pub(super) fn has_parts<T: ReadTables>(context: &Context<'_, '_, T>, upload: UploadId) -> Result<bool, Stop> {
    let parts = KeyRange::under(Table::Parts, &upload);
    Ok(context.tx.cursor(&parts.lower, &parts.upper)?.entry().is_some())
}

/// Opens an upload. Its id was drawn; one that was used before is refused, since its parts may still stand.
pub(super) fn create<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CreateUpload,
) -> Result<Outcome, Stop> {
    let target = command.target;
    let upload = target.upload;
    bucket::open(context, target.bucket)?;
    let key = key_of(&target);
    let is_used = context.get(&key)?.is_some()
        || context.get(&CompletionKey { upload })?.is_some()
        || context.get(&ManifestKey { manifest: upload })?.is_some()
        || has_parts(context, upload)?;
    if is_used {
        return Err(Rejection::UploadExists.into());
    }
    let record = UploadRecord {
        initiated: context.now,
        owner: command.owner,
        headers: command.headers.filter(|headers| !headers.is_empty()),
        metadata: command.metadata,
        storage_class: command.storage_class,
        algorithm: command.algorithm,
        scope: command.scope,
        backends: command.backends,
    };
    if record.encoded_len() > limits::OBJECT_RECORD {
        return Err(Rejection::RecordTooLarge.into());
    }
    context.put(&key, &record);
    context.deltas.bucket(target.bucket).uploads += 1;
    Ok(Outcome::Done)
}

/// Makes written blobs a part, in the place of an earlier one of that number. After Complete or Abort there
/// is no such upload, and the attempts become garbage with the rejection (M16).
pub(super) fn commit_part<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CommitPart,
) -> Result<Outcome, Stop> {
    let target = &command.target;
    let bucket = bucket::open(context, target.bucket)?;
    required(context.get(&key_of(target))?, Rejection::NoSuchUpload)?;
    let key = PartKey {
        upload: target.upload,
        number: command.number,
    };
    let earlier = context.get(&key)?;
    let pieces = written::commit(context, target.bucket, &bucket, &command.written, command.size)?;
    if let Some(earlier) = &earlier {
        context
            .references
            .let_go_list(earlier.pieces.iter().map(|piece| piece.blob).collect());
    }
    let record = PartRecord {
        pieces,
        size: command.size,
        etag: command.etag,
        checksums: command.checksums,
        modified: context.now,
    };
    context.put(&key, &record);
    let delta = context.deltas.bucket(target.bucket);
    let freed = earlier.map_or(0, |earlier| signed(earlier.size));
    delta.part_bytes = delta
        .part_bytes
        .saturating_add(signed(command.size))
        .saturating_sub(freed);
    Ok(Outcome::Done)
}

/// Ends an upload without effect. Its parts are released in batches.
pub(super) fn abort<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &AbortUpload,
) -> Result<Outcome, Stop> {
    let target = &command.target;
    bucket::open(context, target.bucket)?;
    let key = key_of(target);
    required(context.get(&key)?, Rejection::NoSuchUpload)?;
    context.delete(&key);
    context.deltas.bucket(target.bucket).uploads -= 1;
    if has_parts(context, target.upload)? {
        let dead = DeadUpload {
            bucket: target.bucket,
            upload: target.upload,
        };
        release(context, ReleaseSubject::Upload(dead));
    }
    Ok(Outcome::Done)
}
