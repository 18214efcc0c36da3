//! What the node in memory knows: the model of the replicated state, and bytes by blob.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use api::port::{BucketName, Credential, Encryption, Error, SecretKey, WriteConditions};
use bytes::{Bytes, BytesMut};
use raft_machine::EntryContext;
use raft_machine::model::Model;
use raft_types::checksum::Crc64;
use raft_types::commands::{
    ActivateBackend, AttachBackend, BindCluster, BoundNode, Command, Envelope, NewBlob, NewReplica,
    OpenEpoch, OpenSession, OrderStamp, Proposal, Written,
};
use raft_types::records::{BucketRecord, Content, Frame, Suite};
use raft_types::{
    Attempt, BackendId, BackendNonce, BlobId, BootNonce, BucketId, ClusterId, DiskId, EncryptionDomain,
    EpochId, IncarnationCounter, MillisUtc, NodeId, Outcome, SessionId, UploadId,
};
use tokio::sync::Notify;

use super::translate;

/// Smallest part that is not the last. Small, so that tests are.
pub(crate) const MIN_PART: u64 = 5;

/// 2009-10-12T17:50:30Z: when everything begins.
const BEGINNING: u64 = 1_255_369_830_000;

/// What can go wrong in the middle of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BrokenRead {
    /// An error.
    Fails,
    /// An end, as if that were all.
    Stops,
    /// A piece longer than what is left.
    GoesOn,
}

/// What it knows, and how it is to misbehave.
pub(crate) struct State {
    pub(super) users: HashMap<String, Arc<Credential>>,
    /// What candidates are taken from, when that is not what holds after the barrier.
    pub(crate) stale: Option<HashMap<String, Arc<Credential>>>,
    pub(super) model: Model,
    /// The bytes of every blob that something refers to.
    bytes: HashMap<BlobId, Bytes>,
    clock: u64,
    /// Index of the last entry, and the number of the last command.
    index: u64,
    seq: u64,
    /// How many ids were drawn.
    drawn: u64,
    /// Operations that came through, in order.
    pub(crate) calls: Vec<&'static str>,
    /// Pieces of bodies that were asked for.
    pub(crate) pieces: usize,
    /// Answers to barriers.
    pub(crate) barrier: Option<Error>,
    /// Answer of every operation.
    pub(crate) fault: Option<Error>,
    /// Whether operations panic.
    pub(crate) panics: bool,
    /// How reads go wrong, after so many pieces.
    pub(crate) broken_reads: Option<(usize, BrokenRead)>,
    /// What completions wait for.
    pub(crate) hold_completion: Option<Arc<Notify>>,
    pub(crate) encryption: Option<Encryption>,
}

impl Default for State {
    /// A cluster of one with one backend, no bucket and no user.
    fn default() -> Self {
        let mut state = State {
            users: HashMap::new(),
            stale: None,
            model: Model::new().with_min_part_size(MIN_PART),
            bytes: HashMap::new(),
            clock: BEGINNING,
            index: 0,
            seq: 0,
            drawn: 0,
            calls: Vec::new(),
            pieces: 0,
            barrier: None,
            fault: None,
            panics: false,
            broken_reads: None,
            hold_completion: None,
            encryption: None,
        };
        state.set_up();
        state
    }
}

const SESSION: SessionId = SessionId(1);
const EPOCH: EpochId = EpochId(1);
const BACKEND: BackendId = BackendId(1);
const LIFE: IncarnationCounter = IncarnationCounter(1);

impl State {
    fn set_up(&mut self) {
        let node = BoundNode {
            name: "node-1".parse().expect("a name"),
            disk: DiskId([1; 16]),
        };
        self.apply(&Envelope::new(Proposal::BindCluster(BindCluster {
            cluster: ClusterId([1; 16]),
            tag: 1,
            domain: EncryptionDomain([1; 16]),
            nodes: vec![node],
        })));
        self.apply(&Envelope::new(Proposal::OpenSession(OpenSession {
            node: NodeId(1),
            boot: 1,
            nonce: BootNonce([1; 16]),
        })));
        let attach = AttachBackend {
            name: "memory".parse().expect("a name"),
            kind: "memory".to_owned(),
            spec: Bytes::new(),
            prefix: String::new(),
            nonce: BackendNonce([1; 16]),
        };
        let activate = ActivateBackend {
            backend: BACKEND,
            readers: vec![SESSION],
        };
        let outcomes = [
            Command::OpenEpoch(OpenEpoch {}),
            Command::AttachBackend(attach),
            Command::ActivateBackend(activate),
        ]
        .map(|command| self.number(command));
        assert_eq!(
            outcomes,
            [
                Outcome::EpochOpened(EPOCH),
                Outcome::BackendAttached(BACKEND),
                Outcome::Done
            ]
        );
    }

    fn apply(&mut self, envelope: &Envelope) -> Outcome {
        self.index += 1;
        let at = EntryContext {
            term: 1,
            index: self.index,
            position: 0,
            now: MillisUtc(self.clock),
        };
        self.model.apply(&at, envelope)
    }

    fn number(&mut self, command: Command) -> Outcome {
        self.seq += 1;
        self.apply(&Envelope::numbered(SESSION, self.seq, self.seq, command))
    }

    /// Lets a command take effect, at a later time than all before. Bytes that nothing refers to afterwards
    /// are deleted.
    pub(super) fn propose(&mut self, command: Command) -> Outcome {
        self.clock += 1;
        let outcome = self.number(command);
        let model = &self.model;
        self.bytes
            .retain(|blob, _| model.blob(*blob).is_some_and(|record| record.is_live()));
        outcome
    }

    /// The same, with the error that a client sees.
    pub(super) fn commit(
        &mut self,
        command: Command,
        conditions: &WriteConditions,
    ) -> Result<Outcome, Error> {
        match self.propose(command) {
            Outcome::Rejected(rejection) => Err(translate::error(&rejection, conditions)),
            outcome => Ok(outcome),
        }
    }

    fn draw(&mut self) -> [u8; 16] {
        self.drawn += 1;
        u128::from(self.drawn).to_be_bytes()
    }

    pub(super) fn new_upload(&mut self) -> UploadId {
        UploadId(self.draw())
    }

    /// Stores bytes as a blob, for the next command to refer to.
    pub(super) fn write(&mut self, bytes: Bytes) -> Written {
        let blob = BlobId(self.draw());
        let size = bytes.len() as u64;
        self.bytes.insert(blob, bytes);
        let replica = NewReplica {
            backend: BACKEND,
            incarnation: LIFE,
            epoch: EPOCH,
            attempt: Attempt(0),
            provider_version: None,
        };
        let new = NewBlob {
            blob,
            size,
            stored: size,
            crc: Crc64(0),
            frame: Frame {
                suite: Suite::Clear,
                chunk_log2: 16,
                sealing: None,
            },
            replicas: vec![replica],
        };
        Written {
            blobs: vec![new],
            given_up: Vec::new(),
            running: Vec::new(),
            wanted: 1,
        }
    }

    /// The bytes of a range of a content.
    pub(super) fn read(&self, content: &Content, size: u64, range: Range<u64>) -> Bytes {
        let mut bytes = BytesMut::new();
        for span in self.model.resolve(content, size, range.clone(), usize::MAX) {
            let blob = &self.bytes[&span.blob];
            let from = range.start.max(span.start) - span.start;
            let to = range.end.min(span.end()) - span.start;
            bytes.extend_from_slice(&blob[from as usize..to as usize]);
        }
        bytes.freeze()
    }

    /// When a request of now began.
    pub(super) fn order(&self) -> OrderStamp {
        OrderStamp {
            incarnation: LIFE,
            read_index: self.index,
            time: MillisUtc(self.clock),
        }
    }

    pub(super) fn find_bucket(&self, name: &BucketName) -> Option<(BucketId, BucketRecord)> {
        self.model.bucket_by_name(&name.as_str().parse().ok()?)
    }

    pub(super) fn bucket(&self, name: &BucketName) -> Result<(BucketId, BucketRecord), Error> {
        self.find_bucket(name).ok_or(Error::NoSuchBucket)
    }

    pub(super) fn encryption(&self) -> Encryption {
        self.encryption.unwrap_or(Encryption::None)
    }
}

pub(super) fn credential(access_key: &str, secret: &str, user: &str) -> Arc<Credential> {
    Arc::new(Credential {
        access_key: access_key.into(),
        user: user.into(),
        secret: SecretKey::new(secret.to_owned()),
    })
}
