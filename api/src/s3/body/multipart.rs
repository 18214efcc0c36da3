//! What a completed upload is known by, computed from its parts.

use crc_fast::{CrcAlgorithm, checksum_combine};
use md5::{Digest as _, Md5};

use super::digests::crc_value;
use super::engine::Engine;
use crate::port::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};

/// The ETag of a multipart object: the MD5 of the MD5s of its parts, in order, and their number.
#[derive(Debug, Clone, Default)]
pub struct MultipartMd5 {
    hasher: Md5,
    parts: u32,
}

/// The checksum of a multipart object, from those of its parts, in order.
#[derive(Debug, Clone)]
pub struct MultipartChecksum {
    algorithm: ChecksumAlgorithm,
    parts: u32,
    sum: Sum,
}

#[derive(Debug, Clone)]
enum Sum {
    /// The CRC of the bytes so far.
    Combined(CrcAlgorithm, u64),
    /// The checksums of the parts so far, hashed.
    Hash(Engine),
    /// The same, with a CRC as the hash.
    Crc(crc_fast::Digest),
}

impl MultipartMd5 {
    /// Adds the next part's MD5.
    pub fn add(&mut self, md5: &[u8; 16]) {
        self.hasher.update(md5);
        self.parts = self.parts.saturating_add(1);
    }

    /// The MD5 of the MD5s.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        self.hasher.clone().finalize().into()
    }

    /// The text of the ETag, `<32 hex digits>-<parts>`, without quotes.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("{}-{}", hex::encode(self.digest()), self.parts)
    }
}

impl MultipartChecksum {
    /// Begins with no parts. `None` where S3 knows no such checksum: a hash of the whole object cannot
    /// be had from hashes of its parts, and a CRC-64 is never composite.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm, kind: ChecksumType) -> Option<Self> {
        let crc = match algorithm {
            ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
        };
        let sum = match (kind, algorithm, crc) {
            (ChecksumType::FullObject, _, crc) => Sum::Combined(crc?, 0),
            (ChecksumType::Composite, ChecksumAlgorithm::Crc64Nvme, _) => return None,
            (ChecksumType::Composite, _, Some(crc)) => Sum::Crc(crc_fast::Digest::new(crc)),
            (ChecksumType::Composite, ChecksumAlgorithm::Sha1, None) => Sum::Hash(Engine::sha1()),
            (ChecksumType::Composite, _, None) => Sum::Hash(Engine::sha256()),
        };
        Some(Self {
            algorithm,
            parts: 0,
            sum,
        })
    }

    /// Adds the next part: its checksum and its length in bytes. `None`, and nothing is added, when the
    /// checksum is of another algorithm.
    #[must_use]
    pub fn add(&mut self, part: &Checksum, length: u64) -> Option<()> {
        if part.algorithm() != self.algorithm {
            return None;
        }
        match &mut self.sum {
            Sum::Combined(crc, sum) => {
                let value = part
                    .bytes()
                    .iter()
                    .fold(0, |value, byte| value << 8 | u64::from(*byte));
                *sum = checksum_combine(*crc, *sum, value, length);
            }
            Sum::Hash(engine) => engine.update(part.bytes()),
            Sum::Crc(digest) => digest.update(part.bytes()),
        }
        self.parts = self.parts.saturating_add(1);
        Some(())
    }

    /// The checksum of the object of these parts.
    #[must_use]
    pub fn finish(self) -> Option<ObjectChecksum> {
        let (checksum, kind) = match self.sum {
            Sum::Combined(_, sum) => (crc_value(self.algorithm, sum)?, ChecksumType::FullObject),
            Sum::Hash(engine) => (
                Checksum::new(self.algorithm, engine.finish().bytes())?,
                ChecksumType::Composite,
            ),
            Sum::Crc(digest) => (
                crc_value(self.algorithm, digest.finalize())?,
                ChecksumType::Composite,
            ),
        };
        let parts = match kind {
            ChecksumType::Composite => Some(self.parts),
            ChecksumType::FullObject => None,
        };
        Some(ObjectChecksum {
            checksum,
            kind,
            parts,
        })
    }
}
