//! Everything that is sealed or keyed under the cluster's own secret, whether bodies are encrypted
//! or not.

use std::fmt;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aead::{self, Aead, AwsLc, NONCE_LEN, TAG_LEN};
use crate::frame::{ChunkSize, EncryptionDescriptor, Opener, Sealer};
use crate::kdf::{Prk, label};
use crate::keys::{self, KeyFileError, read_key_file};
use crate::secret::{NoEntropy, SecretKey, WeakKey, fill_random};
use crate::{BlobId, DomainId, KeyId, KeyRef, KeyVersion};

/// Bytes of a message authentication code.
pub const MAC_LEN: usize = 32;
/// Bytes that sealing adds.
pub const SEALED_OVERHEAD: usize = 1 + SALT_LEN + TAG_LEN;

const VERSION: u8 = 1;
/// Random bytes per sealed message from which its key is derived: at 192 bits no number of messages
/// brings two under one key, which random 96-bit nonces under one key could not promise.
const SALT_LEN: usize = 24;

/// What a sealed message or a code is for. Each purpose has keys of its own, so nothing made for
/// one is accepted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Secret access keys at rest; the associated data is the access key id.
    UserSecrets,
    /// Continuation tokens of listings.
    ListTokens,
    /// Keyed fingerprints, where a plain hash would let outsiders test guesses.
    Fingerprints,
    /// Metadata backups.
    Backups,
    /// Session tokens of temporary credentials.
    SessionTokens,
    /// Tokens that let a node join.
    JoinTokens,
    /// The cluster-wide settings at rest; the associated data is their fingerprint.
    Settings,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 7] = [
        Self::UserSecrets,
        Self::ListTokens,
        Self::Fingerprints,
        Self::Backups,
        Self::SessionTokens,
        Self::JoinTokens,
        Self::Settings,
    ];

    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::UserSecrets => b"holdfast/secret/user-secrets/v1\0",
            Self::ListTokens => b"holdfast/secret/list-tokens/v1\0",
            Self::Fingerprints => b"holdfast/secret/fingerprints/v1\0",
            Self::Backups => b"holdfast/secret/backups/v1\0",
            Self::SessionTokens => b"holdfast/secret/session-tokens/v1\0",
            Self::JoinTokens => b"holdfast/secret/join-tokens/v1\0",
            Self::Settings => b"holdfast/secret/settings/v1\0",
        }
    }
}

/// Why sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not sealed by this cluster for this purpose with this associated data, or altered.
    #[error("the sealed message is not authentic")]
    NotAuthentic,
    /// Written by a later release.
    #[error("sealed message version {0} is not known to this release")]
    Version(u8),
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The cipher failed.
    #[error(transparent)]
    Cipher(#[from] aead::Error),
}

/// `cluster.secret_file`: 32 random bytes, the same on every node.
pub struct ClusterSecret(Prk);

impl ClusterSecret {
    /// Takes over the secret's bytes.
    ///
    /// # Errors
    /// Everything that cannot be 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, WeakKey> {
        SecretKey::from_operator(bytes).map(|secret| Self::from(&secret))
    }

    /// Reads the secret's file, under the same rules as a master key's.
    pub fn from_file(path: &Path) -> Result<Self, KeyFileError> {
        read_key_file(path).map(|secret| Self::from(&secret))
    }

    /// Encrypts and authenticates a short message, and `aad` with it, which the opener must know.
    /// Sealing the same twice gives different bytes.
    pub fn seal(&self, purpose: Purpose, aad: &[u8], message: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut salt = [0; SALT_LEN];
        fill_random(&mut salt)?;
        self.seal_with(salt, purpose, aad, message)
    }

    /// Opens what [`ClusterSecret::seal`] made for the same purpose and `aad`.
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::NotAuthentic)?;
        if *version != VERSION {
            return Err(SealError::Version(*version));
        }
        let (salt, rest) = rest
            .split_first_chunk::<SALT_LEN>()
            .ok_or(SealError::NotAuthentic)?;
        let (data, tag) = rest
            .split_last_chunk::<TAG_LEN>()
            .ok_or(SealError::NotAuthentic)?;
        let mut message = Zeroizing::new(data.to_vec());
        match self
            .message_cipher(purpose, salt)?
            .open(&[0; NONCE_LEN], aad, &mut message, tag)
        {
            Ok(()) => Ok(message),
            Err(_) => Err(SealError::NotAuthentic),
        }
    }

    /// HMAC-SHA256 of `message` under the purpose's own key.
    pub fn mac(&self, purpose: Purpose, message: &[u8]) -> [u8; MAC_LEN] {
        keys::mac(&self.0.expand(&[purpose.label(), b"mac\0"]), &[message])
    }

    /// Whether `mac` (of full length) is that of `message`. Constant time.
    pub fn verify_mac(&self, purpose: Purpose, message: &[u8], mac: &[u8]) -> bool {
        self.mac(purpose, message).as_slice().ct_eq(mac).into()
    }

    /// The right to write one blob sealed under this secret instead of a bucket key: for streams
    /// that are too long to seal at once, such as backups.
    pub fn sealer(&self, purpose: Purpose, blob: BlobId, chunk: ChunkSize) -> Result<Sealer, keys::Error> {
        let data_key = SecretKey::generate()?;
        let wrapped = keys::wrapping(&self.stream_prk(purpose), KEY, blob).wrap(&data_key);
        Ok(Sealer::encrypted(
            blob,
            chunk,
            DomainId::CLUSTER_SECRET,
            KEY,
            data_key,
            wrapped,
        )?)
    }

    /// The ability to read a blob that [`ClusterSecret::sealer`] wrote for the same purpose.
    pub fn opener(
        &self,
        purpose: Purpose,
        blob: BlobId,
        chunk: ChunkSize,
        descriptor: &EncryptionDescriptor,
    ) -> Result<Opener, keys::Error> {
        if descriptor.domain != DomainId::CLUSTER_SECRET {
            let ours = DomainId::CLUSTER_SECRET;
            return Err(keys::Error::OtherDomain {
                blob,
                found: descriptor.domain,
                ours,
            });
        }
        if descriptor.key != KEY {
            return Err(keys::Error::UnknownVersion(descriptor.key));
        }
        let data_key = keys::unwrap_data_key(&self.stream_prk(purpose), blob, KEY, &descriptor.wrapped)?;
        keys::open(blob, chunk, descriptor, &data_key)
    }

    pub(crate) fn seal_with(
        &self,
        salt: [u8; SALT_LEN],
        purpose: Purpose,
        aad: &[u8],
        message: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(SEALED_OVERHEAD + message.len());
        out.push(VERSION);
        out.extend_from_slice(&salt);
        out.extend_from_slice(message);
        let cipher = self.message_cipher(purpose, &salt)?;
        let tag = cipher.seal(&[0; NONCE_LEN], aad, &mut out[1 + SALT_LEN..])?;
        out.extend_from_slice(&tag);
        Ok(out)
    }

    /// Each message has a key of its own, hence the constant nonce.
    fn message_cipher(&self, purpose: Purpose, salt: &[u8; SALT_LEN]) -> Result<AwsLc, aead::Error> {
        AwsLc::new(&self.0.expand(&[purpose.label(), b"seal\0", salt]))
    }

    fn stream_prk(&self, purpose: Purpose) -> Prk {
        Prk::from_expanded(&self.0.expand(&[purpose.label(), b"stream\0"]))
    }
}

impl From<&SecretKey> for ClusterSecret {
    fn from(secret: &SecretKey) -> Self {
        Self(Prk::extract(label::CLUSTER_SECRET, secret))
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

/// Stands for the cluster secret where frames name a bucket key; it has no versions.
const KEY: KeyRef = KeyRef {
    id: KeyId::CLUSTER_SECRET,
    version: KeyVersion(0),
};
