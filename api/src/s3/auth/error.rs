//! Why a request's signature was not accepted.

use super::date::extended;
use crate::s3::ErrorCode;

/// Why a request was refused before anybody asked what it may do. Never holds a secret, nor the
/// signature that would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Authorization header and signed query at once, of any version.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms,
    /// Signature Version 2.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    VersionTwo,
    /// An Authorization header of another scheme.
    #[error("Unsupported Authorization Type")]
    UnsupportedType,
    /// SigV4A, or chunks signed with it.
    #[error("ECDSA signatures (SigV4A) are not implemented. Please use AWS4-HMAC-SHA256.")]
    EcdsaNotImplemented,
    /// Temporary credentials.
    #[error("The provided token is malformed or otherwise invalid. Session tokens are not supported.")]
    SessionToken,
    /// The Authorization header cannot be read.
    #[error("The authorization header is malformed; {0}")]
    HeaderMalformed(&'static str),
    /// A parameter of a presigned query is missing or cannot be read.
    #[error("{0}")]
    QueryMalformed(&'static str),
    /// A presigned query has a parameter twice.
    #[error("The query parameter {0} must be given once")]
    DuplicateParameter(&'static str),
    /// Signed for another region than `server.region`.
    #[error("{}", wrong_region(*.mechanism, .given, .expected))]
    WrongRegion {
        /// How it was signed.
        mechanism: Mechanism,
        /// The region it was signed for.
        given: Box<str>,
        /// The region of this server.
        expected: Box<str>,
    },
    /// A header that decides who asks is there twice.
    #[error("The header {0} must be given once")]
    DuplicateHeader(&'static str),
    /// No `Host`, nor an authority in its place.
    #[error("The Host header is missing")]
    MissingHost,
    /// `Host` and the request target name different hosts.
    #[error("The Host header is not the authority of the request target")]
    AmbiguousHost,
    /// The path or query holds a malformed escape.
    #[error("Couldn't parse the specified URI.")]
    MalformedUri,
    /// A header-signed request without a date that can be read.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,
    /// A header-signed request that says nothing about its payload.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    /// `x-amz-content-sha256` is none of the values it may be.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 \
         value."
    )]
    InvalidContentSha256,
    /// A `STREAMING-*` payload on a request that is not signed by header.
    #[error("A STREAMING payload requires an Authorization header")]
    StreamingNotSigned,
    /// Headers that must be signed are not.
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned(Box<str>),
    /// A header that was declared as signed is not there.
    #[error("A header listed as signed is not present in the request")]
    SignedHeaderAbsent(Box<str>),
    /// The clock of the client and ours are too far apart.
    #[error("The difference between the request time and the server's time is too large.")]
    RequestTimeTooSkewed {
        /// The time of the request, as it was sent.
        request: Box<str>,
        /// Our time in seconds since 1970.
        server: i64,
        /// The difference that is accepted, in seconds.
        allowed: i64,
    },
    /// A presigned request was used after its time.
    #[error("Request has expired")]
    Expired {
        /// When it ended, in seconds since 1970.
        expires: i64,
        /// Our time in seconds since 1970.
        server: i64,
    },
    /// A presigned request was used before its time.
    #[error("Request is not valid yet")]
    NotYetValid,
    /// The access key is not known.
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId(Box<str>),
    /// The signature is not the one that the secret makes.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and \
         signing method."
    )]
    SignatureDoesNotMatch(Box<SignatureMismatch>),
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// In the Authorization header.
    Header,
    /// In the query.
    Query,
}

/// What we signed, so that a client can compare it with what it signed. Values of headers that carry
/// keys are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureMismatch {
    /// The access key.
    pub access_key: String,
    /// The signature as it was sent.
    pub signature_provided: String,
    /// Our string to sign.
    pub string_to_sign: String,
    /// Our canonical request.
    pub canonical_request: String,
}

fn wrong_region(mechanism: Mechanism, given: &str, expected: &str) -> String {
    let wrong = format!("the region '{given}' is wrong; expecting '{expected}'");
    match mechanism {
        Mechanism::Header => format!("The authorization header is malformed; {wrong}"),
        Mechanism::Query => format!("Error parsing the X-Amz-Credential parameter; {wrong}"),
    }
}

impl AuthError {
    /// The error code of S3.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::SeveralMechanisms | Self::UnsupportedType | Self::InvalidContentSha256 => {
                ErrorCode::InvalidArgument
            }
            Self::VersionTwo
            | Self::DuplicateHeader(_)
            | Self::MissingHost
            | Self::AmbiguousHost
            | Self::MissingContentSha256
            | Self::StreamingNotSigned => ErrorCode::InvalidRequest,
            Self::EcdsaNotImplemented => ErrorCode::NotImplemented,
            Self::SessionToken => ErrorCode::InvalidToken,
            Self::HeaderMalformed(_)
            | Self::WrongRegion {
                mechanism: Mechanism::Header,
                ..
            } => ErrorCode::AuthorizationHeaderMalformed,
            Self::QueryMalformed(_)
            | Self::DuplicateParameter(_)
            | Self::WrongRegion {
                mechanism: Mechanism::Query,
                ..
            } => ErrorCode::AuthorizationQueryParametersError,
            Self::MalformedUri => ErrorCode::InvalidUri,
            Self::MissingDate
            | Self::HeadersNotSigned(_)
            | Self::SignedHeaderAbsent(_)
            | Self::Expired { .. }
            | Self::NotYetValid => ErrorCode::AccessDenied,
            Self::RequestTimeTooSkewed { .. } => ErrorCode::RequestTimeTooSkewed,
            Self::InvalidAccessKeyId(_) => ErrorCode::InvalidAccessKeyId,
            Self::SignatureDoesNotMatch(_) => ErrorCode::SignatureDoesNotMatch,
        }
    }

    /// The label of the metric of failed authentications.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::SignatureDoesNotMatch(_) => "signature_mismatch",
            Self::RequestTimeTooSkewed { .. } | Self::NotYetValid => "clock_skew",
            Self::Expired { .. } => "expired",
            Self::InvalidAccessKeyId(_) => "unknown_access_key",
            Self::MissingDate | Self::MissingContentSha256 | Self::MissingHost => "missing_credentials",
            Self::HeadersNotSigned(_) | Self::SignedHeaderAbsent(_) => "unsigned_headers",
            Self::VersionTwo | Self::UnsupportedType | Self::EcdsaNotImplemented | Self::SessionToken => {
                "unsupported"
            }
            Self::SeveralMechanisms
            | Self::HeaderMalformed(_)
            | Self::QueryMalformed(_)
            | Self::DuplicateParameter(_)
            | Self::WrongRegion { .. }
            | Self::DuplicateHeader(_)
            | Self::AmbiguousHost
            | Self::MalformedUri
            | Self::InvalidContentSha256
            | Self::StreamingNotSigned => "malformed",
        }
    }

    /// What the error body says besides code and message: names of XML elements and their text.
    #[must_use]
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::WrongRegion { expected, .. } => vec![("Region", expected.to_string())],
            Self::HeadersNotSigned(names) => vec![("HeadersNotSigned", names.to_string())],
            Self::SignedHeaderAbsent(name) => vec![("HeaderName", name.to_string())],
            Self::DuplicateHeader(name) => vec![("HeaderName", (*name).to_owned())],
            Self::DuplicateParameter(name) => vec![("ParameterName", (*name).to_owned())],
            Self::RequestTimeTooSkewed {
                request,
                server,
                allowed,
            } => vec![
                ("RequestTime", request.to_string()),
                ("ServerTime", extended(*server)),
                (
                    "MaxAllowedSkewMilliseconds",
                    allowed.saturating_mul(1000).to_string(),
                ),
            ],
            Self::Expired { expires, server } => {
                vec![("Expires", extended(*expires)), ("ServerTime", extended(*server))]
            }
            Self::InvalidAccessKeyId(key) => vec![("AWSAccessKeyId", key.to_string())],
            Self::SignatureDoesNotMatch(mismatch) => vec![
                ("AWSAccessKeyId", mismatch.access_key.clone()),
                ("StringToSign", mismatch.string_to_sign.clone()),
                ("SignatureProvided", mismatch.signature_provided.clone()),
                ("CanonicalRequest", mismatch.canonical_request.clone()),
            ],
            Self::SeveralMechanisms
            | Self::VersionTwo
            | Self::UnsupportedType
            | Self::EcdsaNotImplemented
            | Self::SessionToken
            | Self::HeaderMalformed(_)
            | Self::QueryMalformed(_)
            | Self::MissingHost
            | Self::AmbiguousHost
            | Self::MalformedUri
            | Self::MissingDate
            | Self::MissingContentSha256
            | Self::InvalidContentSha256
            | Self::StreamingNotSigned
            | Self::NotYetValid => Vec::new(),
        }
    }
}
