//! Parameters of queries that several operations share.

use crate::port::{PartNumber, UploadId};
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::request::Query;
use crate::s3::xml::KeyEncoding;

/// Most items of one page.
pub(super) const MAX_PAGE: u32 = 1000;

/// A number of items: absent means `most`, more counts as `most`. The ceiling of what is a number at
/// all is that of AWS.
pub(super) fn limit(query: &Query<'_>, name: &'static str, most: u32) -> Result<u32, S3Error> {
    Ok(number(query, name)?.unwrap_or(most).min(most))
}

/// A number from 0 to 2,147,483,647.
pub(super) fn number(query: &Query<'_>, name: &'static str) -> Result<Option<u32>, S3Error> {
    let Some(text) = query.non_empty(name) else {
        return Ok(None);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && number <= i32::MAX.unsigned_abs() => Ok(Some(number)),
        _ => Err(S3Error::invalid_argument(
            name,
            text,
            format!("Argument {name} must be an integer between 0 and 2147483647"),
        )),
    }
}

/// `encoding-type`.
pub(super) fn encoding(query: &Query<'_>) -> Result<KeyEncoding, S3Error> {
    match query.non_empty("encoding-type") {
        None => Ok(KeyEncoding::Plain),
        Some("url") => Ok(KeyEncoding::Url),
        Some(other) => Err(S3Error::invalid_argument(
            "encoding-type",
            other,
            "Invalid Encoding Method specified in Request",
        )),
    }
}

/// `true` or `false`; absent means false.
pub(super) fn flag(query: &Query<'_>, name: &'static str) -> Result<bool, S3Error> {
    match query.non_empty(name) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) => Err(S3Error::invalid_argument(
            name,
            text,
            "The value must be true or false.",
        )),
    }
}

/// `partNumber`.
pub(super) fn part_number(query: &Query<'_>) -> Result<Option<PartNumber>, S3Error> {
    let Some(text) = query.get("partNumber") else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits).and_then(PartNumber::new);
    number.map(Some).ok_or_else(|| {
        S3Error::invalid_argument(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })
}

/// Longest id of an upload that is looked at; ours are far shorter.
const MAX_UPLOAD_ID: usize = 512;

/// `uploadId`.
pub(super) fn upload_id(query: &Query<'_>) -> Result<UploadId, S3Error> {
    match query.get("uploadId") {
        None | Some("") => Err(S3Error::invalid_argument(
            "uploadId",
            "",
            "This operation needs an uploadId.",
        )),
        Some(id) if id.len() > MAX_UPLOAD_ID => Err(ErrorCode::NoSuchUpload.into()),
        Some(id) => Ok(UploadId::new(id)),
    }
}
