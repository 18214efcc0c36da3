//! Uploads of the node in memory.

use std::collections::BTreeMap;

use api::port::{
    Caller, Checksum, ChecksumAlgorithm, ChecksumType, CompleteUpload, CompletedObject, CreateUpload,
    CreatedUpload, Digests, ETag, Error, ListParts, ListUploads, ObjectChecksum, ObjectKey, ObjectMetadata,
    PartInfo, PartNumber, PartPage, StoredPart, UnixMillis, UploadCursor, UploadId, UploadInfo, UploadPage,
    UploadPart, UploadRef,
};
use bytes::{Bytes, BytesMut};
use md5::{Digest as _, Md5};

use super::state::{Object, State, check, items, owner};

/// Smallest part that is not the last. Small, so that tests are.
pub(crate) const MIN_PART: u64 = 5;

pub(crate) struct Upload {
    initiator: String,
    initiated: UnixMillis,
    metadata: ObjectMetadata,
    pub(super) checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    pub(super) parts: BTreeMap<u16, Part>,
}

pub(crate) struct Part {
    pub(super) bytes: Bytes,
    etag: ETag,
    modified: UnixMillis,
    checksum: Option<Checksum>,
}

pub(super) fn create(
    state: &mut State,
    caller: &Caller,
    request: CreateUpload,
) -> Result<CreatedUpload, Error> {
    let initiated = state.tick();
    state.uploads_begun += 1;
    let id = format!("upload-{:04}", state.uploads_begun);
    let encryption = state.encryption();
    let upload = Upload {
        initiator: caller.user().to_string(),
        initiated,
        metadata: request.metadata,
        checksum: request.checksum,
        parts: BTreeMap::new(),
    };
    state
        .bucket(&request.bucket)?
        .uploads
        .insert((request.key.as_str().to_owned(), id.clone()), upload);
    Ok(CreatedUpload {
        upload: UploadId::new(&id),
        encryption,
    })
}

pub(super) fn find<'s>(state: &'s mut State, upload: &UploadRef) -> Result<&'s mut Upload, Error> {
    let id = (upload.key.as_str().to_owned(), upload.upload.as_str().to_owned());
    state
        .bucket(&upload.bucket)?
        .uploads
        .get_mut(&id)
        .ok_or(Error::NoSuchUpload)
}

pub(super) fn store(
    state: &mut State,
    request: &UploadPart,
    bytes: Bytes,
    digests: &Digests,
) -> Result<StoredPart, Error> {
    let modified = state.tick();
    let upload = find(state, &request.upload)?;
    let etag = ETag::from_md5(digests.md5);
    let part = Part {
        bytes,
        etag: etag.clone(),
        modified,
        checksum: digests.checksum,
    };
    upload.parts.insert(request.number.get(), part);
    Ok(StoredPart {
        etag,
        checksum: digests.checksum,
    })
}

pub(super) fn list_parts(state: &mut State, request: &ListParts) -> Result<PartPage, Error> {
    let bucket_owner = owner(&state.bucket(&request.upload.bucket)?.owner);
    let upload = find(state, &request.upload)?;
    let mut parts: Vec<PartInfo> = upload
        .parts
        .iter()
        .filter(|(number, _)| u32::from(**number) > request.after)
        .map(|(number, part)| PartInfo {
            number: PartNumber::new(u64::from(*number)).expect("a number"),
            size: part.bytes.len() as u64,
            etag: part.etag.clone(),
            last_modified: part.modified,
            checksum: part.checksum,
        })
        .collect();
    let truncated = parts.len() > request.limit as usize && request.limit > 0;
    parts.truncate(request.limit as usize);
    Ok(PartPage {
        owner: bucket_owner,
        initiator: owner(&upload.initiator),
        checksum: upload.checksum,
        parts,
        truncated,
    })
}

pub(super) fn list(state: &mut State, request: &ListUploads) -> Result<UploadPage, Error> {
    let bucket = state.bucket(&request.bucket)?;
    let keys = bucket.uploads.keys().map(|(key, _)| key.as_str());
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for (item, grouped) in items(keys, &request.prefix, request.delimiter.as_deref()) {
        if grouped {
            all.push((item, None));
            continue;
        }
        all.extend(
            bucket
                .uploads
                .keys()
                .filter(|(key, _)| *key == item)
                .map(|(key, id)| (key.clone(), Some(id.clone()))),
        );
    }
    let behind = |(item, id): &(String, Option<String>)| match &request.after {
        None => true,
        Some(UploadCursor { key, upload: None }) => item > key,
        Some(UploadCursor {
            key,
            upload: Some(after),
        }) => item > key || (item == key && id.as_ref().is_some_and(|id| **id > *after.as_str())),
    };
    all.retain(behind);
    let limit = request.limit as usize;
    let truncated = all.len() > limit && limit > 0;
    all.truncate(limit);
    let next = all.last().filter(|_| truncated).map(|(key, id)| UploadCursor {
        key: key.clone(),
        upload: id.as_deref().map(UploadId::new),
    });
    let mut page = UploadPage {
        owner: owner(&bucket.owner),
        uploads: Vec::new(),
        common_prefixes: Vec::new(),
        next,
    };
    for (key, id) in all {
        let Some(id) = id else {
            page.common_prefixes.push(key);
            continue;
        };
        let upload = &bucket.uploads[&(key.clone(), id.clone())];
        page.uploads.push(UploadInfo {
            key: ObjectKey::new(&key).expect("a key"),
            upload: UploadId::new(&id),
            initiator: owner(&upload.initiator),
            initiated: upload.initiated,
            checksum: upload.checksum,
        });
    }
    Ok(page)
}

pub(super) fn complete(state: &mut State, request: CompleteUpload) -> Result<CompletedObject, Error> {
    let (modified, encryption) = (state.tick(), state.encryption());
    let upload = find(state, &request.upload)?;
    let (mut bytes, mut md5, mut parts) = (BytesMut::new(), Md5::new(), BTreeMap::new());
    for (index, listed) in request.parts.iter().enumerate() {
        let part = upload
            .parts
            .get(&listed.number.get())
            .ok_or(Error::InvalidPart(listed.number))?;
        if part.etag != listed.etag || (listed.checksum.is_some() && listed.checksum != part.checksum) {
            return Err(Error::InvalidPart(listed.number));
        }
        let size = part.bytes.len() as u64;
        if size < MIN_PART && index + 1 < request.parts.len() {
            return Err(Error::PartTooSmall {
                number: listed.number,
                size,
                minimum: MIN_PART,
            });
        }
        bytes.extend_from_slice(&part.bytes);
        md5.update(hex::decode(part.etag.as_str()).expect("an MD5"));
        parts.insert(listed.number.get(), (size, part.checksum));
    }
    if request.size.is_some_and(|size| size != bytes.len() as u64) {
        return Err(Error::SizeMismatch);
    }
    if request
        .checksum_type
        .is_some_and(|kind| upload.checksum.is_none_or(|(_, begun)| begun != kind))
    {
        return Err(Error::ChecksumKindMismatch);
    }
    // A composite of nothing but the count: the model need not know how S3 computes the value.
    let checksum = upload.checksum.map(|(algorithm, kind)| ObjectChecksum {
        checksum: Checksum::new(algorithm, &vec![7; algorithm.length()]).expect("a checksum"),
        kind,
        parts: u32::try_from(parts.len()).ok(),
    });
    if request.checksum.is_some() && request.checksum != checksum.map(|checksum| checksum.checksum) {
        return Err(Error::ChecksumMismatch);
    }
    let etag = ETag::new(&format!("{}-{}", hex::encode(md5.finalize()), parts.len()));
    let object = Object {
        bytes: bytes.freeze(),
        etag: etag.clone(),
        modified,
        metadata: upload.metadata.clone(),
        checksum,
        parts,
    };
    let bucket = state.bucket(&request.upload.bucket)?;
    let key = request.upload.key.as_str().to_owned();
    check(&request.conditions, bucket.objects.get(&key))?;
    bucket
        .uploads
        .remove(&(key.clone(), request.upload.upload.as_str().to_owned()));
    bucket.objects.insert(key, object);
    Ok(CompletedObject {
        etag,
        version: None,
        checksum,
        encryption,
    })
}
