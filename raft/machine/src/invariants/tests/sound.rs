//! A small state in which everything holds.

use bytes::Bytes;
use raft_types::Record;
use raft_types::checksum::Crc64;
use raft_types::keys::{
    BackendCountersKey, BackendKey, BlobKey, BucketCountersKey, BucketKey, BucketNameKey, CurrentKey, RowKey,
    SessionKey,
};
use raft_types::records::{
    BackendCounters, BackendRecord, BackendState, BlobContent, BlobRecord, BucketCounters, BucketNameRecord,
    BucketRecord, Content, CountersRecord, Frame, ObjectRecord, Replica, ReplicaState, SessionRecord, Suite,
    Versioning,
};
use raft_types::{
    Attempt, BackendId, BackendNonce, BlobId, BootNonce, BucketId, ETag, EpochId, IncarnationCounter,
    MillisUtc, NodeId, ObjectKey, SessionId, VersionId,
};

use crate::invariants::violations;
use crate::memory::MemoryTables;

pub(super) struct State(pub(super) MemoryTables);

impl State {
    pub(super) fn put<K: RowKey>(&mut self, key: &K, record: &K::Record) {
        self.0.write([(key.to_bytes(), Some(record.encode()))]);
    }

    /// The ids of the invariants that do not hold.
    pub(super) fn broken(&self) -> Vec<&'static str> {
        let mut ids: Vec<_> = violations(&self.0)
            .unwrap()
            .into_iter()
            .map(|violation| violation.id)
            .collect();
        ids.dedup();
        ids
    }
}

pub(super) const BUCKET: BucketId = BucketId(1);
pub(super) const BLOB: BlobId = BlobId([1; 16]);

pub(super) fn key() -> ObjectKey {
    "key".parse().unwrap()
}

pub(super) fn version(index: u64) -> VersionId {
    VersionId {
        incarnation: IncarnationCounter::FIRST,
        index,
        position: 0,
    }
}

pub(super) fn object(index: u64) -> ObjectRecord {
    ObjectRecord {
        version: version(index),
        is_null: true,
        size: 10,
        etag: ETag::of_whole([0; 16]),
        modified: MillisUtc(5),
        content: Content::Blob(BLOB),
        headers: None,
        metadata: Vec::new(),
        checksums: Vec::new(),
        storage_class: None,
        owner: None,
    }
}

pub(super) fn replica(backend: u32, state: ReplicaState) -> Replica {
    Replica {
        backend: BackendId(backend),
        incarnation: IncarnationCounter::FIRST,
        epoch: EpochId(1),
        attempt: Attempt(0),
        state,
        provider_version: None,
    }
}

pub(super) fn blob() -> BlobRecord {
    let frame = Frame {
        suite: Suite::Clear,
        chunk_log2: 16,
        sealing: None,
    };
    BlobRecord {
        content: Some(BlobContent {
            bucket: BUCKET,
            size: 10,
            stored: 110,
            crc: Crc64(0),
            frame,
        }),
        references: 1,
        replicas: vec![replica(1, ReplicaState::Present)],
        short: false,
    }
}

pub(super) fn bucket() -> BucketRecord {
    BucketRecord {
        name: "bucket".parse().unwrap(),
        owner: "alice".parse().unwrap(),
        created: MillisUtc(1),
        versioning: Versioning::Off,
        key_version: None,
    }
}

pub(super) fn backend(state: BackendState) -> BackendRecord {
    BackendRecord {
        name: "one".parse().unwrap(),
        kind: "memory".to_owned(),
        spec: Bytes::new(),
        prefix: String::new(),
        nonce: BackendNonce([0; 16]),
        state,
        attached_index: 1,
        attached: MillisUtc(1),
        state_index: 1,
    }
}

/// A bucket with one object of one blob on one backend.
pub(super) fn sound() -> State {
    let mut state = State(MemoryTables::new());
    let counters = CountersRecord {
        session: SessionId(1),
        epoch: EpochId(1),
        backend: BackendId(1),
        bucket: BUCKET,
        ..CountersRecord::default()
    };
    state.put(&raft_types::keys::CountersKey, &counters);
    state.put(
        &raft_types::keys::ClockKey,
        &raft_types::records::ClockRecord { now: MillisUtc(9) },
    );
    let life = raft_types::records::IncarnationRecord {
        tag: 1,
        index: 1,
        began: MillisUtc(1),
    };
    state.put(
        &raft_types::keys::IncarnationKey {
            counter: IncarnationCounter::FIRST,
        },
        &life,
    );
    state.put(&BucketKey { bucket: BUCKET }, &bucket());
    state.put(
        &BucketNameKey { name: bucket().name },
        &BucketNameRecord { bucket: BUCKET },
    );
    let holds = BucketCounters {
        objects: 1,
        bytes: 10,
        ..BucketCounters::default()
    };
    state.put(&BucketCountersKey { bucket: BUCKET }, &holds);
    state.put(
        &BackendKey {
            backend: BackendId(1),
        },
        &backend(BackendState::Active),
    );
    let named = raft_types::records::BackendNameRecord {
        backend: BackendId(1),
    };
    state.put(
        &raft_types::keys::BackendNameKey {
            name: backend(BackendState::Active).name,
        },
        &named,
    );
    let holds = BackendCounters {
        replicas: 1,
        stored_bytes: 110,
        ..BackendCounters::default()
    };
    state.put(
        &BackendCountersKey {
            backend: BackendId(1),
        },
        &holds,
    );
    state.put(
        &CurrentKey {
            bucket: BUCKET,
            key: key(),
        },
        &object(2),
    );
    state.put(&BlobKey { blob: BLOB }, &blob());
    let session = SessionRecord {
        node: NodeId(1),
        boot: 1,
        nonce: BootNonce([0; 16]),
        opened_index: 1,
        opened: MillisUtc(1),
        floor: 5,
        trimmed: 4,
        seal: None,
    };
    state.put(
        &SessionKey {
            session: SessionId(1),
        },
        &session,
    );
    assert_eq!(state.broken(), Vec::<&str>::new());
    state
}
