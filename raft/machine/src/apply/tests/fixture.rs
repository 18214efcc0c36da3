//! A bound cluster of two nodes over tables in memory, and short ways to speak to it.

use bytes::Bytes;
use raft_types::checksum::{ChecksumScope, Crc64};
use raft_types::commands::{
    ActivateBackend, AttachBackend, BindCluster, BoundNode, CommitObject, CommitPart, CompleteUpload,
    CreateBucket, CreateUpload, DeleteObjects, DeleteTarget, NewBlob, NewObject, NewReplica, OpenEpoch,
    OpenSession, OrderStamp, PartsDigest, SetVersioning, UploadTarget, Written,
};
use raft_types::keys::GarbageKey;
use raft_types::records::{
    BlobRecord, Frame, GarbageRecord, ObjectRecord, Piece, ReleaseRecord, Suite, VersionName, Versioning,
};
use raft_types::{
    Attempt, BackendId, BackendNonce, BlobAttempt, BlobId, BootNonce, BucketId, BucketName, ClusterId,
    Command, Committed, DeleteResult, DiskId, ETag, EncryptionDomain, Envelope, EpochId, IncarnationCounter,
    MillisUtc, NodeId, NodeName, ObjectKey, Outcome, PartNumber, Proposal, Record, Rejection, Released,
    RowId, SessionId, UploadId,
};

use crate::effect::Applied;
use crate::invariants;
use crate::memory::MemoryTables;
use crate::transaction::Transaction;
use crate::{EntryContext, Halt, listed, queries};

pub(super) const MIB: u64 = 1 << 20;

/// A session as its node sees it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) next: u64,
    pub(super) epoch: EpochId,
}

pub(super) struct Machine {
    pub(super) tables: MemoryTables,
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) now: MillisUtc,
    pub(super) session: Session,
    pub(super) bucket: BucketId,
    drawn: u64,
    /// Everything that was applied.
    pub(super) log: Vec<(EntryContext, Bytes)>,
}

/// At the end of every test the whole log is replayed in one transaction: however commands are batched, the
/// state is the same.
impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let empty = MemoryTables::new();
        let mut transaction = Transaction::new(&empty);
        for (at, envelope) in std::mem::take(&mut self.log) {
            crate::apply(&mut transaction, &at, envelope).unwrap();
        }
        let mut replayed = empty.clone();
        replayed.write(transaction.into_writes());
        assert!(replayed == self.tables, "a replay in one transaction differs");
    }
}

impl Machine {
    /// Bound, and nothing else.
    pub(super) fn bound() -> Self {
        let mut machine = Machine {
            tables: MemoryTables::new(),
            term: 1,
            index: 0,
            now: MillisUtc(1_000_000),
            session: Session {
                id: SessionId(0),
                next: 1,
                epoch: EpochId(0),
            },
            bucket: BucketId(0),
            drawn: 0,
            log: Vec::new(),
        };
        let outcome = machine.propose(Proposal::BindCluster(bind()));
        assert_eq!(outcome, Outcome::Done);
        machine
    }

    /// With a session and an epoch of node 1, two active backends and a bucket.
    pub(super) fn ready() -> Self {
        let mut machine = Machine::bound();
        machine.session = machine.open_session(1, 1);
        let session = machine.session.id;
        for name in ["one", "two"] {
            let backend = machine.attach(name);
            machine.done(Command::ActivateBackend(ActivateBackend {
                backend,
                readers: vec![session],
            }));
        }
        machine.bucket = machine.create_bucket("bucket");
        machine
    }

    pub(super) fn with_versioning(versioning: Versioning) -> Self {
        let mut machine = Machine::ready();
        machine.set_versioning(versioning);
        machine
    }

    /// Applies an envelope as an entry of its own, and checks the state that follows.
    pub(super) fn apply(&mut self, envelope: &Envelope) -> Result<Applied, Halt> {
        self.index += 1;
        let at = EntryContext {
            term: self.term,
            index: self.index,
            position: 0,
            now: self.now,
        };
        let mut transaction = Transaction::new(&self.tables);
        let applied = crate::apply(&mut transaction, &at, envelope.encode())?;
        let writes: Vec<_> = transaction.into_writes().collect();
        self.tables.write(writes);
        self.log.push((at, envelope.encode()));
        let violations = invariants::violations(&self.tables).unwrap();
        assert_eq!(violations, vec![], "after {envelope:?}");
        Ok(applied)
    }

    pub(super) fn propose(&mut self, proposal: Proposal) -> Outcome {
        self.apply(&Envelope::new(proposal)).unwrap().outcome
    }

    /// Sends a command of a session under its next number.
    pub(super) fn send(&mut self, session: &mut Session, command: Command) -> Outcome {
        let seq = session.next;
        session.next += 1;
        self.apply(&Envelope::numbered(session.id, seq, seq, command))
            .unwrap()
            .outcome
    }

    /// Sends a command of the first session.
    pub(super) fn command(&mut self, command: Command) -> Outcome {
        let mut session = self.session.clone();
        let outcome = self.send(&mut session, command);
        self.session = session;
        outcome
    }

    pub(super) fn done(&mut self, command: Command) {
        assert_eq!(self.command(command), Outcome::Done);
    }

    pub(super) fn rejection(&mut self, command: Command) -> Rejection {
        match self.command(command) {
            Outcome::Rejected(rejection) => rejection,
            other => panic!("expected a rejection, got {other:?}"),
        }
    }

    pub(super) fn open_session(&mut self, node: u64, boot: u64) -> Session {
        let nonce = BootNonce([boot as u8; 16]);
        let open = OpenSession {
            node: NodeId(node),
            boot,
            nonce,
        };
        let Outcome::SessionOpened(id) = self.propose(Proposal::OpenSession(open)) else {
            panic!("no session");
        };
        let mut session = Session {
            id,
            next: 1,
            epoch: EpochId(0),
        };
        session.epoch = self.open_epoch(&mut session);
        session
    }

    pub(super) fn open_epoch(&mut self, session: &mut Session) -> EpochId {
        match self.send(session, Command::OpenEpoch(OpenEpoch {})) {
            Outcome::EpochOpened(epoch) => epoch,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn attach(&mut self, name: &str) -> BackendId {
        let attach = AttachBackend {
            name: name.parse().unwrap(),
            kind: "memory".to_owned(),
            spec: Bytes::new(),
            prefix: String::new(),
            nonce: BackendNonce([7; 16]),
        };
        match self.command(Command::AttachBackend(attach)) {
            Outcome::BackendAttached(backend) => backend,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn create_bucket(&mut self, name: &str) -> BucketId {
        let create = CreateBucket {
            name: BucketName::new(name).unwrap(),
            owner: "alice".parse().unwrap(),
        };
        match self.command(Command::CreateBucket(create)) {
            Outcome::BucketCreated(bucket) => bucket,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn set_versioning(&mut self, versioning: Versioning) {
        let bucket = self.bucket;
        self.done(Command::SetVersioning(SetVersioning { bucket, versioning }));
    }

    /// A blob id that was not drawn before.
    pub(super) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub(super) fn blob_id(&mut self) -> BlobId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.draw().to_be_bytes());
        BlobId(bytes)
    }

    /// A clear blob with copies on these backends, in the epoch of the first session.
    pub(super) fn new_blob(&mut self, size: u64, backends: &[u32]) -> NewBlob {
        let epoch = self.session.epoch;
        NewBlob {
            blob: self.blob_id(),
            size,
            stored: size + 100,
            crc: Crc64(size),
            frame: Frame {
                suite: Suite::Clear,
                chunk_log2: 16,
                sealing: None,
            },
            replicas: backends
                .iter()
                .map(|&backend| replica(backend, epoch, 0))
                .collect(),
        }
    }

    /// One blob with copies on both backends.
    pub(super) fn written(&mut self, size: u64) -> Written {
        let blob = self.new_blob(size, &[1, 2]);
        written_of(vec![blob])
    }

    pub(super) fn commit(&mut self, key: &str, written: Written) -> CommitObject {
        CommitObject {
            bucket: self.bucket,
            key: key.parse().unwrap(),
            object: new_object(written.size().unwrap()),
            written,
            conditions: None,
            order: self.order(),
        }
    }

    pub(super) fn order(&self) -> OrderStamp {
        let incarnation = IncarnationCounter::FIRST;
        OrderStamp {
            incarnation,
            read_index: self.index,
            time: self.now,
        }
    }

    /// Puts an object of one blob, and returns the blob.
    pub(super) fn put(&mut self, key: &str) -> (BlobId, Committed) {
        let written = self.written(10);
        let blob = written.blobs[0].blob;
        let commit = self.commit(key, written);
        (blob, self.committed(Command::CommitObject(Box::new(commit))))
    }

    pub(super) fn committed(&mut self, command: Command) -> Committed {
        match self.command(command) {
            Outcome::Committed(committed) => committed,
            other => panic!("expected a version, got {other:?}"),
        }
    }

    pub(super) fn delete(&mut self, key: &str, version: Option<VersionName>) -> DeleteResult {
        let targets = vec![DeleteTarget {
            key: key.parse().unwrap(),
            version,
            conditions: None,
        }];
        let delete = DeleteObjects {
            bucket: self.bucket,
            targets,
            owner: None,
        };
        match self.command(Command::DeleteObjects(delete)) {
            Outcome::Deleted(mut deletions) => deletions.results.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn current(&self, key: &str) -> Option<ObjectRecord> {
        queries::current(&self.tables, self.bucket, &key.parse().unwrap()).unwrap()
    }

    pub(super) fn blob(&self, blob: BlobId) -> Option<BlobRecord> {
        queries::blob(&self.tables, blob).unwrap()
    }

    pub(super) fn garbage(&self, backend: u32) -> Vec<(GarbageKey, GarbageRecord)> {
        queries::garbage(&self.tables, BackendId(backend), u64::MAX, None, usize::MAX).unwrap()
    }

    pub(super) fn releases(&self) -> Vec<(RowId, ReleaseRecord)> {
        queries::release(&self.tables, u64::MAX, usize::MAX).unwrap()
    }

    pub(super) fn incidents(&self) -> usize {
        queries::incidents(&self.tables, None, usize::MAX).unwrap().len()
    }

    /// Walks over all dead content, and returns how many steps that took.
    pub(super) fn release_all(&mut self, limit: u32) -> usize {
        let mut steps = 0;
        while let Some((row, record)) = self.releases().first().cloned() {
            let step = raft_types::commands::Release {
                row,
                after: record.after,
                limit,
            };
            let outcome = self.command(Command::Release(step));
            let Outcome::Released(Released { finished, after }) = outcome else {
                panic!("{outcome:?}");
            };
            let now = queries::release_row(&self.tables, row).unwrap();
            assert_eq!(now.map(|row| row.after), (!finished).then_some(after));
            steps += 1;
        }
        steps
    }

    /// Confirms that everything in garbage was deleted.
    pub(super) fn collect(&mut self) {
        for backend in 1..=2 {
            let rows: Vec<_> = self
                .garbage(backend)
                .into_iter()
                .map(|(key, _)| row_of(&key))
                .collect();
            for rows in rows.chunks(raft_types::limits::CONFIRM_ROWS) {
                let confirm = raft_types::commands::ConfirmDeleted {
                    backend: BackendId(backend),
                    rows: rows.to_vec(),
                };
                self.done(Command::ConfirmDeleted(confirm));
            }
        }
    }

    pub(super) fn target(&mut self, key: &str) -> UploadTarget {
        let mut upload = [9; 16];
        upload[8..].copy_from_slice(&self.draw().to_be_bytes());
        UploadTarget {
            bucket: self.bucket,
            key: key.parse().unwrap(),
            upload: UploadId(upload),
        }
    }

    pub(super) fn create_upload(&mut self, key: &str) -> UploadTarget {
        let target = self.target(key);
        self.done(Command::CreateUpload(Box::new(create_upload(target.clone()))));
        target
    }

    pub(super) fn put_part(&mut self, target: &UploadTarget, number: u16, size: u64) -> BlobId {
        let part = self.part(target, number, size);
        let blob = part.written.blobs[0].blob;
        self.done(Command::CommitPart(Box::new(part)));
        blob
    }

    pub(super) fn part(&mut self, target: &UploadTarget, number: u16, size: u64) -> CommitPart {
        CommitPart {
            target: target.clone(),
            number: PartNumber::new(number).unwrap(),
            written: self.written(size),
            size,
            etag: ETag::of_whole([number as u8; 16]),
            checksums: Vec::new(),
        }
    }

    /// A Complete that lists the parts of these numbers as they stand now.
    pub(super) fn complete(&self, target: &UploadTarget, numbers: &[u16]) -> CompleteUpload {
        let numbers: Vec<_> = numbers
            .iter()
            .map(|&number| PartNumber::new(number).unwrap())
            .collect();
        let mut digest = PartsDigest::new();
        let mut size = 0;
        for &number in &numbers {
            let part = queries::part(&self.tables, target.upload, number).unwrap();
            let pieces: &[Piece] = part.as_ref().map_or(&[], |part| &part.pieces);
            digest.add(number, pieces);
            size += part.as_ref().map_or(0, |part| part.size);
        }
        CompleteUpload {
            target: target.clone(),
            listed: listed::encode(numbers.iter().copied()),
            digest: digest.finish(),
            size,
            etag: ETag::of_parts([5; 16], numbers.len() as u16),
            checksums: Vec::new(),
            conditions: None,
            kept_millis: 0,
        }
    }
}

pub(super) fn bind() -> BindCluster {
    let node = |name: &str, disk| BoundNode {
        name: NodeName::new(name).unwrap(),
        disk: DiskId([disk; 16]),
    };
    BindCluster {
        cluster: ClusterId([1; 16]),
        tag: 42,
        domain: EncryptionDomain([2; 16]),
        nodes: vec![node("node-1", 1), node("node-2", 2)],
    }
}

pub(super) fn replica(backend: u32, epoch: EpochId, attempt: u32) -> NewReplica {
    NewReplica {
        backend: BackendId(backend),
        incarnation: IncarnationCounter::FIRST,
        epoch,
        attempt: Attempt(attempt),
        provider_version: None,
    }
}

pub(super) fn attempt(blob: BlobId, backend: u32, epoch: EpochId, attempt: u32) -> BlobAttempt {
    replica(backend, epoch, attempt).attempt(blob, 50)
}

pub(super) fn written_of(blobs: Vec<NewBlob>) -> Written {
    Written {
        blobs,
        given_up: Vec::new(),
        running: Vec::new(),
        wanted: 1,
    }
}

pub(super) fn new_object(size: u64) -> NewObject {
    NewObject {
        size,
        etag: ETag::of_whole([3; 16]),
        headers: None,
        metadata: Vec::new(),
        checksums: Vec::new(),
        storage_class: None,
        owner: None,
    }
}

pub(super) fn create_upload(target: UploadTarget) -> CreateUpload {
    CreateUpload {
        target,
        owner: None,
        headers: None,
        metadata: Vec::new(),
        storage_class: None,
        algorithm: None,
        scope: ChecksumScope::Full,
        backends: Vec::new(),
    }
}

pub(super) fn row_of(key: &GarbageKey) -> raft_types::commands::GarbageRow {
    raft_types::commands::GarbageRow {
        died: key.died,
        blob: key.blob,
        epoch: key.epoch,
        attempt: key.attempt,
    }
}

pub(super) fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}
