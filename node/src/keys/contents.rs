//! The keys as the state holds them, in the form of `node-crypto`.

use std::collections::BTreeMap;

use node_crypto::keys::{
    BucketEntry, KeyEntry, KeyringContents, MasterEntry, Versioning as CryptoVersioning,
};
use node_crypto::{BucketId, ClusterId, DomainId, KeyRef, KeyVersion, MasterVersion};
use raft_machine::{Fault, ReadTables, queries};
use raft_types::keys::Table;
use raft_types::records::{Identity, Versioning};

use super::stored::{StoredKeyError, WrappedBucketKey};

/// Buckets that are read at a time.
const BUCKETS_PER_STEP: usize = 1_000;

/// Why the keys of the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentsError {
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A row cannot be understood.
    #[error("key version {version} of bucket {bucket}")]
    Stored {
        /// The bucket.
        bucket: raft_types::BucketId,
        /// The version.
        version: u32,
        /// What is wrong.
        source: StoredKeyError,
    },
    /// Two rows say different things of one master key version.
    #[error("two rows disagree about master key version {}", .0.0)]
    Masters(MasterVersion),
}

/// All keys of a view, and the revision of the tables that they were read at.
pub(crate) fn read(tables: &impl ReadTables, identity: &Identity) -> Result<KeyringContents, ContentsError> {
    let mut masters: BTreeMap<u32, MasterEntry> = BTreeMap::new();
    let mut keys = Vec::new();
    let mut ids = BTreeMap::new();
    for (place, row) in queries::bucket_keys(tables, None)? {
        let version = place.version.0;
        let stored =
            WrappedBucketKey::decode(&row.wrapped, version).map_err(|source| ContentsError::Stored {
                bucket: place.bucket,
                version,
                source,
            })?;
        let master = stored.master.version;
        if *masters.entry(master.0).or_insert_with(|| stored.master.clone()) != stored.master {
            return Err(ContentsError::Masters(master));
        }
        ids.insert((place.bucket, version), stored.key);
        keys.push(KeyEntry {
            key: stored.key,
            bucket: BucketId(place.bucket.0),
            master,
            wrapped: stored.wrapped,
        });
    }
    Ok(KeyringContents {
        cluster: ClusterId(identity.cluster.0),
        domain: DomainId(identity.domain.0),
        incarnation: u64::from(identity.incarnation.counter.0),
        revision: queries::revision(tables, Table::Keys)?,
        active_master: masters.keys().next_back().map(|version| MasterVersion(*version)),
        masters: masters.into_values().collect(),
        buckets: buckets(tables, &ids)?,
        keys,
    })
}

fn buckets(
    tables: &impl ReadTables,
    ids: &BTreeMap<(raft_types::BucketId, u32), KeyRef>,
) -> Result<Vec<BucketEntry>, Fault> {
    let mut entries = Vec::new();
    let mut after = None;
    loop {
        let page = queries::buckets_after(tables, after.as_ref(), BUCKETS_PER_STEP)?;
        let last = page.len() < BUCKETS_PER_STEP;
        after = page.last().map(|(_, record)| record.name.clone());
        for (id, record) in page {
            let active = record
                .key_version
                .and_then(|version| ids.get(&(id, version.0)).copied());
            entries.push(BucketEntry {
                bucket: BucketId(id.0),
                name: record.name.as_str().to_owned(),
                versioning: versioning(record.versioning),
                active,
            });
        }
        if last {
            return Ok(entries);
        }
    }
}

fn versioning(state: Versioning) -> CryptoVersioning {
    match state {
        Versioning::Off => CryptoVersioning::Unversioned,
        Versioning::Enabled => CryptoVersioning::Enabled,
        Versioning::Suspended => CryptoVersioning::Suspended,
    }
}

/// The version that follows the newest of a bucket.
pub(crate) fn next_version(newest: Option<KeyVersion>) -> KeyVersion {
    KeyVersion(newest.map_or(1, |version| version.0.saturating_add(1)))
}
