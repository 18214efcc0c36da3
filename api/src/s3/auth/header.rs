//! The Authorization header.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};

use super::date::AmzDate;
use super::error::AuthError;
use super::scope::{CredentialScope, ScopeError};

/// What an Authorization header of Signature Version 4 says.
pub(super) struct Authorization<'r> {
    pub(super) credential: CredentialScope<'r>,
    pub(super) signed_headers: &'r str,
    pub(super) signature: &'r str,
    pub(super) date: AmzDate,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The only value of `name`, as bytes.
pub(super) fn single<'r>(headers: &'r HeaderMap, name: &'static str) -> Result<Option<&'r [u8]>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    match values.next() {
        Some(_) => Err(AuthError::DuplicateHeader(name)),
        None => Ok(Some(first.as_bytes())),
    }
}

/// Reads the Authorization header; `None` when there is none.
pub(super) fn parse(headers: &HeaderMap) -> Result<Option<Authorization<'_>>, AuthError> {
    let Some(value) = single(headers, AUTHORIZATION.as_str())? else {
        return Ok(None);
    };
    let value = std::str::from_utf8(value)
        .map_err(|_| AuthError::UnsupportedType)?
        .trim_ascii();
    let (algorithm, fields) = value.split_once(' ').unwrap_or((value, ""));
    match algorithm {
        ALGORITHM => {}
        "AWS" => return Err(AuthError::VersionTwo),
        "AWS4-ECDSA-P256-SHA256" => return Err(AuthError::EcdsaNotImplemented),
        _ => return Err(AuthError::UnsupportedType),
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field
            .trim_ascii()
            .split_once('=')
            .ok_or(AuthError::HeaderMalformed("a field without a value was found"))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(AuthError::HeaderMalformed("a field of another name was found")),
        };
        if slot.replace(value).is_some() {
            return Err(AuthError::HeaderMalformed("a field was found twice"));
        }
    }
    let credential = credential.ok_or(AuthError::HeaderMalformed("the Credential field is missing"))?;
    let signed_headers =
        signed_headers.ok_or(AuthError::HeaderMalformed("the SignedHeaders field is missing"))?;
    let signature = signature.ok_or(AuthError::HeaderMalformed("the Signature field is missing"))?;
    let date = date(headers, signed_headers)?;
    let credential = CredentialScope::parse(Cow::Borrowed(credential), date.day()).map_err(malformed)?;
    Ok(Some(Authorization {
        credential,
        signed_headers,
        signature,
        date,
    }))
}

/// The time of the signature: `x-amz-date`, or a signed `Date` where that is not there.
fn date(headers: &HeaderMap, signed_headers: &str) -> Result<AmzDate, AuthError> {
    if let Some(value) = single(headers, "x-amz-date")? {
        return AmzDate::parse(value.trim_ascii()).ok_or(AuthError::MissingDate);
    }
    if !signed_headers.split(';').any(|name| name == DATE.as_str()) {
        return Err(AuthError::MissingDate);
    }
    single(headers, DATE.as_str())?
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(AmzDate::parse_http)
        .ok_or(AuthError::MissingDate)
}

fn malformed(error: ScopeError) -> AuthError {
    AuthError::HeaderMalformed(match error {
        ScopeError::Malformed => {
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
        }
        ScopeError::OtherDay => "Invalid credential date. This date is not the same as X-Amz-Date.",
        ScopeError::OtherService => "incorrect service. This endpoint belongs to \"s3\".",
        ScopeError::OtherTerminator => "incorrect terminal. This endpoint uses \"aws4_request\".",
    })
}
