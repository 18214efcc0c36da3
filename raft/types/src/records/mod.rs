//! What the rows hold. Passive data: what changes them, and when, stands in `raft-machine`.

mod backend;
mod blob;
mod bucket;
mod cluster;
mod encryption;
mod incident;
mod node;
mod object;
mod queue;
mod session;
mod upload;

pub use backend::{BackendCounters, BackendNameRecord, BackendRecord, BackendState};
pub use blob::{
    BlobContent, BlobRecord, Frame, ManifestRecord, Replica, ReplicaState, Sealing, Suite, WrapRecord,
};
pub use bucket::{BucketCounters, BucketNameRecord, BucketRecord, Versioning};
pub use cluster::{ClockRecord, CountersRecord, Identity, IncarnationRecord, RevisionRecord};
pub use encryption::{KeyRecord, KeyState, KeyringRecord};
pub use incident::{IncidentKind, IncidentRecord};
pub use node::{NodeNameRecord, NodeRecord, SettingsRecord};
pub use object::{
    Content, DeleteMarker, MetadataPair, NullVersionRecord, ObjectRecord, Piece, Pieces, SystemHeaders,
    VersionEntry, VersionName,
};
pub use queue::{
    BlobList, DeadUpload, DeathCause, GarbageRecord, PendingAttempt, ReleaseRecord, ReleaseSubject, WorkKind,
    WorkRecord,
};
pub use session::{Closing, EpochRecord, Seal, SealCause, SessionRecord, Sweep, SweepPass};
pub use upload::{CompletionDueRecord, CompletionRecord, PartRecord, UploadRecord};
