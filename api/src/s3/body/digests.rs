//! Everything that is computed of a payload while it passes.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use crc_fast::CrcAlgorithm;

use super::engine::{Engine, Hash};
use super::lane::{Lane, Lost};
use super::pool::HashPool;
use crate::port::{Checksum, ChecksumAlgorithm};

/// The MD5 of a payload, its SHA-256 where that was signed, and one checksum.
#[derive(Debug)]
pub(super) struct Digesting {
    md5: Hashing,
    sha256: Option<Hashing>,
    checksum: Option<Summing>,
}

/// What was computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Computed {
    pub(super) md5: [u8; 16],
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) checksum: Option<Checksum>,
}

#[derive(Debug)]
enum Hashing {
    Inline(Option<Engine>),
    Beside(Lane),
    Done(Hash),
}

/// How the checksum is computed.
#[derive(Debug)]
enum Summing {
    /// At tens of gigabytes per second, on the spot.
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    Sha1(Hashing),
    /// It is the payload's SHA-256.
    Sha256,
}

/// Up to this many bytes a payload is hashed where it is read: 200 µs of MD5 at most, which is less
/// than a busy thread of the pool would take to get to it.
const INLINE: u64 = 128 * 1024;

impl Digesting {
    /// Prepares for a payload of `length` bytes.
    pub(super) fn new(length: u64, sha256: Needed, checksum: Option<ChecksumAlgorithm>) -> Self {
        let hashing = |engine| match length {
            0..=INLINE => Hashing::Inline(Some(engine)),
            _ => Hashing::Beside(Lane::new(engine)),
        };
        let crc = |algorithm, crc| Summing::Crc(algorithm, crc_fast::Digest::new(crc));
        let checksum = checksum.map(|algorithm| match algorithm {
            ChecksumAlgorithm::Crc32 => crc(algorithm, CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(algorithm, CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(algorithm, CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => Summing::Sha1(hashing(Engine::sha1())),
            ChecksumAlgorithm::Sha256 => Summing::Sha256,
        });
        let sha256 = match (sha256, &checksum) {
            (Needed::Yes, _) | (_, Some(Summing::Sha256)) => Some(hashing(Engine::sha256())),
            (Needed::No, _) => None,
        };
        Self {
            md5: hashing(Engine::md5()),
            sha256,
            checksum,
        }
    }

    /// Waits until another piece may be added: where the network is faster than MD5, that sets the pace.
    pub(super) fn poll_ready(&mut self, pool: &HashPool, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        for hashing in self.hashings() {
            ready!(hashing.poll_ready(pool, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Adds a piece.
    pub(super) fn add(&mut self, piece: &Bytes, pool: &HashPool) {
        if let Some(Summing::Crc(_, crc)) = &mut self.checksum {
            crc.update(piece);
        }
        for hashing in self.hashings() {
            hashing.add(piece, pool);
        }
    }

    /// Ends all of them.
    pub(super) fn poll_finish(
        &mut self,
        pool: &HashPool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Computed, Lost>> {
        let md5 = ready!(self.md5.poll_finish(pool, cx))?;
        let sha256 = match &mut self.sha256 {
            Some(hashing) => Some(ready!(hashing.poll_finish(pool, cx))?),
            None => None,
        };
        let checksum = match &mut self.checksum {
            None => None,
            Some(Summing::Crc(algorithm, crc)) => crc_value(*algorithm, crc.finalize()),
            Some(Summing::Sha1(hashing)) => {
                let hash = ready!(hashing.poll_finish(pool, cx))?;
                Checksum::new(ChecksumAlgorithm::Sha1, hash.bytes())
            }
            Some(Summing::Sha256) => {
                sha256.and_then(|hash| Checksum::new(ChecksumAlgorithm::Sha256, hash.bytes()))
            }
        };
        let sha256 = sha256.map(|hash| hash.exactly().ok_or(Lost)).transpose()?;
        Poll::Ready(Ok(Computed {
            md5: md5.exactly().ok_or(Lost)?,
            sha256,
            checksum,
        }))
    }

    fn hashings(&mut self) -> impl Iterator<Item = &mut Hashing> {
        let sha1 = match &mut self.checksum {
            Some(Summing::Sha1(hashing)) => Some(hashing),
            Some(Summing::Crc(..) | Summing::Sha256) | None => None,
        };
        std::iter::once(&mut self.md5)
            .chain(self.sha256.as_mut())
            .chain(sha1)
    }
}

/// Whether a hash is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needed {
    Yes,
    No,
}

impl Hashing {
    fn poll_ready(&mut self, pool: &HashPool, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match self {
            Self::Beside(lane) => lane.poll_ready(pool, cx),
            Self::Inline(_) | Self::Done(_) => Poll::Ready(Ok(())),
        }
    }

    fn add(&mut self, piece: &Bytes, pool: &HashPool) {
        match self {
            Self::Inline(Some(engine)) => engine.update(piece),
            Self::Beside(lane) => lane.add(piece, pool),
            Self::Inline(None) | Self::Done(_) => {}
        }
    }

    fn poll_finish(&mut self, pool: &HashPool, cx: &mut Context<'_>) -> Poll<Result<Hash, Lost>> {
        let hash = match self {
            Self::Inline(engine) => engine.take().ok_or(Lost)?.finish(),
            Self::Beside(lane) => ready!(lane.poll_finish(pool, cx))?,
            Self::Done(hash) => *hash,
        };
        *self = Self::Done(hash);
        Poll::Ready(Ok(hash))
    }
}

/// A CRC as S3 writes it: big-endian, as many bytes as it has.
pub(super) fn crc_value(algorithm: ChecksumAlgorithm, crc: u64) -> Option<Checksum> {
    let bytes = crc.to_be_bytes();
    let from = bytes.len().saturating_sub(algorithm.length());
    Checksum::new(algorithm, bytes.get(from..).unwrap_or_default())
}
