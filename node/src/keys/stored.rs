//! What a row of `keys` holds for this node: opaque to the state machine.

use node_crypto::keys::{KeyCheck, MasterEntry, WRAPPED_KEY_LEN, WrappedKey};
use node_crypto::{KeyId, KeyRef, KeyVersion, MasterVersion};
use prost::Message;

/// The value of `KeyRecord::wrapped`: a wrapped bucket key and the master key version that wraps it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StoredKey {
    /// Names the bucket key through all its versions, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    key_id: Vec<u8>,
    /// The bucket key, wrapped, 40 bytes.
    #[prost(bytes = "vec", tag = "2")]
    wrapped: Vec<u8>,
    /// Version of the master key, from 1.
    #[prost(uint32, tag = "3")]
    master: u32,
    /// Recognises that master key, 40 bytes.
    #[prost(bytes = "vec", tag = "4")]
    check: Vec<u8>,
    /// Where the master key came from, for people.
    #[prost(string, tag = "5")]
    provider: String,
    /// What the provider needs to obtain it again.
    #[prost(bytes = "vec", tag = "6")]
    sealed: Vec<u8>,
}

/// A row of `keys` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key is damaged: its {0} has an impossible length or form")]
pub(crate) struct StoredKeyError(&'static str);

/// A row of `keys`, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrappedBucketKey {
    /// Key and version.
    pub(crate) key: KeyRef,
    /// The bucket key, wrapped.
    pub(crate) wrapped: WrappedKey,
    /// What wraps it.
    pub(crate) master: MasterEntry,
}

impl WrappedBucketKey {
    pub(crate) fn encode(&self) -> Vec<u8> {
        StoredKey {
            key_id: self.key.id.as_bytes().to_vec(),
            wrapped: self.wrapped.0.to_vec(),
            master: self.master.version.0,
            check: self.master.check.0.0.to_vec(),
            provider: self.master.provider.clone(),
            sealed: self.master.sealed.clone(),
        }
        .encode_to_vec()
    }

    /// Reads the row of version `version`.
    pub(crate) fn decode(bytes: &[u8], version: u32) -> Result<Self, StoredKeyError> {
        let stored = StoredKey::decode(bytes).map_err(|_| StoredKeyError("encoding"))?;
        let wrapped = |bytes: &[u8], field| {
            <[u8; WRAPPED_KEY_LEN]>::try_from(bytes)
                .map(WrappedKey)
                .map_err(|_| StoredKeyError(field))
        };
        let id = <[u8; 16]>::try_from(stored.key_id.as_slice()).map_err(|_| StoredKeyError("key id"))?;
        Ok(Self {
            key: KeyRef {
                id: KeyId(id),
                version: KeyVersion(version),
            },
            wrapped: wrapped(&stored.wrapped, "wrapped key")?,
            master: MasterEntry {
                version: MasterVersion(stored.master),
                check: KeyCheck(wrapped(&stored.check, "check value")?),
                provider: stored.provider,
                sealed: stored.sealed,
            },
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn sample() -> WrappedBucketKey {
        WrappedBucketKey {
            key: KeyRef {
                id: KeyId([3; 16]),
                version: KeyVersion(2),
            },
            wrapped: WrappedKey([4; WRAPPED_KEY_LEN]),
            master: MasterEntry {
                version: MasterVersion(1),
                check: KeyCheck(WrappedKey([5; WRAPPED_KEY_LEN])),
                provider: "file-0".to_owned(),
                sealed: vec![6],
            },
        }
    }

    #[test]
    fn a_stored_key_reads_back() {
        assert_eq!(WrappedBucketKey::decode(&sample().encode(), 2).unwrap(), sample());
    }

    #[test]
    fn a_truncated_stored_key_is_refused() {
        let encoded = sample().encode();
        for cut in 0..encoded.len() {
            let read = WrappedBucketKey::decode(&encoded[..cut], 2);
            assert!(read.is_err() || read.as_ref() != Ok(&sample()), "{cut}");
        }
        assert!(WrappedBucketKey::decode(&[], 2).is_err());
    }
}
