//! The unwrapped bucket keys of one revision of the state.

use std::collections::HashMap;
use std::sync::Arc;

use node_crypto::KeyId;
use node_crypto::keys::{ContentsError as InvalidContents, Keyring, KeyringContents, MasterKey};
use raft_types::{BucketId, KeyVersion};

use crate::replicas::{KeyIds, PieceOpener};

/// All usable keys of one revision. Immutable; replaced when the state's keys change.
#[derive(Debug)]
pub(crate) struct KeyTable {
    revision: u64,
    keyring: Arc<Keyring>,
    ids: HashMap<(BucketId, KeyVersion), KeyId>,
}

impl KeyTable {
    /// Unwraps what the master keys unwrap.
    pub(crate) fn unlock(contents: &KeyringContents, masters: &[MasterKey]) -> Result<Self, InvalidContents> {
        let ids = contents
            .keys
            .iter()
            .map(|entry| {
                (
                    (BucketId(entry.bucket.0), KeyVersion(entry.key.version.0)),
                    entry.key.id,
                )
            })
            .collect();
        let keyring = Arc::new(Keyring::unlock(contents, masters)?);
        Ok(Self {
            revision: contents.revision,
            keyring,
            ids,
        })
    }

    /// Revision of the state's keys that this is made of.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The keys.
    pub(crate) fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Opens blobs.
    pub(crate) fn opener(&self) -> PieceOpener<'_> {
        PieceOpener {
            keyring: &self.keyring,
            ids: self,
        }
    }
}

impl KeyIds for KeyTable {
    fn key_id(&self, bucket: BucketId, version: KeyVersion) -> Option<KeyId> {
        self.ids.get(&(bucket, version)).copied()
    }
}
