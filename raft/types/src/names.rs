//! Names that people give: checked once, then carried as types of their own.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

/// A name that breaks the rules of its kind.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{name:?} is not a valid {kind}: {rule}")]
pub struct InvalidName {
    /// The name as given, lossily where it is not a text.
    pub name: String,
    /// Which kind of name was expected.
    pub kind: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

macro_rules! text_name {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the rules of this kind of name.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                match $check(&name) {
                    Ok(()) => Ok($name(name)),
                    Err(rule) => Err(InvalidName { name, kind: $kind, rule }),
                }
            }

            /// The name as a text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl Value for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                self.0.put(tag, out);
            }

            fn size(&self, tag: u32) -> usize {
                self.0.size(tag)
            }

            fn take(raw: Raw) -> Result<Self, Problem> {
                Self::new(String::take(raw)?).map_err(|error| Problem::Invalid(error.to_string()))
            }
        }

        impl KeyPart for $name {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }

            fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                let text = std::str::from_utf8(reader.rest()).map_err(|_| KeyError::Name)?;
                Self::new(text).map_err(|_| KeyError::Name)
            }
        }
    };
}

text_name! {
    /// Name of a bucket, by the rules of S3 for general-purpose buckets.
    BucketName, "bucket name", check_bucket
}
text_name! {
    /// Configured name of a node, as in its certificate.
    NodeName, "node name", check_label
}
text_name! {
    /// Label of a backend. Rows name a backend by its id.
    BackendName, "backend name", check_label
}
text_name! {
    /// Name of a user, as the owner of a bucket or object.
    PrincipalName, "user name", check_principal
}

fn is_bucket_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn check_bucket(name: &str) -> Result<(), &'static str> {
    let bytes = name.as_bytes();
    if !(3..=63).contains(&bytes.len()) {
        return Err("it has 3 to 63 characters");
    }
    if !bytes
        .iter()
        .all(|&byte| is_bucket_byte(byte) || byte == b'.' || byte == b'-')
    {
        return Err("it consists of lower-case letters, digits, dots and hyphens");
    }
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|&byte| is_bucket_byte(byte));
    if !ends_well(bytes.first()) || !ends_well(bytes.last()) {
        return Err("it begins and ends with a letter or digit");
    }
    if name.contains("..") {
        return Err("two dots do not stand side by side");
    }
    if name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok()) {
        return Err("it is not formatted as an IP address");
    }
    if ["xn--", "sthree-", "amzn-s3-demo-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    {
        return Err("its prefix is reserved by S3");
    }
    if ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
    {
        return Err("its suffix is reserved by S3");
    }
    Ok(())
}

fn check_label(name: &str) -> Result<(), &'static str> {
    if !(1..=63).contains(&name.len()) {
        return Err("it has 1 to 63 characters");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !name.bytes().all(allowed) {
        return Err("it consists of letters, digits, dots, hyphens and underscores");
    }
    if !name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) {
        return Err("it begins with a letter or digit");
    }
    Ok(())
}

fn check_principal(name: &str) -> Result<(), &'static str> {
    if !(1..=128).contains(&name.len()) {
        return Err("it has 1 to 128 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("it has no control characters");
    }
    Ok(())
}

/// Key of an object: 1 to 1,024 bytes of UTF-8, in the order of the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Bytes);

impl ObjectKey {
    /// The longest key that S3 allows, in bytes.
    pub const MAX_LENGTH: usize = 1024;

    /// Checks the length and that the bytes are UTF-8.
    pub fn new(key: impl Into<Bytes>) -> Result<Self, InvalidName> {
        let key = key.into();
        match Self::check(&key) {
            Ok(()) => Ok(ObjectKey(key)),
            Err(rule) => {
                let name = String::from_utf8_lossy(&key).into_owned();
                Err(InvalidName {
                    name,
                    kind: "object key",
                    rule,
                })
            }
        }
    }

    fn check(key: &[u8]) -> Result<(), &'static str> {
        if !(1..=Self::MAX_LENGTH).contains(&key.len()) {
            return Err("it has 1 to 1,024 bytes");
        }
        if std::str::from_utf8(key).is_err() {
            return Err("it is UTF-8");
        }
        Ok(())
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as a text.
    pub fn as_str(&self) -> &str {
        // Checked by every constructor, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidName;

    fn from_str(key: &str) -> Result<Self, InvalidName> {
        Self::new(Bytes::copy_from_slice(key.as_bytes()))
    }
}

impl Value for ObjectKey {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        self.0.size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        Self::new(raw.bytes()?).map_err(|error| Problem::Invalid(error.to_string()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for name in [
            "abc",
            "my-bucket",
            "my.bucket.1",
            "1abc",
            "a1-",
            "x".repeat(63).as_str(),
            "192.168.1",
        ] {
            let expected = name != "a1-";
            assert_eq!(BucketName::new(name).is_ok(), expected, "{name}");
        }
        for name in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.1.1",
            "xn--abc",
            "sthree-abc",
            "abc-s3alias",
            "abc--ol-s3",
            "a b",
            "a/b",
            "ab\u{e9}",
            "x".repeat(64).as_str(),
        ] {
            assert!(BucketName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn labels_are_short_and_plain() {
        for name in ["n", "node-1", "Node_1.example", "x".repeat(63).as_str()] {
            assert!(NodeName::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-node",
            "node 1",
            "node/1",
            "n\u{e9}",
            "x".repeat(64).as_str(),
        ] {
            assert!(NodeName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn object_keys_are_utf_8_of_1_to_1024_bytes() {
        assert!(ObjectKey::new(Bytes::new()).is_err());
        assert!(ObjectKey::new(vec![b'a'; 1024]).is_ok());
        assert!(ObjectKey::new(vec![b'a'; 1025]).is_err());
        assert!(ObjectKey::new(vec![0xff]).is_err());
        assert!(ObjectKey::new(vec![0]).is_ok());
        assert_eq!(ObjectKey::new("//ä").unwrap().as_str(), "//ä");
    }
}
