//! Between the words of the surface and those of the state.

use api::port::{
    Checksum, ChecksumAlgorithm, ChecksumType, Condition, ETag, ETagMatch, Error, ObjectChecksum, ObjectKey,
    ObjectMetadata, Owner, PartNumber, UnixMillis, UploadId, UploadRef, VersionId, WriteConditions,
};
use bytes::Bytes;
use raft_types::checksum as state;
use raft_types::commands::{Conditions, ETagCondition, ETags, NewObject, UploadTarget};
use raft_types::records::{MetadataPair, ObjectRecord, SystemHeaders, UploadRecord, VersionName, Versioning};
use raft_types::{BucketId, MillisUtc, Rejection};

pub(super) fn object_key(key: &ObjectKey) -> raft_types::ObjectKey {
    key.as_str().parse().expect("a key")
}

pub(super) fn port_key(key: &raft_types::ObjectKey) -> ObjectKey {
    ObjectKey::new(key.as_str()).expect("a key")
}

/// The upload that a client names, if it can be one.
pub(super) fn target(bucket: BucketId, upload: &UploadRef) -> Result<UploadTarget, Error> {
    let id = upload.upload.as_str().parse().map_err(|_| Error::NoSuchUpload)?;
    Ok(UploadTarget {
        bucket,
        key: object_key(&upload.key),
        upload: id,
    })
}

pub(super) fn port_upload(upload: raft_types::UploadId) -> UploadId {
    UploadId::new(&upload.to_string())
}

pub(super) fn part_number(number: PartNumber) -> raft_types::PartNumber {
    raft_types::PartNumber::new(number.get()).expect("a number")
}

pub(super) fn port_number(number: raft_types::PartNumber) -> PartNumber {
    PartNumber::new(u64::from(number.get())).expect("a number")
}

pub(super) fn etag(etag: &raft_types::ETag) -> ETag {
    ETag::new(&etag.to_string())
}

pub(super) fn millis(at: MillisUtc) -> UnixMillis {
    UnixMillis(at.0)
}

pub(super) fn owner(user: &str) -> Owner {
    Owner {
        id: user.into(),
        display_name: user.into(),
    }
}

/// The version that a bucket shows, which it does from the day on which it keeps them.
pub(super) fn version(
    version: raft_types::VersionId,
    is_null: bool,
    versioning: Versioning,
) -> Option<VersionId> {
    let name = VersionName::of(version, is_null).to_string();
    (versioning != Versioning::Off).then(|| VersionId::new(&name))
}

pub(super) fn conditions(conditions: &WriteConditions) -> Option<Conditions> {
    let tags = |tags: &ETagMatch| match tags {
        ETagMatch::Any => ETagCondition::Any,
        // A tag that no object can have matches nothing.
        ETagMatch::OneOf(tags) => ETagCondition::OneOf(ETags {
            etags: tags.iter().filter_map(|tag| tag.as_str().parse().ok()).collect(),
        }),
    };
    Some(Conditions {
        if_match: conditions.if_match.as_ref().map(tags),
        if_none_match: conditions.if_none_match.as_ref().map(tags),
        ..Conditions::default()
    })
}

/// What a client says of a new object.
pub(super) fn new_object(
    size: u64,
    etag: raft_types::ETag,
    metadata: ObjectMetadata,
    checksum: Option<ObjectChecksum>,
) -> NewObject {
    let (headers, metadata) = described(metadata);
    NewObject {
        size,
        etag,
        headers: Some(headers),
        metadata,
        checksums: checksum
            .iter()
            .map(|checksum| stored_checksum(&checksum.checksum, checksum.kind))
            .collect(),
        storage_class: None,
        owner: None,
    }
}

pub(super) fn described(metadata: ObjectMetadata) -> (SystemHeaders, Vec<MetadataPair>) {
    let headers = SystemHeaders {
        content_type: metadata.content_type,
        content_encoding: metadata.content_encoding,
        content_disposition: metadata.content_disposition,
        content_language: metadata.content_language,
        cache_control: metadata.cache_control,
        expires: metadata.expires,
    };
    let user = metadata.user.into_iter();
    let user = user.map(|(name, value)| MetadataPair { name, value }).collect();
    (headers, user)
}

pub(super) fn metadata_of(object: &ObjectRecord) -> ObjectMetadata {
    let headers = object.headers.clone().unwrap_or_default();
    let user = object.metadata.iter().cloned();
    ObjectMetadata {
        content_type: headers.content_type,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_disposition: headers.content_disposition,
        cache_control: headers.cache_control,
        expires: headers.expires,
        user: user.map(|pair| (pair.name, pair.value)).collect(),
    }
}

const ALGORITHMS: [(ChecksumAlgorithm, state::ChecksumAlgorithm); 5] = [
    (ChecksumAlgorithm::Crc32, state::ChecksumAlgorithm::Crc32),
    (ChecksumAlgorithm::Crc32c, state::ChecksumAlgorithm::Crc32c),
    (ChecksumAlgorithm::Crc64Nvme, state::ChecksumAlgorithm::Crc64Nvme),
    (ChecksumAlgorithm::Sha1, state::ChecksumAlgorithm::Sha1),
    (ChecksumAlgorithm::Sha256, state::ChecksumAlgorithm::Sha256),
];

pub(super) fn algorithm(algorithm: ChecksumAlgorithm) -> state::ChecksumAlgorithm {
    let found = ALGORITHMS.iter().find(|(port, _)| *port == algorithm);
    found.expect("an algorithm").1
}

fn port_algorithm(algorithm: state::ChecksumAlgorithm) -> ChecksumAlgorithm {
    let found = ALGORITHMS.iter().find(|(_, state)| *state == algorithm);
    found.expect("an algorithm").0
}

pub(super) fn scope(kind: ChecksumType) -> state::ChecksumScope {
    match kind {
        ChecksumType::FullObject => state::ChecksumScope::Full,
        ChecksumType::Composite => state::ChecksumScope::Composite,
    }
}

fn port_scope(scope: state::ChecksumScope) -> ChecksumType {
    match scope {
        state::ChecksumScope::Full => ChecksumType::FullObject,
        state::ChecksumScope::Composite => ChecksumType::Composite,
    }
}

pub(super) fn stored_checksum(checksum: &Checksum, kind: ChecksumType) -> state::Checksum {
    state::Checksum {
        algorithm: algorithm(checksum.algorithm()),
        scope: scope(kind),
        value: Bytes::copy_from_slice(checksum.bytes()),
    }
}

pub(super) fn checksum(checksums: &[state::Checksum]) -> Option<Checksum> {
    let stored = checksums.first()?;
    Checksum::new(port_algorithm(stored.algorithm), &stored.value)
}

pub(super) fn object_checksum(
    checksums: &[state::Checksum],
    etag: &raft_types::ETag,
) -> Option<ObjectChecksum> {
    let kind = port_scope(checksums.first()?.scope);
    let parts = etag
        .parts
        .map(u32::from)
        .filter(|_| kind == ChecksumType::Composite);
    Some(ObjectChecksum {
        checksum: checksum(checksums)?,
        kind,
        parts,
    })
}

/// The checksum that an upload was begun with.
pub(super) fn upload_checksum(upload: &UploadRecord) -> Option<(ChecksumAlgorithm, ChecksumType)> {
    let algorithm = upload.algorithm?;
    Some((port_algorithm(algorithm), port_scope(upload.scope)))
}

/// The kind of checksum that an object is listed with.
pub(super) fn listed_checksum(checksums: &[state::Checksum]) -> Option<(ChecksumAlgorithm, ChecksumType)> {
    let checksum = checksums.first()?;
    Some((port_algorithm(checksum.algorithm), port_scope(checksum.scope)))
}

/// Why a write did not happen.
pub(super) fn error(rejection: &Rejection, conditions: &WriteConditions) -> Error {
    match rejection {
        Rejection::NoSuchBucket => Error::NoSuchBucket,
        Rejection::BucketNotEmpty => Error::BucketNotEmpty,
        Rejection::NoSuchKey => Error::NoSuchKey { marker: None },
        Rejection::NoSuchUpload => Error::NoSuchUpload,
        Rejection::PreconditionFailed if conditions.if_match.is_some() => {
            Error::PreconditionFailed(Condition::IfMatch)
        }
        Rejection::PreconditionFailed => Error::PreconditionFailed(Condition::IfNoneMatch),
        other => panic!("no client is answered with {other:?}"),
    }
}
