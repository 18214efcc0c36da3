//! Which operation a request means.
//!
//! One table decides: method, level, and the parameters that select a sub-resource. A parameter that
//! the operation does not know is 501, whatever it is: what it would change is not built, and a request
//! is never carried out as something less than what it asks for.

use http::Method;

use super::query::Query;
use super::target::Target;
use crate::port::Operation;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// One row: which requests mean an operation.
struct Row {
    method: Method,
    level: Level,
    /// One of these parameters selects the operation; without any, nothing does.
    selectors: &'static [&'static str],
    operation: Operation,
    /// The parameters that the operation knows beside its selectors.
    parameters: &'static [&'static str],
}

/// How much of a name a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// The parameters by which a signed GET or HEAD overrides headers of its answer.
const READ: &[&str] = &[
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];

/// Selectors come before the plain row of their method and level.
const TABLE: &[Row] = &[
    row(
        Method::GET,
        Level::Service,
        &[],
        Operation::ListBuckets,
        &["prefix", "continuation-token", "max-buckets"],
    ),
    row(
        Method::GET,
        Level::Bucket,
        &["location"],
        Operation::GetBucketLocation,
        &[],
    ),
    row(
        Method::GET,
        Level::Bucket,
        &["uploads"],
        Operation::ListMultipartUploads,
        &[
            "delimiter",
            "encoding-type",
            "key-marker",
            "max-uploads",
            "prefix",
            "upload-id-marker",
        ],
    ),
    row(
        Method::GET,
        Level::Bucket,
        &["list-type"],
        Operation::ListObjectsV2,
        &[
            "continuation-token",
            "delimiter",
            "encoding-type",
            "fetch-owner",
            "max-keys",
            "prefix",
            "start-after",
        ],
    ),
    row(
        Method::GET,
        Level::Bucket,
        &[],
        Operation::ListObjects,
        &["delimiter", "encoding-type", "marker", "max-keys", "prefix"],
    ),
    row(Method::HEAD, Level::Bucket, &[], Operation::HeadBucket, &[]),
    row(Method::PUT, Level::Bucket, &[], Operation::CreateBucket, &[]),
    row(Method::DELETE, Level::Bucket, &[], Operation::DeleteBucket, &[]),
    row(
        Method::POST,
        Level::Bucket,
        &["delete"],
        Operation::DeleteObjects,
        &[],
    ),
    row(
        Method::GET,
        Level::Object,
        &["uploadId"],
        Operation::ListParts,
        &["encoding-type", "max-parts", "part-number-marker"],
    ),
    row(Method::GET, Level::Object, &[], Operation::GetObject, READ),
    row(Method::HEAD, Level::Object, &[], Operation::HeadObject, READ),
    row(
        Method::PUT,
        Level::Object,
        &["partNumber", "uploadId"],
        Operation::UploadPart,
        &[],
    ),
    row(Method::PUT, Level::Object, &[], Operation::PutObject, &[]),
    row(
        Method::POST,
        Level::Object,
        &["uploads"],
        Operation::CreateMultipartUpload,
        &[],
    ),
    row(
        Method::POST,
        Level::Object,
        &["uploadId"],
        Operation::CompleteMultipartUpload,
        &[],
    ),
    row(
        Method::DELETE,
        Level::Object,
        &["uploadId"],
        Operation::AbortMultipartUpload,
        &[],
    ),
    row(Method::DELETE, Level::Object, &[], Operation::DeleteObject, &[]),
];

/// Sub-resources without a value of their own.
const WITHOUT_VALUE: [&str; 3] = ["delete", "location", "uploads"];

const fn row(
    method: Method,
    level: Level,
    selectors: &'static [&'static str],
    operation: Operation,
    parameters: &'static [&'static str],
) -> Row {
    Row {
        method,
        level,
        selectors,
        operation,
        parameters,
    }
}

/// The operation that a request means.
pub(crate) fn route(method: &Method, target: &Target, query: &Query<'_>) -> Result<Operation, S3Error> {
    let level = match target {
        Target::Service => Level::Service,
        Target::Bucket(_) => Level::Bucket,
        Target::Object(..) => Level::Object,
    };
    if *method == Method::OPTIONS {
        return Err(ErrorCode::AccessForbidden.into());
    }
    let mut rows = TABLE
        .iter()
        .filter(|row| row.method == *method && row.level == level);
    let meant = |row: &&Row| row.selectors.is_empty() || row.selectors.iter().any(|name| query.has(name));
    let Some(row) = rows.find(meant) else {
        return Err(no_operation(method, level, query));
    };
    if let Some(name) = unknown(query, row) {
        return Err(S3Error::query_not_implemented(name));
    }
    match WITHOUT_VALUE.iter().find(|name| query.non_empty(name).is_some()) {
        Some(name) => {
            let value = query.get(name).unwrap_or_default();
            Err(S3Error::invalid_argument(
                name,
                value,
                "The sub-resource has no value.",
            ))
        }
        None => Ok(row.operation),
    }
}

/// A parameter that `row` does not know. Those of a signature do not count, nor the headers of a
/// presigned request, which are judged as headers, nor the name of the operation that SDKs add.
fn unknown<'q>(query: &'q Query<'_>, row: &Row) -> Option<&'q str> {
    let known =
        |name: &&str| *name == "x-id" || row.selectors.contains(name) || row.parameters.contains(name);
    query.asked().map(|(name, _)| name).find(|name| !known(name))
}

/// Why nothing is meant: a sub-resource that is not built, or a method that does not fit.
fn no_operation(method: &Method, level: Level, query: &Query<'_>) -> S3Error {
    if let Some((name, _)) = query.asked().find(|(name, _)| *name != "x-id") {
        return S3Error::query_not_implemented(name);
    }
    if (method, level) == (&Method::POST, Level::Bucket) {
        // A form that uploads an object.
        return ErrorCode::NotImplemented.into();
    }
    let allowed = match level {
        Level::Service => "GET",
        Level::Bucket => "GET, HEAD, PUT, POST, DELETE",
        Level::Object => "GET, HEAD, PUT, POST, DELETE",
    };
    S3Error::new(ErrorCode::MethodNotAllowed)
        .detail("Method", method.as_str())
        .header(http::header::ALLOW, http::HeaderValue::from_static(allowed))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::{Level, TABLE, route};
    use crate::port::{BucketName, ObjectKey, Operation};
    use crate::s3::code::ErrorCode;
    use crate::s3::request::{Query, Target};

    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];

    fn ask(method: &Method, path: &str, query: &str) -> Result<Operation, ErrorCode> {
        let target = Target::parse(path, "h", None).unwrap();
        let query = Query::parse(Some(query)).unwrap();
        route(method, &target, &query).map_err(|error| error.code())
    }

    #[test]
    fn every_operation_has_a_row() {
        for operation in Operation::ALL {
            assert!(
                TABLE.iter().any(|row| row.operation == operation),
                "{}",
                operation.name()
            );
        }
    }

    /// The rows of the table in the reference: request, operation, parameters.
    #[test]
    fn the_reference_shows_the_table() {
        let page = include_str!("../../../../docs/reference/s3-api.md");
        let section = page
            .split("## Operations")
            .nth(1)
            .unwrap()
            .split("## ")
            .next()
            .unwrap();
        let mut shown = Vec::new();
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let code = |cell: &str| -> Vec<String> {
                cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
            };
            let cells: Vec<&str> = row.split('|').collect();
            let mut parameters = code(cells[3]);
            parameters.sort();
            shown.push((code(cells[1]).remove(0), cells[2].trim().to_owned(), parameters));
        }
        let known: Vec<_> = TABLE
            .iter()
            .map(|row| {
                let path = match row.level {
                    Level::Service => "/",
                    Level::Bucket => "/bucket",
                    Level::Object => "/bucket/key",
                };
                let selectors = row.selectors.join("&");
                let mark = if selectors.is_empty() { "" } else { "?" };
                let mut parameters: Vec<String> =
                    row.parameters.iter().map(|name| (*name).to_owned()).collect();
                parameters.sort();
                (
                    format!("{} {path}{mark}{selectors}", row.method),
                    row.operation.name().to_owned(),
                    parameters,
                )
            })
            .collect();
        assert_eq!(shown, known);
    }

    #[test]
    fn method_level_and_sub_resource_say_what_is_meant() {
        let cases = [
            (Method::GET, "/", "", Operation::ListBuckets),
            (Method::GET, "/", "x-id=ListBuckets", Operation::ListBuckets),
            (Method::GET, "/b-b", "", Operation::ListObjects),
            (
                Method::GET,
                "/b-b/",
                "prefix=&delimiter=/&marker=m&max-keys=1&encoding-type=url",
                Operation::ListObjects,
            ),
            (
                Method::GET,
                "/b-b",
                "list-type=2&start-after=a&fetch-owner=true",
                Operation::ListObjectsV2,
            ),
            (Method::GET, "/b-b", "location", Operation::GetBucketLocation),
            (Method::GET, "/b-b", "location=", Operation::GetBucketLocation),
            (
                Method::GET,
                "/b-b",
                "uploads&prefix=p",
                Operation::ListMultipartUploads,
            ),
            (Method::HEAD, "/b-b", "", Operation::HeadBucket),
            (Method::PUT, "/b-b", "", Operation::CreateBucket),
            (Method::DELETE, "/b-b", "", Operation::DeleteBucket),
            (Method::POST, "/b-b", "delete", Operation::DeleteObjects),
            (Method::GET, "/b-b/k", "", Operation::GetObject),
            (
                Method::GET,
                "/b-b/k",
                "x-id=GetObject&partNumber=1&response-expires=x",
                Operation::GetObject,
            ),
            (Method::HEAD, "/b-b/k", "partNumber=1", Operation::HeadObject),
            (Method::PUT, "/b-b/k", "x-id=PutObject", Operation::PutObject),
            (
                Method::PUT,
                "/b-b/k",
                "partNumber=1&uploadId=u",
                Operation::UploadPart,
            ),
            (Method::PUT, "/b-b/k", "uploadId=u", Operation::UploadPart),
            (Method::PUT, "/b-b/k", "partNumber=1", Operation::UploadPart),
            (
                Method::GET,
                "/b-b/k",
                "uploadId=u&max-parts=1",
                Operation::ListParts,
            ),
            (
                Method::POST,
                "/b-b/k",
                "uploads",
                Operation::CreateMultipartUpload,
            ),
            (
                Method::POST,
                "/b-b/k",
                "uploadId=u",
                Operation::CompleteMultipartUpload,
            ),
            (
                Method::DELETE,
                "/b-b/k",
                "uploadId=u",
                Operation::AbortMultipartUpload,
            ),
            (Method::DELETE, "/b-b/k", "", Operation::DeleteObject),
        ];
        for (method, path, query, operation) in cases {
            assert_eq!(
                ask(&method, path, query),
                Ok(operation),
                "{method} {path}?{query}"
            );
        }
    }

    /// Everything that S3 knows and this front end does not build.
    const NOT_BUILT: [&str; 48] = [
        "abac",
        "accelerate",
        "acl",
        "allow-unordered",
        "analytics",
        "append",
        "attributes",
        "bucket-region",
        "continuation-token-x",
        "cors",
        "encryption",
        "events",
        "force",
        "id",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "lifecycle-typo",
        "logging",
        "metadata",
        "metadataConfiguration",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "position",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "select-type",
        "session",
        "tagging",
        "torrent",
        "versionId",
        "versioning",
        "versions",
        "website",
        "X-Amz-Copy-Source",
        "X-Amz-Content-Sha256",
        "uploadid",
    ];

    #[test]
    fn a_sub_resource_that_is_not_built_is_501_with_every_method() {
        for parameter in NOT_BUILT {
            for method in [
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::POST,
                Method::DELETE,
            ] {
                for path in ["/b-b", "/b-b/k"] {
                    for query in [
                        parameter.to_owned(),
                        format!("{parameter}=x"),
                        format!("{parameter}&delete&uploads&uploadId=u"),
                    ] {
                        assert_eq!(
                            ask(&method, path, &query),
                            Err(ErrorCode::NotImplemented),
                            "{method} {path}?{query}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_method_that_fits_nothing_is_not_allowed() {
        for (method, path) in [
            (Method::PUT, "/"),
            (Method::POST, "/"),
            (Method::DELETE, "/"),
            (Method::HEAD, "/"),
            (Method::PATCH, "/b-b"),
            (Method::PATCH, "/b-b/k"),
            (Method::POST, "/b-b/k"),
            (Method::TRACE, "/b-b/k"),
        ] {
            assert_eq!(
                ask(&method, path, ""),
                Err(ErrorCode::MethodNotAllowed),
                "{method} {path}"
            );
        }
        assert_eq!(
            ask(&Method::POST, "/b-b", ""),
            Err(ErrorCode::NotImplemented),
            "a form upload"
        );
        assert_eq!(
            ask(&Method::OPTIONS, "/b-b/k", ""),
            Err(ErrorCode::AccessForbidden),
            "no CORS"
        );
    }

    #[test]
    fn a_sub_resource_with_a_value_it_does_not_have_is_refused() {
        for (method, path, query) in [
            (Method::POST, "/b-b", "delete=x"),
            (Method::POST, "/b-b/k", "uploads=x"),
            (Method::GET, "/b-b", "location=x"),
        ] {
            assert_eq!(
                ask(&method, path, query),
                Err(ErrorCode::InvalidArgument),
                "{method} {path}?{query}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_unknown_parameter_never_leaves_an_operation_standing(
            method in 0..METHODS.len(), name in "[a-zA-Z-]{1,16}", object in any::<bool>(),
        ) {
            let known = TABLE.iter().any(|row| row.selectors.contains(&&*name) || row.parameters.contains(&&*name));
            prop_assume!(!known && name != "x-id" && !name.to_ascii_lowercase().starts_with("x-amz-"));
            let target = if object {
                Target::Object(BucketName::new("books").unwrap(), ObjectKey::new("k").unwrap())
            } else {
                Target::Bucket(BucketName::new("books").unwrap())
            };
            let query = Query::parse(Some(&name)).unwrap();
            prop_assert!(route(&METHODS[method], &target, &query).is_err());
        }
    }
}
