//! Questions to the state: pure functions over a view of the tables.
//!
//! The view decides the moment: a query over a snapshot taken after a read barrier is linearizable, and the
//! answers of several queries over one view fit together. No query reads more rows than it returns, but for
//! a constant number and, in listings, one seek per common prefix.

mod backends;
mod blobs;
mod buckets;
mod cluster;
mod content;
mod digest;
mod encryption;
mod epochs;
mod listing;
mod manifest_part;
mod objects;
mod queues;
mod sessions;
mod uploads;
mod versions_listing;

pub use backends::{backend, backend_by_name, backend_counters, backends};
pub use blobs::{AttemptState, attempt_state, blob, blobs_after, manifest};
pub use buckets::{bucket, bucket_by_name, bucket_counters, buckets_after};
pub use cluster::{
    clock, counters, identity, incarnation, incidents, node, node_by_name, nodes, revision, settings,
};
pub use content::{PieceSpan, resolve};
pub use digest::{StateDigest, state_digest};
pub use encryption::{bucket_keys, key_version, keyring, wrapped_blobs};
pub use epochs::{EpochState, epoch, epoch_state, epochs, epochs_of, sweep_targets};
pub use listing::{ListEntry, ListPage, ListQuery, ListStart, list_objects};
pub use manifest_part::{ManifestPart, has_due_completion, manifest_part};
pub use objects::{Lookup, current, lookup};
pub use queues::{garbage, release, release_row, work};
pub use sessions::{outcome, session, sessions};
pub use uploads::{
    UploadEntry, UploadPage, UploadStart, UploadsQuery, completion, list_parts, list_uploads, part, upload,
};
pub use versions_listing::{VersionListEntry, VersionPage, VersionStart, VersionsQuery, list_versions};

#[cfg(test)]
mod tests;
