//! The one seam behind which AES-256-GCM sits.
//!
//! Two implementations, checked against each other in the tests: [`AwsLc`] carries the bodies
//! because it is the faster one, [`RustCrypto`] shares no code with it. On a tag mismatch both
//! leave the buffer wiped, so that no caller can release what was not authenticated.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Key length in bytes.
pub const KEY_LEN: usize = 32;
/// Nonce length in bytes.
pub const NONCE_LEN: usize = 12;
/// Tag length in bytes.
pub const TAG_LEN: usize = 16;

/// Why an AEAD operation gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The tag does not belong to these bytes under this key. The buffer was wiped.
    #[error("authentication failed")]
    TagMismatch,
    /// The library refused to work: out of memory, or an input beyond GCM's limits.
    #[error("the cipher refused to work")]
    Refused,
}

/// AES-256-GCM with a detached tag, in place.
pub trait Aead: Sized + Send + Sync {
    /// Expands a key.
    fn new(key: &[u8; KEY_LEN]) -> Result<Self, Error>;

    /// Encrypts `data` in place and returns its tag. A nonce must never be used twice with a key.
    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Error>;

    /// Decrypts `data` in place if `tag` is right, else wipes it.
    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error>;
}

/// AES-256-GCM of AWS-LC; uses VAES where the processor has it.
pub struct AwsLc(LessSafeKey);

impl Aead for AwsLc {
    fn new(key: &[u8; KEY_LEN]) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Error::Refused)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sealed = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), data);
        let tag = sealed.ok().and_then(|tag| tag.as_ref().try_into().ok());
        // A half-encrypted buffer must not be mistaken for ciphertext.
        tag.ok_or_else(|| {
            data.zeroize();
            Error::Refused
        })
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        if self
            .0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, data)
            .is_ok()
        {
            return Ok(());
        }
        data.zeroize();
        Err(Error::TagMismatch)
    }
}

/// AES-256-GCM of the RustCrypto project.
pub struct RustCrypto(Aes256Gcm);

impl Aead for RustCrypto {
    fn new(key: &[u8; KEY_LEN]) -> Result<Self, Error> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], data: &mut [u8]) -> Result<[u8; TAG_LEN], Error> {
        match self.0.encrypt_inout_detached(nonce.into(), aad, data.into()) {
            Ok(tag) => Ok(tag.into()),
            Err(_) => {
                data.zeroize();
                Err(Error::Refused)
            }
        }
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        if self
            .0
            .decrypt_inout_detached(nonce.into(), aad, (&mut *data).into(), tag.into())
            .is_ok()
        {
            return Ok(());
        }
        data.zeroize();
        Err(Error::TagMismatch)
    }
}
