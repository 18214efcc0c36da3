//! Every invariant can be broken, and is found by its check and no other way of looking.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod sound;

use bytes::Bytes;
use raft_types::checksum::ChecksumScope;
use raft_types::keys::{
    BackendCountersKey, BackendKey, BlobKey, BucketCountersKey, BucketKey, BucketNameKey, CompletionDueKey,
    CurrentKey, EpochKey, GarbageKey, KeyVersionKey, NullVersionKey, OutcomeKey, PartKey, UploadKey,
    VersionKey, WorkKey,
};
use raft_types::records::{
    BackendCounters, BackendState, BlobRecord, BucketCounters, BucketNameRecord, BucketRecord,
    CompletionDueRecord, Content, CountersRecord, DeathCause, EpochRecord, Frame, GarbageRecord,
    NullVersionRecord, ObjectRecord, PartRecord, Replica, ReplicaState, Sealing, Suite, UploadRecord,
    VersionEntry, Versioning, WorkKind, WorkRecord,
};
use raft_types::{
    Attempt, BackendId, BlobId, BucketId, ETag, EpochId, IncarnationCounter, KeyVersion, MillisUtc, Outcome,
    PartNumber, SessionId, UploadId,
};

use super::violations;

use sound::*;

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
