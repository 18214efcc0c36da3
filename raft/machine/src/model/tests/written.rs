//! What requests have written, and what they say of it.

use bytes::Bytes;
use raft_types::checksum::{Checksum, ChecksumAlgorithm, ChecksumScope, Crc64};
use raft_types::commands::{
    CommitPart, CompleteUpload, NewBlob, NewObject, NewReplica, PartsDigest, UploadTarget, Written,
};
use raft_types::limits::COMPLETION_KEPT_MILLIS;
use raft_types::records::{Frame, MetadataPair, Sealing, Suite, SystemHeaders};
use raft_types::{
    Attempt, AttemptAddress, BlobAttempt, BlobId, BucketId, ETag, IncarnationCounter, KeyVersion, PartNumber,
    SessionId,
};

use super::dice::Dice;
use super::history::History;
use crate::listed;

const MIB: u64 = 1 << 20;

impl History {
    pub(super) fn some_replica(&mut self, session: SessionId, dice: &mut Dice) -> NewReplica {
        NewReplica {
            backend: self.some_backend(dice),
            incarnation: IncarnationCounter(1 + u32::from(dice.once_in(60))),
            epoch: self.some_epoch(session, dice),
            attempt: Attempt(self.draw() as u32),
            provider_version: dice.once_in(4).then(|| "v".to_owned()),
        }
    }

    /// An attempt of the session, sometimes one that is known already, be it dead or live.
    pub(super) fn some_attempt(&mut self, session: SessionId, dice: &mut Dice) -> BlobAttempt {
        if let Some((blob, address)) = self.some_address(dice).filter(|_| dice.once_in(8)) {
            return BlobAttempt {
                blob,
                address,
                stored: 77,
                provider_version: None,
            };
        }
        let fresh = BlobId([self.draw() as u8; 16]);
        let blob = if dice.once_in(2) {
            self.some_blob(dice)
        } else {
            fresh
        };
        self.some_replica(session, dice)
            .attempt(blob, 50 + dice.below(3) as u64)
    }

    pub(super) fn some_written(&mut self, session: SessionId, bucket: BucketId, dice: &mut Dice) -> Written {
        let count = dice.one(&[1, 1, 1, 2, 3, 1, 1, 10]);
        let mut blobs: Vec<_> = (0..count)
            .map(|_| self.some_new_blob(session, bucket, dice))
            .collect();
        let first = blobs[0].blob;
        let fault = dice.below(80);
        if fault == 70 {
            blobs[0].blob = self.some_blob(dice);
        }
        let mut written = Written {
            blobs,
            given_up: Vec::new(),
            running: Vec::new(),
            wanted: 1,
        };
        written.wanted = dice.one(&[1, 2, 3]);
        if dice.once_in(4) {
            written.given_up.push(self.some_attempt(session, dice));
        }
        if dice.once_in(3) {
            written
                .running
                .push(self.some_replica(session, dice).attempt(first, 50));
        }
        match fault {
            71 => written.wanted = 0,
            72 => written.blobs.push(written.blobs[0].clone()),
            73 => written.blobs[0].replicas.clear(),
            74 => written.running.push(self.some_attempt(session, dice)),
            75 => written
                .blobs
                .iter_mut()
                .for_each(|blob| blob.replicas.truncate(1)),
            76 | 77 => self.reuse_given_up(&mut written, dice),
            _ => {}
        }
        written
    }

    /// The first blob is one of which an attempt was given up, and once the very attempt is a replica of it.
    pub(super) fn reuse_given_up(&self, written: &mut Written, dice: &mut Dice) {
        let blobs = self.model.blobs_after(None, usize::MAX).into_iter();
        let given_up: Vec<_> = blobs.filter(|(_, record)| record.content.is_none()).collect();
        if let Some((blob, record)) = dice.pick(&given_up) {
            written.blobs[0].blob = blob;
            written.running.clear();
            if dice.once_in(2) {
                written.blobs[0].replicas = vec![replica_at(record.replicas[0].address())];
            }
        }
    }

    pub(super) fn some_new_blob(&mut self, session: SessionId, bucket: BucketId, dice: &mut Dice) -> NewBlob {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.draw().to_be_bytes());
        let backends = self.model.backends().into_iter();
        let mut backends: Vec<_> = backends
            .filter(|(_, record)| record.state.takes_replicas() || dice.once_in(60))
            .map(|(backend, _)| backend)
            .collect();
        let turn = dice.below(backends.len());
        backends.rotate_left(turn);
        backends.truncate(dice.one(&[1, 2, 2, 5]));
        let mut replicas = Vec::new();
        for backend in backends {
            replicas.push(NewReplica {
                backend,
                ..self.some_replica(session, dice)
            });
        }
        let size = dice.below(4) as u64;
        NewBlob {
            blob: BlobId(id),
            size,
            stored: size + 100,
            crc: Crc64(size),
            frame: self.some_frame(bucket, dice),
            replicas,
        }
    }

    /// Sealed by a key of the bucket where it has one, mostly.
    pub(super) fn some_frame(&self, bucket: BucketId, dice: &mut Dice) -> Frame {
        let active = self.model.bucket(bucket).and_then(|record| record.key_version);
        let version = match dice.below(40) {
            38 => None,
            39 => Some(KeyVersion(1 + dice.below(3) as u32)),
            _ => active,
        };
        let wrapped = if dice.once_in(40) {
            Bytes::new()
        } else {
            Bytes::from_static(b"wrapped")
        };
        let sealing = version.map(|key_version| Sealing {
            key_version,
            wrapped,
            commitment: Bytes::new(),
        });
        let suite = if sealing.is_some() {
            Suite::Aes256Gcm
        } else {
            Suite::Clear
        };
        Frame {
            suite,
            chunk_log2: if dice.once_in(60) { 21 } else { 16 },
            sealing,
        }
    }

    pub(super) fn some_part(
        &mut self,
        session: SessionId,
        target: UploadTarget,
        dice: &mut Dice,
    ) -> Option<CommitPart> {
        let size = dice.one(&[5 * MIB, 6 * MIB, 5 * MIB, 5 * MIB - 1]);
        let number = PartNumber::new(1 + dice.below(5) as u16)?;
        let mut written = self.some_written(session, target.bucket, dice);
        if let [blob] = &mut written.blobs[..] {
            blob.size = size;
        } else {
            written.blobs.iter_mut().for_each(|blob| blob.size = 3 * MIB);
        }
        Some(CommitPart {
            target,
            number,
            size: written.size()?,
            written,
            etag: ETag::of_whole([dice.below(3) as u8; 16]),
            checksums: Vec::new(),
        })
    }

    /// A completion that lists most of the parts that stand.
    pub(super) fn complete_of(&self, target: UploadTarget, dice: &mut Dice) -> Option<CompleteUpload> {
        let parts = self.model.list_parts(target.upload, None, usize::MAX).into_iter();
        let mut parts: Vec<_> = parts.filter(|_| !dice.once_in(6)).collect();
        let fault = dice.below(30);
        let mut digest = PartsDigest::new();
        parts
            .iter()
            .for_each(|(number, part)| digest.add(*number, &part.pieces));
        let size = parts.iter().map(|(_, part)| part.size).sum::<u64>() + u64::from(fault == 25);
        if fault == 26 {
            parts.pop();
        }
        let mut numbers: Vec<_> = parts.iter().map(|(number, _)| *number).collect();
        if fault == 27 {
            numbers.push(PartNumber::MAX);
        }
        let mut listed = listed::encode(numbers.iter().copied()).to_vec();
        if fault == 28 {
            listed.push(0);
        }
        let conditions = self.some_conditions(target.bucket, &target.key, dice);
        let checksum = Checksum {
            algorithm: ChecksumAlgorithm::Crc32c,
            scope: ChecksumScope::Composite,
            value: Bytes::from_static(&[1, 2, 3, 4]),
        };
        Some(CompleteUpload {
            target,
            listed: listed.into(),
            digest: digest.finish(),
            size,
            etag: ETag::of_parts([5; 16], numbers.len() as u16),
            checksums: vec![checksum],
            conditions,
            kept_millis: [0, 1, COMPLETION_KEPT_MILLIS / 2][dice.below(3)],
        })
    }
}

pub(super) fn replica_at(address: AttemptAddress) -> NewReplica {
    let AttemptAddress {
        backend,
        incarnation,
        epoch,
        attempt,
    } = address;
    NewReplica {
        backend,
        incarnation,
        epoch,
        attempt,
        provider_version: None,
    }
}

pub(super) fn some_object(size: u64, dice: &mut Dice) -> NewObject {
    let length = if dice.once_in(60) { 17_000 } else { 3 };
    let pair = MetadataPair {
        name: "m".to_owned(),
        value: "x".repeat(length),
    };
    let typed = SystemHeaders {
        content_type: Some("text/plain".to_owned()),
        ..SystemHeaders::default()
    };
    NewObject {
        size,
        etag: ETag::of_whole([dice.below(3) as u8; 16]),
        headers: dice
            .pick(&[None, Some(SystemHeaders::default()), Some(typed)])
            .flatten(),
        metadata: vec![pair],
        checksums: Vec::new(),
        storage_class: dice.once_in(4).then(|| "COLD".to_owned()),
        owner: dice.once_in(4).then(|| "bob".parse().unwrap()),
    }
}
