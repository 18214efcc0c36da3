//! Between the vocabulary of the surface and that of the state. Pure.

use api::port::{
    Checksum, ChecksumAlgorithm, ChecksumType, ETag, ETagMatch, Encryption, ObjectChecksum, ObjectInfo,
    ObjectKey, ObjectMetadata, Owner, PartSpan, UnixMillis, UploadId, VersionId, WriteConditions,
};
use bytes::Bytes;
use raft_types::checksum as state;
use raft_types::commands::{Conditions, ETagCondition, ETags};
use raft_types::records::{MetadataPair, ObjectRecord, SystemHeaders, VersionName, Versioning};
use raft_types::{BucketName, MillisUtc, PrincipalName};

/// The state's name of a bucket; `None` where no bucket can bear the name.
pub(crate) fn bucket_name(name: &api::port::BucketName) -> Option<BucketName> {
    BucketName::new(name.as_str()).ok()
}

/// The surface's name of a bucket; `None` where a rule of the surface forbids it.
pub(crate) fn port_bucket_name(name: &BucketName) -> Option<api::port::BucketName> {
    api::port::BucketName::new(name.as_str()).ok()
}

/// The state's key of an object; `None` where no object can have the key.
pub(crate) fn object_key(key: &ObjectKey) -> Option<raft_types::ObjectKey> {
    raft_types::ObjectKey::new(Bytes::copy_from_slice(key.as_str().as_bytes())).ok()
}

/// The surface's key of an object.
pub(crate) fn port_object_key(key: &raft_types::ObjectKey) -> Option<ObjectKey> {
    ObjectKey::new(key.as_str()).ok()
}

/// The state's name of an upload; `None` where no upload can have the id.
pub(crate) fn upload_id(id: &UploadId) -> Option<raft_types::UploadId> {
    id.as_str().parse().ok()
}

/// The surface's name of an upload.
pub(crate) fn port_upload_id(id: raft_types::UploadId) -> UploadId {
    UploadId::new(&id.to_string())
}

/// The surface's ETag.
pub(crate) fn etag(etag: &raft_types::ETag) -> ETag {
    ETag::new(&etag.to_string())
}

/// A point of time.
pub(crate) fn millis(at: MillisUtc) -> UnixMillis {
    UnixMillis(at.0)
}

/// A user as an owner.
pub(crate) fn owner(name: &PrincipalName) -> Owner {
    let name: std::sync::Arc<str> = name.as_str().into();
    Owner {
        id: std::sync::Arc::clone(&name),
        display_name: name,
    }
}

/// The version that a bucket shows; `None` where it never kept versions.
pub(crate) fn version(
    version: raft_types::VersionId,
    is_null: bool,
    versioning: Versioning,
) -> Option<VersionId> {
    match versioning {
        Versioning::Off => None,
        Versioning::Enabled | Versioning::Suspended => {
            Some(VersionId::new(&VersionName::of(version, is_null).to_string()))
        }
    }
}

/// Conditions of a write; `None` where there is nothing to decide.
pub(crate) fn conditions(conditions: &WriteConditions) -> Option<Conditions> {
    if conditions.is_empty() {
        return None;
    }
    Some(Conditions {
        if_match: conditions.if_match.as_ref().map(etag_condition),
        if_none_match: conditions.if_none_match.as_ref().map(etag_condition),
        ..Conditions::default()
    })
}

fn etag_condition(tags: &ETagMatch) -> ETagCondition {
    match tags {
        ETagMatch::Any => ETagCondition::Any,
        // An ETag that none of ours can be matches nothing and is left out.
        ETagMatch::OneOf(tags) => ETagCondition::OneOf(ETags {
            etags: tags.iter().filter_map(|tag| tag.as_str().parse().ok()).collect(),
        }),
    }
}

/// Headers to store; `None` where there are none.
pub(crate) fn system_headers(metadata: &ObjectMetadata) -> Option<SystemHeaders> {
    let headers = SystemHeaders {
        content_type: metadata.content_type.clone(),
        content_encoding: metadata.content_encoding.clone(),
        content_disposition: metadata.content_disposition.clone(),
        content_language: metadata.content_language.clone(),
        cache_control: metadata.cache_control.clone(),
        expires: metadata.expires.clone(),
    };
    (!headers.is_empty()).then_some(headers)
}

/// User metadata to store.
pub(crate) fn user_metadata(metadata: &ObjectMetadata) -> Vec<MetadataPair> {
    metadata
        .user
        .iter()
        .map(|(name, value)| MetadataPair {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

fn port_metadata(headers: Option<SystemHeaders>, user: Vec<MetadataPair>) -> ObjectMetadata {
    let headers = headers.unwrap_or_default();
    ObjectMetadata {
        content_type: headers.content_type,
        content_encoding: headers.content_encoding,
        content_language: headers.content_language,
        content_disposition: headers.content_disposition,
        cache_control: headers.cache_control,
        expires: headers.expires,
        user: user.into_iter().map(|pair| (pair.name, pair.value)).collect(),
    }
}

/// What the footer of a blob says of the headers.
pub(crate) fn footer_headers(metadata: &ObjectMetadata) -> Vec<(String, String)> {
    [
        ("content-type", &metadata.content_type),
        ("content-encoding", &metadata.content_encoding),
        ("content-disposition", &metadata.content_disposition),
        ("content-language", &metadata.content_language),
        ("cache-control", &metadata.cache_control),
        ("expires", &metadata.expires),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
    .collect()
}

/// The surface's algorithm.
pub(crate) fn port_algorithm(algorithm: state::ChecksumAlgorithm) -> ChecksumAlgorithm {
    match algorithm {
        state::ChecksumAlgorithm::Crc32 => ChecksumAlgorithm::Crc32,
        state::ChecksumAlgorithm::Crc32c => ChecksumAlgorithm::Crc32c,
        state::ChecksumAlgorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        state::ChecksumAlgorithm::Sha1 => ChecksumAlgorithm::Sha1,
        state::ChecksumAlgorithm::Sha256 => ChecksumAlgorithm::Sha256,
    }
}

/// The state's algorithm.
pub(crate) fn algorithm(algorithm: ChecksumAlgorithm) -> state::ChecksumAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Crc32 => state::ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c => state::ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme => state::ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 => state::ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => state::ChecksumAlgorithm::Sha256,
    }
}

/// What a checksum covers, in the state.
pub(crate) fn scope(kind: ChecksumType) -> state::ChecksumScope {
    match kind {
        ChecksumType::FullObject => state::ChecksumScope::Full,
        ChecksumType::Composite => state::ChecksumScope::Composite,
    }
}

/// What a checksum covers, at the surface.
pub(crate) fn port_scope(scope: state::ChecksumScope) -> ChecksumType {
    match scope {
        state::ChecksumScope::Full => ChecksumType::FullObject,
        state::ChecksumScope::Composite => ChecksumType::Composite,
    }
}

/// A verified checksum to store.
pub(crate) fn checksum(checksum: &Checksum, kind: ChecksumType) -> state::Checksum {
    state::Checksum {
        algorithm: algorithm(checksum.algorithm()),
        scope: scope(kind),
        value: Bytes::copy_from_slice(checksum.bytes()),
    }
}

/// A stored checksum of bytes.
pub(crate) fn port_checksum(checksum: &state::Checksum) -> Option<Checksum> {
    Checksum::new(port_algorithm(checksum.algorithm), &checksum.value)
}

/// The stored checksum of an object; `parts` is the number of its parts.
pub(crate) fn object_checksum(checksums: &[state::Checksum], parts: Option<u32>) -> Option<ObjectChecksum> {
    let stored = checksums.first()?;
    let kind = port_scope(stored.scope);
    let parts = parts.filter(|_| kind == ChecksumType::Composite);
    Some(ObjectChecksum {
        checksum: port_checksum(stored)?,
        kind,
        parts,
    })
}

/// What is known of an object.
pub(crate) fn object_info(
    record: ObjectRecord,
    versioning: Versioning,
    encryption: Encryption,
    part: Option<PartSpan>,
) -> ObjectInfo {
    ObjectInfo {
        size: record.size,
        etag: etag(&record.etag),
        last_modified: millis(record.modified),
        version: version(record.version, record.is_null, versioning),
        checksum: object_checksum(&record.checksums, record.etag.parts.map(u32::from)),
        metadata: port_metadata(record.headers, record.metadata),
        encryption,
        part,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn no_conditions_are_no_condition() {
        assert_eq!(conditions(&WriteConditions::default()), None);
    }

    #[test]
    fn an_etag_that_cannot_be_ours_matches_nothing() {
        let foreign = ETagMatch::OneOf(vec![ETag::new("not-an-md5")]);
        let translated = conditions(&WriteConditions {
            if_match: Some(foreign),
            if_none_match: None,
        })
        .unwrap();
        assert_eq!(
            translated.if_match,
            Some(ETagCondition::OneOf(ETags { etags: Vec::new() }))
        );
    }

    #[test]
    fn a_bucket_that_never_kept_versions_shows_none() {
        let id = raft_types::VersionId::from_bytes([7; 16]);
        assert_eq!(version(id, true, Versioning::Off), None);
        assert_eq!(version(id, true, Versioning::Suspended).unwrap().as_str(), "null");
        assert_ne!(version(id, false, Versioning::Enabled).unwrap().as_str(), "null");
    }

    #[test]
    fn an_upload_id_that_is_not_ours_names_nothing() {
        let ours = raft_types::UploadId([9; 16]);
        assert_eq!(upload_id(&port_upload_id(ours)), Some(ours));
        for foreign in ["", "x", "../..", "00"] {
            assert_eq!(upload_id(&UploadId::new(foreign)), None, "{foreign}");
        }
    }
}
