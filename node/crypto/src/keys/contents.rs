//! All that the cluster stores about its keys. Nothing in it is secret.

use std::collections::{HashMap, HashSet};

use crate::keys::{KeyCheck, WrappedKey};
use crate::{BucketId, ClusterId, DomainId, KeyRef, MasterVersion};

/// The replicated `keys` and what is needed to read blobs when every node is gone: the contents of
/// a keyring object, and the input from which a node's [`super::Keyring`] is unlocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringContents {
    /// The cluster that keeps these keys.
    pub cluster: ClusterId,
    /// Salt of every derivation; drawn once.
    pub domain: DomainId,
    /// Incarnation counter, then revision of the keys within it: orders keyrings.
    pub incarnation: u64,
    /// See `incarnation`.
    pub revision: u64,
    /// The version that wraps new bucket keys; `None` while the cluster has never encrypted.
    pub active_master: Option<MasterVersion>,
    /// All master key versions that wrap something.
    pub masters: Vec<MasterEntry>,
    /// All buckets, also those without a key.
    pub buckets: Vec<BucketEntry>,
    /// All bucket key versions that a blob or a footer may name.
    pub keys: Vec<KeyEntry>,
}

/// One version of the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterEntry {
    /// Counted from 1.
    pub version: MasterVersion,
    /// Recognises the key.
    pub check: KeyCheck,
    /// Where the key came from, for people ([`super::KeyProvider::name`]).
    pub provider: String,
    /// What the provider needs to obtain the key again, such as a key service's ciphertext of it;
    /// empty for providers that hold the key themselves.
    pub sealed: Vec<u8>,
}

/// One bucket, as far as a rebuilt namespace needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// The bucket.
    pub bucket: BucketId,
    /// Its name.
    pub name: String,
    /// Its versioning state.
    pub versioning: Versioning,
    /// The key version that wraps new data keys; `None` if it has none yet.
    pub active: Option<KeyRef>,
}

/// S3's versioning states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// Never enabled.
    Unversioned,
    /// Every write makes a version.
    Enabled,
    /// Enabled once; writes replace the null version.
    Suspended,
}

/// One version of one bucket key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Key and version.
    pub key: KeyRef,
    /// The bucket it is for.
    pub bucket: BucketId,
    /// What wraps it.
    pub master: MasterVersion,
    /// The bucket key, wrapped.
    pub wrapped: WrappedKey,
}

/// Contents that contradict themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// Versions count from 1.
    #[error("a version is zero")]
    VersionZero,
    /// A master version stands there twice.
    #[error("master key version {} stands there twice", .0.0)]
    DuplicateMaster(MasterVersion),
    /// A master version that something names is missing.
    #[error("master key version {} is named but missing", .0.0)]
    MissingMaster(MasterVersion),
    /// A bucket stands there twice.
    #[error("bucket {} stands there twice", .0.0)]
    DuplicateBucket(BucketId),
    /// A bucket key version stands there twice.
    #[error("bucket key {0} stands there twice")]
    DuplicateKey(KeyRef),
    /// A bucket's active key is missing or another bucket's.
    #[error("the active key {key} of bucket {} is missing or another bucket's", .bucket.0)]
    ActiveKey {
        /// The bucket.
        bucket: BucketId,
        /// What it names.
        key: KeyRef,
    },
}

impl KeyringContents {
    /// Checks that everything named exists once. Keys of buckets that are gone may remain.
    pub fn validate(&self) -> Result<(), ContentsError> {
        let mut masters = HashSet::new();
        for MasterEntry { version, .. } in &self.masters {
            if version.0 == 0 {
                return Err(ContentsError::VersionZero);
            }
            if !masters.insert(*version) {
                return Err(ContentsError::DuplicateMaster(*version));
            }
        }
        let named = self
            .active_master
            .into_iter()
            .chain(self.keys.iter().map(|key| key.master));
        if let Some(missing) = named.into_iter().find(|version| !masters.contains(version)) {
            return Err(ContentsError::MissingMaster(missing));
        }
        let mut owners = HashMap::new();
        for entry in &self.keys {
            if entry.key.version.0 == 0 {
                return Err(ContentsError::VersionZero);
            }
            if owners.insert(entry.key, entry.bucket).is_some() {
                return Err(ContentsError::DuplicateKey(entry.key));
            }
        }
        let mut buckets = HashSet::new();
        for BucketEntry { bucket, active, .. } in &self.buckets {
            if !buckets.insert(*bucket) {
                return Err(ContentsError::DuplicateBucket(*bucket));
            }
            match *active {
                Some(key) if owners.get(&key) != Some(bucket) => {
                    return Err(ContentsError::ActiveKey { bucket: *bucket, key });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
