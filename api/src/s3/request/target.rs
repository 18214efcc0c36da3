//! Which bucket and key a request is about.

use http::header::HOST;
use http::request::Parts;

use crate::port::{BucketName, InvalidName, ObjectKey};
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::percent::{Plus, decode};

/// What a request is about. Made once per request; authorization, storage and answers all use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The service itself.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object, or an upload of one.
    Object(BucketName, ObjectKey),
}

impl Target {
    /// Reads host and path. With a `domain` a host below it names the bucket; the path does so under
    /// the domain itself and under every other host.
    pub(crate) fn parse(path: &str, host: &str, domain: Option<&str>) -> Result<Self, S3Error> {
        let path = path.strip_prefix('/').ok_or(ErrorCode::InvalidUri)?;
        if let Some(bucket) = domain.and_then(|domain| bucket_of_host(host, domain)) {
            return Self::within(bucket_name(&bucket.to_ascii_lowercase())?, path);
        }
        if path.is_empty() {
            return Ok(Self::Service);
        }
        // Split before decoding: an escaped slash is part of a name, and no bucket's name has one.
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = decode(bucket, Plus::Literal).map_err(|_| ErrorCode::InvalidUri)?;
        Self::within(bucket_name(&bucket)?, key)
    }

    fn within(bucket: BucketName, key: &str) -> Result<Self, S3Error> {
        if key.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        let key = decode(key, Plus::Literal).map_err(|_| ErrorCode::InvalidUri)?;
        match ObjectKey::new(&key) {
            Ok(key) => Ok(Self::Object(bucket, key)),
            Err(InvalidName::LongKey) => Err(S3Error::new(ErrorCode::KeyTooLong)
                .detail("Size", key.len().to_string())
                .detail("MaxSizeAllowed", ObjectKey::MAX_BYTES.to_string())),
            Err(InvalidName::EmptyKey | InvalidName::Bucket) => Err(ErrorCode::InvalidUri.into()),
        }
    }

    /// The bucket.
    pub(crate) const fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// The key.
    pub(crate) const fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object(_, key) => Some(key),
            Self::Service | Self::Bucket(_) => None,
        }
    }
}

fn bucket_name(name: &str) -> Result<BucketName, S3Error> {
    BucketName::new(name).map_err(|_| S3Error::new(ErrorCode::InvalidBucketName).detail("BucketName", name))
}

/// What stands before `.domain` in a host, without its port.
fn bucket_of_host<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let name = without_port(host);
    let label = name.len().checked_sub(domain.len() + 1)?;
    let (bucket, rest) = name.split_at_checked(label)?;
    let below = rest.strip_prefix('.')?.eq_ignore_ascii_case(domain);
    (below && !bucket.is_empty()).then_some(bucket)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The host that a request names: its `Host` header, or over HTTP/2 its authority. Where both are
/// there they agree.
pub(crate) fn host(parts: &Parts) -> Result<&str, S3Error> {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let header = match parts.headers.get(HOST) {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| bad_host("The Host header is malformed."))?,
        ),
        None => None,
    };
    match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            Err(bad_host("The Host header does not match the request target."))
        }
        (Some(host), _) | (None, Some(host)) if !host.is_empty() => Ok(host),
        (Some(_), _) | (None, _) => Err(bad_host("The Host header is missing.")),
    }
}

fn bad_host(message: &'static str) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidRequest, message).close()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::Target;
    use crate::port::{BucketName, ObjectKey};
    use crate::s3::code::ErrorCode;

    fn object(bucket: &str, key: &str) -> Target {
        Target::Object(BucketName::new(bucket).unwrap(), ObjectKey::new(key).unwrap())
    }

    fn bucket(bucket: &str) -> Target {
        Target::Bucket(BucketName::new(bucket).unwrap())
    }

    #[test]
    fn path_style_splits_at_the_first_slash_and_decodes_once() {
        let cases = [
            ("/", Target::Service),
            ("/books", bucket("books")),
            ("/books/", bucket("books")),
            ("/books/a", object("books", "a")),
            ("/books/a/", object("books", "a/")),
            ("/books//a", object("books", "/a")),
            ("/books/../x", object("books", "../x")),
            ("/books/./x", object("books", "./x")),
            ("/books/%2e%2e/x", object("books", "../x")),
            ("/books/%252e", object("books", "%2e")),
            ("/books/a%2Fb", object("books", "a/b")),
            ("/books/a+b", object("books", "a+b")),
            ("/books/%00%0d%0a", object("books", "\0\r\n")),
            ("/%62ooks/a", object("books", "a")),
        ];
        for (path, expected) in cases {
            assert_eq!(
                Target::parse(path, "127.0.0.1:9000", Some("s3.example.com")).unwrap(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("/books/{}", "k".repeat(1025));
        let cases = [
            ("//", ErrorCode::InvalidBucketName),
            ("//key", ErrorCode::InvalidBucketName),
            ("/..", ErrorCode::InvalidBucketName),
            ("/../books/key", ErrorCode::InvalidBucketName),
            ("/books%2Fkey", ErrorCode::InvalidBucketName),
            ("/books%2F..%2Fother/key", ErrorCode::InvalidBucketName),
            ("/Books/key", ErrorCode::InvalidBucketName),
            ("/bo@ks/key", ErrorCode::InvalidBucketName),
            ("/books/%", ErrorCode::InvalidUri),
            ("/books/%ff", ErrorCode::InvalidUri),
            ("/%ff/key", ErrorCode::InvalidUri),
            ("*", ErrorCode::InvalidUri),
            ("", ErrorCode::InvalidUri),
            (&long, ErrorCode::KeyTooLong),
        ];
        for (path, code) in cases {
            assert_eq!(Target::parse(path, "h", None).unwrap_err().code(), code, "{path}");
        }
    }

    #[test]
    fn a_host_below_the_domain_names_the_bucket() {
        let domain = Some("s3.example.com");
        let cases = [
            ("books.s3.example.com", "/", bucket("books")),
            ("books.s3.example.com", "/a/b", object("books", "a/b")),
            ("BOOKS.S3.Example.COM:9000", "/a", object("books", "a")),
            ("my.books.s3.example.com", "/a", object("my.books", "a")),
            ("s3.example.com", "/books/a", object("books", "a")),
            ("s3.example.com:9000", "/", Target::Service),
            ("xs3.example.com", "/books/a", object("books", "a")),
            ("other.example.org", "/books/a", object("books", "a")),
            ("[::1]:9000", "/books/a", object("books", "a")),
        ];
        for (host, path, expected) in cases {
            assert_eq!(
                Target::parse(path, host, domain).unwrap(),
                expected,
                "{host}{path}"
            );
        }
        assert_eq!(
            Target::parse("/books/a", "books.s3.example.com", None).unwrap(),
            object("books", "a")
        );
        for host in ["b.s3.example.com", "..s3.example.com", "a_b.s3.example.com"] {
            assert_eq!(
                Target::parse("/", host, domain).unwrap_err().code(),
                ErrorCode::InvalidBucketName,
                "{host}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_key_survives_its_encoding(key in any::<String>().prop_filter("1 to 1024 bytes", |k| !k.is_empty() && k.len() <= 1024)) {
            let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(Target::parse(&format!("/books/{encoded}"), "h", None).unwrap(), object("books", &key));
        }

        #[test]
        fn no_path_or_host_makes_it_panic(path in any::<String>(), host in any::<String>()) {
            let _ = Target::parse(&path, &host, Some("s3.example.com"));
            let _ = Target::parse(&format!("/{path}"), &format!("{host}.s3.example.com"), Some("s3.example.com"));
        }
    }
}
