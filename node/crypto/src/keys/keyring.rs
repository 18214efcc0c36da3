//! The bucket keys that this node can use.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::aead;
use crate::frame::{ChunkSize, EncryptionDescriptor, Opener, Protection, Sealer};
use crate::kdf::{Prk, UnwrapFailed, WrappedKey, WrappingKey, label};
use crate::keys::{BucketEntry, ContentsError, Error, KeyEntry, KeyringContents, MasterKey};
use crate::secret::SecretKey;
use crate::{BlobId, BucketId, DomainId, KeyId, KeyRef, MasterVersion};

/// What a node can do with a bucket key version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Unwrapped.
    Ready,
    /// Its master key version is not configured here.
    Locked(MasterVersion),
    /// Its master key is here but does not unwrap it.
    Damaged,
}

/// An immutable set of unwrapped bucket keys. Made anew whenever the stored keys or the configured
/// master keys change; shared behind an `Arc` and safe to use on a request's path: nothing here
/// does IO.
pub struct Keyring {
    domain: DomainId,
    slots: HashMap<KeyRef, Slot>,
    ids: HashSet<KeyId>,
    active: HashMap<BucketId, KeyRef>,
}

enum Slot {
    Ready(Arc<BucketKey>),
    Locked(MasterVersion),
    Damaged,
}

struct BucketKey {
    bucket: BucketId,
    secret: SecretKey,
    /// Extracted once: every data key of the bucket is wrapped under a key expanded from it.
    prk: Prk,
}

impl Keyring {
    /// Unwraps what the given master keys unwrap. Keys that stay locked or prove damaged are kept
    /// as such and fail only when they are used.
    ///
    /// # Errors
    /// The contents contradict themselves.
    pub fn unlock(contents: &KeyringContents, masters: &[MasterKey]) -> Result<Self, ContentsError> {
        contents.validate()?;
        let domain = contents.domain;
        let available: HashMap<MasterVersion, &MasterKey> = contents
            .masters
            .iter()
            .filter_map(|entry| {
                let key = masters
                    .iter()
                    .find(|key| key.is(domain, entry.version, &entry.check))?;
                Some((entry.version, key))
            })
            .collect();
        let slots = contents
            .keys
            .iter()
            .map(|entry| {
                (
                    entry.key,
                    Slot::unlock(domain, entry, available.get(&entry.master).copied()),
                )
            })
            .collect();
        let active = contents
            .buckets
            .iter()
            .filter_map(|BucketEntry { bucket, active, .. }| Some((*bucket, (*active)?)))
            .collect();
        Ok(Self {
            domain,
            slots,
            ids: contents.keys.iter().map(|entry| entry.key.id).collect(),
            active,
        })
    }

    /// The encryption domain.
    pub const fn domain(&self) -> DomainId {
        self.domain
    }

    /// The key version that wraps new data keys of a bucket.
    pub fn active(&self, bucket: BucketId) -> Option<KeyRef> {
        self.active.get(&bucket).copied()
    }

    /// What this node can do with a key version; `None` if it was never heard of.
    pub fn state(&self, key: KeyRef) -> Option<KeyState> {
        self.slots.get(&key).map(Slot::state)
    }

    /// All key versions and what this node can do with them, in no particular order.
    pub fn states(&self) -> impl Iterator<Item = (KeyRef, KeyState)> {
        self.slots.iter().map(|(key, slot)| (*key, slot.state()))
    }

    /// The right to write one new blob of a bucket, under a data key drawn for it.
    ///
    /// # Errors
    /// The bucket has no usable active key, or no randomness is to be had.
    pub fn sealer(&self, bucket: BucketId, blob: BlobId, chunk: ChunkSize) -> Result<Sealer, Error> {
        self.sealer_with(bucket, blob, chunk, SecretKey::generate()?)
    }

    /// The ability to read a blob that its metadata describes so.
    ///
    /// # Errors
    /// Never a reason to suspect the stored bytes; see [`Error`].
    pub fn opener(&self, blob: BlobId, chunk: ChunkSize, protection: &Protection) -> Result<Opener, Error> {
        let Protection::Encrypted(descriptor) = protection else {
            return Ok(Opener::clear(blob, chunk));
        };
        let data_key = self.unwrap(blob, descriptor)?;
        open(blob, chunk, descriptor, &data_key)
    }

    /// Wraps a blob's data key under another version of its bucket's key. Touches no stored byte.
    ///
    /// # Errors
    /// Either key version cannot be used, the data key does not unwrap, or does not match the blob's
    /// commitment (the result would make a mistake permanent).
    pub fn rewrap(
        &self,
        blob: BlobId,
        chunk: ChunkSize,
        descriptor: &EncryptionDescriptor,
        to: KeyRef,
    ) -> Result<EncryptionDescriptor, Error> {
        let data_key = self.unwrap(blob, descriptor)?;
        open(blob, chunk, descriptor, &data_key)?;
        let wrapped = wrapping(&self.ready(to)?.prk, to, blob).wrap(&data_key);
        Ok(EncryptionDescriptor {
            key: to,
            wrapped,
            ..*descriptor
        })
    }

    /// Wraps a bucket key under another master key version, for a rotation of the master key.
    ///
    /// # Errors
    /// The bucket key cannot be used here.
    pub fn rewrap_bucket_key(
        &self,
        key: KeyRef,
        master: &MasterKey,
        version: MasterVersion,
    ) -> Result<KeyEntry, Error> {
        let bucket_key = self.ready(key)?;
        let bucket = bucket_key.bucket;
        let wrapped = master.wrap_bucket_key(self.domain, version, bucket, key, &bucket_key.secret);
        Ok(KeyEntry {
            key,
            bucket,
            master: version,
            wrapped,
        })
    }

    pub(crate) fn sealer_with(
        &self,
        bucket: BucketId,
        blob: BlobId,
        chunk: ChunkSize,
        data_key: SecretKey,
    ) -> Result<Sealer, Error> {
        let key = self.active(bucket).ok_or(Error::NoActiveKey(bucket))?;
        let wrapped = wrapping(&self.ready(key)?.prk, key, blob).wrap(&data_key);
        Ok(Sealer::encrypted(
            blob,
            chunk,
            self.domain,
            key,
            data_key,
            wrapped,
        )?)
    }

    fn unwrap(&self, blob: BlobId, descriptor: &EncryptionDescriptor) -> Result<SecretKey, Error> {
        let key = descriptor.key;
        if descriptor.domain != self.domain {
            return Err(Error::OtherDomain {
                blob,
                found: descriptor.domain,
                ours: self.domain,
            });
        }
        unwrap_data_key(&self.ready(key)?.prk, blob, key, &descriptor.wrapped)
    }

    fn ready(&self, key: KeyRef) -> Result<&BucketKey, Error> {
        match self.slots.get(&key) {
            Some(Slot::Ready(bucket_key)) => Ok(bucket_key),
            Some(Slot::Locked(master)) => Err(Error::Locked { key, master: *master }),
            Some(Slot::Damaged) => Err(Error::Damaged(key)),
            None if self.ids.contains(&key.id) => Err(Error::UnknownVersion(key)),
            None => Err(Error::UnknownKey(key.id)),
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("domain", &self.domain)
            .field("keys", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl Slot {
    fn unlock(domain: DomainId, entry: &KeyEntry, master: Option<&MasterKey>) -> Self {
        let Some(master) = master else {
            return Self::Locked(entry.master);
        };
        match master.unwrap_bucket_key(domain, entry.master, entry.bucket, entry.key, &entry.wrapped) {
            Ok(secret) => {
                let prk = Prk::extract(domain.as_bytes(), &secret);
                Self::Ready(Arc::new(BucketKey {
                    bucket: entry.bucket,
                    secret,
                    prk,
                }))
            }
            Err(UnwrapFailed) => Self::Damaged,
        }
    }

    const fn state(&self) -> KeyState {
        match self {
            Self::Ready(_) => KeyState::Ready,
            Self::Locked(master) => KeyState::Locked(*master),
            Self::Damaged => KeyState::Damaged,
        }
    }
}

/// Wraps a data key for `blob` under the key version `key`, whose extracted form is `prk`.
pub(crate) fn wrapping(prk: &Prk, key: KeyRef, blob: BlobId) -> WrappingKey {
    let version = key.version.0.to_be_bytes();
    WrappingKey::derive(
        prk,
        &[label::WRAP_DATA_KEY, key.id.as_bytes(), &version, blob.as_bytes()],
    )
}

pub(crate) fn unwrap_data_key(
    prk: &Prk,
    blob: BlobId,
    key: KeyRef,
    wrapped: &WrappedKey,
) -> Result<SecretKey, Error> {
    wrapping(prk, key, blob)
        .unwrap(wrapped)
        .map_err(|UnwrapFailed| Error::DataKey { blob, key })
}

pub(crate) fn open(
    blob: BlobId,
    chunk: ChunkSize,
    descriptor: &EncryptionDescriptor,
    data_key: &SecretKey,
) -> Result<Opener, Error> {
    match Opener::encrypted(blob, chunk, descriptor, data_key) {
        Ok(opened) => opened.map_err(|_wrong_key| Error::Commitment { blob }),
        Err(error @ aead::Error::Refused) | Err(error @ aead::Error::TagMismatch) => Err(error.into()),
    }
}
