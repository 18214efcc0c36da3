//! Names, checked when they are made.

use std::fmt;
use std::sync::Arc;

/// The name of a bucket that obeys the rules of S3 for general purpose buckets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

/// The key of an object: 1 to 1,024 bytes of UTF-8, taken literally. `..`, `//`, `\` and control
/// characters are characters like any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

/// An entity tag without its quotes. Opaque: equal or not, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(Arc<str>);

/// The id of a multipart upload as a client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(Arc<str>);

/// The id of a version as a client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionId(Arc<str>);

/// The number of a part, 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

/// A name that may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not the name of a bucket.
    #[error("the name of a bucket is 3 to 63 lower-case letters, digits, dots and hyphens")]
    Bucket,
    /// A key of no bytes.
    #[error("a key has at least one byte")]
    EmptyKey,
    /// A key of more than 1,024 bytes.
    #[error("a key has at most {} bytes", ObjectKey::MAX_BYTES)]
    LongKey,
}

impl BucketName {
    /// Shortest name, in bytes.
    pub const MIN_BYTES: usize = 3;
    /// Longest name, in bytes.
    pub const MAX_BYTES: usize = 63;

    /// Prefixes and suffixes that S3 keeps for itself.
    const RESERVED_PREFIXES: [&'static str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const RESERVED_SUFFIXES: [&'static str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

    /// Checks a name against the rules of S3.
    ///
    /// # Errors
    /// [`InvalidName::Bucket`].
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if Self::is_valid(name) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName::Bucket)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(name: &str) -> bool {
        let bytes = name.as_bytes();
        if bytes.len() < Self::MIN_BYTES || bytes.len() > Self::MAX_BYTES {
            return false;
        }
        let alphanumeric =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !alphanumeric(bytes.first()) || !alphanumeric(bytes.last()) {
            return false;
        }
        if !bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        {
            return false;
        }
        !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err()
            && !looks_like_an_address(name)
            && !Self::RESERVED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            && !Self::RESERVED_SUFFIXES
                .iter()
                .any(|suffix| name.ends_with(suffix))
    }
}

/// Four groups of digits, also those no address can have (`999.1.1.1`).
fn looks_like_an_address(name: &str) -> bool {
    name.split('.').count() == 4
        && name
            .split('.')
            .all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()))
}

impl ObjectKey {
    /// Longest key, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Checks a key.
    ///
    /// # Errors
    /// [`InvalidName::EmptyKey`], [`InvalidName::LongKey`].
    pub fn new(key: &str) -> Result<Self, InvalidName> {
        match key.len() {
            0 => Err(InvalidName::EmptyKey),
            length if length > Self::MAX_BYTES => Err(InvalidName::LongKey),
            _ => Ok(Self(key.into())),
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ETag {
    /// The tag with this value, without quotes.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The tag of an object or part whose bytes have this MD5.
    #[must_use]
    pub fn from_md5(md5: [u8; 16]) -> Self {
        let mut digits = [0_u8; 32];
        // The output is exactly twice as long, so this cannot fail; a tag of zeros would match nothing.
        if hex::encode_to_slice(md5, &mut digits).is_err() {
            digits = [b'0'; 32];
        }
        Self(String::from_utf8_lossy(&digits).as_ref().into())
    }

    /// The value, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UploadId {
    /// The id with this value; whether it exists is the node's to say.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VersionId {
    /// The id with this value.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartNumber {
    /// The highest number.
    pub const MAX: u16 = 10_000;

    /// The part with this number; `None` outside 1 to 10,000.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        match u16::try_from(number) {
            Ok(number @ 1..=Self::MAX) => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

macro_rules! display_as_str {
    ($($name:ty),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

display_as_str!(BucketName, ObjectKey, ETag, UploadId, VersionId);

#[cfg(test)]
mod tests {
    use super::{BucketName, ETag, InvalidName, ObjectKey, PartNumber};

    #[test]
    fn names_of_buckets_follow_the_rules_of_s3() {
        for good in [
            "abc",
            "a-b",
            "my.bucket",
            "0bucket0",
            "a.b-c.d",
            "1.2.3",
            "1.2.3.4.5",
            &"a".repeat(63),
        ] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        let bad = [
            "",
            "a",
            "ab",
            &long,
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "abc.",
            "a..b",
            "192.168.5.4",
            "999.1.1.1",
            "xn--abc",
            "sthree-abc",
            "amzn-s3-demo-x",
            "abc-s3alias",
            "abc--ol-s3",
            "abc.mrap",
            "abc--x-s3",
            "abc--table-s3",
            "a/b",
            "a@b",
            "a?b",
            "a#b",
            "a b",
            "ab\0",
            "bücket",
            "..",
            "a%2fb",
        ];
        for bad in bad {
            assert_eq!(BucketName::new(bad), Err(InvalidName::Bucket), "{bad:?}");
        }
    }

    #[test]
    fn keys_are_literal_and_bounded_in_bytes() {
        for good in [
            "a",
            "..",
            "../../etc/passwd",
            "a//b",
            "/",
            "\0",
            "\u{202e}rtl",
            "a\\b",
            &"k".repeat(1024),
        ] {
            assert_eq!(
                ObjectKey::new(good).map(|key| key.as_str().to_owned()),
                Ok(good.to_owned())
            );
        }
        assert_eq!(ObjectKey::new(""), Err(InvalidName::EmptyKey));
        assert_eq!(ObjectKey::new(&"k".repeat(1025)), Err(InvalidName::LongKey));
        // 513 characters of two bytes each.
        assert_eq!(ObjectKey::new(&"é".repeat(513)), Err(InvalidName::LongKey));
    }

    #[test]
    fn numbers_of_parts_are_1_to_10000() {
        assert_eq!(PartNumber::new(0), None);
        assert_eq!(PartNumber::new(1).map(PartNumber::get), Some(1));
        assert_eq!(PartNumber::new(10_000).map(PartNumber::get), Some(10_000));
        assert_eq!(PartNumber::new(10_001), None);
        assert_eq!(PartNumber::new(u64::MAX), None);
    }

    #[test]
    fn tag_of_an_md5_is_its_lower_case_hex() {
        assert_eq!(ETag::from_md5([0xAB; 16]).as_str(), "ab".repeat(16));
    }
}
