//! Which key a body is sealed with, and the making of a bucket's first key.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use node_crypto::keys::{ContentsError as InvalidContents, Keyring, MasterEntry, MasterKey};
use node_crypto::{DomainId, Encryption, EncryptionDisabled, KeyId, KeyRef, MasterVersion, NoEntropy};
use raft::ExecuteError;
use raft_machine::queries;
use raft_types::commands::{ActivateKey, ProveKey, PutBucketKey, RecordKeyring};
use raft_types::records::{BlobContent, BucketRecord, Identity, KeyState};
use raft_types::{BucketId, Command, KeyVersion, Outcome, Rejection};

use super::contents::{self, ContentsError};
use super::keyring_object::{self, KeyringObjectError};
use super::stored::WrappedBucketKey;
use super::table::KeyTable;
use crate::metadata::Metadata;
use crate::replicas::{Backends, KeyIds};

/// Backends that hold the keyring; with fewer attached, all of them.
const KEYRING_COPIES: usize = 2;

/// Why a body cannot be sealed or a key not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// The keys of the state cannot be understood.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// They contradict themselves.
    #[error(transparent)]
    Invalid(#[from] InvalidContents),
    /// A command did not get through.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A command was answered otherwise than expected.
    #[error("{command} was answered with {outcome:?}")]
    Refused {
        /// The command.
        command: &'static str,
        /// The answer.
        outcome: Outcome,
    },
    /// The keyring object was not written.
    #[error("the keyring could not be written and verified on any backend")]
    Keyring(#[source] Option<KeyringObjectError>),
    /// The configured master key is not the one that wraps the keys of this cluster.
    #[error("the configured master key is not version {}, which wraps the keys of this cluster", .0.0)]
    WrongMaster(MasterVersion),
    /// The bucket's blobs are encrypted, and no master key is configured.
    #[error("bucket {0} is encrypted, and no master key is configured")]
    NoMaster(BucketId),
    /// The bucket was deleted meanwhile.
    #[error("bucket {0} does not exist any more")]
    NoSuchBucket(BucketId),
    /// The task that makes keys ended without an answer: the process is going down.
    #[error("no key was made: the task that does it has ended")]
    Ended,
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// How bodies are written, as the settings say.
pub(crate) enum Sealing {
    /// Encrypted, under keys that this master key wraps.
    Master {
        /// The key.
        key: MasterKey,
        /// Where it came from, for people.
        provider: String,
        /// What the provider needs to obtain it again.
        sealed: Vec<u8>,
    },
    /// In clear, because the operator said so.
    Disabled(EncryptionDisabled),
}

/// The bucket keys of this node.
pub(crate) struct BucketKeys {
    metadata: Metadata,
    backends: Arc<Backends>,
    identity: Identity,
    sealing: Sealing,
    table: ArcSwap<KeyTable>,
    making: tokio::sync::Mutex<()>,
}

impl BucketKeys {
    /// Reads and unwraps the keys of the state.
    ///
    /// # Errors
    /// They cannot be understood, or the master key is not theirs.
    pub(crate) fn open(
        metadata: Metadata,
        backends: Arc<Backends>,
        identity: Identity,
        sealing: Sealing,
    ) -> Result<Self, KeysError> {
        let table = read_table(&metadata, &identity, &sealing)?;
        Ok(Self {
            metadata,
            backends,
            identity,
            sealing,
            table: ArcSwap::from_pointee(table),
            making: tokio::sync::Mutex::new(()),
        })
    }

    /// Whether new buckets are encrypted.
    pub(crate) fn encrypts(&self) -> bool {
        matches!(self.sealing, Sealing::Master { .. })
    }

    /// The keys as they were read last.
    pub(crate) fn current(&self) -> Arc<KeyTable> {
        self.table.load_full()
    }

    /// The keys to read a blob with. Reads them anew where they do not name the one that wraps its data
    /// key: another node may have made that one (H11).
    pub(crate) fn for_reading(&self, content: &BlobContent) -> Arc<KeyTable> {
        let table = self.current();
        let Some(sealing) = &content.frame.sealing else {
            return table;
        };
        if table.key_id(content.bucket, sealing.key_version).is_some() {
            return table;
        }
        self.refresh().unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the keys of the state could not be read"
            );
            table
        })
    }

    /// Reads the keys anew if the state has others.
    ///
    /// # Errors
    /// They cannot be understood.
    pub(crate) fn refresh(&self) -> Result<Arc<KeyTable>, KeysError> {
        let revision = queries::revision(&self.metadata.local(), raft_types::keys::Table::Keys)
            .map_err(ContentsError::from)?;
        let table = self.table.load_full();
        if table.revision() == revision {
            return Ok(table);
        }
        self.read_anew()
    }

    /// Reads the keys anew, also where their revision is the same: which version is active stands with
    /// the buckets, and changes without it.
    fn read_anew(&self) -> Result<Arc<KeyTable>, KeysError> {
        let table = Arc::new(read_table(&self.metadata, &self.identity, &self.sealing)?);
        self.table.store(Arc::clone(&table));
        Ok(table)
    }

    /// How a body of the bucket is sealed. Makes the bucket's key when it has none yet.
    ///
    /// # Errors
    /// There is no key and none could be made. Never falls back to plaintext.
    pub(crate) async fn encryption(
        self: &Arc<Self>,
        bucket: BucketId,
        record: &BucketRecord,
    ) -> Result<Encryption, KeysError> {
        let crypto_bucket = node_crypto::BucketId(bucket.0);
        match (&self.sealing, record.key_version) {
            (Sealing::Disabled(disabled), None) => return Ok(Encryption::Disabled(*disabled)),
            (Sealing::Disabled(_), Some(_)) => return Err(KeysError::NoMaster(bucket)),
            (Sealing::Master { .. }, Some(version)) => {
                let table = self.current();
                let active = table.keyring().active(crypto_bucket);
                if active.is_some_and(|key| key.version.0 == version.0) {
                    return Ok(Encryption::Enabled(Arc::clone(table.keyring())));
                }
            }
            (Sealing::Master { .. }, None) => {}
        }
        // In a task of its own: what is begun is not left half done by a client that goes away.
        let keys = Arc::clone(self);
        let making = tokio::spawn(async move { keys.keyring_with_active(bucket).await });
        let keyring = making.await.unwrap_or(Err(KeysError::Ended))?;
        Ok(Encryption::Enabled(keyring))
    }

    /// A keyring with the key that the state has for new blobs of a bucket. Makes that if need be.
    async fn keyring_with_active(&self, bucket: BucketId) -> Result<Arc<Keyring>, KeysError> {
        let _only_one = self.making.lock().await;
        if self.active_version(bucket)?.is_none() {
            self.make(bucket).await?;
        }
        let table = self.current();
        let active = table.keyring().active(node_crypto::BucketId(bucket.0));
        let active = active.map(|key| KeyVersion(key.version.0));
        if active.is_some() && active == self.active_version(bucket)? {
            return Ok(Arc::clone(table.keyring()));
        }
        Ok(Arc::clone(self.read_anew()?.keyring()))
    }

    /// The key version that the state has for new blobs of a bucket.
    fn active_version(&self, bucket: BucketId) -> Result<Option<KeyVersion>, KeysError> {
        let record = queries::bucket(&self.metadata.local(), bucket).map_err(ContentsError::from)?;
        Ok(record.and_then(|record| record.key_version))
    }

    /// Makes, proves, records and activates a key version of a bucket that has no active one. Goes on
    /// where an earlier try left off.
    async fn make(&self, bucket: BucketId) -> Result<(), KeysError> {
        let pending = {
            let view = self.metadata.local();
            let keys = queries::bucket_keys(&view, Some(bucket)).map_err(ContentsError::from)?;
            let newest = keys.last().map(|(place, row)| (place.version, row.state));
            match newest {
                Some((version, KeyState::Pending)) => Ok(version),
                other => Err(other.map(|(version, _)| node_crypto::KeyVersion(version.0))),
            }
        };
        let version = match pending {
            Ok(version) => version,
            Err(newest) => self.put(bucket, contents::next_version(newest)).await?,
        };
        self.expect_done("ProveKey", Command::ProveKey(ProveKey { bucket, version }))
            .await?;
        self.write_keyring().await?;
        self.expect_done(
            "ActivateKey",
            Command::ActivateKey(ActivateKey { bucket, version }),
        )
        .await
    }

    async fn put(&self, bucket: BucketId, version: node_crypto::KeyVersion) -> Result<KeyVersion, KeysError> {
        let Sealing::Master {
            key: master,
            provider,
            sealed,
        } = &self.sealing
        else {
            return Err(KeysError::NoMaster(bucket));
        };
        let domain = DomainId(self.identity.domain.0);
        let entry = match self.read_contents()?.masters.into_iter().next_back() {
            Some(entry) => entry,
            None => MasterEntry {
                version: MasterVersion(1),
                check: master.new_check(domain, MasterVersion(1))?,
                provider: provider.clone(),
                sealed: sealed.clone(),
            },
        };
        let key = KeyRef {
            id: KeyId::generate()?,
            version,
        };
        let wrapped = master.new_bucket_key(domain, entry.version, node_crypto::BucketId(bucket.0), key)?;
        let name = format!("{}-{}", entry.provider, entry.version.0);
        let stored = WrappedBucketKey {
            key,
            wrapped,
            master: entry,
        };
        let version = KeyVersion(version.0);
        let command = PutBucketKey {
            bucket,
            version,
            wrapped: Bytes::from(stored.encode()),
            master: name,
        };
        match self
            .expect_done("PutBucketKey", Command::PutBucketKey(command))
            .await
        {
            Ok(()) => Ok(version),
            Err(KeysError::Refused {
                outcome: Outcome::Rejected(Rejection::NoSuchBucket),
                ..
            }) => Err(KeysError::NoSuchBucket(bucket)),
            Err(error) => Err(error),
        }
    }

    /// Writes the keyring of the present revision to backends and records where it was verified.
    pub(crate) async fn write_keyring(&self) -> Result<(), KeysError> {
        let Sealing::Master { key: master, .. } = &self.sealing else {
            return Ok(());
        };
        let contents = self.read_contents()?;
        let mut verified = Vec::new();
        let mut last = None;
        for attached in self.backends.all() {
            if verified.len() == KEYRING_COPIES {
                break;
            }
            match keyring_object::write(&attached, &contents, master).await {
                Ok(()) => verified.push(attached.id),
                Err(error) => {
                    tracing::warn!(
                        backend = %attached.backend.name(),
                        error = &error as &dyn std::error::Error,
                        "the keyring could not be written"
                    );
                    last = Some(error);
                }
            }
        }
        if verified.is_empty() {
            return Err(KeysError::Keyring(last));
        }
        let record = RecordKeyring {
            revision: contents.revision,
            backends: verified,
        };
        self.expect_done("RecordKeyring", Command::RecordKeyring(record))
            .await
    }

    fn read_contents(&self) -> Result<node_crypto::keys::KeyringContents, KeysError> {
        Ok(contents::read(&self.metadata.local(), &self.identity)?)
    }

    async fn expect_done(&self, name: &'static str, command: Command) -> Result<(), KeysError> {
        match self.metadata.execute(command).await? {
            Outcome::Done => Ok(()),
            outcome => Err(KeysError::Refused {
                command: name,
                outcome,
            }),
        }
    }
}

fn read_table(metadata: &Metadata, identity: &Identity, sealing: &Sealing) -> Result<KeyTable, KeysError> {
    let contents = contents::read(&metadata.local(), identity)?;
    match sealing {
        Sealing::Master { key, .. } => {
            for entry in &contents.masters {
                if !key.is(contents.domain, entry.version, &entry.check) {
                    return Err(KeysError::WrongMaster(entry.version));
                }
            }
            Ok(KeyTable::unlock(&contents, std::slice::from_ref(key))?)
        }
        Sealing::Disabled(_) => Ok(KeyTable::unlock(&contents, &[])?),
    }
}

impl std::fmt::Debug for BucketKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BucketKeys")
            .field("encrypts", &self.encrypts())
            .finish_non_exhaustive()
    }
}
