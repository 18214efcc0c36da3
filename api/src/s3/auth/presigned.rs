//! The query of a presigned request.

use std::borrow::Cow;

use super::date::AmzDate;
use super::error::AuthError;
use super::query::Query;
use super::scope::{CredentialScope, ScopeError};

/// What a presigned query of Signature Version 4 says.
pub(super) struct Presigned<'r> {
    pub(super) credential: CredentialScope<'r>,
    pub(super) signed_headers: Cow<'r, str>,
    pub(super) signature: Cow<'r, str>,
    pub(super) date: AmzDate,
    /// Seconds after `date` for which it may be used.
    pub(super) expires: i64,
    /// `X-Amz-Content-Sha256`, where the client says it there.
    pub(super) content_sha256: Option<Cow<'r, str>>,
}

/// The longest validity: seven days, in seconds.
const MAX_EXPIRES: i64 = 604_800;

impl<'r> Presigned<'r> {
    /// Reads the parameters of a presigned request.
    pub(super) fn parse(query: &Query<'r>) -> Result<Self, AuthError> {
        if query.single("X-Amz-Security-Token")?.is_some() {
            return Err(AuthError::SessionToken);
        }
        match required(query, "X-Amz-Algorithm")?.as_ref() {
            "AWS4-HMAC-SHA256" => {}
            "AWS4-ECDSA-P256-SHA256" => return Err(AuthError::EcdsaNotImplemented),
            _ => {
                return Err(AuthError::QueryMalformed(
                    "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
                ));
            }
        }
        let credential = required(query, "X-Amz-Credential")?;
        let date = required(query, "X-Amz-Date")?;
        let expires = required(query, "X-Amz-Expires")?;
        let signed_headers = required(query, "X-Amz-SignedHeaders")?;
        let signature = required(query, "X-Amz-Signature")?;
        let date = AmzDate::parse(date.as_bytes()).ok_or(AuthError::QueryMalformed(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ))?;
        let credential = CredentialScope::parse(credential, date.day()).map_err(malformed)?;
        let expires = validity(&expires)?;
        let content_sha256 = query.single("X-Amz-Content-Sha256")?;
        Ok(Self {
            credential,
            signed_headers,
            signature,
            date,
            expires,
            content_sha256,
        })
    }
}

fn required<'r>(query: &Query<'r>, name: &'static str) -> Result<Cow<'r, str>, AuthError> {
    query.single(name)?.ok_or(AuthError::QueryMalformed(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
         X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    ))
}

fn validity(text: &str) -> Result<i64, AuthError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthError::QueryMalformed("X-Amz-Expires should be a number"));
    }
    if digits.len() < text.len() || digits.bytes().all(|byte| byte == b'0') {
        return Err(AuthError::QueryMalformed("X-Amz-Expires must be positive"));
    }
    digits.parse().ok().filter(|seconds| *seconds <= MAX_EXPIRES).ok_or(AuthError::QueryMalformed(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
         than 604800 seconds",
    ))
}

fn malformed(error: ScopeError) -> AuthError {
    AuthError::QueryMalformed(match error {
        ScopeError::Malformed => {
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
        }
        ScopeError::OtherDay => {
            "Error parsing the X-Amz-Credential parameter; Invalid credential date. This date is not the \
             same as X-Amz-Date."
        }
        ScopeError::OtherService => {
            "Error parsing the X-Amz-Credential parameter; incorrect service. This endpoint belongs to \
             \"s3\"."
        }
        ScopeError::OtherTerminator => {
            "Error parsing the X-Amz-Credential parameter; incorrect terminal. This endpoint uses \
             \"aws4_request\"."
        }
    })
}
