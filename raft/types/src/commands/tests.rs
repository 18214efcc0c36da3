//! The wire format of commands: read back as written, complete, and pinned.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::address::AttemptAddress;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumScope, Crc64};
use crate::codec::Record;
use crate::digest::Digest;
use crate::etag::ETag;
use crate::ids::{
    Attempt, BackendId, BackendNonce, BlobId, BootNonce, BucketId, ClusterId, DiskId, EncryptionDomain,
    EpochId, IncarnationCounter, KeyVersion, NodeId, PartNumber, RowId, SessionId, UploadId, VersionId,
};
use crate::keys::{BlobKey, CurrentKey, TableKey};
use crate::records::{
    BackendState, BlobContent, BlobRecord, Content, Frame, MetadataPair, ObjectRecord, Piece, Replica,
    ReplicaState, Sealing, Suite, SweepPass, SystemHeaders, VersionName, Versioning,
};
use crate::time::MillisUtc;

fn address() -> AttemptAddress {
    AttemptAddress {
        backend: BackendId(3),
        incarnation: IncarnationCounter(1),
        epoch: EpochId(41),
        attempt: Attempt(5),
    }
}

fn attempt() -> BlobAttempt {
    BlobAttempt {
        blob: BlobId([4; 16]),
        address: address(),
        stored: 4321,
        provider_version: Some("v".to_owned()),
    }
}

fn replica() -> NewReplica {
    NewReplica {
        backend: BackendId(3),
        incarnation: IncarnationCounter(1),
        epoch: EpochId(41),
        attempt: Attempt(6),
        provider_version: Some("v".to_owned()),
    }
}

fn frame() -> Frame {
    let sealing = Sealing {
        key_version: KeyVersion(2),
        wrapped: Bytes::from_static(&[7; 40]),
        commitment: Bytes::from_static(&[8; 32]),
    };
    Frame {
        suite: Suite::Aes256Gcm,
        chunk_log2: 16,
        sealing: Some(sealing),
    }
}

fn written() -> Written {
    let blob = NewBlob {
        blob: BlobId([4; 16]),
        size: 4096,
        stored: 4321,
        crc: Crc64(0x0102_0304_0506_0708),
        frame: frame(),
        replicas: vec![replica()],
    };
    Written {
        blobs: vec![blob],
        given_up: vec![attempt()],
        running: vec![attempt()],
        wanted: 2,
    }
}

fn checksums() -> Vec<Checksum> {
    let value = Bytes::from_static(&[1, 2, 3, 4]);
    vec![Checksum {
        algorithm: ChecksumAlgorithm::Crc32c,
        scope: ChecksumScope::Composite,
        value,
    }]
}

fn headers() -> Option<SystemHeaders> {
    Some(SystemHeaders {
        content_type: Some("text/plain".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_disposition: Some("inline".to_owned()),
        content_language: Some("de".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        expires: Some("0".to_owned()),
    })
}

fn metadata() -> Vec<MetadataPair> {
    vec![MetadataPair {
        name: "mtime".to_owned(),
        value: "1.5".to_owned(),
    }]
}

fn object() -> NewObject {
    NewObject {
        size: 4096,
        etag: ETag::of_parts([9; 16], 3),
        headers: headers(),
        metadata: metadata(),
        checksums: checksums(),
        storage_class: Some("STANDARD_IA".to_owned()),
        owner: Some("bob".parse().unwrap()),
    }
}

fn conditions() -> Option<Conditions> {
    let etags = ETags {
        etags: vec![ETag::of_whole([9; 16])],
    };
    Some(Conditions {
        if_match: Some(ETagCondition::OneOf(etags)),
        if_none_match: Some(ETagCondition::Any),
        if_modified_since: Some(MillisUtc(1)),
        if_unmodified_since: Some(MillisUtc(2)),
    })
}

fn version() -> VersionId {
    VersionId {
        incarnation: IncarnationCounter(1),
        index: 1000,
        position: 2,
    }
}

fn upload() -> UploadTarget {
    UploadTarget {
        bucket: BucketId(12),
        key: "some/key".parse().unwrap(),
        upload: UploadId([6; 16]),
    }
}

fn row() -> RowId {
    RowId {
        index: 1000,
        position: 2,
        ordinal: 3,
    }
}

/// One of every command, with every field set.
#[rustfmt::skip]
fn commands() -> Vec<Command> {
    let (bucket, key, blob, epoch) = (BucketId(12), "some/key".parse().unwrap(), BlobId([4; 16]), EpochId(41));
    let (backend, version_of_key, fingerprint) = (BackendId(3), KeyVersion(2), Digest([5; 32]));
    let order = OrderStamp { incarnation: IncarnationCounter(1), read_index: 999, time: MillisUtc(1_700_000_000_000) };
    let target = DeleteTarget { key: "some/key".parse().unwrap(), version: Some(VersionName::Id(version())), conditions: conditions() };
    vec![
        Command::RegisterNode(RegisterNode { name: "node-3".parse().unwrap(), disk: DiskId([1; 16]) }),
        Command::RemoveNode(RemoveNode { node: NodeId(3) }),
        Command::ProposeSettings(ProposeSettings { node: NodeId(3), content: Bytes::from_static(b"{}"), fingerprint, proposal: SettingsProposal::Replace(Digest([6; 32])) }),
        Command::DismissIncident(DismissIncident { incident: row() }),
        Command::CloseSession(CloseSession {}),
        Command::SealSession(SealSession { session: SessionId(8), term: 4 }),
        Command::Settle(Settle { seq: 77, attempts: vec![attempt()] }),
        Command::OpenEpoch(OpenEpoch {}),
        Command::CloseEpoch(CloseEpoch { epoch, used: vec![backend] }),
        Command::SealEpoch(SealEpoch { epoch }),
        Command::RecordSweep(RecordSweep { epoch, sweeps: vec![SweepMark { backend, pass: SweepPass::Second }] }),
        Command::CreateBucket(CreateBucket { name: "bucket".parse().unwrap(), owner: "alice".parse().unwrap() }),
        Command::DeleteBucket(DeleteBucket { bucket }),
        Command::SetVersioning(SetVersioning { bucket, versioning: Versioning::Suspended }),
        Command::CommitObject(Box::new(CommitObject { bucket, key, written: written(), object: object(), conditions: conditions(), order })),
        Command::DeleteObjects(DeleteObjects { bucket, targets: vec![target], owner: Some("bob".parse().unwrap()) }),
        Command::CopyReference(Box::new(CopyReference { bucket, source: "a".parse().unwrap(), source_version: version(), source_conditions: conditions(), key: "b".parse().unwrap(), object: object(), conditions: conditions() })),
        Command::CreateUpload(Box::new(CreateUpload { target: upload(), owner: Some("bob".parse().unwrap()), headers: headers(), metadata: metadata(), storage_class: Some("COLD".to_owned()), algorithm: Some(ChecksumAlgorithm::Sha256), scope: ChecksumScope::Composite, backends: vec![backend] })),
        Command::CommitPart(Box::new(CommitPart { target: upload(), number: PartNumber::MAX, written: written(), size: 4096, etag: ETag::of_whole([9; 16]), checksums: checksums() })),
        Command::CompleteUpload(Box::new(CompleteUpload { target: upload(), listed: Bytes::from_static(&[7]), digest: fingerprint, size: 4096, etag: ETag::of_parts([9; 16], 3), checksums: checksums(), conditions: conditions(), kept_millis: 90_000 })),
        Command::AbortUpload(AbortUpload { target: upload() }),
        Command::ExpireCompletions(ExpireCompletions { limit: 100 }),
        Command::AddReplica(AddReplica { blob, replica: replica(), stored: 4321 }),
        Command::GiveUpAttempts(GiveUpAttempts { attempts: vec![attempt()] }),
        Command::MarkSuspect(MarkSuspect { blob, address: address() }),
        Command::ClearSuspect(ClearSuspect { blob, address: address() }),
        Command::RemoveReplica(RemoveReplica { blob, address: address(), keep: 2 }),
        Command::ConfirmDeleted(ConfirmDeleted { backend, rows: vec![GarbageRow { died: 900, blob, epoch, attempt: Attempt(5) }] }),
        Command::Release(Release { row: row(), after: 64, limit: 100 }),
        Command::AttachBackend(AttachBackend { name: "one".parse().unwrap(), kind: "fs".to_owned(), spec: Bytes::from_static(b"{}"), prefix: "p".to_owned(), nonce: BackendNonce([2; 16]) }),
        Command::ActivateBackend(ActivateBackend { backend, readers: vec![SessionId(8)] }),
        Command::SetBackendState(SetBackendState { backend, from: BackendState::Active, to: BackendState::Draining }),
        Command::PutBucketKey(PutBucketKey { bucket, version: version_of_key, wrapped: Bytes::from_static(b"w"), master: "m".to_owned() }),
        Command::ProveKey(ProveKey { bucket, version: version_of_key }),
        Command::ActivateKey(ActivateKey { bucket, version: version_of_key }),
        Command::RecordKeyring(RecordKeyring { revision: 990, backends: vec![backend] }),
    ]
}

fn envelopes() -> Vec<Envelope> {
    let node = BoundNode {
        name: "node-1".parse().unwrap(),
        disk: DiskId([1; 16]),
    };
    let bind = BindCluster {
        cluster: ClusterId([1; 16]),
        tag: 42,
        domain: EncryptionDomain([2; 16]),
        nodes: vec![node],
    };
    let open = OpenSession {
        node: NodeId(1),
        boot: 7,
        nonce: BootNonce([3; 16]),
    };
    let outside = [Proposal::BindCluster(bind), Proposal::OpenSession(open)].map(Envelope::new);
    let numbered = commands()
        .into_iter()
        .map(|command| Envelope::numbered(SessionId(8), 77, 70, command));
    outside.into_iter().chain(numbered).collect()
}

#[test]
fn every_command_reads_back_as_it_was_written() {
    for envelope in envelopes() {
        let bytes = envelope.encode();
        assert_eq!(bytes.len(), envelope.encoded_len());
        assert_eq!(Envelope::decode(bytes).unwrap(), envelope);
    }
    let names: BTreeSet<_> = commands().iter().map(Command::name).collect();
    assert_eq!(names.len(), 36, "one sample of each");
}

/// Field numbers, types and order are the format of the log. A change of this digest is a change of the
/// format: it needs a feature level.
#[test]
fn the_encoding_of_commands_is_the_one_that_was_released() {
    let mut hash = Sha256::new();
    for envelope in envelopes() {
        hash.update(envelope.encode());
    }
    assert_eq!(
        hex::encode(hash.finalize()),
        "7a8a7d10770abae1b3f43c02b53df36221fe053ba3b954ec79d92d7b5f038d1b"
    );
}

proptest! {
    #[test]
    fn a_damaged_envelope_is_read_or_refused(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let envelopes = envelopes();
        let mut bytes = which.get(&envelopes).encode().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        // No panic, and what is read is what its own encoding says.
        if let Ok(read) = Envelope::decode(Bytes::from(bytes)) {
            prop_assert_eq!(Envelope::decode(read.encode()).unwrap(), read);
        }
    }

    #[test]
    fn an_envelope_that_was_cut_off_is_refused(
        which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(),
    ) {
        let envelopes = envelopes();
        let envelope = which.get(&envelopes);
        let bytes = envelope.encode();
        let cut = Envelope::decode(bytes.slice(..place.index(bytes.len())));
        prop_assert!(cut.is_err(), "{cut:?}");
    }
}

#[test]
fn the_attempts_of_a_command_are_all_that_it_names_as_its_own() {
    let named: Vec<_> = commands()
        .iter()
        .map(|command| (command.name(), command.attempts().len()))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(
        named,
        [
            ("CommitObject", 3),
            ("CommitPart", 3),
            ("AddReplica", 1),
            ("GiveUpAttempts", 1)
        ]
    );
    assert_eq!(written().attempts()[0].stored, 4321);
}

#[test]
fn a_digest_of_parts_tells_numbers_blobs_and_their_order_apart() {
    let number = |number| PartNumber::new(number).unwrap();
    let piece = |blob, length| Piece {
        blob: BlobId([blob; 16]),
        length,
    };
    let digest = |parts: &[(u16, &[Piece])]| {
        let mut digest = PartsDigest::new();
        for (part, pieces) in parts {
            digest.add(number(*part), pieces);
        }
        digest.finish()
    };
    let (a, b) = (piece(1, 5), piece(2, 5));
    let all = [
        digest(&[]),
        digest(&[(1, &[a])]),
        digest(&[(2, &[a])]),
        digest(&[(1, &[b])]),
        digest(&[(1, &[piece(1, 6)])]),
        digest(&[(1, &[a, b])]),
        digest(&[(1, &[b, a])]),
        digest(&[(1, &[a]), (2, &[b])]),
        digest(&[(1, &[a]), (2, &[a])]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(digest(&[(1, &[a]), (2, &[b])]), all[7]);
}

/// The budget of issue 2: under 400 bytes of state per object, with keys of 40 bytes, two copies and
/// encryption. The store adds about 16 bytes per row and takes some away by compression.
#[test]
fn an_object_of_two_copies_costs_less_than_400_bytes_of_rows() {
    let object = ObjectRecord {
        version: VersionId {
            incarnation: IncarnationCounter(2),
            index: 50_000_000,
            position: 256,
        },
        is_null: true,
        size: 4096,
        etag: ETag::of_whole([9; 16]),
        modified: MillisUtc(1_790_000_000_000),
        content: Content::Blob(BlobId([4; 16])),
        headers: Some(SystemHeaders {
            content_type: Some("application/octet-stream".to_owned()),
            ..SystemHeaders::default()
        }),
        metadata: Vec::new(),
        checksums: vec![Checksum {
            algorithm: ChecksumAlgorithm::Crc64Nvme,
            scope: ChecksumScope::Full,
            value: Bytes::from_static(&[1; 8]),
        }],
        storage_class: None,
        owner: None,
    };
    let replica = |backend| Replica {
        backend: BackendId(backend),
        incarnation: IncarnationCounter(2),
        epoch: EpochId(20_000),
        attempt: Attempt(50_000),
        state: ReplicaState::Present,
        provider_version: None,
    };
    let content = BlobContent {
        bucket: BucketId(1000),
        size: 4096,
        stored: 5000,
        crc: Crc64(1),
        frame: frame(),
    };
    let blob = BlobRecord {
        content: Some(content),
        references: 1,
        replicas: vec![replica(1), replica(2)],
        short: false,
    };
    let key = CurrentKey {
        bucket: BucketId(1000),
        key: "k".repeat(40).parse().unwrap(),
    };
    let rows = [
        key.to_bytes().len(),
        object.encoded_len(),
        BlobKey {
            blob: BlobId([4; 16]),
        }
        .to_bytes()
        .len(),
        blob.encoded_len(),
    ];
    assert!(rows.iter().sum::<usize>() < 340, "{rows:?}");
}
