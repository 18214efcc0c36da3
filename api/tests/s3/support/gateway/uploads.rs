//! Uploads of the node in memory.

use api::port::{
    Caller, Checksum, ChecksumType, CompleteUpload, CompletedObject, CreateUpload, CreatedUpload, Digests,
    ETag, Error, ListParts, ListUploads, ObjectChecksum, PartInfo, PartPage, StoredPart, UploadCursor,
    UploadInfo, UploadPage, UploadPart, UploadRef, WriteConditions,
};
use bytes::Bytes;
use md5::{Digest as _, Md5};
use raft_machine::listed;
use raft_machine::queries::{UploadEntry, UploadStart, UploadsQuery};
use raft_types::checksum::ChecksumScope;
use raft_types::commands::{self, Command, PartsDigest, UploadTarget};
use raft_types::records::{CompletionRecord, UploadRecord};
use raft_types::{ETag as StateETag, Outcome, Rejection};

use super::state::{MIN_PART, State};
use super::translate::{self, owner};

const UNCONDITIONAL: WriteConditions = WriteConditions {
    if_match: None,
    if_none_match: None,
};

pub(super) fn create(
    state: &mut State,
    caller: &Caller,
    request: CreateUpload,
) -> Result<CreatedUpload, Error> {
    let (bucket, record) = state.bucket(&request.bucket)?;
    let upload = state.new_upload();
    let (headers, metadata) = translate::described(request.metadata);
    let (algorithm, scope) = match request.checksum {
        Some((algorithm, kind)) => (Some(translate::algorithm(algorithm)), translate::scope(kind)),
        None => (None, ChecksumScope::Full),
    };
    let is_owner = record.owner.as_str() == &**caller.user();
    let command = commands::CreateUpload {
        target: UploadTarget {
            bucket,
            key: translate::object_key(&request.key),
            upload,
        },
        owner: (!is_owner).then(|| caller.user().parse().expect("a name")),
        headers: Some(headers),
        metadata,
        storage_class: None,
        algorithm,
        scope,
        backends: Vec::new(),
    };
    state.commit(Command::CreateUpload(Box::new(command)), &UNCONDITIONAL)?;
    Ok(CreatedUpload {
        upload: translate::port_upload(upload),
        encryption: state.encryption(),
    })
}

pub(super) fn find(state: &State, upload: &UploadRef) -> Result<(UploadTarget, UploadRecord), Error> {
    let (bucket, _) = state.bucket(&upload.bucket)?;
    let target = translate::target(bucket, upload)?;
    let record = state.model.upload(&target).ok_or(Error::NoSuchUpload)?;
    Ok((target, record))
}

pub(super) fn store(
    state: &mut State,
    request: &UploadPart,
    bytes: Bytes,
    digests: &Digests,
) -> Result<StoredPart, Error> {
    let (target, _) = find(state, &request.upload)?;
    let checksum = digests.checksum;
    let stored = |checksum: &Checksum| translate::stored_checksum(checksum, ChecksumType::FullObject);
    let part = commands::CommitPart {
        target,
        number: translate::part_number(request.number),
        size: bytes.len() as u64,
        written: state.write(bytes),
        etag: StateETag::of_whole(digests.md5),
        checksums: checksum.iter().map(stored).collect(),
    };
    state.commit(Command::CommitPart(Box::new(part)), &UNCONDITIONAL)?;
    Ok(StoredPart {
        etag: ETag::from_md5(digests.md5),
        checksum,
    })
}

pub(super) fn list_parts(state: &State, request: &ListParts) -> Result<PartPage, Error> {
    let (_, bucket) = state.bucket(&request.upload.bucket)?;
    let (target, upload) = find(state, &request.upload)?;
    let after = u16::try_from(request.after)
        .ok()
        .and_then(raft_types::PartNumber::new);
    let limit = request.limit as usize;
    let found = state
        .model
        .list_parts(target.upload, after, limit.saturating_add(1));
    let truncated = found.len() > limit && limit > 0;
    let parts = found.into_iter().take(limit).map(|(number, part)| PartInfo {
        number: translate::port_number(number),
        size: part.size,
        etag: translate::etag(&part.etag),
        last_modified: translate::millis(part.modified),
        checksum: translate::checksum(&part.checksums),
    });
    Ok(PartPage {
        owner: owner(bucket.owner.as_str()),
        initiator: owner(upload.owner.as_ref().unwrap_or(&bucket.owner).as_str()),
        checksum: translate::upload_checksum(&upload),
        parts: parts.collect(),
        truncated,
    })
}

pub(super) fn list(state: &State, request: &ListUploads) -> Result<UploadPage, Error> {
    let (id, bucket) = state.bucket(&request.bucket)?;
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let delimiter = request.delimiter.as_deref().unwrap_or_default();
    let start = match &request.after {
        None => UploadStart::Beginning,
        Some(UploadCursor { key, upload: None }) if !delimiter.is_empty() && key.ends_with(delimiter) => {
            UploadStart::AfterPrefix(bytes(key))
        }
        Some(UploadCursor { key, upload: None }) => UploadStart::AfterKey(bytes(key)),
        Some(UploadCursor {
            key,
            upload: Some(upload),
        }) => match (key.parse(), upload.as_str().parse()) {
            (Ok(key), Ok(upload)) => UploadStart::AfterUpload(key, upload),
            _ => UploadStart::AfterKey(bytes(key)),
        },
    };
    let found = state.model.list_uploads(&UploadsQuery {
        bucket: id,
        prefix: bytes(&request.prefix),
        delimiter: bytes(delimiter),
        start,
        limit: request.limit as usize,
    });
    let text = |prefix: &Bytes| String::from_utf8(prefix.to_vec()).expect("text");
    let next = found
        .entries
        .last()
        .filter(|_| found.next.is_some())
        .map(|last| match last {
            UploadEntry::Upload(key, upload, _) => UploadCursor {
                key: key.as_str().to_owned(),
                upload: Some(translate::port_upload(*upload)),
            },
            UploadEntry::Prefix(prefix) => UploadCursor {
                key: text(prefix),
                upload: None,
            },
        });
    let mut page = UploadPage {
        owner: owner(bucket.owner.as_str()),
        uploads: Vec::new(),
        common_prefixes: Vec::new(),
        next,
    };
    for entry in &found.entries {
        match entry {
            UploadEntry::Prefix(prefix) => page.common_prefixes.push(text(prefix)),
            UploadEntry::Upload(key, upload, record) => page.uploads.push(UploadInfo {
                key: translate::port_key(key),
                upload: translate::port_upload(*upload),
                initiator: owner(record.owner.as_ref().unwrap_or(&bucket.owner).as_str()),
                initiated: translate::millis(record.initiated),
                checksum: translate::upload_checksum(record),
            }),
        }
    }
    Ok(page)
}

pub(super) fn complete(state: &mut State, request: CompleteUpload) -> Result<CompletedObject, Error> {
    let (bucket, _) = state.bucket(&request.upload.bucket)?;
    let target = translate::target(bucket, &request.upload)?;
    if let Some(done) = state.model.completion(target.upload) {
        return completed_before(state, &target, &done);
    }
    let (_, upload) = find(state, &request.upload)?;
    let checksum = check_list(state, &target, &upload, &request)?;
    let (mut digest, mut md5, mut size) = (PartsDigest::new(), Md5::new(), 0);
    let numbers = request
        .parts
        .iter()
        .map(|part| translate::part_number(part.number));
    for number in numbers.clone() {
        let part = state.model.part(target.upload, number).expect("it was checked");
        digest.add(number, &part.pieces);
        md5.update(part.etag.md5);
        size += part.size;
    }
    let command = commands::CompleteUpload {
        target: target.clone(),
        listed: listed::encode(numbers),
        digest: digest.finish(),
        size,
        etag: StateETag::of_parts(md5.finalize().into(), request.parts.len() as u16),
        checksums: checksum
            .iter()
            .map(|checksum| translate::stored_checksum(&checksum.checksum, checksum.kind))
            .collect(),
        conditions: translate::conditions(&request.conditions),
        kept_millis: 0,
    };
    match state.propose(Command::CompleteUpload(Box::new(command))) {
        Outcome::Committed(done) => Ok(CompletedObject {
            etag: translate::etag(&done.etag),
            version: translate::version(done.version, done.is_null, done.versioning),
            checksum,
            encryption: state.encryption(),
        }),
        Outcome::Rejected(Rejection::PartTooSmall(number)) => Err(Error::PartTooSmall {
            number: translate::port_number(number),
            size: state
                .model
                .part(target.upload, number)
                .map_or(0, |part| part.size),
            minimum: MIN_PART,
        }),
        Outcome::Rejected(rejection) => Err(translate::error(&rejection, &request.conditions)),
        other => panic!("{other:?}"),
    }
}

/// A repetition is answered with what the first one came to.
fn completed_before(
    state: &State,
    target: &UploadTarget,
    done: &CompletionRecord,
) -> Result<CompletedObject, Error> {
    if (done.bucket, &done.key) != (target.bucket, &target.key) {
        return Err(Error::NoSuchUpload);
    }
    Ok(CompletedObject {
        etag: translate::etag(&done.etag),
        version: translate::version(done.version, done.is_null, done.versioning),
        checksum: translate::object_checksum(&done.checksums, &done.etag),
        encryption: state.encryption(),
    })
}

/// Whether what a client lists fits the parts that are there; and the checksum of what they make up.
fn check_list(
    state: &State,
    target: &UploadTarget,
    upload: &UploadRecord,
    request: &CompleteUpload,
) -> Result<Option<ObjectChecksum>, Error> {
    let mut size = 0;
    for listed in &request.parts {
        let part = state
            .model
            .part(target.upload, translate::part_number(listed.number))
            .filter(|part| translate::etag(&part.etag) == listed.etag)
            .ok_or(Error::InvalidPart(listed.number))?;
        if listed.checksum.is_some() && listed.checksum != translate::checksum(&part.checksums) {
            return Err(Error::InvalidPart(listed.number));
        }
        size += part.size;
    }
    if request.size.is_some_and(|expected| expected != size) {
        return Err(Error::SizeMismatch);
    }
    let begun = translate::upload_checksum(upload);
    if request
        .checksum_type
        .is_some_and(|kind| begun.is_none_or(|(_, begun)| begun != kind))
    {
        return Err(Error::ChecksumKindMismatch);
    }
    // A composite of nothing but the count: the double need not know how S3 computes the value.
    let checksum = begun.map(|(algorithm, kind)| ObjectChecksum {
        checksum: Checksum::new(algorithm, &vec![7; algorithm.length()]).expect("a checksum"),
        kind,
        parts: u32::try_from(request.parts.len()).ok(),
    });
    if request.checksum.is_some() && request.checksum != checksum.map(|checksum| checksum.checksum) {
        return Err(Error::ChecksumMismatch);
    }
    Ok(checksum)
}

pub(super) fn abort(state: &mut State, request: &UploadRef) -> Result<(), Error> {
    let (bucket, _) = state.bucket(&request.bucket)?;
    let target = translate::target(bucket, request)?;
    let command = Command::AbortUpload(commands::AbortUpload { target });
    state.commit(command, &UNCONDITIONAL).map(|_| ())
}
