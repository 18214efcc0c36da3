//! An error on its way to a client.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header};

use super::auth::AuthError;
use super::body::SpecError;
use super::code::ErrorCode;
use crate::port::{self, BodyError, Condition};

/// A refused or failed request: what the error document says and which headers go with it.
#[derive(Debug, Clone)]
pub(crate) struct S3Error {
    code: ErrorCode,
    message: Option<Cow<'static, str>>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    framing: Framing,
}

/// Whether it is still known where the next request on the connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// It is, once the body was read.
    Sound,
    /// It may not be: the connection is closed after the answer.
    Doubtful,
}

impl S3Error {
    /// An error that says what its code says.
    #[must_use]
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
            details: Vec::new(),
            headers: Vec::new(),
            framing: Framing::Sound,
        }
    }

    /// An error with a more precise message.
    #[must_use]
    pub(crate) fn with_message(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: Some(message.into()),
            ..Self::new(code)
        }
    }

    /// 400 `InvalidArgument` for the parameter or header `name`.
    #[must_use]
    pub(crate) fn invalid_argument(name: &str, value: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_message(ErrorCode::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// 501 for a header that means something that is not built.
    #[must_use]
    pub(crate) fn header_not_implemented(name: &str) -> Self {
        Self::with_message(
            ErrorCode::NotImplemented,
            "A header you provided implies functionality that is not implemented.",
        )
        .detail("Header", name)
    }

    /// 501 for a query parameter that means something that is not built.
    #[must_use]
    pub(crate) fn query_not_implemented(name: &str) -> Self {
        Self::with_message(
            ErrorCode::NotImplemented,
            "A query parameter you provided implies functionality that is not implemented.",
        )
        .detail("Parameter", name)
    }

    /// Adds an element to the error document.
    #[must_use]
    pub(crate) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Has the connection closed after the answer.
    #[must_use]
    pub(crate) fn close(mut self) -> Self {
        self.framing = Framing::Doubtful;
        self
    }

    /// The code.
    #[must_use]
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The text of `<Message>`.
    #[must_use]
    pub(crate) fn message(&self) -> &str {
        self.message.as_deref().unwrap_or(self.code.message())
    }

    pub(crate) fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }
}

impl From<ErrorCode> for S3Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<port::Error> for S3Error {
    fn from(error: port::Error) -> Self {
        use port::Error as E;
        match error {
            E::AccessDenied => ErrorCode::AccessDenied.into(),
            E::NoSuchBucket => ErrorCode::NoSuchBucket.into(),
            E::BucketAlreadyExists => ErrorCode::BucketAlreadyExists.into(),
            E::BucketAlreadyOwnedByYou => ErrorCode::BucketAlreadyOwnedByYou.into(),
            E::BucketNotEmpty => ErrorCode::BucketNotEmpty.into(),
            E::ReservedBucketName => Self::with_message(
                ErrorCode::InvalidBucketName,
                "The name of this bucket is reserved.",
            ),
            E::TooManyBuckets => ErrorCode::TooManyBuckets.into(),
            E::NoSuchKey { marker } => no_such_key(marker.as_ref()),
            E::NoSuchUpload => ErrorCode::NoSuchUpload.into(),
            E::InvalidPart(number) => {
                Self::new(ErrorCode::InvalidPart).detail("PartNumber", number.get().to_string())
            }
            E::PartTooSmall {
                number,
                size,
                minimum,
            } => Self::new(ErrorCode::EntityTooSmall)
                .detail("ProposedSize", size.to_string())
                .detail("MinSizeAllowed", minimum.to_string())
                .detail("PartNumber", number.get().to_string()),
            E::NoSuchPart(number) => Self::new(ErrorCode::InvalidPartNumber)
                .detail("PartNumberRequested", number.get().to_string()),
            E::TooLarge { maximum } => {
                Self::new(ErrorCode::EntityTooLarge).detail("MaxSizeAllowed", maximum.to_string())
            }
            E::ChecksumKindMismatch => Self::with_message(
                ErrorCode::InvalidRequest,
                "The checksum algorithm or type is not the one that the upload was created with.",
            ),
            E::ChecksumMismatch => ErrorCode::BadDigest.into(),
            E::SizeMismatch => Self::with_message(
                ErrorCode::InvalidRequest,
                "The size of the object is not the one given in x-amz-mp-object-size.",
            ),
            E::PreconditionFailed(condition) => precondition_failed(condition),
            E::ConditionalConflict => ErrorCode::ConditionalRequestConflict.into(),
            E::OperationAborted => ErrorCode::OperationAborted.into(),
            E::QuotaExceeded => ErrorCode::QuotaExceeded.into(),
            E::Body(error) => error.into(),
            E::SlowDown { retry_after } => Self::new(ErrorCode::SlowDown).retry_after(retry_after),
            E::Unavailable { retry_after } => {
                Self::new(ErrorCode::ServiceUnavailable).retry_after(retry_after)
            }
            E::Internal => ErrorCode::InternalError.into(),
        }
    }
}

impl From<&AuthError> for S3Error {
    fn from(error: &AuthError) -> Self {
        Self {
            details: error.details(),
            ..Self::with_message(error.code(), error.to_string())
        }
    }
}

impl From<SpecError> for S3Error {
    fn from(error: SpecError) -> Self {
        Self {
            details: error.details(),
            ..Self::with_message(error.code(), error.to_string())
        }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        // After a body that was not read as announced nobody knows where the next request begins.
        match error {
            BodyError::Disconnected | BodyError::Incomplete => Self::new(ErrorCode::IncompleteBody).close(),
            BodyError::TimedOut => Self::new(ErrorCode::RequestTimeout).close(),
            BodyError::TooLong => Self::with_message(
                ErrorCode::InvalidRequest,
                "The body is longer than its declared length.",
            )
            .close(),
            BodyError::Sha256Mismatch => ErrorCode::XAmzContentSha256Mismatch.into(),
            BodyError::Md5Mismatch => Self::with_message(
                ErrorCode::BadDigest,
                "The Content-MD5 you specified did not match what we received.",
            ),
            BodyError::ChecksumMismatch(algorithm) => Self::with_message(
                ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
                ),
            ),
            BodyError::MalformedChunk => Self::with_message(
                ErrorCode::InvalidRequest,
                "The aws-chunked encoding of the body is malformed.",
            )
            .close(),
            BodyError::ChunkTooLarge => Self::new(ErrorCode::InvalidChunkSize).close(),
            BodyError::ChunkSignatureMismatch => Self::new(ErrorCode::SignatureDoesNotMatch).close(),
            BodyError::MalformedTrailer => Self::new(ErrorCode::MalformedTrailer).close(),
            BodyError::Unread => Self::new(ErrorCode::InternalError).close(),
        }
    }
}

fn no_such_key(marker: Option<&port::VersionId>) -> S3Error {
    let error = S3Error::new(ErrorCode::NoSuchKey);
    let Some(version) = marker else { return error };
    let error = error.header(
        HeaderName::from_static("x-amz-delete-marker"),
        HeaderValue::from_static("true"),
    );
    match HeaderValue::from_str(version.as_str()) {
        Ok(value) => error.header(HeaderName::from_static("x-amz-version-id"), value),
        Err(_) => error,
    }
}

pub(crate) fn precondition_failed(condition: Condition) -> S3Error {
    S3Error::new(ErrorCode::PreconditionFailed).detail("Condition", condition.header())
}

impl S3Error {
    fn retry_after(self, after: std::time::Duration) -> Self {
        // Whole seconds, rounded up: a client that comes back early finds nothing changed.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}
