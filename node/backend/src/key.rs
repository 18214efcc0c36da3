//! Checked names of what lies on a backend.

use std::fmt;
use std::sync::Arc;

use raft_types::address::{FOLDER, IDENTITY_KEY};
use raft_types::{ClusterId, EpochId, Incarnation, PhysicalKey};

/// The longest key, in bytes: the limit of S3.
const MAX_KEY_BYTES: usize = 1_024;

/// The key of a stored body: segments between slashes, none of them empty, `.` or `..`, none with a
/// control character, at most 1,024 bytes of UTF-8 in all.
///
/// Nothing of what a client says enters a key; only the configured prefix is a person's choice.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendKey(Arc<str>);

/// Whose key it is, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// An attempt to write a blob: `<prefix>/` and a [`PhysicalKey`]. Drawn once, never replaced.
    Attempt,
    /// One of our few other objects: identity, keyring, backup, probe.
    System,
    /// None of ours.
    Other,
}

/// A folder of keys: nothing, or segments as those of a [`BackendKey`], each followed by a slash.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPrefix(Arc<str>);

/// A text that is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a key: {reason}")]
pub struct KeyError {
    text: String,
    reason: &'static str,
}

impl BackendKey {
    /// Takes a key of any shape.
    ///
    /// # Errors
    /// Names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// The key of an attempt under a configured prefix.
    ///
    /// # Errors
    /// The prefix is so long that the key is too long.
    pub fn attempt(prefix: &KeyPrefix, attempt: &PhysicalKey) -> Result<Self, KeyError> {
        Self::parse(&format!("{prefix}{attempt}"))
    }

    /// The key of the identity object under a configured prefix.
    ///
    /// # Errors
    /// The prefix is so long that the key is too long.
    pub fn identity(prefix: &KeyPrefix) -> Result<Self, KeyError> {
        Self::parse(&format!("{prefix}{IDENTITY_KEY}"))
    }

    /// The key of a system object `<prefix>/.holdfast/<name>`.
    ///
    /// # Errors
    /// The name is not made of key segments, or the key is too long.
    pub fn system(prefix: &KeyPrefix, name: &str) -> Result<Self, KeyError> {
        Self::parse(&format!("{prefix}{FOLDER}/{name}"))
    }

    /// Whose key it is, by its shape.
    pub fn kind(&self) -> KeyKind {
        let Some(ours) = self.ours() else {
            return KeyKind::Other;
        };
        match ours.parse::<PhysicalKey>() {
            Ok(_) => KeyKind::Attempt,
            Err(_) => KeyKind::System,
        }
    }

    /// The attempt that lies under this key, if it is one under exactly this prefix.
    pub fn physical(&self, prefix: &KeyPrefix) -> Option<PhysicalKey> {
        self.0.strip_prefix(prefix.as_str())?.parse().ok()
    }

    /// From our folder's name on.
    fn ours(&self) -> Option<&str> {
        let mut from = 0;
        let mut found = None;
        for segment in self.0.split('/') {
            if segment == FOLDER {
                found = Some(from);
            }
            from += segment.len() + 1;
        }
        self.0.get(found?..)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder the key lies in.
    pub fn folder(&self) -> &str {
        self.0.rfind('/').map_or("", |slash| &self.0[..=slash])
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rfind('/').map_or(&self.0, |slash| &self.0[slash + 1..])
    }

    /// Whether the key lies under `prefix`.
    pub fn is_under(&self, prefix: &KeyPrefix) -> bool {
        self.0.starts_with(prefix.as_str())
    }
}

impl KeyPrefix {
    /// The prefix of every key.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Takes a prefix with or without its last slash.
    ///
    /// # Errors
    /// Names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let segments = text.strip_suffix('/').unwrap_or(text);
        if segments.is_empty() && text.is_empty() {
            return Ok(Self::root());
        }
        check(segments)?;
        Ok(Self(Arc::from(format!("{segments}/"))))
    }

    /// The prefix of everything of ours under a configured one: `<prefix>/.holdfast/`.
    #[must_use]
    pub fn home(&self) -> Self {
        Self(Arc::from(format!("{self}{FOLDER}/")))
    }

    /// The prefix of all attempts of an epoch under a configured prefix.
    #[must_use]
    pub fn epoch(&self, cluster: ClusterId, incarnation: Incarnation, epoch: EpochId) -> Self {
        let below = PhysicalKey::epoch_prefix(cluster, incarnation, epoch);
        Self(Arc::from(format!("{self}{below}")))
    }

    /// The prefix without its last slash.
    pub fn folder_path(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// The prefix: empty, or ending in a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), KeyError> {
    let refuse = |reason| {
        Err(KeyError {
            text: text.to_owned(),
            reason,
        })
    };
    if text.len() > MAX_KEY_BYTES {
        return refuse("it is longer than 1,024 bytes");
    }
    if text.chars().any(char::is_control) {
        return refuse("it has a control character");
    }
    for segment in text.split('/') {
        match segment {
            "" => return refuse("it has an empty segment"),
            "." | ".." => return refuse("it has a relative segment"),
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendKey({:?})", &self.0)
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPrefix({:?})", &self.0)
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
    use raft_types::{Attempt, BlobId, IncarnationCounter};

    use super::*;

    #[test]
    fn a_key_has_no_empty_relative_or_control_segment() {
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a/..", "a\0b", "a\nb", "\u{7f}",
        ] {
            assert!(BackendKey::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "...", ".a", "a..b/c", "ä/ß", "with space"] {
            assert_eq!(BackendKey::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_key_is_at_most_1024_bytes() {
        assert!(BackendKey::parse(&"k".repeat(1024)).is_ok());
        assert!(BackendKey::parse(&"k".repeat(1025)).is_err());
    }

    #[test]
    fn a_prefix_is_empty_or_ends_in_one_slash() {
        assert_eq!(KeyPrefix::parse("").unwrap().as_str(), "");
        assert_eq!(KeyPrefix::parse("a/b").unwrap().as_str(), "a/b/");
        assert_eq!(KeyPrefix::parse("a/b/").unwrap().as_str(), "a/b/");
        assert_eq!(KeyPrefix::root().home().as_str(), ".holdfast/");
        for bad in ["/", "//", "a//", "/a", "../", "a/.."] {
            assert!(KeyPrefix::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_says_by_its_shape_whose_it_is() {
        let attempt = PhysicalKey {
            cluster: ClusterId([1; 16]),
            incarnation: Incarnation {
                counter: IncarnationCounter(3),
                tag: 4,
            },
            epoch: EpochId(5),
            blob: BlobId([6; 16]),
            attempt: Attempt(7),
        };
        for prefix in ["", "p", "p/q", ".holdfast", "x/.holdfast/y"] {
            let prefix = KeyPrefix::parse(prefix).unwrap();
            let key = BackendKey::attempt(&prefix, &attempt).unwrap();
            assert_eq!(key.kind(), KeyKind::Attempt);
            assert_eq!(key.physical(&prefix), Some(attempt));
            assert!(key.is_under(&prefix.epoch(attempt.cluster, attempt.incarnation, attempt.epoch)));
            assert_eq!(key.physical(&KeyPrefix::parse("other").unwrap()), None);
            assert_eq!(BackendKey::identity(&prefix).unwrap().kind(), KeyKind::System);
            assert_eq!(
                BackendKey::parse(&format!("{key}0")).unwrap().kind(),
                KeyKind::System
            );
        }
        for other in ["12/january.csv", "holdfast/identity", "a.holdfast/identity"] {
            assert_eq!(
                BackendKey::parse(other).unwrap().kind(),
                KeyKind::Other,
                "{other}"
            );
        }
    }

    #[test]
    fn a_key_divides_into_folder_and_name() {
        let key = BackendKey::parse("a/b/c").unwrap();
        assert_eq!((key.folder(), key.name()), ("a/b/", "c"));
        let key = BackendKey::parse("c").unwrap();
        assert_eq!((key.folder(), key.name()), ("", "c"));
        assert!(key.is_under(&KeyPrefix::root()));
        assert!(!key.is_under(&KeyPrefix::parse("c").unwrap()));
    }
}
