//! From where a master key comes to how a blob's data key is kept.
//!
//! Every HKDF here is salted with the encryption domain id and names its purpose, the versions and
//! the ids it is for, so a key wrapped for one place unwraps at no other.

mod contents;
mod key_file;
mod keyring;
mod master;
mod object;
mod provider;
mod wire;

pub use contents::{BucketEntry, ContentsError, KeyEntry, KeyringContents, MasterEntry, Versioning};
pub use key_file::{KeyFileError, create_key_file, read_key_file};
pub use keyring::{KeyState, Keyring};
pub(crate) use keyring::{open, unwrap_data_key, wrapping};
pub(crate) use master::mac;
pub use master::{CheckFailed, KeyCheck, MasterKey, MasterProof};
pub use object::{Authority, KEYRING_MAGIC, KeyringError, MAX_KEYRING_LEN, StoredKeyring};
pub use provider::{InlineKey, KeyFileProvider, KeyProvider, LoadRequest, LoadedKey, ProviderError};

pub use crate::kdf::{WRAPPED_KEY_LEN, WrappedKey};
use crate::{BlobId, BucketId, DomainId, KeyId, KeyRef, MasterVersion, NoEntropy, aead};

/// Why a blob cannot be sealed or opened although nothing says that its bytes are damaged. None of
/// these makes a replica suspect: the fault lies with the keys, and no other replica would help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket has no active key in this keyring; encrypted writes into it must wait.
    #[error("bucket {} has no active key", .0.0)]
    NoActiveKey(BucketId),
    /// The bucket key was never heard of.
    #[error("bucket key {0} is unknown")]
    UnknownKey(KeyId),
    /// The bucket key is known, but not in this version.
    #[error("bucket key {0} is unknown")]
    UnknownVersion(KeyRef),
    /// The bucket key is wrapped by a master key that this node does not have.
    #[error("bucket key {key} is locked: master key version {} is not configured here", .master.0)]
    Locked {
        /// The bucket key.
        key: KeyRef,
        /// What would unlock it.
        master: MasterVersion,
    },
    /// The right master key does not unwrap the bucket key.
    #[error("bucket key {0} is damaged: its master key does not unwrap it")]
    Damaged(KeyRef),
    /// The blob was sealed in another encryption domain.
    #[error("blob {blob} belongs to encryption domain {found}, this is {ours}")]
    OtherDomain {
        /// The blob.
        blob: BlobId,
        /// The domain that its descriptor names.
        found: DomainId,
        /// The keyring's domain.
        ours: DomainId,
    },
    /// The bucket key does not unwrap the data key: descriptor and blob do not belong together.
    #[error("the data key of blob {blob} does not unwrap under bucket key {key}")]
    DataKey {
        /// The blob.
        blob: BlobId,
        /// The bucket key that its descriptor names.
        key: KeyRef,
    },
    /// The data key unwraps but is not the one that the blob was sealed with.
    #[error("the data key of blob {blob} does not match the blob's commitment")]
    Commitment {
        /// The blob.
        blob: BlobId,
    },
    /// No randomness for a new data key.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The cipher failed.
    #[error(transparent)]
    Cipher(#[from] aead::Error),
}
