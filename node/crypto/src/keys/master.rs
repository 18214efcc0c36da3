//! The master key: wraps bucket keys, proves itself, authenticates keyrings.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::kdf::{Prk, UnwrapFailed, WrappedKey, WrappingKey, label};
use crate::secret::{NoEntropy, SecretKey, WeakKey};
use crate::{BucketId, DomainId, KeyRef, MasterVersion};

/// One version of the cluster's master key, in memory.
///
/// Versions are numbers that the cluster gives out; a key carries none by itself. Which configured
/// key is which version is found by [`KeyCheck`], never by position or by a hash of the key.
#[derive(Debug, PartialEq, Eq)]
pub struct MasterKey(SecretKey);

/// Wrapped under a master key version: a random value whose only use is to be unwrapped. Public.
///
/// Kept per version, so that a node can tell "this is another key" from "that wrapped bucket key is
/// damaged", and can prove to the cluster that it holds the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCheck(pub WrappedKey);

/// The key is not the one that the check was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this key is not master key version {}", .0.0)]
pub struct CheckFailed(pub MasterVersion);

/// Shows that its maker held a master key version when it saw a certain context. Public.
#[derive(Debug, Clone, Copy)]
pub struct MasterProof(pub [u8; 32]);

impl MasterProof {
    /// Whether this is the proof that somebody with the same key computed. Constant time.
    pub fn matches(&self, own: &Self) -> bool {
        self.0.ct_eq(&own.0).into()
    }
}

impl MasterKey {
    /// Takes over key material, however it was obtained.
    ///
    /// # Errors
    /// Everything that cannot be 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, WeakKey> {
        SecretKey::from_operator(bytes).map(Self)
    }

    /// Draws a master key, for a provider that makes its own (a key service wraps it then).
    pub fn generate() -> Result<Self, NoEntropy> {
        SecretKey::generate().map(Self)
    }

    /// The raw key, for a provider that must hand it to its key service once.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Makes the check value of this key as version `version`.
    pub fn new_check(&self, domain: DomainId, version: MasterVersion) -> Result<KeyCheck, NoEntropy> {
        Ok(KeyCheck(
            self.check_wrapping(domain, version).wrap(&SecretKey::generate()?),
        ))
    }

    /// Proves possession of `version` for one `context` (session, nonce), so that a proof seen once
    /// proves nothing later.
    ///
    /// # Errors
    /// This is another key.
    pub fn prove(
        &self,
        domain: DomainId,
        version: MasterVersion,
        check: &KeyCheck,
        context: &[u8],
    ) -> Result<MasterProof, CheckFailed> {
        let value = self.open_check(domain, version, check)?;
        let key =
            Prk::extract(domain.as_bytes(), &value).expand(&[label::MASTER_PROOF, &version.0.to_be_bytes()]);
        Ok(MasterProof(mac(&key, &[context])))
    }

    /// Whether this key is `version`.
    pub fn is(&self, domain: DomainId, version: MasterVersion, check: &KeyCheck) -> bool {
        self.open_check(domain, version, check).is_ok()
    }

    /// Draws a bucket key and wraps it; the key itself is never seen by the caller.
    pub fn new_bucket_key(
        &self,
        domain: DomainId,
        version: MasterVersion,
        bucket: BucketId,
        key: KeyRef,
    ) -> Result<WrappedKey, NoEntropy> {
        Ok(self.wrap_bucket_key(domain, version, bucket, key, &SecretKey::generate()?))
    }

    pub(crate) fn wrap_bucket_key(
        &self,
        domain: DomainId,
        version: MasterVersion,
        bucket: BucketId,
        key: KeyRef,
        bucket_key: &SecretKey,
    ) -> WrappedKey {
        self.bucket_wrapping(domain, version, bucket, key)
            .wrap(bucket_key)
    }

    pub(crate) fn unwrap_bucket_key(
        &self,
        domain: DomainId,
        version: MasterVersion,
        bucket: BucketId,
        key: KeyRef,
        wrapped: &WrappedKey,
    ) -> Result<SecretKey, UnwrapFailed> {
        self.bucket_wrapping(domain, version, bucket, key).unwrap(wrapped)
    }

    /// HMAC-SHA256 over a keyring object.
    pub(crate) fn keyring_mac(&self, domain: DomainId, version: MasterVersion, object: &[u8]) -> [u8; 32] {
        let key = self
            .prk(domain)
            .expand(&[label::KEYRING, &version.0.to_be_bytes()]);
        mac(&key, &[object])
    }

    fn open_check(
        &self,
        domain: DomainId,
        version: MasterVersion,
        check: &KeyCheck,
    ) -> Result<SecretKey, CheckFailed> {
        self.check_wrapping(domain, version)
            .unwrap(&check.0)
            .map_err(|UnwrapFailed| CheckFailed(version))
    }

    pub(crate) fn check_wrapping(&self, domain: DomainId, version: MasterVersion) -> WrappingKey {
        WrappingKey::derive(&self.prk(domain), &[label::WRAP_CHECK, &version.0.to_be_bytes()])
    }

    fn bucket_wrapping(
        &self,
        domain: DomainId,
        version: MasterVersion,
        bucket: BucketId,
        key: KeyRef,
    ) -> WrappingKey {
        WrappingKey::derive(
            &self.prk(domain),
            &[
                label::WRAP_BUCKET_KEY,
                &version.0.to_be_bytes(),
                &bucket.0.to_be_bytes(),
                key.id.as_bytes(),
                &key.version.0.to_be_bytes(),
            ],
        )
    }

    fn prk(&self, domain: DomainId) -> Prk {
        Prk::extract(domain.as_bytes(), &self.0)
    }
}

impl From<SecretKey> for MasterKey {
    fn from(key: SecretKey) -> Self {
        Self(key)
    }
}

/// HMAC-SHA256 over the concatenation of `parts`.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
