//! Seals and opens the chunks and the footer of one blob.

use subtle::ConstantTimeEq;
use xxhash_rust::xxh3::Xxh3Default;

use crate::aead::{self, Aead, AwsLc, NONCE_LEN};
use crate::frame::{Commitment, HEADER_LEN, Header, Suite, TAG_LEN};
use crate::kdf::{Prk, label};
use crate::{DomainId, SecretKey};

/// Nonce bytes derived per blob; chunk index and last flag fill the rest.
const NONCE_PREFIX_LEN: usize = 7;
/// Associated data of a chunk: header, index, last flag.
const CHUNK_AAD_LEN: usize = HEADER_LEN + 5;

/// The data key is not the one that the blob was sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data key does not match the blob's commitment")]
pub struct WrongKey;

/// Whether a chunk is the last one of its blob; bound into its nonce and associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Inner,
    Last,
}

/// One blob's protection, keyed. The AEAD is a parameter so that tests can put the other
/// implementation in its place.
pub(crate) struct Codec<A = AwsLc> {
    header: [u8; HEADER_LEN],
    suite: SuiteState<A>,
}

enum SuiteState<A> {
    Clear,
    Aes256Gcm {
        chunks: A,
        nonce_prefix: [u8; NONCE_PREFIX_LEN],
        keys: Prk,
    },
}

impl<A: Aead> Codec<A> {
    /// Suite 0.
    pub(crate) fn clear(header: &Header) -> Self {
        debug_assert_eq!(header.suite, Suite::Clear);
        Self {
            header: header.encode(),
            suite: SuiteState::Clear,
        }
    }

    /// Suite 1, for a data key that was just drawn. Returns the commitment to keep with the blob.
    pub(crate) fn seal_with(
        header: &Header,
        domain: &DomainId,
        data_key: &SecretKey,
    ) -> Result<(Self, Commitment), aead::Error> {
        debug_assert_eq!(header.suite, Suite::Aes256Gcm);
        let header = header.encode();
        let keys = Prk::extract(domain.as_bytes(), data_key);
        let commitment = commitment(&keys, &header);
        Ok((Self::keyed(header, keys)?, commitment))
    }

    /// Suite 1, for a data key that was unwrapped: refused unless it is the committed one.
    pub(crate) fn open_with(
        header: &Header,
        domain: &DomainId,
        data_key: &SecretKey,
        expected: &Commitment,
    ) -> Result<Result<Self, WrongKey>, aead::Error> {
        debug_assert_eq!(header.suite, Suite::Aes256Gcm);
        let header = header.encode();
        let keys = Prk::extract(domain.as_bytes(), data_key);
        if !bool::from(commitment(&keys, &header).0.ct_eq(&expected.0)) {
            return Ok(Err(WrongKey));
        }
        Self::keyed(header, keys).map(Ok)
    }

    fn keyed(header: [u8; HEADER_LEN], keys: Prk) -> Result<Self, aead::Error> {
        let chunks = A::new(&keys.expand(&[label::CHUNK_KEY, &header]))?;
        let nonce_prefix = *keys.expand(&[label::CHUNK_NONCE, &header]);
        Ok(Self {
            header,
            suite: SuiteState::Aes256Gcm {
                chunks,
                nonce_prefix,
                keys,
            },
        })
    }

    /// The header's stored form.
    pub(crate) fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// Encrypts (suite 1) one chunk in place and returns its tag.
    pub(crate) fn seal_chunk(
        &self,
        index: u32,
        position: Position,
        data: &mut [u8],
    ) -> Result<[u8; TAG_LEN], aead::Error> {
        let aad = self.chunk_aad(index, position);
        match &self.suite {
            SuiteState::Clear => Ok(xxh3_128(&[&aad, data])),
            SuiteState::Aes256Gcm {
                chunks, nonce_prefix, ..
            } => chunks.seal(&chunk_nonce(nonce_prefix, index, position), &aad, data),
        }
    }

    /// Checks and decrypts (suite 1) one chunk in place; wipes it if it is not authentic.
    pub(crate) fn open_chunk(
        &self,
        index: u32,
        position: Position,
        data: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), aead::Error> {
        match &self.suite {
            SuiteState::Clear => self
                .check_clear_chunk(index, position, data, tag)
                .inspect_err(|_| data.fill(0)),
            SuiteState::Aes256Gcm {
                chunks, nonce_prefix, ..
            } => {
                let aad = self.chunk_aad(index, position);
                chunks.open(&chunk_nonce(nonce_prefix, index, position), &aad, data, tag)
            }
        }
    }

    /// Whether chunks are stored as they are, so that they can be checked without being copied.
    pub(crate) fn is_clear(&self) -> bool {
        matches!(self.suite, SuiteState::Clear)
    }

    /// Suite 0 only, fails in suite 1: checks a chunk where it lies.
    pub(crate) fn check_clear_chunk(
        &self,
        index: u32,
        position: Position,
        data: &[u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), aead::Error> {
        let aad = self.chunk_aad(index, position);
        if self.is_clear() && xxh3_128(&[&aad, data]) == *tag {
            Ok(())
        } else {
            Err(aead::Error::TagMismatch)
        }
    }

    /// Encrypts (suite 1) the footer's payload in place; `trailer` is bound to it. The footer key
    /// seals one footer and nothing else, hence the constant nonce.
    pub(crate) fn seal_footer(&self, trailer: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], aead::Error> {
        match &self.suite {
            SuiteState::Clear => Ok(xxh3_128(&[label::FOOTER_KEY, trailer, data])),
            SuiteState::Aes256Gcm { keys, .. } => {
                A::new(&keys.expand(&[label::FOOTER_KEY, &self.header]))?.seal(&[0; NONCE_LEN], trailer, data)
            }
        }
    }

    /// Checks and decrypts (suite 1) the footer's payload in place.
    pub(crate) fn open_footer(
        &self,
        trailer: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), aead::Error> {
        match &self.suite {
            SuiteState::Clear if xxh3_128(&[label::FOOTER_KEY, trailer, data]) == *tag => Ok(()),
            SuiteState::Clear => Err(aead::Error::TagMismatch),
            SuiteState::Aes256Gcm { keys, .. } => {
                let key = keys.expand(&[label::FOOTER_KEY, &self.header]);
                A::new(&key)?.open(&[0; NONCE_LEN], trailer, data, tag)
            }
        }
    }

    fn chunk_aad(&self, index: u32, position: Position) -> [u8; CHUNK_AAD_LEN] {
        let mut aad = [0; CHUNK_AAD_LEN];
        aad[..HEADER_LEN].copy_from_slice(&self.header);
        aad[HEADER_LEN..HEADER_LEN + 4].copy_from_slice(&index.to_be_bytes());
        aad[HEADER_LEN + 4] = position.flag();
        aad
    }
}

impl Position {
    const fn flag(self) -> u8 {
        match self {
            Self::Inner => 0,
            Self::Last => 1,
        }
    }
}

fn chunk_nonce(prefix: &[u8; NONCE_PREFIX_LEN], index: u32, position: Position) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[..NONCE_PREFIX_LEN].copy_from_slice(prefix);
    nonce[NONCE_PREFIX_LEN..NONCE_LEN - 1].copy_from_slice(&index.to_be_bytes());
    nonce[NONCE_LEN - 1] = position.flag();
    nonce
}

fn commitment(keys: &Prk, header: &[u8; HEADER_LEN]) -> Commitment {
    Commitment(*keys.expand(&[label::COMMITMENT, header]))
}

/// XXH3-128 with seed 0 over the concatenation of `parts`, in its canonical (big-endian) form.
pub(crate) fn xxh3_128(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Xxh3Default::new();
    for part in parts {
        hash.update(part);
    }
    hash.digest128().to_be_bytes()
}
