//! The identity file: who this data directory belongs to.
//!
//! `<data>/IDENTITY` = magic (8 bytes), format (u32 LE), CRC-32C of the format and the protobuf (u32 LE),
//! protobuf. The format is looked at before the checksum, so that a newer file is told apart from a
//! damaged one.

use std::path::Path;

use prost::Message;

use super::files::{self, versioned_checksum as checksum};
use crate::error::{Damage, Error};

/// Name of the file in the data directory.
pub(crate) const FILE: &str = "IDENTITY";
/// The format that this release writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"HFNODEID";
const HEADER: usize = 16;
/// A name is at most 253 bytes; everything else is of fixed length.
const MAXIMUM_LENGTH: u64 = 4096;

/// How far a data directory has come. The order is that of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Phase {
    /// The databases are being created. Whatever stands beside the file may be thrown away.
    Creating = 0,
    /// Complete and empty: belongs to no cluster.
    Pristine = 1,
    /// The cluster id is drawn, but the first entry may not be committed.
    Bootstrapping = 2,
    /// Belongs to a cluster.
    Member = 3,
}

/// What the file says.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Identity {
    /// Random, drawn when the directory was created. 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) disk_id: Vec<u8>,
    /// The node's configured name.
    #[prost(string, tag = "2")]
    pub(crate) node_name: String,
    /// How often the directory has been opened, this time included.
    #[prost(uint64, tag = "3")]
    pub(crate) boot: u64,
    #[prost(enumeration = "Phase", tag = "4")]
    phase: i32,
    /// 16 bytes from [`Phase::Bootstrapping`] on.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) cluster_id: Vec<u8>,
    /// The node's number in the Raft group; 0 before it has one.
    #[prost(uint64, tag = "6")]
    pub(crate) raft_id: u64,
}

impl Identity {
    /// The identity of a directory that is about to be created.
    pub(crate) fn new(node_name: &str, disk_id: [u8; 16]) -> Self {
        Self {
            disk_id: disk_id.to_vec(),
            node_name: node_name.to_owned(),
            boot: 0,
            phase: Phase::Creating as i32,
            cluster_id: Vec::new(),
            raft_id: 0,
        }
    }

    /// How far the directory has come.
    pub(crate) fn life_phase(&self) -> Phase {
        // Checked when the file is read.
        Phase::try_from(self.phase).unwrap_or(Phase::Creating)
    }

    /// Moves on to a later phase.
    pub(crate) fn set_life_phase(&mut self, phase: Phase) {
        self.phase = phase as i32;
    }

    /// Reads the file of a data directory; `None` where there is none.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        let Some(bytes) = files::read_file(&path, MAXIMUM_LENGTH).map_err(Error::io("read", &path))? else {
            return Ok(None);
        };
        Self::decode_file(&bytes)
            .map(Some)
            .map_err(|problem| problem.at(directory))
    }

    /// Writes the file; durable when this returns.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        files::replace_file(directory, FILE, &self.encode_file())
            .map_err(Error::io("write", &directory.join(FILE)))
    }

    fn encode_file(&self) -> Vec<u8> {
        let body = self.encode_to_vec();
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&checksum(FORMAT, &body).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    fn decode_file(bytes: &[u8]) -> Result<Self, FileProblem> {
        let (magic, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or(FileProblem::damaged("it is cut short"))?;
        let (format, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(FileProblem::damaged("it is cut short"))?;
        let (expected, body) = rest
            .split_first_chunk::<4>()
            .ok_or(FileProblem::damaged("it is cut short"))?;
        if magic != MAGIC {
            return Err(FileProblem::damaged(
                "it does not begin with the mark of an identity file",
            ));
        }
        let format = u32::from_le_bytes(*format);
        if format > FORMAT {
            return Err(FileProblem::Newer { found: format });
        }
        if checksum(format, body) != u32::from_le_bytes(*expected) {
            return Err(FileProblem::damaged("its checksum is wrong"));
        }
        let identity = Self::decode(body).map_err(|error| FileProblem::Damaged(error.to_string()))?;
        let phase =
            Phase::try_from(identity.phase).map_err(|_| FileProblem::damaged("its phase is unknown"))?;
        if identity.disk_id.len() != 16 {
            return Err(FileProblem::damaged("its disk id is not 16 bytes long"));
        }
        let length = if phase >= Phase::Bootstrapping { 16 } else { 0 };
        if identity.cluster_id.len() != length {
            return Err(FileProblem::damaged("its cluster id does not fit its phase"));
        }
        Ok(identity)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum FileProblem {
    Damaged(String),
    Newer { found: u32 },
}

impl FileProblem {
    fn damaged(what: &str) -> Self {
        Self::Damaged(what.to_owned())
    }

    fn at(self, directory: &Path) -> Error {
        match self {
            Self::Damaged(what) => Error::damaged(directory, Damage::Identity(what)),
            Self::Newer { found } => Error::NewerFormat {
                path: directory.join(FILE),
                found,
                supported: FORMAT,
            },
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
    use super::*;

    fn sample() -> Identity {
        let mut identity = Identity::new("node-1", [7; 16]);
        identity.boot = 3;
        identity.set_life_phase(Phase::Member);
        identity.cluster_id = vec![9; 16];
        identity.raft_id = 1;
        identity
    }

    #[test]
    fn an_identity_survives_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Identity::read(folder.path()).unwrap(), None);
        sample().write(folder.path()).unwrap();
        assert_eq!(Identity::read(folder.path()).unwrap(), Some(sample()));
    }

    #[test]
    fn every_changed_byte_of_an_identity_file_is_noticed() {
        let good = sample().encode_file();
        for at in 0..good.len() {
            for flip in [1_u8, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                assert!(
                    Identity::decode_file(&bad).is_err(),
                    "byte {at} flipped by {flip:#x}"
                );
            }
        }
        for length in 0..good.len() {
            assert!(
                Identity::decode_file(&good[..length]).is_err(),
                "cut to {length} bytes"
            );
        }
    }

    #[test]
    fn a_newer_identity_file_is_not_called_damaged() {
        let mut bytes = sample().encode_file();
        bytes[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        assert_eq!(
            Identity::decode_file(&bytes),
            Err(FileProblem::Newer { found: FORMAT + 1 })
        );
    }
}
