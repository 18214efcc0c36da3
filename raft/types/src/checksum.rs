//! Checksums: of blobs as they are stored, and those that S3 clients choose.

use std::fmt;

use bytes::Bytes;

use crate::codec::{Problem, Raw, Value, numbered, put_fixed64, record, varint_len};

/// CRC-64/NVME of the bytes of a blob as they are stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crc64(pub u64);

impl fmt::Debug for Crc64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Crc64({:016x})", self.0)
    }
}

impl Value for Crc64 {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        put_fixed64(tag, self.0, out);
    }

    fn size(&self, tag: u32) -> usize {
        // The key of a field is as long as that of a varint; eight bytes follow instead of one.
        varint_len(tag, 0) + 7
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        match raw {
            Raw::Fixed64(value) => Ok(Crc64(value)),
            _ => Err(Problem::Mismatch),
        }
    }
}

numbered! {
    /// A checksum algorithm that S3 clients may choose.
    pub enum ChecksumAlgorithm {
        /// CRC-32 (ISO-HDLC), 4 bytes.
        1 => Crc32,
        /// CRC-32C (Castagnoli), 4 bytes.
        2 => Crc32c,
        /// CRC-64/NVME, 8 bytes.
        3 => Crc64Nvme,
        /// SHA-1, 20 bytes.
        4 => Sha1,
        /// SHA-256, 32 bytes.
        5 => Sha256,
    }
}

impl ChecksumAlgorithm {
    /// Length of a value in bytes.
    pub const fn length(self) -> usize {
        match self {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
            ChecksumAlgorithm::Crc64Nvme => 8,
            ChecksumAlgorithm::Sha1 => 20,
            ChecksumAlgorithm::Sha256 => 32,
        }
    }
}

numbered! {
    /// What a checksum of an object covers.
    pub enum ChecksumScope {
        /// The bytes of the whole object.
        0 => Full,
        /// The concatenated checksums of the parts.
        1 => Composite,
    }
}

record! {
    /// A checksum that a client sent or asked for, verified while the bytes passed.
    pub struct Checksum {
        /// How it is computed.
        1 => algorithm: ChecksumAlgorithm,
        /// What it covers.
        2 => scope: ChecksumScope,
        /// The value, big-endian where it is a number.
        3 => value: Bytes,
    }
}
