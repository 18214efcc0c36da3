//! What a blob is: content, replicas, and the urgent work on it.

use raft_types::commands::NewReplica;
use raft_types::records::{
    BlobContent, BlobRecord, Content, DeathCause, Piece, Pieces, Replica as ReplicaRecord, ReplicaState,
    WorkRecord,
};
use raft_types::{AttemptAddress, BackendId, MillisUtc};

/// A blob, or attempts to write one that was never committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Blob {
    pub(super) content: Option<BlobContent>,
    /// Its replicas, in the order in which they came.
    pub(super) replicas: Vec<Replica>,
    /// The urgent work on it.
    pub(super) missing: Option<WorkRecord>,
    pub(super) suspected: Option<WorkRecord>,
}

/// One attempt that is known.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) address: AttemptAddress,
    pub(super) provider_version: Option<String>,
    pub(super) fate: Fate,
}

/// What is known of an attempt. Garbage is what is being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Present,
    Suspect,
    Removing(Death),
}

/// When and why an attempt died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) index: u64,
    pub(super) cause: DeathCause,
    pub(super) since: MillisUtc,
    /// Bytes that it may occupy until it is deleted.
    pub(super) stored: u64,
}

impl Blob {
    pub(super) fn stored(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.stored)
    }

    pub(super) fn find(&mut self, address: &AttemptAddress) -> Option<&mut Replica> {
        self.replicas
            .iter_mut()
            .find(|replica| replica.address == *address)
    }

    pub(super) fn present(&self) -> usize {
        self.replicas
            .iter()
            .filter(|replica| replica.fate == Fate::Present)
            .count()
    }

    pub(super) fn is_present_on(&self, backend: BackendId) -> bool {
        self.replicas
            .iter()
            .any(|other| other.address.backend == backend && other.fate == Fate::Present)
    }

    pub(super) fn not_removing(&self) -> usize {
        self.replicas
            .iter()
            .filter(|replica| !matches!(replica.fate, Fate::Removing(_)))
            .count()
    }

    /// Work ends when there is nothing more to do.
    pub(super) fn end_work(&mut self) {
        let present = self.present();
        if self
            .missing
            .as_ref()
            .is_some_and(|work| present >= work.wanted as usize)
        {
            self.missing = None;
        }
        self.end_suspicion();
    }

    pub(super) fn end_suspicion(&mut self) {
        if !self.replicas.iter().any(|replica| replica.fate == Fate::Suspect) {
            self.suspected = None;
        }
    }

    /// An attempt that was under way has ended.
    pub(super) fn forget_pending(&mut self, address: &AttemptAddress) {
        if let Some(work) = &mut self.missing {
            work.pending.retain(|pending| pending.address != *address);
        }
    }

    pub(super) fn record(&self, references: u32) -> BlobRecord {
        let replicas = self.replicas.iter().map(|replica| ReplicaRecord {
            backend: replica.address.backend,
            incarnation: replica.address.incarnation,
            epoch: replica.address.epoch,
            attempt: replica.address.attempt,
            state: match replica.fate {
                Fate::Present => ReplicaState::Present,
                Fate::Suspect => ReplicaState::Suspect,
                Fate::Removing(_) => ReplicaState::Removing,
            },
            provider_version: replica.provider_version.clone(),
        });
        BlobRecord {
            content: self.content.clone(),
            references,
            replicas: replicas.collect(),
            short: self.missing.is_some(),
        }
    }
}

/// The content that pieces make up.
pub(super) fn content_of(pieces: Vec<Piece>) -> Content {
    match pieces[..] {
        [Piece { blob, .. }] => Content::Blob(blob),
        _ => Content::Blobs(Pieces { pieces }),
    }
}

/// The pieces of a content that is not a manifest.
pub(super) fn pieces_of(content: &Content, size: u64) -> Vec<Piece> {
    match content {
        Content::Blob(blob) => vec![Piece {
            blob: *blob,
            length: size,
        }],
        Content::Blobs(list) => list.pieces.clone(),
        Content::Manifest(_) => Vec::new(),
    }
}

pub(super) fn replica_of(new: &NewReplica, fate: Fate) -> Replica {
    Replica {
        address: new.address(),
        provider_version: new.provider_version.clone(),
        fate,
    }
}
