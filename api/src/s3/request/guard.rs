//! What is refused before it is looked at more closely.

use http::header;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::query::is_amz;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// Longest request target in bytes: a key and three listing parameters of 1,024 bytes each, every byte
/// escaped, and a signature.
const MAX_TARGET: usize = 16 * 1024;
/// Most header lines; more than any client sends, with 2 KiB of user metadata in small pieces. Over
/// HTTP/1.1 hyper reads no more without an allocation for each request, so more could not be kept.
const MAX_HEADERS: usize = 100;
/// Longest header line in bytes. S3 allows 8 KiB for all of a PUT's headers.
const MAX_HEADER: usize = 8 * 1024;
/// Longest header section in bytes.
const MAX_HEADER_SECTION: usize = 16 * 1024;

/// Headers that decide what a request means, who sends it or where its body ends. One of them twice
/// would mean one thing to us and another to whoever looked before us.
const SINGLE: &[HeaderName] = &[
    header::AUTHORIZATION,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::CACHE_CONTROL,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::TRANSFER_ENCODING,
];

/// Refuses requests that are too large or ambiguous, and has their connections closed.
pub(crate) fn guard(parts: &Parts) -> Result<(), S3Error> {
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET {
        return Err(S3Error::with_message(ErrorCode::InvalidUri, "The request target is too long.").close());
    }
    sizes(&parts.headers)?;
    duplicates(&parts.headers)
}

fn sizes(headers: &HeaderMap) -> Result<(), S3Error> {
    let mut section = 0;
    for (name, value) in headers {
        let line = name.as_str().len() + value.len();
        section += line;
        if line > MAX_HEADER {
            return Err(too_large()
                .detail("HeaderName", name.as_str())
                .detail("MaxSizeAllowed", MAX_HEADER.to_string()));
        }
    }
    if section > MAX_HEADER_SECTION {
        return Err(too_large().detail("MaxSizeAllowed", MAX_HEADER_SECTION.to_string()));
    }
    if headers.len() > MAX_HEADERS {
        return Err(too_large().detail("MaxHeadersAllowed", MAX_HEADERS.to_string()));
    }
    Ok(())
}

fn duplicates(headers: &HeaderMap) -> Result<(), S3Error> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    match headers.keys().filter(|name| is_single(name)).find(twice) {
        Some(name) => Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "A header was given more than once.",
        )
        .detail("HeaderName", name.as_str())
        .close()),
        None => Ok(()),
    }
}

/// User metadata may come in several lines, which are joined; every other header of S3 may not.
fn is_single(name: &HeaderName) -> bool {
    let text = name.as_str();
    SINGLE.contains(name) || text == "content-md5" || (is_amz(text) && !text.starts_with("x-amz-meta-"))
}

fn too_large() -> S3Error {
    S3Error::new(ErrorCode::RequestHeaderSectionTooLarge).close()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use http::Request;

    use super::{MAX_HEADER, MAX_HEADERS, SINGLE, guard};
    use crate::s3::code::ErrorCode;
    use crate::s3::error::{Framing, S3Error};

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), S3Error> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_header_that_decides_may_be_there_once() {
        let names = SINGLE.iter().map(http::HeaderName::as_str).chain([
            "content-md5",
            "x-amz-date",
            "x-amz-content-sha256",
            "x-amz-copy-source",
            "x-amz-unheard-of",
        ]);
        for name in names {
            assert!(check("/", &[(name, "a")]).is_ok(), "{name}");
            for twice in [[(name, "a"), (name, "a")], [(name, "a"), (name, "b")]] {
                let error = check("/", &twice).unwrap_err();
                assert_eq!(
                    (error.code(), error.framing()),
                    (ErrorCode::InvalidRequest, Framing::Doubtful),
                    "{name}"
                );
            }
        }
        for name in ["x-amz-meta-a", "accept", "via", "x-forwarded-for"] {
            assert!(check("/", &[(name, "a"), (name, "b")]).is_ok(), "{name}");
        }
    }

    #[test]
    fn headers_and_targets_are_bounded() {
        let long = "a".repeat(MAX_HEADER);
        assert!(check("/", &[("a", long.get(1..).unwrap())]).is_ok());
        let code = |result: Result<(), S3Error>| result.unwrap_err().code();
        assert_eq!(
            code(check("/", &[("a", &long)])),
            ErrorCode::RequestHeaderSectionTooLarge
        );
        let half = "a".repeat(6 * 1024);
        assert_eq!(
            code(check("/", &[("a", &half), ("b", &half), ("c", &half)])),
            ErrorCode::RequestHeaderSectionTooLarge
        );
        let many = vec![("x-h", "v"); MAX_HEADERS + 1];
        assert_eq!(code(check("/", &many)), ErrorCode::RequestHeaderSectionTooLarge);
        assert!(check("/", many.get(1..).unwrap()).is_ok());
        assert_eq!(
            code(check(&format!("/{}", "a".repeat(16 * 1024)), &[])),
            ErrorCode::InvalidUri
        );
        assert!(check(&format!("/{}", "a".repeat(16 * 1024 - 1)), &[]).is_ok());
    }
}
