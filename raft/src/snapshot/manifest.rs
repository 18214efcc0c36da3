//! `SNAPSHOT`: what a snapshot covers and which files it consists of.
//!
//! magic (8 bytes) · format (u32 LE) · CRC-32C of format and protobuf (u32 LE) · protobuf.

use prost::Message;

use crate::consensus::{LogId, StoredLogId, StoredMembership, StoredMembershipRow};
use crate::directory::files::versioned_checksum;

/// Name of the file in the snapshot's folder.
pub(crate) const FILE: &str = "SNAPSHOT";
/// Longest manifest that is read: a million files.
pub(crate) const MAXIMUM_LENGTH: u64 = 64 << 20;

const MAGIC: &[u8; 8] = b"HFSNAPSH";
const FORMAT: u32 = 1;
const HEADER: usize = 16;

/// One file of a snapshot.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct FileEntry {
    /// Its name; a snapshot has no folders.
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// Its length in bytes.
    #[prost(uint64, tag = "2")]
    pub(crate) size: u64,
    /// CRC-32C of its contents.
    #[prost(fixed32, tag = "3")]
    pub(crate) crc32c: u32,
}

/// The manifest.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Manifest {
    /// The cluster, 16 bytes; empty before its first entry is applied.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) cluster_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    last: Option<StoredLogId>,
    #[prost(message, optional, tag = "3")]
    membership: Option<StoredMembershipRow>,
    /// All files but this one, ordered by name.
    #[prost(message, repeated, tag = "4")]
    pub(crate) files: Vec<FileEntry>,
}

/// A file that is not a manifest that this release can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidManifest {
    #[error("its manifest is cut short or not one")]
    NotOne,
    #[error("its manifest has format {0}, this release reads up to {FORMAT}")]
    Newer(u32),
    #[error("the checksum of its manifest is wrong")]
    Checksum,
    #[error("its manifest cannot be read: {0}")]
    Contents(String),
}

impl Manifest {
    pub(crate) fn new(
        cluster_id: Option<[u8; 16]>,
        last: Option<LogId>,
        membership: &StoredMembership,
        files: Vec<FileEntry>,
    ) -> Self {
        Self {
            cluster_id: cluster_id.map_or_else(Vec::new, |id| id.to_vec()),
            last: last.map(Into::into),
            membership: Some(StoredMembershipRow::of(
                *membership.log_id(),
                membership.membership(),
            )),
            files,
        }
    }

    /// The last entry that the snapshot covers; `None` if nothing was applied before.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.last.map(LogId::from)
    }

    /// Index of that entry.
    pub(crate) fn index(&self) -> Option<u64> {
        self.last.map(|last| last.index)
    }

    /// The last membership in it.
    pub(crate) fn membership(&self) -> Result<StoredMembership, InvalidManifest> {
        self.membership
            .as_ref()
            .map_or_else(|| Ok(StoredMembership::default()), StoredMembershipRow::stored)
            .map_err(|error| InvalidManifest::Contents(error.to_string()))
    }

    pub(crate) fn encode_file(&self) -> Vec<u8> {
        let body = self.encode_to_vec();
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&versioned_checksum(FORMAT, &body).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(crate) fn decode_file(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(InvalidManifest::NotOne)?;
        let (format, rest) = rest.split_first_chunk().ok_or(InvalidManifest::NotOne)?;
        let (checksum, body) = rest.split_first_chunk().ok_or(InvalidManifest::NotOne)?;
        let format = u32::from_le_bytes(*format);
        if format > FORMAT {
            return Err(InvalidManifest::Newer(format));
        }
        if versioned_checksum(format, body) != u32::from_le_bytes(*checksum) {
            return Err(InvalidManifest::Checksum);
        }
        let manifest = Self::decode(body).map_err(|error| InvalidManifest::Contents(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// A manifest may come from another node: no name in it may lead out of the folder.
    fn check(&self) -> Result<(), InvalidManifest> {
        let wrong = |what: &str| Err(InvalidManifest::Contents(what.to_owned()));
        if !matches!(self.cluster_id.len(), 0 | 16) {
            return wrong("its cluster id is not 16 bytes long");
        }
        self.membership()?;
        let mut previous = "";
        for file in &self.files {
            let plain = !file.name.is_empty()
                && file.name.len() <= 128
                && !file.name.starts_with('.')
                && file
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if !plain || file.name == FILE {
                return wrong("it names a file that a snapshot cannot hold");
            }
            if file.name.as_str() <= previous {
                return wrong("its files are not in order");
            }
            previous = &file.name;
        }
        Ok(())
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
    use super::*;
    use crate::consensus::log_id;

    fn file(name: &str) -> FileEntry {
        FileEntry {
            name: name.into(),
            size: 5,
            crc32c: 7,
        }
    }

    fn sample(names: &[&str]) -> Manifest {
        let files = names.iter().map(|name| file(name)).collect();
        Manifest::new(
            Some([3; 16]),
            Some(log_id(4, 9)),
            &StoredMembership::default(),
            files,
        )
    }

    #[test]
    fn a_manifest_survives_its_file_and_notices_every_changed_byte() {
        let manifest = sample(&["000008.sst", "CURRENT", "MANIFEST-000005"]);
        let bytes = manifest.encode_file();
        assert_eq!(Manifest::decode_file(&bytes).unwrap(), manifest);
        assert_eq!(manifest.last(), Some(log_id(4, 9)));
        for at in 0..bytes.len() {
            for flip in [1, 0x20] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                assert!(
                    Manifest::decode_file(&bad).is_err(),
                    "byte {at} flipped by {flip:#x}"
                );
            }
        }
        for length in 0..bytes.len() {
            assert!(
                Manifest::decode_file(&bytes[..length]).is_err(),
                "cut to {length}"
            );
        }
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../CURRENT",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "SNAPSHOT",
            "a\0b",
        ] {
            let bytes = sample(&[name]).encode_file();
            assert!(Manifest::decode_file(&bytes).is_err(), "{name:?}");
        }
        assert!(Manifest::decode_file(&sample(&["b", "a"]).encode_file()).is_err());
        assert!(Manifest::decode_file(&sample(&["a", "a"]).encode_file()).is_err());
    }
}
