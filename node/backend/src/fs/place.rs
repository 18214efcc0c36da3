//! Where a key lies in the directory.
//!
//! A key is a path, with two exceptions.
//!
//! An **attempt**, recognised by its last segment `<32 hex digits>-<hex digits>`, lies one folder
//! deeper, in a folder named by its first six digits: `e/0000ab12…-1` is the file
//! `e/0000ab/0000ab12…-1`. The first four digits of a blob id are the group of its bucket, the next
//! two are random, so an epoch fans out into 256 folders per group, and since the folder's name is the
//! beginning of the file's, the order of folders is the order of keys.
//!
//! A **temporary file** of a put lies beside its final name as `.<name>.<32 hex digits>.tmp`.
//!
//! Both mappings can be read back without knowing anything else; a file that no key maps to (an
//! attempt outside its folder) has no key, is not listed and never touched. This is an on-disk
//! format: it does not change.

use crate::key::BackendKey;

/// Digits of a blob id: 16 bytes.
const BLOB_DIGITS: usize = 32;

/// Digits of a blob id that name its folder: two bytes of group and one random byte.
pub(super) const FAN_DIGITS: usize = 6;

/// Digits of the random part of a temporary file's name.
const TAG_DIGITS: usize = 32;

/// The longest name of a file that still leaves room for its temporary one within the 255 bytes that
/// file systems allow.
const MAX_NAME_BYTES: usize = 255 - TEMP_OVERHEAD;

/// A leading dot, a dot before the tag, the tag, `.tmp`.
const TEMP_OVERHEAD: usize = 1 + 1 + TAG_DIGITS + 4;

/// The file of a key: a folder below the root, and a name in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    path: String,
    name_at: usize,
}

/// Why a key has no place in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// A segment is longer than a file name can be.
    TooLong,
    /// The name is one of a temporary file.
    Temporary,
}

/// The parts of a temporary file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TempName<'a> {
    /// The name that the file will get.
    pub(super) name: &'a str,
    /// What tells it from others on their way to the same name.
    pub(super) tag: &'a str,
}

impl Place {
    /// Where `key` lies.
    pub(super) fn of(key: &BackendKey) -> Result<Self, NoPlace> {
        if key
            .as_str()
            .split('/')
            .any(|segment| segment.len() > MAX_NAME_BYTES)
        {
            return Err(NoPlace::TooLong);
        }
        let name = key.name();
        if TempName::parse(name).is_some() {
            return Err(NoPlace::Temporary);
        }
        let Some(fan) = fan_of(name) else {
            return Ok(Self {
                path: key.as_str().to_owned(),
                name_at: key.folder().len(),
            });
        };
        let mut path = String::with_capacity(key.as_str().len() + fan.len() + 1);
        path.push_str(key.folder());
        path.push_str(fan);
        path.push('/');
        let name_at = path.len();
        path.push_str(name);
        Ok(Self { path, name_at })
    }

    /// The path of the file below the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of its folder below the root, without a last slash; empty for the root.
    pub(super) fn folder(&self) -> &str {
        &self.path[..self.name_at.saturating_sub(1)]
    }

    /// The name of the file in its folder.
    pub(super) fn name(&self) -> &str {
        &self.path[self.name_at..]
    }
}

impl<'a> TempName<'a> {
    /// Reads the name of a file as that of a temporary one.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix('.')?.strip_suffix(".tmp")?;
        let (name, tag) = inner.rsplit_once('.')?;
        (!name.is_empty() && is_tag(tag)).then_some(Self { name, tag })
    }

    /// The name of the temporary file.
    pub(super) fn file_name(self) -> String {
        format!(".{}.{}.tmp", self.name, self.tag)
    }
}

/// The folder that an attempt of this name fans out into; `None` for any other name.
pub(super) fn fan_of(name: &str) -> Option<&str> {
    let (blob, attempt) = name.split_at_checked(BLOB_DIGITS)?;
    let attempt = attempt.strip_prefix('-')?;
    (is_hex(blob) && !attempt.is_empty() && is_hex(attempt)).then(|| &name[..FAN_DIGITS])
}

/// Whether a folder of this name may hold attempts of the folder above it.
pub(super) fn is_fan(name: &str) -> bool {
    name.len() == FAN_DIGITS && is_hex(name)
}

/// Whether this can be the tag of a temporary file.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() == TAG_DIGITS && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn place(key: &str) -> Result<Place, NoPlace> {
        Place::of(&BackendKey::parse(key).unwrap())
    }

    #[test]
    fn an_attempt_lies_in_the_folder_of_its_first_six_digits() {
        let name = format!("0000ab{}-0000000f", "7".repeat(26));
        let place = place(&format!("p/e/{name}")).unwrap();
        assert_eq!(place.path(), format!("p/e/0000ab/{name}"));
        assert_eq!(place.folder(), "p/e/0000ab");
        assert_eq!(place.name(), name);
    }

    #[test]
    fn any_other_key_is_its_own_path() {
        for key in ["identity", "a/b", ".holdfast/identity", "0000ab", "a/0000ab/x"] {
            let place = place(key).unwrap();
            assert_eq!(place.path(), key);
            let joined = if place.folder().is_empty() {
                place.name().to_owned()
            } else {
                format!("{}/{}", place.folder(), place.name())
            };
            assert_eq!(joined, key);
        }
    }

    #[test]
    fn only_the_exact_shape_is_an_attempt() {
        let blob = "0123456789abcdef0123456789abcdef";
        assert_eq!(fan_of(&format!("{blob}-1")), Some("012345"));
        for other in [
            blob.to_owned(),
            format!("{blob}-"),
            format!("{blob}-g"),
            format!("{blob}_1"),
            format!("{}-1", &blob[1..]),
            format!("{}-1", blob.to_uppercase()),
        ] {
            assert_eq!(fan_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_temporary_name_reads_back() {
        let tag = "f".repeat(32);
        let temp = TempName {
            name: "a.b",
            tag: &tag,
        };
        let text = temp.file_name();
        assert_eq!(TempName::parse(&text), Some(temp));
        for other in [
            "a.b",
            ".a.tmp",
            &format!("..{tag}.tmp"),
            &text[1..],
            &text[..text.len() - 1],
        ] {
            assert_eq!(TempName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_that_the_directory_cannot_hold_has_no_place() {
        assert_eq!(place(&"n".repeat(MAX_NAME_BYTES + 1)), Err(NoPlace::TooLong));
        assert!(place(&"n".repeat(MAX_NAME_BYTES)).is_ok());
        assert_eq!(
            place(&format!("a/.x.{}.tmp", "0".repeat(32))),
            Err(NoPlace::Temporary)
        );
    }
}
