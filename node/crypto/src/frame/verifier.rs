//! Checks a whole stored blob: every chunk, the footer, the length, the checksum.

use bytes::{Bytes, BytesMut};

use crate::Crc64Nvme;
use crate::footer::{Footer, FooterError, MAX_FOOTER_LEN};
use crate::frame::{DecodeError, Decoder, Layout, Opener};

/// Why a stored blob is not intact.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The body is damaged.
    #[error(transparent)]
    Body(#[from] DecodeError),
    /// The footer is damaged, or not this blob's.
    #[error(transparent)]
    Footer(#[from] FooterError),
    /// More or fewer bytes than a blob of this length has.
    #[error("{found} bytes are stored where {expected} are expected")]
    Length {
        /// Stored bytes that were fed.
        found: u64,
        /// Stored bytes that the blob has.
        expected: u64,
    },
}

/// An intact blob.
#[derive(Debug)]
pub struct Verified {
    /// What its footer says.
    pub footer: Footer,
    /// CRC-64/NVME of all its stored bytes.
    pub crc64_nvme: u64,
}

/// Checks all stored bytes of a blob without handing out plaintext. For scrubs that have the key
/// and for rebuilding; a scrub without it compares [`Crc64Nvme`] alone.
#[derive(Debug)]
pub struct Verifier {
    body: Decoder,
    body_left: u64,
    footer: BytesMut,
    crc: Crc64Nvme,
    fed: u64,
    expected: u64,
}

impl Verifier {
    /// Checks a blob of `layout` that is stored in `stored_len` bytes.
    pub fn new(opener: Opener, layout: &Layout, stored_len: u64) -> Self {
        Self {
            body: Decoder::new(opener, layout.whole()),
            body_left: layout.body_len(),
            footer: BytesMut::new(),
            crc: Crc64Nvme::new(),
            fed: 0,
            expected: stored_len,
        }
    }

    /// Takes the next stored bytes.
    ///
    /// # Errors
    /// The blob is damaged, or longer than it should be.
    pub fn push(&mut self, mut input: Bytes) -> Result<(), VerifyError> {
        self.crc.update(&input);
        self.fed += input.len() as u64;
        let mut body = input.split_to(self.body_left.min(input.len() as u64) as usize);
        self.body_left -= body.len() as u64;
        while self.body.push(&mut body)?.is_some() {}
        if self.footer.len() + input.len() > MAX_FOOTER_LEN as usize || self.fed > self.expected {
            return Err(self.wrong_length());
        }
        self.footer.extend_from_slice(&input);
        Ok(())
    }

    /// Checks the footer and that nothing is missing.
    ///
    /// # Errors
    /// The blob is damaged or shorter than it should be.
    pub fn finish(self) -> Result<Verified, VerifyError> {
        self.body.finish()?;
        if self.fed != self.expected {
            return Err(self.wrong_length());
        }
        let opener = self.body.opener();
        let footer = Footer::open(&self.footer, self.expected, opener)?;
        if footer.trailer().layout() != self.body.map().layout() {
            return Err(FooterError::OtherBlob.into());
        }
        Ok(Verified {
            footer,
            crc64_nvme: self.crc.value(),
        })
    }

    fn wrong_length(&self) -> VerifyError {
        VerifyError::Length {
            found: self.fed,
            expected: self.expected,
        }
    }
}
