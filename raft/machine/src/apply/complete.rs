//! Completing a multipart upload: its part rows become the manifest.

use bytes::Bytes;
use raft_types::commands::{CompleteUpload, ExpireCompletions, NewObject, PartsDigest};
use raft_types::keys::{CompletionDueKey, CompletionKey, KeyRange, ManifestKey, PartKey, Table};
use raft_types::records::{
    CompletionDueRecord, CompletionRecord, Content, ManifestRecord, ReleaseSubject, UploadRecord,
};
use raft_types::{Committed, Digest, Outcome, PartNumber, Rejection, Released, UploadId, limits};

use super::commit::{committed, new_record, subject};
use super::context::Context;
use super::counters::signed;
use super::numbered::required;
use super::references::release;
use super::stop::Stop;
use super::upload::key_of;
use super::versions::{self, Place};
use super::{bucket, conditions};
use crate::listed;
use crate::port::ReadTables;
use crate::rows;

/// Completions that one command may forget: each has two rows.
const EXPIRED_AT_ONCE: usize = 400;

/// Makes the listed parts the current version of the upload's key. A repetition is answered with the result
/// of the first for as long as that is kept.
pub(super) fn complete<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CompleteUpload,
) -> Result<Outcome, Stop> {
    let target = &command.target;
    let bucket = bucket::open(context, target.bucket)?;
    if let Some(completion) = context.get(&CompletionKey {
        upload: target.upload,
    })? {
        let same = completion.bucket == target.bucket && completion.key == target.key;
        return if same {
            Ok(replay(completion))
        } else {
            Err(Rejection::NoSuchUpload.into())
        };
    }
    let upload_key = key_of(target);
    let upload = required(context.get(&upload_key)?, Rejection::NoSuchUpload)?;
    let place = Place {
        bucket: target.bucket,
        key: &target.key,
        versioning: bucket.versioning,
    };
    let existing = versions::current(context, &place)?;
    conditions::check(command.conditions.as_ref(), existing.as_ref().map(subject))?;
    let parts = read_parts(context, target.upload, &command.listed)?;
    if parts.listed != listed::count(&command.listed) || parts.digest != command.digest {
        return Err(Rejection::PartsChanged.into());
    }
    if let Some(number) = parts.too_small {
        return Err(Rejection::PartTooSmall(number).into());
    }
    if parts.size != command.size {
        return Err(Stop::malformed("the parts do not add up to the length"));
    }
    let manifest = ManifestRecord {
        bucket: target.bucket,
        size: parts.size,
        // Bounded by the number of part numbers.
        parts: parts.listed as u32,
        listed: command.listed.clone(),
        offsets: parts.offsets,
        references: 1,
    };
    context.put(
        &ManifestKey {
            manifest: target.upload,
        },
        &manifest,
    );
    let version = context.next_version()?;
    let object = new_object(&command, upload);
    let record = new_record(context, &place, version, object, Content::Manifest(target.upload));
    versions::put_current(context, &place, existing, &record)?;
    context.delete(&upload_key);
    let delta = context.deltas.bucket(target.bucket);
    delta.uploads -= 1;
    delta.part_bytes = delta.part_bytes.saturating_sub(signed(parts.size));
    if parts.unlisted {
        release(context, ReleaseSubject::UnlistedParts(target.upload));
    }
    let answer = Committed {
        checksums: record.checksums.clone(),
        ..committed(&record, bucket.versioning)
    };
    keep(context, &command, &answer);
    Ok(Outcome::Committed(answer))
}

/// The fields of the object: some were given when the upload was created.
fn new_object(command: &CompleteUpload, upload: UploadRecord) -> NewObject {
    NewObject {
        size: command.size,
        etag: command.etag,
        headers: upload.headers,
        metadata: upload.metadata,
        checksums: command.checksums.clone(),
        storage_class: upload.storage_class,
        owner: upload.owner,
    }
}

/// What the part rows of an upload come to.
struct Parts {
    /// How many of the listed parts stand.
    listed: usize,
    /// Digest over these.
    digest: Digest,
    /// Their logical length.
    size: u64,
    /// Where every 64th of them begins.
    offsets: Vec<u64>,
    /// The first listed part that is smaller than S3 allows and not the last.
    too_small: Option<PartNumber>,
    /// Whether parts stand that are not listed.
    unlisted: bool,
}

/// Reads all part rows once: the one scan of a command.
fn read_parts<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    upload: UploadId,
    bits: &Bytes,
) -> Result<Parts, Stop> {
    let expected = listed::count(bits);
    if expected == 0 || !listed::is_valid(bits) {
        return Err(Stop::malformed("the set of listed parts is not one"));
    }
    let mut digest = PartsDigest::new();
    let mut parts = Parts {
        listed: 0,
        digest: Digest([0; 32]),
        size: 0,
        offsets: Vec::with_capacity(expected.div_ceil(limits::PARTS_PER_OFFSET)),
        too_small: None,
        unlisted: false,
    };
    let mut read = 0;
    let mut rows = rows::scan::<_, PartKey>(&*context.tx, &KeyRange::under(Table::Parts, &upload))?;
    while let Some((key, part)) = rows.take()? {
        read += 1;
        if !listed::contains(bits, key.number) {
            parts.unlisted = true;
            continue;
        }
        digest.add(key.number, &part.pieces);
        if parts.listed.is_multiple_of(limits::PARTS_PER_OFFSET) {
            parts.offsets.push(parts.size);
        }
        parts.listed += 1;
        parts.size = parts.size.saturating_add(part.size);
        if part.size < limits::MIN_PART_SIZE && parts.listed < expected {
            parts.too_small = parts.too_small.or(Some(key.number));
        }
    }
    drop(rows);
    context.scanned(read)?;
    parts.digest = digest.finish();
    Ok(parts)
}

/// Keeps the result for repetitions.
fn keep<T: ReadTables>(context: &mut Context<'_, '_, T>, command: &CompleteUpload, answer: &Committed) {
    let target = &command.target;
    let kept = match command.kept_millis {
        0 => limits::COMPLETION_KEPT_MILLIS,
        millis => millis,
    };
    let due = context.now.plus_millis(kept);
    let record = CompletionRecord {
        bucket: target.bucket,
        key: target.key.clone(),
        version: answer.version,
        is_null: answer.is_null,
        versioning: answer.versioning,
        etag: answer.etag,
        size: answer.size,
        checksums: answer.checksums.clone(),
        modified: answer.modified,
        due,
    };
    context.put(
        &CompletionKey {
            upload: target.upload,
        },
        &record,
    );
    context.put(
        &CompletionDueKey {
            due,
            upload: target.upload,
        },
        &CompletionDueRecord {},
    );
}

fn replay(completion: CompletionRecord) -> Outcome {
    Outcome::Committed(Committed {
        version: completion.version,
        is_null: completion.is_null,
        versioning: completion.versioning,
        etag: completion.etag,
        size: completion.size,
        checksums: completion.checksums,
        modified: completion.modified,
    })
}

/// Forgets results whose time has come, oldest first.
pub(super) fn expire<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ExpireCompletions,
) -> Result<Outcome, Stop> {
    let limit = EXPIRED_AT_ONCE.min(command.limit as usize);
    let due = rows::page::<CompletionDueKey>(
        &*context.tx,
        &KeyRange::of_table(Table::CompletionsDue),
        None,
        limit.saturating_add(1),
    )?;
    context.scanned(due.len())?;
    let now = context.now;
    let mut forgotten = 0;
    for (key, _) in due.iter().take(limit).filter(|(key, _)| key.due <= now) {
        context.delete(&CompletionKey { upload: key.upload });
        context.delete(key);
        forgotten += 1;
    }
    let next = due.get(forgotten);
    let finished = next.is_none_or(|(key, _)| key.due > now);
    Ok(Outcome::Released(Released {
        finished,
        after: forgotten as u64,
    }))
}
