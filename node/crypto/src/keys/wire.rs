//! Keyring contents as protobuf.

use prost::Message as _;

use crate::keys::{BucketEntry, KeyCheck, KeyEntry, KeyringContents, MasterEntry, Versioning, WrappedKey};
use crate::{BucketId, ClusterId, DomainId, KeyId, KeyRef, KeyVersion, MasterVersion};

/// The bytes are not keyring contents, or not such as this release writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Clone, PartialEq, prost::Message)]
struct Contents {
    #[prost(bytes = "vec", tag = "1")]
    cluster_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    domain_id: Vec<u8>,
    #[prost(uint64, tag = "3")]
    incarnation: u64,
    #[prost(uint64, tag = "4")]
    revision: u64,
    /// Zero: none.
    #[prost(uint32, tag = "5")]
    active_master: u32,
    #[prost(message, repeated, tag = "6")]
    masters: Vec<Master>,
    #[prost(message, repeated, tag = "7")]
    buckets: Vec<Bucket>,
    #[prost(message, repeated, tag = "8")]
    keys: Vec<Key>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Master {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "vec", tag = "2")]
    check: Vec<u8>,
    #[prost(string, tag = "3")]
    provider: String,
    #[prost(bytes = "vec", tag = "4")]
    sealed: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    bucket_id: u64,
    #[prost(string, tag = "2")]
    name: String,
    /// 0 unversioned, 1 enabled, 2 suspended.
    #[prost(uint32, tag = "3")]
    versioning: u32,
    /// Empty: none.
    #[prost(bytes = "vec", tag = "4")]
    active_key_id: Vec<u8>,
    #[prost(uint32, tag = "5")]
    active_version: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Key {
    #[prost(bytes = "vec", tag = "1")]
    key_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    version: u32,
    #[prost(uint64, tag = "3")]
    bucket_id: u64,
    #[prost(uint32, tag = "4")]
    master: u32,
    #[prost(bytes = "vec", tag = "5")]
    wrapped: Vec<u8>,
}

pub(crate) fn encode(contents: &KeyringContents) -> Vec<u8> {
    Contents {
        cluster_id: contents.cluster.0.to_vec(),
        domain_id: contents.domain.0.to_vec(),
        incarnation: contents.incarnation,
        revision: contents.revision,
        active_master: contents.active_master.map_or(0, |version| version.0),
        masters: contents.masters.iter().map(Master::from).collect(),
        buckets: contents.buckets.iter().map(Bucket::from).collect(),
        keys: contents.keys.iter().map(Key::from).collect(),
    }
    .encode_to_vec()
}

pub(crate) fn decode(bytes: &[u8]) -> Result<KeyringContents, Malformed> {
    let contents = Contents::decode(bytes).map_err(|_| Malformed)?;
    Ok(KeyringContents {
        cluster: ClusterId(array(&contents.cluster_id)?),
        domain: DomainId(array(&contents.domain_id)?),
        incarnation: contents.incarnation,
        revision: contents.revision,
        active_master: (contents.active_master != 0).then_some(MasterVersion(contents.active_master)),
        masters: contents
            .masters
            .into_iter()
            .map(MasterEntry::try_from)
            .collect::<Result<_, _>>()?,
        buckets: contents
            .buckets
            .into_iter()
            .map(BucketEntry::try_from)
            .collect::<Result<_, _>>()?,
        keys: contents
            .keys
            .into_iter()
            .map(KeyEntry::try_from)
            .collect::<Result<_, _>>()?,
    })
}

impl From<&MasterEntry> for Master {
    fn from(entry: &MasterEntry) -> Self {
        Self {
            version: entry.version.0,
            check: entry.check.0.0.to_vec(),
            provider: entry.provider.clone(),
            sealed: entry.sealed.clone(),
        }
    }
}

impl TryFrom<Master> for MasterEntry {
    type Error = Malformed;

    fn try_from(master: Master) -> Result<Self, Malformed> {
        let Master {
            version,
            check,
            provider,
            sealed,
        } = master;
        Ok(Self {
            version: MasterVersion(version),
            check: KeyCheck(WrappedKey(array(&check)?)),
            provider,
            sealed,
        })
    }
}

impl From<&BucketEntry> for Bucket {
    fn from(entry: &BucketEntry) -> Self {
        Self {
            bucket_id: entry.bucket.0,
            name: entry.name.clone(),
            versioning: match entry.versioning {
                Versioning::Unversioned => 0,
                Versioning::Enabled => 1,
                Versioning::Suspended => 2,
            },
            active_key_id: entry.active.map_or(Vec::new(), |key| key.id.0.to_vec()),
            active_version: entry.active.map_or(0, |key| key.version.0),
        }
    }
}

impl TryFrom<Bucket> for BucketEntry {
    type Error = Malformed;

    fn try_from(bucket: Bucket) -> Result<Self, Malformed> {
        let active = match bucket.active_key_id.as_slice() {
            [] if bucket.active_version == 0 => None,
            id => Some(KeyRef {
                id: KeyId(array(id)?),
                version: KeyVersion(bucket.active_version),
            }),
        };
        let versioning = match bucket.versioning {
            0 => Versioning::Unversioned,
            1 => Versioning::Enabled,
            2 => Versioning::Suspended,
            _ => return Err(Malformed),
        };
        Ok(Self {
            bucket: BucketId(bucket.bucket_id),
            name: bucket.name,
            versioning,
            active,
        })
    }
}

impl From<&KeyEntry> for Key {
    fn from(entry: &KeyEntry) -> Self {
        Self {
            key_id: entry.key.id.0.to_vec(),
            version: entry.key.version.0,
            bucket_id: entry.bucket.0,
            master: entry.master.0,
            wrapped: entry.wrapped.0.to_vec(),
        }
    }
}

impl TryFrom<Key> for KeyEntry {
    type Error = Malformed;

    fn try_from(key: Key) -> Result<Self, Malformed> {
        Ok(Self {
            key: KeyRef {
                id: KeyId(array(&key.key_id)?),
                version: KeyVersion(key.version),
            },
            bucket: BucketId(key.bucket_id),
            master: MasterVersion(key.master),
            wrapped: WrappedKey(array(&key.wrapped)?),
        })
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed)
}
