//! Every invariant can be broken, and is found by its check and no other way of looking.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use bytes::Bytes;
use raft_types::Record;
use raft_types::checksum::{ChecksumScope, Crc64};
use raft_types::keys::{
    BackendCountersKey, BackendKey, BlobKey, BucketCountersKey, BucketKey, BucketNameKey, CompletionDueKey,
    CurrentKey, EpochKey, GarbageKey, KeyVersionKey, NullVersionKey, OutcomeKey, PartKey, RowKey, SessionKey,
    UploadKey, VersionKey, WorkKey,
};
use raft_types::records::{
    BackendCounters, BackendRecord, BackendState, BlobContent, BlobRecord, BucketCounters, BucketNameRecord,
    BucketRecord, CompletionDueRecord, Content, CountersRecord, DeathCause, EpochRecord, Frame,
    GarbageRecord, NullVersionRecord, ObjectRecord, PartRecord, Replica, ReplicaState, Sealing,
    SessionRecord, Suite, UploadRecord, VersionEntry, Versioning, WorkKind, WorkRecord,
};
use raft_types::{
    Attempt, BackendId, BackendNonce, BlobId, BootNonce, BucketId, ETag, EpochId, IncarnationCounter,
    KeyVersion, MillisUtc, NodeId, ObjectKey, Outcome, PartNumber, SessionId, UploadId, VersionId,
};

use super::violations;
use crate::memory::MemoryTables;

struct State(MemoryTables);

impl State {
    fn put<K: RowKey>(&mut self, key: &K, record: &K::Record) {
        self.0.write([(key.to_bytes(), Some(record.encode()))]);
    }

    /// The ids of the invariants that do not hold.
    fn broken(&self) -> Vec<&'static str> {
        let mut ids: Vec<_> = violations(&self.0)
            .unwrap()
            .into_iter()
            .map(|violation| violation.id)
            .collect();
        ids.dedup();
        ids
    }
}

const BUCKET: BucketId = BucketId(1);
const BLOB: BlobId = BlobId([1; 16]);

fn key() -> ObjectKey {
    "key".parse().unwrap()
}

fn version(index: u64) -> VersionId {
    VersionId {
        incarnation: IncarnationCounter::FIRST,
        index,
        position: 0,
    }
}

fn object(index: u64) -> ObjectRecord {
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

fn replica(backend: u32, state: ReplicaState) -> Replica {
    Replica {
        backend: BackendId(backend),
        incarnation: IncarnationCounter::FIRST,
        epoch: EpochId(1),
        attempt: Attempt(0),
        state,
        provider_version: None,
    }
}

fn blob() -> BlobRecord {
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

fn bucket() -> BucketRecord {
    BucketRecord {
        name: "bucket".parse().unwrap(),
        owner: "alice".parse().unwrap(),
        created: MillisUtc(1),
        versioning: Versioning::Off,
        key_version: None,
    }
}

fn backend(state: BackendState) -> BackendRecord {
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
fn sound() -> State {
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

fn breaks(id: &'static str, spoil: impl FnOnce(&mut State)) {
    let mut state = sound();
    spoil(&mut state);
    let broken = state.broken();
    assert!(broken.contains(&id), "{id} is not among {broken:?}");
}

#[test]
fn i1_finds_wrong_and_dangling_references() {
    breaks("I1", |state| {
        state.put(
            &BlobKey { blob: BLOB },
            &BlobRecord {
                references: 2,
                ..blob()
            },
        );
    });
    breaks("I1", |state| {
        let content = Content::Blob(BlobId([9; 16]));
        state.put(
            &CurrentKey {
                bucket: BUCKET,
                key: key(),
            },
            &ObjectRecord { content, ..object(2) },
        );
    });
    breaks("I1", |state| {
        let content = Content::Manifest(UploadId([9; 16]));
        state.put(
            &CurrentKey {
                bucket: BUCKET,
                key: key(),
            },
            &ObjectRecord { content, ..object(2) },
        );
    });
}

fn garbage() -> (GarbageKey, GarbageRecord) {
    let key = GarbageKey {
        backend: BackendId(1),
        died: 3,
        blob: BLOB,
        epoch: EpochId(1),
        attempt: Attempt(0),
    };
    let record = GarbageRecord {
        incarnation: IncarnationCounter::FIRST,
        stored: 110,
        cause: DeathCause::Removed,
        since: MillisUtc(5),
        provider_version: None,
    };
    (key, record)
}

#[test]
fn i2_finds_a_live_attempt_in_garbage_and_a_dying_one_that_is_not_there() {
    breaks("I2", |state| {
        let (key, record) = garbage();
        state.put(&key, &record);
    });
    breaks("I2", |state| {
        let replicas = vec![
            replica(1, ReplicaState::Present),
            replica(2, ReplicaState::Removing),
        ];
        state.put(&BlobKey { blob: BLOB }, &BlobRecord { replicas, ..blob() });
    });
}

#[test]
fn i3_finds_counters_that_are_off() {
    breaks("I3", |state| {
        state.put(&BucketCountersKey { bucket: BUCKET }, &BucketCounters::default());
    });
    breaks("I3", |state| {
        state.put(
            &BackendCountersKey {
                backend: BackendId(1),
            },
            &BackendCounters::default(),
        );
    });
    breaks("I3", |state| {
        let key = raft_types::keys::WrapKey {
            bucket: BUCKET,
            version: KeyVersion(1),
        };
        state.put(&key, &raft_types::records::WrapRecord { blobs: 1 });
    });
}

fn noncurrent(state: &mut State, index: u64, entry: ObjectRecord) {
    let row = VersionKey {
        bucket: BUCKET,
        key: key(),
        version: version(index),
    };
    state.put(&row, &VersionEntry::Object(Box::new(entry)));
}

#[test]
fn i4_finds_a_current_version_that_is_not_the_newest() {
    let not_null = |index| ObjectRecord {
        is_null: false,
        ..object(index)
    };
    let versioned = |state: &mut State| {
        let versioning = Versioning::Enabled;
        state.put(
            &BucketKey { bucket: BUCKET },
            &BucketRecord {
                versioning,
                ..bucket()
            },
        );
    };
    breaks("I4", |state| {
        versioned(state);
        noncurrent(state, 3, not_null(3));
    });
    breaks("I4", |state| {
        versioned(state);
        noncurrent(state, 1, not_null(7));
    });
    breaks("I4", |state| noncurrent(state, 1, not_null(1)));
    breaks("I4", |state| {
        versioned(state);
        let row = raft_types::keys::TableKey::to_bytes(&CurrentKey {
            bucket: BUCKET,
            key: key(),
        });
        state.0.write([(row, None)]);
        noncurrent(state, 2, object(2));
    });
}

#[test]
fn i5_finds_null_versions_without_pointer_and_pointers_without_version() {
    breaks("I5", |state| noncurrent(state, 1, object(1)));
    breaks("I5", |state| {
        let row = NullVersionKey {
            bucket: BUCKET,
            key: key(),
        };
        state.put(&row, &NullVersionRecord { version: version(1) });
    });
}

#[test]
fn i6_finds_outcomes_outside_of_the_window() {
    for (session, seq) in [(1, 3), (1, 5 + 65_537), (2, 5)] {
        breaks("I6", |state| {
            state.put(
                &OutcomeKey {
                    session: SessionId(session),
                    seq,
                },
                &Outcome::Done,
            );
        });
    }
}

#[test]
fn i7_finds_epochs_and_incarnations_that_never_were() {
    breaks("I7", |state| {
        let replicas = vec![Replica {
            epoch: EpochId(2),
            ..replica(1, ReplicaState::Present)
        }];
        state.put(&BlobKey { blob: BLOB }, &BlobRecord { replicas, ..blob() });
    });
    breaks("I7", |state| {
        let incarnation = IncarnationCounter(2);
        let replicas = vec![Replica {
            incarnation,
            ..replica(1, ReplicaState::Present)
        }];
        state.put(&BlobKey { blob: BLOB }, &BlobRecord { replicas, ..blob() });
    });
    breaks("I7", |state| {
        let epoch = EpochRecord {
            session: SessionId(8),
            incarnation: IncarnationCounter::FIRST,
            opened_index: 1,
            opened: MillisUtc(1),
            closing: None,
            seal: None,
            sweeps: Vec::new(),
            quarantined: false,
        };
        state.put(&EpochKey { epoch: EpochId(1) }, &epoch);
    });
}

#[test]
fn i8_finds_a_manifest_whose_parts_are_missing() {
    breaks("I8", |state| {
        let manifest = UploadId([3; 16]);
        let record = raft_types::records::ManifestRecord {
            bucket: BUCKET,
            size: 10,
            parts: 1,
            listed: crate::listed::encode([PartNumber::MIN]),
            offsets: vec![0],
            references: 1,
        };
        state.put(&raft_types::keys::ManifestKey { manifest }, &record);
    });
}

fn part() -> PartRecord {
    PartRecord {
        pieces: Vec::new(),
        size: 0,
        etag: ETag::of_whole([0; 16]),
        checksums: Vec::new(),
        modified: MillisUtc(1),
    }
}

#[test]
fn i9_finds_a_part_that_nobody_owns() {
    breaks("I9", |state| {
        state.put(
            &PartKey {
                upload: UploadId([3; 16]),
                number: PartNumber::MIN,
            },
            &part(),
        );
    });
}

#[test]
fn i10_finds_work_that_is_missing_and_work_on_nothing() {
    breaks("I10", |state| {
        state.put(
            &BlobKey { blob: BLOB },
            &BlobRecord {
                short: true,
                ..blob()
            },
        );
    });
    let work = WorkRecord {
        wanted: 2,
        since: MillisUtc(1),
        pending: Vec::new(),
    };
    breaks("I10", |state| {
        state.put(
            &WorkKey {
                kind: WorkKind::Suspect,
                blob: BLOB,
            },
            &work,
        );
    });
    breaks("I10", |state| {
        state.put(
            &WorkKey {
                kind: WorkKind::Missing,
                blob: BlobId([8; 16]),
            },
            &work,
        );
    });
}

#[test]
fn i11_finds_names_and_ids_that_do_not_fit() {
    breaks("I11", |state| {
        let name = raft_types::BucketName::new("other").unwrap();
        state.put(&BucketNameKey { name }, &BucketNameRecord { bucket: BUCKET });
    });
    breaks("I11", |state| {
        let name = bucket().name;
        state.put(&BucketNameKey { name }, &BucketNameRecord { bucket: BucketId(9) });
    });
    breaks("I11", |state| {
        state.put(&raft_types::keys::CountersKey, &CountersRecord::default());
    });
}

#[test]
fn i12_finds_a_due_row_without_completion() {
    breaks("I12", |state| {
        let row = CompletionDueKey {
            due: MillisUtc(1),
            upload: UploadId([3; 16]),
        };
        state.put(&row, &CompletionDueRecord {});
    });
}

#[test]
fn i13_finds_rows_of_buckets_that_do_not_stand() {
    breaks("I13", |state| {
        state.put(
            &CurrentKey {
                bucket: BucketId(9),
                key: key(),
            },
            &object(2),
        );
    });
    breaks("I13", |state| {
        let upload = UploadRecord {
            initiated: MillisUtc(1),
            owner: None,
            headers: None,
            metadata: Vec::new(),
            storage_class: None,
            algorithm: None,
            scope: ChecksumScope::Full,
            backends: Vec::new(),
        };
        state.put(
            &UploadKey {
                bucket: BucketId(9),
                key: key(),
                upload: UploadId([3; 16]),
            },
            &upload,
        );
    });
}

#[test]
fn i14_finds_live_blobs_without_copies_and_backends_with_two() {
    breaks("I14", |state| {
        state.put(
            &BlobKey { blob: BLOB },
            &BlobRecord {
                replicas: Vec::new(),
                ..blob()
            },
        );
    });
    breaks("I14", |state| {
        let second = Replica {
            attempt: Attempt(1),
            ..replica(1, ReplicaState::Present)
        };
        let replicas = vec![replica(1, ReplicaState::Present), second];
        state.put(&BlobKey { blob: BLOB }, &BlobRecord { replicas, ..blob() });
    });
}

#[test]
fn i15_finds_a_blob_sealed_by_a_key_that_its_bucket_does_not_have() {
    breaks("I15", |state| {
        let mut record = blob();
        let sealing = Sealing {
            key_version: KeyVersion(1),
            wrapped: Bytes::from_static(b"w"),
            commitment: Bytes::new(),
        };
        record.content.as_mut().unwrap().frame = Frame {
            suite: Suite::Aes256Gcm,
            chunk_log2: 16,
            sealing: Some(sealing),
        };
        state.put(&BlobKey { blob: BLOB }, &record);
        let missing = KeyVersionKey {
            bucket: BUCKET,
            version: KeyVersion(1),
        };
        assert!(crate::rows::get(&state.0, &missing).unwrap().is_none());
    });
}

#[test]
fn i16_finds_a_removed_backend_that_holds_something() {
    breaks("I16", |state| {
        state.put(
            &BackendKey {
                backend: BackendId(1),
            },
            &backend(BackendState::Removed),
        );
    });
}

#[test]
fn i17_finds_what_lies_in_the_future() {
    breaks("I17", |state| {
        let modified = MillisUtc(10);
        state.put(
            &CurrentKey {
                bucket: BUCKET,
                key: key(),
            },
            &ObjectRecord {
                modified,
                ..object(2)
            },
        );
    });
}

#[test]
fn a_row_that_cannot_be_read_is_a_fault() {
    let mut state = sound();
    let row = raft_types::keys::TableKey::to_bytes(&BlobKey { blob: BLOB });
    state.0.write([(row, Some(Bytes::from_static(&[0xff])))]);
    assert!(violations(&state.0).is_err());
}
