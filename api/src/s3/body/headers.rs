//! The headers that describe a body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

use super::error::SpecError;
use crate::port::{Checksum, ChecksumAlgorithm};
use crate::s3::checksum;

/// The prefix of the headers and trailers that carry a checksum, and of three that do not.
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";
const NOT_CHECKSUMS: [&str; 3] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
];

/// What a client says about the length of what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SentLength {
    /// So many bytes.
    Known(u64),
    /// Whatever comes until the end.
    Unknown,
    /// Nothing at all: without either header there is no body.
    NoBody,
}

/// The content coding that is stored with an object: a `Content-Encoding` without `aws-chunked`, which
/// names the framing of the request. `None` when nothing is left.
#[must_use]
pub fn stored_content_encoding(value: &str) -> Option<String> {
    let codings = value.split(',').map(str::trim);
    let stored: Vec<&str> = codings
        .filter(|coding| !coding.is_empty() && !is_chunked(coding))
        .collect();
    (!stored.is_empty()).then(|| stored.join(","))
}

/// Whether `Content-Encoding` says `aws-chunked`.
pub(super) fn says_chunked(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| std::str::from_utf8(coding).is_ok_and(|coding| is_chunked(coding.trim())))
}

fn is_chunked(coding: &str) -> bool {
    coding.eq_ignore_ascii_case("aws-chunked")
}

/// The only value of `name`.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h [u8]>, SpecError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    match values.next() {
        Some(_) => Err(SpecError::DuplicateHeader(name)),
        None => Ok(Some(first.as_bytes().trim_ascii())),
    }
}

/// A number of bytes, in digits only: `+5`, ` 5` and `5, 5` are how requests are smuggled.
pub(super) fn length(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, SpecError> {
    let Some(value) = single(headers, name)? else {
        return Ok(None);
    };
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .map(Some)
        .ok_or(SpecError::InvalidLength(name))
}

/// The length of what follows the head.
pub(super) fn sent_length(headers: &HeaderMap) -> Result<SentLength, SpecError> {
    match length(headers, CONTENT_LENGTH.as_str())? {
        Some(length) => Ok(SentLength::Known(length)),
        None if headers.contains_key(TRANSFER_ENCODING) => Ok(SentLength::Unknown),
        None => Ok(SentLength::NoBody),
    }
}

/// The value of `Content-MD5`.
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, SpecError> {
    let Some(value) = single(headers, "content-md5")? else {
        return Ok(None);
    };
    let mut digest = [0; 16];
    // One byte of the estimate is for the padding that 16 bytes need.
    let mut decoded = [0; 18];
    let length = STANDARD
        .decode_slice(value, &mut decoded)
        .map_err(|_| SpecError::InvalidMd5)?;
    let bytes = decoded
        .get(..length)
        .filter(|bytes| bytes.len() == 16)
        .ok_or(SpecError::InvalidMd5)?;
    digest.copy_from_slice(bytes);
    Ok(Some(digest))
}

/// The only checksum in the headers, or in the query of a presigned request, to which some clients move
/// their headers.
pub(super) fn declared_checksum(headers: &HeaderMap, uri: &Uri) -> Result<Option<Checksum>, SpecError> {
    let mut found = None;
    let mut add = |name: &str, value: &[u8]| {
        let Some(algorithm) = checksum_name(name)? else {
            return Ok(());
        };
        let text = std::str::from_utf8(value.trim_ascii()).ok();
        let value = text.and_then(|text| checksum::decode(algorithm, text));
        match found.replace(value.ok_or(SpecError::InvalidChecksum(algorithm))?) {
            Some(_) => Err(SpecError::SeveralChecksums),
            None => Ok(()),
        }
    };
    for (name, value) in headers {
        add(name.as_str(), value.as_bytes())?;
    }
    for parameter in uri.query().unwrap_or_default().split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name
            .get(..CHECKSUM_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CHECKSUM_PREFIX))
        {
            let value: Vec<u8> = percent_decode_str(value).collect();
            add(&name.to_ascii_lowercase(), &value)?;
        }
    }
    Ok(found)
}

/// The only checksum that the trailer is to carry.
pub(super) fn announced_trailer(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, SpecError> {
    let Some(value) = single(headers, "x-amz-trailer")? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value).map_err(|_| SpecError::InvalidTrailer)?;
    if text.contains(',') {
        return Err(SpecError::SeveralChecksums);
    }
    checksum_name(&text.to_ascii_lowercase())?
        .map(Some)
        .ok_or(SpecError::InvalidTrailer)
}

/// The algorithm whose checksum a header of this name carries; `None` for any other header.
fn checksum_name(name: &str) -> Result<Option<ChecksumAlgorithm>, SpecError> {
    if !name.starts_with(CHECKSUM_PREFIX) || NOT_CHECKSUMS.contains(&name) {
        return Ok(None);
    }
    let algorithm = ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.header() == name);
    algorithm
        .map(Some)
        .ok_or_else(|| SpecError::UnknownChecksum(name.into()))
}
