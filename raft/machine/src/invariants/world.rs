use std::collections::BTreeMap;

use raft_types::Outcome;
use raft_types::keys::{
    BackendCountersKey, BackendKey, BackendNameKey, BlobKey, BucketCountersKey, BucketKey, BucketNameKey,
    CompletionDueKey, CompletionKey, CurrentKey, EpochKey, GarbageKey, IncarnationKey, IncidentKey, KeyRange,
    KeyVersionKey, ManifestKey, NodeKey, NodeNameKey, NullVersionKey, OutcomeKey, PartKey, ReleaseKey,
    RowKey, SessionKey, UploadKey, VersionKey, WorkKey, WrapKey,
};
use raft_types::records::{
    BackendCounters, BackendNameRecord, BackendRecord, BlobRecord, BucketCounters, BucketNameRecord,
    BucketRecord, CompletionDueRecord, CompletionRecord, CountersRecord, EpochRecord, GarbageRecord,
    IncarnationRecord, IncidentRecord, KeyRecord, ManifestRecord, NodeNameRecord, NodeRecord,
    NullVersionRecord, ObjectRecord, PartRecord, ReleaseRecord, SessionRecord, UploadRecord, VersionEntry,
    WorkRecord, WrapRecord,
};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::{queries, rows};

/// All rows of a state, in memory.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each field is the table of its name")]
pub struct World {
    pub now: raft_types::MillisUtc,
    pub counters: CountersRecord,
    pub buckets: BTreeMap<BucketKey, BucketRecord>,
    pub bucket_names: BTreeMap<BucketNameKey, BucketNameRecord>,
    pub bucket_counters: BTreeMap<BucketCountersKey, BucketCounters>,
    pub current: BTreeMap<CurrentKey, ObjectRecord>,
    /// In the order of the table: the newest version of a key first.
    pub versions: Vec<(VersionKey, VersionEntry)>,
    pub null_versions: BTreeMap<NullVersionKey, NullVersionRecord>,
    pub blobs: BTreeMap<BlobKey, BlobRecord>,
    pub manifests: BTreeMap<ManifestKey, ManifestRecord>,
    pub wraps: BTreeMap<WrapKey, WrapRecord>,
    pub uploads: BTreeMap<UploadKey, UploadRecord>,
    pub parts: BTreeMap<PartKey, PartRecord>,
    pub completions: BTreeMap<CompletionKey, CompletionRecord>,
    pub completions_due: BTreeMap<CompletionDueKey, CompletionDueRecord>,
    pub work: BTreeMap<WorkKey, WorkRecord>,
    pub garbage: BTreeMap<GarbageKey, GarbageRecord>,
    pub release: BTreeMap<ReleaseKey, ReleaseRecord>,
    pub backends: BTreeMap<BackendKey, BackendRecord>,
    pub backend_names: BTreeMap<BackendNameKey, BackendNameRecord>,
    pub backend_counters: BTreeMap<BackendCountersKey, BackendCounters>,
    pub sessions: BTreeMap<SessionKey, SessionRecord>,
    pub outcomes: BTreeMap<OutcomeKey, Outcome>,
    pub epochs: BTreeMap<EpochKey, EpochRecord>,
    pub incarnations: BTreeMap<IncarnationKey, IncarnationRecord>,
    pub keys: BTreeMap<KeyVersionKey, KeyRecord>,
    pub nodes: BTreeMap<NodeKey, NodeRecord>,
    pub node_names: BTreeMap<NodeNameKey, NodeNameRecord>,
    pub incidents: BTreeMap<IncidentKey, IncidentRecord>,
}

fn list<K: RowKey>(tables: &impl ReadTables) -> Result<Vec<(K, K::Record)>, Fault> {
    rows::page(tables, &KeyRange::of_table(K::TABLE), None, usize::MAX)
}

fn map<K: RowKey + Ord>(tables: &impl ReadTables) -> Result<BTreeMap<K, K::Record>, Fault> {
    Ok(list(tables)?.into_iter().collect())
}

impl World {
    /// Reads all tables that hold rows of the present version.
    pub fn read(tables: &impl ReadTables) -> Result<Self, Fault> {
        Ok(World {
            now: queries::clock(tables)?,
            counters: queries::counters(tables)?,
            buckets: map(tables)?,
            bucket_names: map(tables)?,
            bucket_counters: map(tables)?,
            current: map(tables)?,
            versions: list(tables)?,
            null_versions: map(tables)?,
            blobs: map(tables)?,
            manifests: map(tables)?,
            wraps: map(tables)?,
            uploads: map(tables)?,
            parts: map(tables)?,
            completions: map(tables)?,
            completions_due: map(tables)?,
            work: map(tables)?,
            garbage: map(tables)?,
            release: map(tables)?,
            backends: map(tables)?,
            backend_names: map(tables)?,
            backend_counters: map(tables)?,
            sessions: map(tables)?,
            outcomes: map(tables)?,
            epochs: map(tables)?,
            incarnations: map(tables)?,
            keys: map(tables)?,
            nodes: map(tables)?,
            node_names: map(tables)?,
            incidents: map(tables)?,
        })
    }

    /// All versions with content, current and noncurrent.
    pub fn objects(&self) -> impl Iterator<Item = (raft_types::BucketId, &ObjectRecord)> {
        let current = self.current.iter().map(|(key, record)| (key.bucket, record));
        let noncurrent = self.versions.iter().filter_map(|(key, entry)| match entry {
            VersionEntry::Object(object) => Some((key.bucket, &**object)),
            VersionEntry::DeleteMarker(_) => None,
        });
        current.chain(noncurrent)
    }
}
