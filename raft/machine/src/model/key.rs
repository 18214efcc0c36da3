//! Bucket keys: none wraps anything before everyone can unwrap it and the keyring holds it (H9).

use raft_types::commands::{ActivateKey, ProveKey, PutBucketKey, RecordKeyring};
use raft_types::keys::{KeyVersionKey, Table};
use raft_types::records::{KeyRecord, KeyState, KeyringRecord};
use raft_types::{BucketId, KeyVersion, Outcome, Rejection};

use super::{Model, No, malformed};

impl Model {
    pub(super) fn put_bucket_key(&mut self, command: &PutBucketKey) -> Result<Outcome, No> {
        let PutBucketKey {
            bucket,
            version,
            wrapped,
            master,
        } = command;
        if wrapped.is_empty() {
            return malformed("a wrapped key is not empty");
        }
        self.bucket_or_none(*bucket)?;
        let newest = self
            .keys
            .keys()
            .filter(|(of, _)| of == bucket)
            .map(|(_, version)| version.0)
            .max();
        if version.0 != newest.unwrap_or(0) + 1 {
            return Err(Rejection::Changed.into());
        }
        let record = KeyRecord {
            wrapped: wrapped.clone(),
            master: master.clone(),
            state: KeyState::Pending,
            proved: Vec::new(),
            put_index: self.moment.index,
            put: self.now,
        };
        self.keys.insert((*bucket, *version), record);
        Ok(Outcome::Done)
    }

    /// Proofs count while the key is pending and their session is open.
    pub(super) fn prove_key(&mut self, command: &ProveKey) -> Result<Outcome, No> {
        let open: Vec<_> = self.open_sessions().collect();
        let own = self.moment.session;
        let key = self
            .keys
            .get_mut(&(command.bucket, command.version))
            .ok_or(Rejection::NoSuchKeyVersion)?;
        if key.state == KeyState::Pending && !key.proved.contains(&own) {
            key.proved.retain(|session| open.contains(session));
            key.proved.push(own);
        }
        Ok(Outcome::Done)
    }

    pub(super) fn activate_key(&mut self, command: &ActivateKey) -> Result<Outcome, No> {
        let ActivateKey { bucket: id, version } = *command;
        let bucket = self.bucket_or_none(id)?;
        let key = self.keys.get(&(id, version)).ok_or(Rejection::NoSuchKeyVersion)?;
        if key.state != KeyState::Pending || bucket.key_version >= Some(version) {
            return Err(Rejection::Changed.into());
        }
        if self
            .keyring
            .as_ref()
            .is_none_or(|keyring| keyring.revision < key.put_index)
        {
            return Err(Rejection::KeyringBehind.into());
        }
        if let Some(missing) = self.open_sessions().find(|session| !key.proved.contains(session)) {
            return Err(Rejection::SessionMissing(missing).into());
        }
        let active = KeyRecord {
            state: KeyState::Active,
            proved: Vec::new(),
            ..key.clone()
        };
        self.keys.insert((id, version), active);
        self.buckets
            .entry(id)
            .and_modify(|bucket| bucket.key_version = Some(version));
        Ok(Outcome::Done)
    }

    /// The keyring holds a revision that was, and no older one than before.
    pub(super) fn record_keyring(&mut self, command: &RecordKeyring) -> Result<Outcome, No> {
        if command.backends.is_empty() {
            return malformed("the keyring stands on a backend");
        }
        let recorded = self.keyring.as_ref().map_or(0, |keyring| keyring.revision);
        if !(recorded..=self.revision(Table::Keys)).contains(&command.revision) {
            return Err(Rejection::Changed.into());
        }
        if command
            .backends
            .iter()
            .any(|backend| !self.backends.contains_key(backend))
        {
            return Err(Rejection::NoSuchBackend.into());
        }
        let RecordKeyring { revision, backends } = command.clone();
        self.keyring = Some(KeyringRecord {
            revision,
            backends,
            written: self.now,
        });
        Ok(Outcome::Done)
    }

    /// A version of a bucket key.
    pub fn key_version(&self, bucket: BucketId, version: KeyVersion) -> Option<KeyRecord> {
        self.keys.get(&(bucket, version)).cloned()
    }

    /// All bucket keys, or those of one bucket.
    pub fn bucket_keys(&self, bucket: Option<BucketId>) -> Vec<(KeyVersionKey, KeyRecord)> {
        let wanted = self
            .keys
            .iter()
            .filter(|((of, _), _)| bucket.is_none_or(|bucket| *of == bucket));
        wanted
            .map(|((bucket, version), key)| {
                (
                    KeyVersionKey {
                        bucket: *bucket,
                        version: *version,
                    },
                    key.clone(),
                )
            })
            .collect()
    }

    /// Where the keyring was last written.
    pub fn keyring(&self) -> Option<KeyringRecord> {
        self.keyring.clone()
    }

    /// How many blobs a key version wraps, dead ones that are not yet deleted included.
    pub fn wrapped_blobs(&self, bucket: BucketId, version: KeyVersion) -> u64 {
        let contents = self.blobs.values().filter_map(|blob| blob.content.as_ref());
        let is_wrapped = |sealing: &raft_types::records::Sealing| sealing.key_version == version;
        contents
            .filter(|content| {
                content.bucket == bucket && content.frame.sealing.as_ref().is_some_and(is_wrapped)
            })
            .count() as u64
    }
}
