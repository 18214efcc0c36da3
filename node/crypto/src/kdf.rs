//! HKDF-SHA256 and AES-256-KWP: how one key leads to the next.
//!
//! Every derivation names its purpose by a label that ends in a zero byte, followed by fields of
//! fixed length, so that no two derivations ever hash the same input.

use aes_kw::cipher::consts::U32;
use aes_kw::{KeyInit, KwpAes256};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::{KEY_LEN, SecretKey};

/// Bytes of a wrapped 32-byte key: AES-KWP adds one semiblock of 8 bytes.
pub const WRAPPED_KEY_LEN: usize = KEY_LEN + 8;

/// A 32-byte key wrapped by AES-256-KWP. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WrappedKey(pub [u8; WRAPPED_KEY_LEN]);

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrappedKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The wrapping key is another one, or the wrapped bytes are damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnwrapFailed;

/// Labels of all derivations in this crate; changing one changes the stored format.
pub(crate) mod label {
    /// Key of a blob's chunks.
    pub(crate) const CHUNK_KEY: &[u8] = b"holdfast/chunk-key/v1\0";
    /// Nonce prefix of a blob's chunks.
    pub(crate) const CHUNK_NONCE: &[u8] = b"holdfast/chunk-nonce/v1\0";
    /// Commitment to a blob's data key.
    pub(crate) const COMMITMENT: &[u8] = b"holdfast/commitment/v1\0";
    /// Key of a blob's footer.
    pub(crate) const FOOTER_KEY: &[u8] = b"holdfast/footer-key/v1\0";
    /// Wraps a data key under a bucket key.
    pub(crate) const WRAP_DATA_KEY: &[u8] = b"holdfast/wrap-data-key/v1\0";
    /// Wraps a bucket key under a master key.
    pub(crate) const WRAP_BUCKET_KEY: &[u8] = b"holdfast/wrap-bucket-key/v1\0";
    /// Wraps the check value of a master key.
    pub(crate) const WRAP_CHECK: &[u8] = b"holdfast/wrap-master-check/v1\0";
    /// Proof of possession of a master key.
    pub(crate) const MASTER_PROOF: &[u8] = b"holdfast/master-proof/v1\0";
    /// Authenticates a keyring object.
    pub(crate) const KEYRING: &[u8] = b"holdfast/keyring/v1\0";
    /// Salt of everything below the cluster secret.
    pub(crate) const CLUSTER_SECRET: &[u8] = b"holdfast/cluster-secret/v1\0";
}

/// Pseudorandom key: the state between HKDF's extract and expand steps.
pub(crate) struct Prk(Hkdf<Sha256>);

impl Prk {
    /// HKDF-Extract.
    pub(crate) fn extract(salt: &[u8], secret: &SecretKey) -> Self {
        Self(Hkdf::new(Some(salt), secret.expose()))
    }

    /// Takes bytes that HKDF expanded as a new pseudorandom key (RFC 5869, section 3.3).
    pub(crate) fn from_expanded(bytes: &[u8; KEY_LEN]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "32 bytes are as long as the hash, the only condition"
        )]
        Self(Hkdf::from_prk(bytes).expect("a key as long as the hash"))
    }

    /// HKDF-Expand to `N` bytes, the info being the concatenation of `info`.
    pub(crate) fn expand<const N: usize>(&self, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 255 * 32, "HKDF-SHA256 yields at most 255 blocks") };
        let mut out = Zeroizing::new([0; N]);
        #[expect(clippy::expect_used, reason = "fails only for lengths that do not compile")]
        self.0
            .expand_multi_info(info, out.as_mut_slice())
            .expect("length is checked at compile time");
        out
    }
}

/// A key that wraps exactly one other key, for which it was derived.
pub(crate) struct WrappingKey(KwpAes256);

impl WrappingKey {
    pub(crate) fn derive(prk: &Prk, info: &[&[u8]]) -> Self {
        Self(KwpAes256::new((&*prk.expand::<KEY_LEN>(info)).into()))
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(key: &[u8; KEY_LEN]) -> Self {
        Self(KwpAes256::new(key.into()))
    }

    pub(crate) fn wrap(&self, key: &SecretKey) -> WrappedKey {
        WrappedKey(self.0.wrap_fixed_key::<U32>(key.expose().into()).into())
    }

    /// Fails also when the bytes within are a key that cannot be one ([`SecretKey::from_bytes`]).
    pub(crate) fn unwrap(&self, wrapped: &WrappedKey) -> Result<SecretKey, UnwrapFailed> {
        let mut out = Zeroizing::new([0; KEY_LEN]);
        let len = self
            .0
            .unwrap_key(&wrapped.0, out.as_mut_slice())
            .map_err(|_| UnwrapFailed)?
            .len();
        if len != KEY_LEN {
            return Err(UnwrapFailed);
        }
        SecretKey::from_bytes(&out).map_err(|_| UnwrapFailed)
    }
}
