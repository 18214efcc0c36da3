//! `<Error>`.

use super::write::XmlWriter;
use crate::port::{BucketName, ObjectKey, RequestId};
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// Where an error happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorContext<'a> {
    /// The bucket of the request.
    pub(crate) bucket: Option<&'a BucketName>,
    /// The key of the request.
    pub(crate) key: Option<&'a ObjectKey>,
    /// The path of the request, as sent.
    pub(crate) resource: &'a str,
    /// The request.
    pub(crate) request_id: RequestId,
    /// The value of `x-amz-id-2`.
    pub(crate) host_id: &'a str,
}

/// The document of an error, without the declaration, so that it can end one that was begun.
pub(crate) fn error(error: &S3Error, context: &ErrorContext<'_>) -> String {
    let mut xml = XmlWriter::readable_fragment(512);
    xml.element("Error", |xml| {
        xml.text("Code", error.code().name());
        xml.text("Message", error.message());
        if let Some(key) = context.key.filter(|_| error.code() == ErrorCode::NoSuchKey) {
            xml.text("Key", key.as_str());
        }
        if let Some(bucket) = context.bucket.filter(|_| names_bucket(error.code())) {
            xml.text("BucketName", bucket.as_str());
        }
        for (name, value) in error.details() {
            xml.text(name, value);
        }
        xml.text("Resource", context.resource);
        xml.number("RequestId", context.request_id);
        xml.text("HostId", context.host_id);
    });
    xml.finish()
}

const fn names_bucket(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NoSuchBucket
            | ErrorCode::BucketNotEmpty
            | ErrorCode::BucketAlreadyExists
            | ErrorCode::BucketAlreadyOwnedByYou
            | ErrorCode::InvalidBucketName
    )
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::{ErrorContext, error};
    use crate::port::{BucketName, ObjectKey, RequestId};
    use crate::s3::code::ErrorCode;
    use crate::s3::error::S3Error;

    #[test]
    fn an_error_says_what_where_and_in_which_request() {
        let (bucket, key) = (BucketName::new("books").unwrap(), ObjectKey::new("a<b").unwrap());
        let context = ErrorContext {
            bucket: Some(&bucket),
            key: Some(&key),
            resource: "/books/a%3Cb",
            request_id: RequestId::new(0xABC),
            host_id: "n1",
        };
        assert_eq!(
            error(&ErrorCode::NoSuchKey.into(), &context),
            "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key>\
             <Resource>/books/a%3Cb</Resource><RequestId>0000000000000ABC</RequestId><HostId>n1</HostId></Error>"
        );
        assert_eq!(
            error(
                &S3Error::invalid_argument("max-keys", "-1", "Not a number."),
                &context
            ),
            "<Error><Code>InvalidArgument</Code><Message>Not a number.</Message><ArgumentName>max-keys</ArgumentName>\
             <ArgumentValue>-1</ArgumentValue><Resource>/books/a%3Cb</Resource><RequestId>0000000000000ABC\
             </RequestId><HostId>n1</HostId></Error>"
        );
        assert!(error(&ErrorCode::NoSuchBucket.into(), &context).contains("<BucketName>books</BucketName>"));
    }
}
