//! The error codes of S3.

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:ident $message:literal;)+) => {
        /// An error as S3 names it. Clients branch on these names, so each is used only for what AWS
        /// uses it for (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* #[doc = concat!("`", $code, "`: ", $message)] $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text of `<Code>`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The status it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What `<Message>` says when nothing more precise is known.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }
        }
    };
}

codes! {
    AccessDenied "AccessDenied" FORBIDDEN "Access Denied";
    AccessForbidden "AccessForbidden" FORBIDDEN "CORSResponse: CORS is not enabled for this bucket.";
    AuthorizationHeaderMalformed "AuthorizationHeaderMalformed" BAD_REQUEST
        "The authorization header you provided is invalid.";
    AuthorizationQueryParametersError "AuthorizationQueryParametersError" BAD_REQUEST
        "The query parameters of the signature are invalid.";
    BadDigest "BadDigest" BAD_REQUEST
        "The Content-MD5 or checksum value that you specified did not match what the server received.";
    BucketAlreadyExists "BucketAlreadyExists" CONFLICT
        "The requested bucket name is not available. Select a different name and try again.";
    BucketAlreadyOwnedByYou "BucketAlreadyOwnedByYou" CONFLICT
        "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty "BucketNotEmpty" CONFLICT "The bucket you tried to delete is not empty.";
    ConditionalRequestConflict "ConditionalRequestConflict" CONFLICT
        "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    EntityTooLarge "EntityTooLarge" BAD_REQUEST "Your proposed upload exceeds the maximum allowed size.";
    EntityTooSmall "EntityTooSmall" BAD_REQUEST
        "Your proposed upload is smaller than the minimum allowed size.";
    IllegalLocationConstraint "IllegalLocationConstraintException" BAD_REQUEST
        "The specified location constraint is incompatible with the region this request was sent to.";
    IncompleteBody "IncompleteBody" BAD_REQUEST
        "You did not provide the number of bytes specified by the Content-Length header.";
    InternalError "InternalError" INTERNAL_SERVER_ERROR
        "We encountered an internal error. Please try again.";
    InvalidAccessKeyId "InvalidAccessKeyId" FORBIDDEN
        "The access key ID you provided does not exist in our records.";
    InvalidArgument "InvalidArgument" BAD_REQUEST "Invalid Argument";
    InvalidBucketName "InvalidBucketName" BAD_REQUEST "The specified bucket is not valid.";
    InvalidChunkSize "InvalidChunkSizeError" BAD_REQUEST "A chunk of the body has an invalid size.";
    InvalidDigest "InvalidDigest" BAD_REQUEST "The Content-MD5 or checksum value that you specified is not valid.";
    InvalidPart "InvalidPart" BAD_REQUEST
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
         specified entity tag may not match the part's entity tag.";
    InvalidPartNumber "InvalidPartNumber" RANGE_NOT_SATISFIABLE
        "The requested partnumber is not satisfiable.";
    InvalidPartOrder "InvalidPartOrder" BAD_REQUEST
        "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidRange "InvalidRange" RANGE_NOT_SATISFIABLE "The requested range is not satisfiable.";
    InvalidRequest "InvalidRequest" BAD_REQUEST "Invalid Request";
    InvalidStorageClass "InvalidStorageClass" BAD_REQUEST "The storage class you specified is not valid.";
    InvalidToken "InvalidToken" BAD_REQUEST "The provided token is malformed or otherwise not valid.";
    InvalidUri "InvalidURI" BAD_REQUEST "Couldn't parse the specified URI.";
    KeyTooLong "KeyTooLongError" BAD_REQUEST "Your key is too long.";
    MalformedTrailer "MalformedTrailerError" BAD_REQUEST
        "The request contained trailing data that was not well-formed or not what was announced.";
    MalformedXml "MalformedXML" BAD_REQUEST
        "The XML you provided was not well-formed or did not validate against our published schema.";
    MaxMessageLengthExceeded "MaxMessageLengthExceeded" BAD_REQUEST "Your request was too large.";
    MetadataTooLarge "MetadataTooLarge" BAD_REQUEST
        "Your metadata headers exceed the maximum allowed metadata size.";
    MethodNotAllowed "MethodNotAllowed" METHOD_NOT_ALLOWED
        "The specified method is not allowed against this resource.";
    MissingContentLength "MissingContentLength" LENGTH_REQUIRED
        "You must provide the Content-Length HTTP header.";
    NoSuchBucket "NoSuchBucket" NOT_FOUND "The specified bucket does not exist.";
    NoSuchKey "NoSuchKey" NOT_FOUND "The specified key does not exist.";
    NoSuchUpload "NoSuchUpload" NOT_FOUND
        "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart \
         upload might have been aborted or completed.";
    NotImplemented "NotImplemented" NOT_IMPLEMENTED
        "A header or query you provided implies functionality that is not implemented.";
    OperationAborted "OperationAborted" CONFLICT
        "A conflicting conditional operation is currently in progress against this resource. Try again.";
    PreconditionFailed "PreconditionFailed" PRECONDITION_FAILED
        "At least one of the preconditions that you specified did not hold.";
    QuotaExceeded "QuotaExceeded" INSUFFICIENT_STORAGE "The storage quota is exhausted.";
    RequestHeaderSectionTooLarge "RequestHeaderSectionTooLarge" BAD_REQUEST
        "Your request header section exceeds the maximum allowed size.";
    RequestTimeout "RequestTimeout" BAD_REQUEST
        "Your socket connection to the server was not read from or written to within the timeout period.";
    RequestTimeTooSkewed "RequestTimeTooSkewed" FORBIDDEN
        "The difference between the request time and the server's time is too large.";
    ServiceUnavailable "ServiceUnavailable" SERVICE_UNAVAILABLE
        "Service is unable to handle request. Please try again.";
    SignatureDoesNotMatch "SignatureDoesNotMatch" FORBIDDEN
        "The request signature that the server calculated does not match the signature that you provided.";
    SlowDown "SlowDown" SERVICE_UNAVAILABLE "Please reduce your request rate.";
    TooManyBuckets "TooManyBuckets" BAD_REQUEST
        "You have attempted to create more buckets than are allowed per account.";
    XAmzContentSha256Mismatch "XAmzContentSHA256Mismatch" BAD_REQUEST
        "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn no_two_codes_have_one_name() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn the_reference_shows_every_code_with_its_status() {
        let page = include_str!("../../../docs/reference/s3-api.md");
        let section = page.split("## Errors").nth(1).unwrap();
        let mut shown: Vec<(u16, String)> = Vec::new();
        for row in section
            .lines()
            .filter(|line| line.starts_with("| 4") || line.starts_with("| 5"))
        {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let status = cells[1].parse().unwrap();
            shown.extend(
                cells[2]
                    .split('`')
                    .skip(1)
                    .step_by(2)
                    .map(|name| (status, name.to_owned())),
            );
        }
        shown.sort();
        let mut known: Vec<(u16, String)> = ErrorCode::ALL
            .iter()
            .map(|code| (code.status().as_u16(), code.name().to_owned()))
            .collect();
        known.sort();
        assert_eq!(shown, known);
    }
}
