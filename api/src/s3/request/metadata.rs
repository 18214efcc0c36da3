//! What is stored beside the bytes: system headers and user metadata.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers::Headers;
use super::query::Query;
use super::rfc2047;
use crate::port::ObjectMetadata;
use crate::s3::body::stored_content_encoding;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// Most bytes of names and values of user metadata, and of values of system headers: the limits of S3.
/// They keep a record small enough to be read with one lookup.
const MAX_METADATA: usize = 2048;

/// Prefix of user metadata.
const USER: &str = "x-amz-meta-";

/// What S3 calls bytes of which nobody said what they are.
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");

/// Reads the metadata of a PUT or of an upload begun.
pub(crate) fn metadata(headers: &Headers<'_>) -> Result<ObjectMetadata, S3Error> {
    let text = |name: &HeaderName| Ok::<_, S3Error>(headers.get(name)?.map(str::to_owned));
    let metadata = ObjectMetadata {
        content_type: text(&CONTENT_TYPE)?.filter(|value| !value.is_empty()),
        content_encoding: headers.get(&CONTENT_ENCODING)?.and_then(stored_content_encoding),
        content_language: text(&CONTENT_LANGUAGE)?,
        content_disposition: text(&CONTENT_DISPOSITION)?,
        cache_control: text(&CACHE_CONTROL)?,
        expires: text(&EXPIRES)?,
        user: user_metadata(headers)?,
    };
    let system: usize = system_headers(&metadata)
        .into_iter()
        .flatten()
        .map(|(_, value)| value.len())
        .sum();
    if system > MAX_METADATA {
        return Err(too_large(system));
    }
    Ok(metadata)
}

fn user_metadata(headers: &Headers<'_>) -> Result<Vec<(String, String)>, S3Error> {
    let mut user: Vec<(String, String)> = Vec::new();
    for header in headers.all_amz() {
        let (name, value) = header?;
        let Some(name) = name.as_str().strip_prefix(USER) else {
            continue;
        };
        if name.is_empty() {
            return Err(S3Error::invalid_argument(
                USER,
                value,
                "User metadata needs a name.",
            ));
        }
        let value = rfc2047::decode(value);
        match user.iter_mut().find(|(known, _)| known == name) {
            // Lines of one name are one value, as HTTP has it.
            Some((_, known)) => {
                known.push(',');
                known.push_str(&value);
            }
            None => user.push((name.to_owned(), value.into_owned())),
        }
    }
    let size = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA {
        Err(too_large(size))
    } else {
        Ok(user)
    }
}

fn too_large(size: usize) -> S3Error {
    S3Error::new(ErrorCode::MetadataTooLarge)
        .detail("Size", size.to_string())
        .detail("MaxSizeAllowed", MAX_METADATA.to_string())
}

fn system_headers(metadata: &ObjectMetadata) -> [Option<(HeaderName, &String)>; 6] {
    [
        metadata.content_type.as_ref().map(|value| (CONTENT_TYPE, value)),
        metadata
            .content_encoding
            .as_ref()
            .map(|value| (CONTENT_ENCODING, value)),
        metadata
            .content_language
            .as_ref()
            .map(|value| (CONTENT_LANGUAGE, value)),
        metadata
            .content_disposition
            .as_ref()
            .map(|value| (CONTENT_DISPOSITION, value)),
        metadata
            .cache_control
            .as_ref()
            .map(|value| (CACHE_CONTROL, value)),
        metadata.expires.as_ref().map(|value| (EXPIRES, value)),
    ]
}

/// Writes the metadata of an object into the headers of an answer. What cannot stand in a header (it
/// came through another door) is told by number, as S3 does, and does not fail the read.
pub(crate) fn write_metadata(headers: &mut HeaderMap, metadata: ObjectMetadata) {
    let ObjectMetadata {
        content_type,
        content_encoding,
        content_language,
        content_disposition,
        cache_control,
        expires,
        user,
    } = metadata;
    let content_type = content_type.and_then(|value| HeaderValue::try_from(value).ok());
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(DEFAULT_CONTENT_TYPE));
    let system = [
        (CONTENT_ENCODING, content_encoding),
        (CONTENT_LANGUAGE, content_language),
        (CONTENT_DISPOSITION, content_disposition),
        (CACHE_CONTROL, cache_control),
        (EXPIRES, expires),
    ];
    let mut missing = 0_u32;
    for (name, value) in system {
        match value.map(HeaderValue::try_from) {
            None => {}
            Some(Ok(value)) => {
                headers.insert(name, value);
            }
            Some(Err(_)) => missing += 1,
        }
    }
    for (name, value) in user {
        let mut full = String::with_capacity(USER.len() + name.len());
        full.push_str(USER);
        full.push_str(&name);
        match (
            HeaderName::try_from(full),
            HeaderValue::from_str(&rfc2047::encode(&value)),
        ) {
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert("x-amz-missing-meta", HeaderValue::from(missing));
    }
}

/// The headers of its answer that a read overrides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides(Vec<(HeaderName, HeaderValue)>);

impl Overrides {
    /// Reads the `response-*` parameters.
    pub(crate) fn parse(query: &Query<'_>) -> Result<Self, S3Error> {
        let known = [
            ("response-cache-control", CACHE_CONTROL),
            ("response-content-disposition", CONTENT_DISPOSITION),
            ("response-content-encoding", CONTENT_ENCODING),
            ("response-content-language", CONTENT_LANGUAGE),
            ("response-content-type", CONTENT_TYPE),
            ("response-expires", EXPIRES),
        ];
        let mut overrides = Vec::new();
        for (parameter, header) in known {
            let Some(value) = query.get(parameter) else {
                continue;
            };
            // Line breaks and other control characters would begin another header.
            let value = HeaderValue::from_str(value)
                .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
                .map_err(|_| {
                    S3Error::invalid_argument(parameter, value, "The value cannot stand in a header.")
                })?;
            overrides.push((header, value));
        }
        Ok(Self(overrides))
    }

    /// Overrides.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Overrides, metadata, write_metadata};
    use crate::port::ObjectMetadata;
    use crate::s3::code::ErrorCode;
    use crate::s3::error::S3Error;
    use crate::s3::request::{Headers, Query};

    fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        map
    }

    fn read(headers: &[(&str, &[u8])], query: &str) -> Result<ObjectMetadata, S3Error> {
        let (map, query) = (map(headers), Query::parse(Some(query)).unwrap());
        metadata(&Headers::new(&map, &query)?)
    }

    #[test]
    fn metadata_is_given_back_as_it_was_sent() {
        let sent: &[(&str, &[u8])] = &[
            ("content-type", b"text/plain; charset=utf-8"),
            ("content-encoding", b"aws-chunked, gzip"),
            ("content-language", b"de"),
            ("content-disposition", "attachment; filename=\"é.txt\"".as_bytes()),
            ("cache-control", b"no-cache"),
            ("expires", b"never"),
            ("x-amz-meta-mtime", b"1255369830.007"),
            ("x-amz-meta-name", "é".as_bytes()),
            ("x-amz-meta-word", b"=?UTF-8?Q?=C3=A9?="),
        ];
        let metadata = read(sent, "").unwrap();
        assert_eq!(metadata.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(metadata.user.last(), Some(&("word".to_owned(), "é".to_owned())));
        let mut answer = HeaderMap::new();
        write_metadata(&mut answer, metadata);
        let expected = [
            ("content-type", "text/plain; charset=utf-8".as_bytes()),
            ("content-encoding", b"gzip"),
            ("content-language", b"de"),
            ("content-disposition", "attachment; filename=\"é.txt\"".as_bytes()),
            ("cache-control", b"no-cache"),
            ("expires", b"never"),
            ("x-amz-meta-mtime", b"1255369830.007"),
            ("x-amz-meta-name", b"=?UTF-8?B?w6k=?="),
            ("x-amz-meta-word", b"=?UTF-8?B?w6k=?="),
        ];
        assert_eq!(answer, map(&expected));
    }

    #[test]
    fn aws_chunked_is_never_stored() {
        for (sent, stored) in [
            ("aws-chunked", None),
            ("AWS-Chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("gzip,br", Some("gzip,br")),
            ("gzip, é", Some("gzip,é")),
            ("", None),
        ] {
            let metadata = read(&[("content-encoding", sent.as_bytes())], "").unwrap();
            assert_eq!(metadata.content_encoding.as_deref(), stored, "{sent}");
        }
    }

    #[test]
    fn user_metadata_has_two_kibibytes_in_utf8() {
        let fits = "v".repeat(2048 - 1);
        assert!(read(&[("x-amz-meta-n", fits.as_bytes())], "").is_ok());
        let too_long = "v".repeat(2048);
        let code = |result: Result<ObjectMetadata, S3Error>| result.unwrap_err().code();
        assert_eq!(
            code(read(&[("x-amz-meta-n", too_long.as_bytes())], "")),
            ErrorCode::MetadataTooLarge
        );
        assert_eq!(
            code(read(&[("cache-control", &[b'v'; 2049])], "")),
            ErrorCode::MetadataTooLarge
        );
        for name in ["x-amz-meta-n", "content-type", "content-encoding"] {
            assert_eq!(
                code(read(&[(name, b"\xff")], "")),
                ErrorCode::InvalidArgument,
                "{name}"
            );
        }
        assert_eq!(
            code(read(&[("x-amz-meta-", b"v")], "")),
            ErrorCode::InvalidArgument
        );
    }

    #[test]
    fn lines_of_one_name_are_one_value() {
        let metadata = read(&[("x-amz-meta-n", b"a"), ("x-amz-meta-n", b"b")], "").unwrap();
        assert_eq!(metadata.user, [("n".to_owned(), "a,b".to_owned())]);
    }

    #[test]
    fn a_presigned_query_carries_metadata() {
        let metadata = read(&[], "X-Amz-Signature=s&X-Amz-Meta-Name=a%20b").unwrap();
        assert_eq!(metadata.user, [("name".to_owned(), "a b".to_owned())]);
        let twice = read(
            &[("x-amz-meta-name", b"x")],
            "X-Amz-Signature=s&x-amz-meta-name=y",
        );
        assert_eq!(twice.unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn sec_31_an_override_cannot_begin_another_header() {
        let parse = |query: &str| Overrides::parse(&Query::parse(Some(query)).unwrap());
        for evil in ["%0d%0aSet-Cookie:x", "a%0ab", "%00", "%7f"] {
            let error = parse(&format!("response-content-disposition={evil}")).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{evil}");
        }
        let mut headers = HeaderMap::new();
        let overrides =
            parse("response-content-type=text/html&response-expires=x&response-cache-control=").unwrap();
        overrides.apply(&mut headers);
        assert_eq!(
            headers,
            map(&[
                ("content-type", b"text/html"),
                ("expires", b"x"),
                ("cache-control", b"")
            ])
        );
    }
}
