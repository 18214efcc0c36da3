//! What can be done to the state.
//!
//! A command is proposed in an [`Envelope`], encoded, and applied by every node in the order of the log.
//! All ids of new rows that must not collide across retries are either drawn by the proposer (blobs,
//! uploads) or counted in apply (everything else).

mod backend;
mod blob;
mod bucket;
mod cluster;
mod envelope;
mod key;
mod object;
mod session;
mod upload;

pub use backend::{ActivateBackend, AttachBackend, SetBackendState};
pub use blob::{
    AddReplica, ClearSuspect, ConfirmDeleted, GarbageRow, GiveUpAttempts, MarkSuspect, NewBlob, NewReplica,
    Release, RemoveReplica, Written,
};
pub use bucket::{CreateBucket, DeleteBucket, SetVersioning};
pub use cluster::{
    BindCluster, BoundNode, DismissIncident, ProposeSettings, RegisterNode, RemoveNode, SettingsProposal,
};
pub use envelope::{Envelope, Numbered, Proposal};
pub use key::{ActivateKey, ProveKey, PutBucketKey, RecordKeyring};
pub use object::{
    CommitObject, Conditions, CopyReference, DeleteObjects, DeleteTarget, ETagCondition, ETags, NewObject,
    OrderStamp,
};
pub use session::{
    CloseEpoch, CloseSession, OpenEpoch, OpenSession, RecordSweep, SealEpoch, SealSession, Settle, SweepMark,
};
pub use upload::{
    AbortUpload, CommitPart, CompleteUpload, CreateUpload, ExpireCompletions, PartsDigest, UploadTarget,
};

use crate::address::BlobAttempt;
use crate::codec::choice;

choice! {
    /// A numbered command of a session.
    pub enum Command {
        /// Enters a node that will join.
        1 => RegisterNode(RegisterNode),
        /// Takes a node out and seals its session.
        2 => RemoveNode(RemoveNode),
        /// Offers or replaces the cluster-wide settings.
        3 => ProposeSettings(ProposeSettings),
        /// Removes an incident row that an operator has seen.
        4 => DismissIncident(DismissIncident),

        /// Ends the session that sends it, in order.
        10 => CloseSession(CloseSession),
        /// Seals another session that has been silent.
        11 => SealSession(SealSession),
        /// Asks for the outcome of a number, and cancels it if it has none.
        12 => Settle(Settle),
        /// Opens a key prefix for attempts.
        13 => OpenEpoch(OpenEpoch),
        /// Ends the beginning of attempts under an epoch.
        14 => CloseEpoch(CloseEpoch),
        /// Ends an epoch whose attempts are all settled.
        15 => SealEpoch(SealEpoch),
        /// Records what was swept of a sealed epoch.
        16 => RecordSweep(RecordSweep),

        /// Creates a bucket.
        20 => CreateBucket(CreateBucket),
        /// Deletes an empty bucket.
        21 => DeleteBucket(DeleteBucket),
        /// Switches versioning on or suspends it.
        22 => SetVersioning(SetVersioning),

        /// Makes written blobs the current version of a key.
        30 => CommitObject(Box<CommitObject>),
        /// Deletes keys or versions.
        31 => DeleteObjects(DeleteObjects),
        /// Makes the content of one version the current version of a key of the same bucket.
        32 => CopyReference(Box<CopyReference>),

        /// Opens a multipart upload.
        40 => CreateUpload(Box<CreateUpload>),
        /// Makes written blobs a part of an upload.
        41 => CommitPart(Box<CommitPart>),
        /// Makes listed parts the current version of the upload's key.
        42 => CompleteUpload(Box<CompleteUpload>),
        /// Ends an upload without effect.
        43 => AbortUpload(AbortUpload),
        /// Forgets results of completed uploads that are old enough.
        44 => ExpireCompletions(ExpireCompletions),

        /// Adds a verified copy to a live blob.
        50 => AddReplica(AddReplica),
        /// Hands attempts that no row refers to over for deletion.
        51 => GiveUpAttempts(GiveUpAttempts),
        /// Notes that something speaks against a copy.
        52 => MarkSuspect(MarkSuspect),
        /// Notes that a suspect copy was verified.
        53 => ClearSuspect(ClearSuspect),
        /// Removes a copy where enough good ones remain.
        54 => RemoveReplica(RemoveReplica),
        /// Notes that attempts were deleted from a backend.
        55 => ConfirmDeleted(ConfirmDeleted),
        /// Walks on over dead content.
        56 => Release(Release),

        /// Enters a backend.
        60 => AttachBackend(AttachBackend),
        /// Lets an attached backend take replicas.
        61 => ActivateBackend(ActivateBackend),
        /// Drains a backend, takes that back, or removes it.
        62 => SetBackendState(SetBackendState),

        /// Enters a version of a bucket key.
        70 => PutBucketKey(PutBucketKey),
        /// Proves that the session's node can unwrap a key version.
        71 => ProveKey(ProveKey),
        /// Lets a key version wrap new blobs.
        72 => ActivateKey(ActivateKey),
        /// Notes where the keyring was written.
        73 => RecordKeyring(RecordKeyring),
    }
}

impl Command {
    /// The name in metrics, logs and rejections.
    pub const fn name(&self) -> &'static str {
        match self {
            Command::RegisterNode(_) => "RegisterNode",
            Command::RemoveNode(_) => "RemoveNode",
            Command::ProposeSettings(_) => "ProposeSettings",
            Command::DismissIncident(_) => "DismissIncident",
            Command::CloseSession(_) => "CloseSession",
            Command::SealSession(_) => "SealSession",
            Command::Settle(_) => "Settle",
            Command::OpenEpoch(_) => "OpenEpoch",
            Command::CloseEpoch(_) => "CloseEpoch",
            Command::SealEpoch(_) => "SealEpoch",
            Command::RecordSweep(_) => "RecordSweep",
            Command::CreateBucket(_) => "CreateBucket",
            Command::DeleteBucket(_) => "DeleteBucket",
            Command::SetVersioning(_) => "SetVersioning",
            Command::CommitObject(_) => "CommitObject",
            Command::DeleteObjects(_) => "DeleteObjects",
            Command::CopyReference(_) => "CopyReference",
            Command::CreateUpload(_) => "CreateUpload",
            Command::CommitPart(_) => "CommitPart",
            Command::CompleteUpload(_) => "CompleteUpload",
            Command::AbortUpload(_) => "AbortUpload",
            Command::ExpireCompletions(_) => "ExpireCompletions",
            Command::AddReplica(_) => "AddReplica",
            Command::GiveUpAttempts(_) => "GiveUpAttempts",
            Command::MarkSuspect(_) => "MarkSuspect",
            Command::ClearSuspect(_) => "ClearSuspect",
            Command::RemoveReplica(_) => "RemoveReplica",
            Command::ConfirmDeleted(_) => "ConfirmDeleted",
            Command::Release(_) => "Release",
            Command::AttachBackend(_) => "AttachBackend",
            Command::ActivateBackend(_) => "ActivateBackend",
            Command::SetBackendState(_) => "SetBackendState",
            Command::PutBucketKey(_) => "PutBucketKey",
            Command::ProveKey(_) => "ProveKey",
            Command::ActivateKey(_) => "ActivateKey",
            Command::RecordKeyring(_) => "RecordKeyring",
        }
    }

    /// All attempts that the command names as its own. If it is rejected, these go into `garbage` in the
    /// same apply. Those of a Settle belong to another number and are not among them.
    pub fn attempts(&self) -> Vec<BlobAttempt> {
        match self {
            Command::CommitObject(commit) => commit.written.attempts(),
            Command::CommitPart(commit) => commit.written.attempts(),
            Command::AddReplica(add) => vec![add.replica.attempt(add.blob, add.stored)],
            Command::GiveUpAttempts(give_up) => give_up.attempts.clone(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
