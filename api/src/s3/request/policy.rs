//! Which `x-amz-` headers are understood, and which of their values.
//!
//! A header that nobody here knows is 501: whatever it asks for is not done, so the request is not
//! carried out without it. `docs/reference/s3-api.md` shows this table to users.

use super::headers::Headers;
use crate::port::{ChecksumAlgorithm, Operation};
use crate::s3::code::ErrorCode;
use crate::s3::config::ServerSideEncryption;
use crate::s3::error::S3Error;

/// What a header is to a request.
enum Meaning {
    /// Read elsewhere, or without consequence whatever its value.
    Understood,
    /// Understood with one of these values, in any case; 501 with any other.
    Only(&'static [&'static str]),
    /// Understood by these operations; 501 with any other.
    Within(&'static [Operation]),
    /// Names a storage class.
    StorageClass,
    /// Names how the server encryption.
    ServerSideEncryption,
    /// 501.
    Unknown,
}

const WRITES: &[Operation] = &[Operation::PutObject, Operation::CreateMultipartUpload];

/// The storage classes of S3 that are not ours.
const OTHER_CLASSES: [&str; 11] = [
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
];

fn meaning(name: &str) -> Meaning {
    if name.starts_with("x-amz-meta-") {
        return Meaning::Within(WRITES);
    }
    if ChecksumAlgorithm::ALL
        .into_iter()
        .any(|algorithm| algorithm.header() == name)
    {
        return Meaning::Understood;
    }
    match name {
        // Signature and framing of the body.
        "x-amz-date" | "x-amz-content-sha256" | "x-amz-decoded-content-length" | "x-amz-trailer" => {
            Meaning::Understood
        }
        // Said by clients about themselves.
        "x-amz-user-agent" | "x-amz-sdk-checksum-algorithm" => Meaning::Understood,
        "x-amz-checksum-mode" => Meaning::Only(&["ENABLED"]),
        "x-amz-checksum-algorithm" => Meaning::Within(&[Operation::CreateMultipartUpload]),
        "x-amz-checksum-type" => Meaning::Within(&[
            Operation::CreateMultipartUpload,
            Operation::CompleteMultipartUpload,
        ]),
        "x-amz-mp-object-size" => Meaning::Within(&[Operation::CompleteMultipartUpload]),
        // What the owner of the bucket owns, nobody else sees: these ask for that.
        "x-amz-acl" => Meaning::Only(&["private", "bucket-owner-full-control"]),
        "x-amz-object-ownership" => Meaning::Only(&["BucketOwnerEnforced"]),
        "x-amz-bucket-object-lock-enabled" | "x-amz-bypass-governance-retention" => Meaning::Only(&["false"]),
        // Nobody is charged, and nothing is archived.
        "x-amz-request-payer" => Meaning::Only(&["requester"]),
        "x-amz-optional-object-attributes" => Meaning::Only(&["RestoreStatus"]),
        "x-amz-storage-class" => Meaning::StorageClass,
        "x-amz-server-side-encryption" => Meaning::ServerSideEncryption,
        _ => Meaning::Unknown,
    }
}

/// Refuses a request with an `x-amz-` header that is not understood.
pub(crate) fn check_amz_headers(
    headers: &Headers<'_>,
    operation: Operation,
    encryption: ServerSideEncryption,
) -> Result<(), S3Error> {
    for header in headers.all_amz() {
        let (name, value) = header?;
        let name = name.as_str();
        let understood = match meaning(name) {
            Meaning::Understood => true,
            Meaning::Only(values) => values.iter().any(|known| known.eq_ignore_ascii_case(value)),
            Meaning::Within(operations) => operations.contains(&operation),
            Meaning::StorageClass if value == "STANDARD" => true,
            Meaning::StorageClass if OTHER_CLASSES.contains(&value) => false,
            Meaning::StorageClass => {
                return Err(
                    S3Error::new(ErrorCode::InvalidStorageClass).detail("StorageClassRequested", value)
                );
            }
            Meaning::ServerSideEncryption => {
                value == "AES256" && encryption == ServerSideEncryption::Always && WRITES.contains(&operation)
            }
            Meaning::Unknown => false,
        };
        if !understood {
            return Err(S3Error::header_not_implemented(name));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::check_amz_headers;
    use crate::port::Operation;
    use crate::s3::code::ErrorCode;
    use crate::s3::config::ServerSideEncryption;
    use crate::s3::request::{Headers, Query};

    fn check(
        name: &str,
        value: &str,
        operation: Operation,
        encryption: ServerSideEncryption,
    ) -> Option<ErrorCode> {
        let mut map = HeaderMap::new();
        map.insert(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(value).unwrap(),
        );
        let query = Query::parse(None).unwrap();
        let headers = Headers::new(&map, &query).unwrap();
        check_amz_headers(&headers, operation, encryption)
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn what_clients_always_send_is_accepted() {
        for (name, value) in [
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-acl", "private"),
            ("x-amz-acl", "bucket-owner-full-control"),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-bucket-object-lock-enabled", "False"),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-object-ownership", "BucketOwnerEnforced"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-checksum-crc64nvme", "x"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-meta-x", "y"),
            ("x-amz-date", "x"),
            ("x-amz-user-agent", "x"),
        ] {
            assert_eq!(
                check(name, value, Operation::PutObject, ServerSideEncryption::NotAlways),
                None,
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn what_is_not_built_is_501_with_every_operation() {
        for (name, value) in [
            ("x-amz-copy-source", "/b/k"),
            ("x-amz-copy-source-range", "bytes=0-1"),
            ("x-amz-copy-source-if-match", "e"),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-rename-source", "/b/k"),
            ("x-amz-write-offset-bytes", "0"),
            ("x-amz-acl", "public-read"),
            ("x-amz-acl", ""),
            ("x-amz-grant-read", "id=x"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-website-redirect-location", "/"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "k"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "k"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-object-lock-legal-hold", "ON"),
            ("x-amz-bucket-object-lock-enabled", "true"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-expected-bucket-owner", "x"),
            ("x-amz-object-ownership", "ObjectWriter"),
            ("x-amz-if-match-size", "1"),
            ("x-amz-if-match-last-modified-time", "x"),
            ("x-amz-checksum-sha512", "x"),
            ("x-amz-checksum-mode", "DISABLED"),
            ("x-amz-mfa", "1 2"),
            ("x-amz-unheard-of", "x"),
        ] {
            for operation in Operation::ALL {
                assert_eq!(
                    check(name, value, operation, ServerSideEncryption::NotAlways),
                    Some(ErrorCode::NotImplemented),
                    "{name}: {value} with {}",
                    operation.name()
                );
            }
        }
        assert_eq!(
            check(
                "x-amz-storage-class",
                "FAST",
                Operation::PutObject,
                ServerSideEncryption::Always
            ),
            Some(ErrorCode::InvalidStorageClass)
        );
    }

    #[test]
    fn encryption_by_the_server_may_be_asked_for_where_it_is_always_done() {
        let ask = |value, operation| {
            check(
                "x-amz-server-side-encryption",
                value,
                operation,
                ServerSideEncryption::Always,
            )
        };
        assert_eq!(ask("AES256", Operation::PutObject), None);
        assert_eq!(ask("AES256", Operation::CreateMultipartUpload), None);
        assert_eq!(
            ask("AES256", Operation::GetObject),
            Some(ErrorCode::NotImplemented)
        );
        assert_eq!(
            ask("aws:kms", Operation::PutObject),
            Some(ErrorCode::NotImplemented)
        );
    }

    proptest! {
        #[test]
        fn a_header_nobody_knows_is_never_passed_over(name in "x-amz-[a-z]{1,12}(-[a-z]{1,8})?") {
            let known = !matches!(super::meaning(&name), super::Meaning::Unknown);
            prop_assume!(!known);
            for operation in Operation::ALL {
                prop_assert_eq!(check(&name, "x", operation, ServerSideEncryption::Always), Some(ErrorCode::NotImplemented));
            }
        }
    }
}
