//! The 32 bytes at the start of every blob.

use crate::BlobId;
use crate::frame::ChunkSize;

/// Bytes of a header.
pub const HEADER_LEN: usize = 32;
/// First bytes of every blob.
pub const MAGIC: [u8; 8] = *b"HOLDFST1";
/// The only frame version so far.
const VERSION: u8 = 1;

/// How the chunks of a blob are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// 0: plaintext chunks, each with its XXH3-128. Finds damage, not malice.
    Clear,
    /// 1: AES-256-GCM per chunk.
    Aes256Gcm,
}

impl Suite {
    /// The number that stands in the header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Aes256Gcm => 1,
        }
    }

    /// The suite with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Clear),
            1 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// What a blob's header says. Part of the associated data of every chunk and of the footer, and of
/// every key derivation, hence neither a key version (re-wrapping must not touch it) nor a length
/// (the last flag and the metadata carry that).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Protection of the chunks.
    pub suite: Suite,
    /// Plaintext bytes per chunk.
    pub chunk: ChunkSize,
    /// The blob that the chunks belong to.
    pub blob: BlobId,
}

/// Why 32 bytes are not a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The magic is missing.
    #[error("these bytes are not the start of a blob")]
    Magic,
    /// Written by a later release.
    #[error("frame version {0} is not known to this release")]
    Version(u8),
    /// No such suite.
    #[error("suite {0} is not known to this release")]
    Suite(u8),
    /// Outside the permitted chunk sizes.
    #[error("chunk size 2^{0} is outside 2^12 to 2^20")]
    ChunkSize(u8),
    /// Reserved bytes are not zero.
    #[error("reserved header bytes are not zero")]
    Reserved,
}

impl Header {
    /// The stored form.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8] = VERSION;
        out[9] = self.suite.number();
        out[10] = self.chunk.log2();
        out[16..].copy_from_slice(self.blob.as_bytes());
        out
    }

    /// Parses the stored form; there is exactly one for each header.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        let [magic @ .., _, _, _, _, _, _, _, _] = bytes.first_chunk::<16>().ok_or(HeaderError::Magic)?;
        if *magic != MAGIC {
            return Err(HeaderError::Magic);
        }
        if bytes[8] != VERSION {
            return Err(HeaderError::Version(bytes[8]));
        }
        let suite = Suite::from_number(bytes[9]).ok_or(HeaderError::Suite(bytes[9]))?;
        let chunk = ChunkSize::from_log2(bytes[10]).ok_or(HeaderError::ChunkSize(bytes[10]))?;
        if bytes[11..16] != [0; 5] {
            return Err(HeaderError::Reserved);
        }
        let blob = BlobId(*bytes.last_chunk::<16>().ok_or(HeaderError::Magic)?);
        Ok(Self { suite, chunk, blob })
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
    use proptest::prelude::*;

    #[test]
    fn every_changed_byte_gives_an_error_or_another_header() {
        let header = Header {
            suite: Suite::Aes256Gcm,
            chunk: ChunkSize::DEFAULT,
            blob: BlobId([7; 16]),
        };
        let good = header.encode();
        assert_eq!(Header::decode(&good), Ok(header));
        for at in 0..HEADER_LEN {
            for flip in 1..=255 {
                let mut bad = good;
                bad[at] ^= flip;
                assert_ne!(Header::decode(&bad), Ok(header), "byte {at} xor {flip}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_parses_encodes_to_the_same_bytes(mut bytes: [u8; 32], suite in 0..3_u8, log2 in 10..22_u8) {
            bytes[..8].copy_from_slice(&MAGIC);
            bytes[8] = VERSION;
            bytes[9] = suite;
            bytes[10] = log2;
            bytes[11..16].fill(0);
            let parsed = Header::decode(&bytes);
            prop_assert_eq!(parsed.is_ok(), suite < 2 && (12..=20).contains(&log2));
            if let Ok(header) = parsed {
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }
}
