//! Which `x-amz-` headers are understood, and which of their values.
//!
//! A header that nobody here knows is 501: whatever it asks for is not done, so the request is not
//! carried out without it. `docs/reference/s3-api.md` shows this table to users.

use super::headers::Headers;
use crate::port::Operation;
use crate::s3::code::ErrorCode;
use crate::s3::config::ServerSideEncryption;
use crate::s3::error::S3Error;

/// What a header is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Read elsewhere, or without consequence whatever its value.
    Understood,
    /// Understood with one of these values, in any case; 501 with any other.
    Only(&'static [&'static str]),
    /// Understood by these operations; 501 with any other.
    Within(&'static [Operation]),
    /// Names a storage class.
    StorageClass,
    /// Names how the server encrypts.
    ServerSideEncryption,
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

/// Prefix of user metadata, which means something to a few operations and nothing to the others.
const METADATA: &str = "x-amz-meta-";

/// Every `x-amz-` header that is understood, by name.
const HEADERS: &[(&str, Meaning)] = &[
    // What the owner of the bucket owns, nobody else sees: this asks for that.
    (
        "x-amz-acl",
        Meaning::Only(&["private", "bucket-owner-full-control"]),
    ),
    ("x-amz-bucket-object-lock-enabled", Meaning::Only(&["false"])),
    ("x-amz-bypass-governance-retention", Meaning::Only(&["false"])),
    // A hint, except to those that read it. What counts is the checksum itself.
    ("x-amz-checksum-algorithm", Meaning::Understood),
    ("x-amz-checksum-crc32", Meaning::Understood),
    ("x-amz-checksum-crc32c", Meaning::Understood),
    ("x-amz-checksum-crc64nvme", Meaning::Understood),
    ("x-amz-checksum-mode", Meaning::Only(&["ENABLED"])),
    ("x-amz-checksum-sha1", Meaning::Understood),
    ("x-amz-checksum-sha256", Meaning::Understood),
    (
        "x-amz-checksum-type",
        Meaning::Within(&[
            Operation::CreateMultipartUpload,
            Operation::CompleteMultipartUpload,
        ]),
    ),
    ("x-amz-content-sha256", Meaning::Understood),
    ("x-amz-date", Meaning::Understood),
    ("x-amz-decoded-content-length", Meaning::Understood),
    (
        "x-amz-mp-object-size",
        Meaning::Within(&[Operation::CompleteMultipartUpload]),
    ),
    ("x-amz-object-ownership", Meaning::Only(&["BucketOwnerEnforced"])),
    // Nothing is archived.
    (
        "x-amz-optional-object-attributes",
        Meaning::Only(&["RestoreStatus"]),
    ),
    // Nobody is charged.
    ("x-amz-request-payer", Meaning::Only(&["requester"])),
    ("x-amz-sdk-checksum-algorithm", Meaning::Understood),
    ("x-amz-server-side-encryption", Meaning::ServerSideEncryption),
    ("x-amz-storage-class", Meaning::StorageClass),
    // An offer to take a checksum behind the body, which need not be taken up.
    ("x-amz-te", Meaning::Only(&["append-md5"])),
    ("x-amz-trailer", Meaning::Understood),
    ("x-amz-user-agent", Meaning::Understood),
];

fn meaning(name: &str) -> Option<Meaning> {
    if name.starts_with(METADATA) {
        return Some(Meaning::Understood);
    }
    let found = HEADERS.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    HEADERS.get(found).map(|(_, meaning)| *meaning)
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
            None => false,
            Some(Meaning::Understood) => true,
            Some(Meaning::Only(values)) => values.iter().any(|known| known.eq_ignore_ascii_case(value)),
            Some(Meaning::Within(operations)) => operations.contains(&operation),
            Some(Meaning::StorageClass) if value == "STANDARD" => true,
            Some(Meaning::StorageClass) if OTHER_CLASSES.contains(&value) => false,
            Some(Meaning::StorageClass) => {
                return Err(
                    S3Error::new(ErrorCode::InvalidStorageClass).detail("StorageClassRequested", value)
                );
            }
            Some(Meaning::ServerSideEncryption) => {
                value == "AES256" && encryption == ServerSideEncryption::Always && WRITES.contains(&operation)
            }
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

    use super::{HEADERS, METADATA, Meaning, check_amz_headers};
    use crate::port::{ChecksumAlgorithm, Operation};
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
    fn the_table_is_in_order_and_knows_every_checksum() {
        assert!(HEADERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(super::meaning(algorithm.header()), Some(Meaning::Understood));
        }
    }

    /// The rows of the table in the reference that name headers.
    #[test]
    fn the_reference_shows_the_table() {
        let page = include_str!("../../../../docs/reference/s3-api.md");
        let section = page
            .split("## Headers")
            .nth(1)
            .unwrap()
            .split("## ")
            .next()
            .unwrap();
        let code =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let mut shown = Vec::new();
        for row in section.lines().filter(|line| line.starts_with("| `x-amz-")) {
            let cells: Vec<&str> = row.split('|').collect();
            for name in code(cells[1]) {
                if let Some(Meaning::Only(values)) = super::meaning(&name) {
                    assert_eq!(code(cells[2]), values, "{name}");
                }
                shown.push(name);
            }
        }
        shown.sort();
        let known: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
        let shown: Vec<&str> = shown
            .iter()
            .map(String::as_str)
            .filter(|name| !name.starts_with(METADATA))
            .collect();
        assert_eq!(shown, known);
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
            prop_assume!(super::meaning(&name).is_none());
            for operation in Operation::ALL {
                prop_assert_eq!(check(&name, "x", operation, ServerSideEncryption::Always), Some(ErrorCode::NotImplemented));
            }
        }
    }
}
