//! Random commands. Ids are drawn from few, so that commands meet each other: most of them succeed now
//! and then, and are refused now and then.

use bytes::Bytes;
use proptest::prelude::*;
use raft_types::checksum::Crc64;
use raft_types::commands::{
    ActivateBackend, AttachBackend, BindCluster, BoundNode, CloseEpoch, Command, CommitObject, CreateBucket,
    DeleteBucket, DeleteObjects, DeleteTarget, GiveUpAttempts, MarkSuspect, NewBlob, NewObject, NewReplica,
    OpenEpoch, OpenSession, OrderStamp, ProposeSettings, RegisterNode, SealEpoch, SetVersioning,
    SettingsProposal, Settle, Written,
};
use raft_types::records::{Frame, Suite, Versioning};
use raft_types::{
    Attempt, BackendId, BackendName, BackendNonce, BlobId, BootNonce, BucketId, BucketName, ClusterId,
    Digest, DiskId, ETag, EncryptionDomain, Envelope, EpochId, IncarnationCounter, MillisUtc, NodeId,
    ObjectKey, PrincipalName, Proposal, Record, SessionId,
};

use super::name;

pub(crate) const CLUSTER: ClusterId = ClusterId([0xc1; 16]);

/// The first entry of a cluster.
pub(crate) fn bind() -> Bytes {
    let command = BindCluster {
        cluster: CLUSTER,
        tag: 7,
        domain: EncryptionDomain([5; 16]),
        nodes: vec![BoundNode {
            name: name(),
            disk: DiskId([1; 16]),
        }],
    };
    Envelope::new(Proposal::BindCluster(command)).encode()
}

/// Opens the session of a boot.
pub(crate) fn open_session(boot: u64) -> Bytes {
    let nonce = BootNonce([u8::try_from(boot % 256).unwrap(); 16]);
    let command = OpenSession {
        node: NodeId(1),
        boot,
        nonce,
    };
    Envelope::new(Proposal::OpenSession(command)).encode()
}

/// A numbered command.
pub(crate) fn numbered(session: u64, seq: u64, settled_below: u64, command: Command) -> Bytes {
    Envelope::numbered(SessionId(session), seq, settled_below, command).encode()
}

/// A bucket of this name.
pub(crate) fn create_bucket(bucket: &str) -> Command {
    Command::CreateBucket(CreateBucket {
        name: BucketName::new(bucket).unwrap(),
        owner: PrincipalName::new("owner").unwrap(),
    })
}

/// A cluster with a session, an epoch, a backend that takes replicas and two buckets.
pub(crate) fn prelude() -> Vec<Bytes> {
    let attach = AttachBackend {
        name: BackendName::new("disk").unwrap(),
        kind: "fs".into(),
        spec: Bytes::from_static(b"{}"),
        prefix: "data".into(),
        nonce: BackendNonce([3; 16]),
    };
    let activate = ActivateBackend {
        backend: BackendId(1),
        readers: vec![SessionId(1)],
    };
    vec![
        bind(),
        open_session(1),
        numbered(1, 1, 1, Command::OpenEpoch(OpenEpoch {})),
        numbered(1, 2, 1, Command::AttachBackend(attach)),
        numbered(1, 3, 1, Command::ActivateBackend(activate)),
        numbered(1, 4, 1, create_bucket("first")),
        numbered(1, 5, 1, create_bucket("second")),
    ]
}

fn key() -> impl Strategy<Value = ObjectKey> {
    (0_u8..6).prop_map(|key| ObjectKey::new(format!("folder/{key}")).unwrap())
}

fn bucket() -> impl Strategy<Value = BucketId> {
    (1_u64..4).prop_map(BucketId)
}

fn commit() -> impl Strategy<Value = Command> {
    (bucket(), key(), 0_u8..200, 1_u64..3, 0_u64..1 << 20).prop_map(|(bucket, key, blob, epoch, size)| {
        let replica = NewReplica {
            backend: BackendId(1),
            incarnation: IncarnationCounter::FIRST,
            epoch: EpochId(epoch),
            attempt: Attempt(u32::from(blob)),
            provider_version: None,
        };
        let frame = Frame {
            suite: Suite::Clear,
            chunk_log2: 16,
            sealing: None,
        };
        let blob = NewBlob {
            blob: BlobId::from_parts(0, [blob; BlobId::RANDOM_BYTES]),
            size,
            stored: size + 512,
            crc: Crc64(size),
            frame,
            replicas: vec![replica],
        };
        let object = NewObject {
            size,
            etag: ETag::of_whole([7; 16]),
            headers: None,
            metadata: Vec::new(),
            checksums: Vec::new(),
            storage_class: None,
            owner: None,
        };
        let written = Written {
            blobs: vec![blob],
            given_up: Vec::new(),
            running: Vec::new(),
            wanted: 1,
        };
        Command::CommitObject(Box::new(CommitObject {
            bucket,
            key,
            written,
            object,
            conditions: None,
            order: OrderStamp {
                incarnation: IncarnationCounter::FIRST,
                read_index: 0,
                time: MillisUtc(0),
            },
        }))
    })
}

fn delete() -> impl Strategy<Value = Command> {
    (bucket(), prop::collection::vec(key(), 1..4)).prop_map(|(bucket, keys)| {
        let target = |key| DeleteTarget {
            key,
            version: None,
            conditions: None,
        };
        Command::DeleteObjects(DeleteObjects {
            bucket,
            targets: keys.into_iter().map(target).collect(),
            owner: None,
        })
    })
}

fn command() -> impl Strategy<Value = Command> {
    let name = prop::sample::select(vec!["first", "second", "third"]);
    prop_oneof![
        8 => commit(),
        4 => delete(),
        1 => name.prop_map(create_bucket),
        1 => bucket().prop_map(|bucket| Command::DeleteBucket(DeleteBucket { bucket })),
        2 => (bucket(), any::<bool>()).prop_map(|(bucket, enabled)| Command::SetVersioning(SetVersioning {
            bucket,
            versioning: if enabled { Versioning::Enabled } else { Versioning::Suspended },
        })),
        1 => Just(Command::OpenEpoch(OpenEpoch {})),
        1 => (1_u64..3).prop_map(|epoch| Command::CloseEpoch(CloseEpoch { epoch: EpochId(epoch), used: Vec::new() })),
        1 => (1_u64..3).prop_map(|epoch| Command::SealEpoch(SealEpoch { epoch: EpochId(epoch) })),
        1 => (0_u64..60).prop_map(|seq| Command::Settle(Settle { seq, attempts: Vec::new() })),
        1 => (0_u8..4).prop_map(|disk| Command::RegisterNode(RegisterNode {
            name: raft_types::NodeName::new(format!("node-{disk}")).unwrap(),
            disk: DiskId([disk; 16]),
        })),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(|content| Command::ProposeSettings(ProposeSettings {
            node: NodeId(1),
            content: content.into(),
            fingerprint: Digest([4; 32]),
            proposal: SettingsProposal::Offer,
        })),
        1 => Just(Command::GiveUpAttempts(GiveUpAttempts { attempts: Vec::new() })),
        1 => (0_u8..200).prop_map(|blob| Command::MarkSuspect(MarkSuspect {
            blob: BlobId::from_parts(0, [blob; BlobId::RANDOM_BYTES]),
            address: raft_types::AttemptAddress {
                backend: BackendId(1),
                incarnation: IncarnationCounter::FIRST,
                epoch: EpochId(1),
                attempt: Attempt(u32::from(blob)),
            },
        })),
    ]
}

fn envelope() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        1 => (1_u64..4).prop_map(open_session),
        // Numbers come again and again, some under the floor.
        30 => (1_u64..3, 1_u64..60, 1_u64..20, command())
            .prop_map(|(session, seq, floor, command)| numbered(session, seq, floor, command)),
    ]
}

/// Commands after the prelude, in entries of one to five, with a clock that jumps.
pub(crate) fn entries() -> impl Strategy<Value = Vec<(u64, Vec<Bytes>)>> {
    prop::collection::vec((0_u64..10_000, prop::collection::vec(envelope(), 1..5)), 1..60)
}
