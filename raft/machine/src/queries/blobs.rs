//! Blobs and the attempts to write them.

use raft_types::keys::{BlobKey, KeyRange, ManifestKey, Table};
use raft_types::records::{BlobRecord, ManifestRecord, ReplicaState};
use raft_types::{AttemptAddress, BlobId, UploadId};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// What the state knows of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// A blob row holds it as present or suspect. Its bytes must stay.
    Live,
    /// It is in `garbage`: its bytes go, and stay counted until that is confirmed.
    Garbage,
    /// No row refers to it. In a sealed epoch that is final, so its bytes may be deleted.
    Unknown,
}

/// A blob.
pub fn blob(tables: &impl ReadTables, blob: BlobId) -> Result<Option<BlobRecord>, Fault> {
    rows::get(tables, &BlobKey { blob })
}

/// At most `limit` blobs after `after`, in the order of their ids: the step of a walk.
pub fn blobs_after(
    tables: &impl ReadTables,
    after: Option<BlobId>,
    limit: usize,
) -> Result<Vec<(BlobId, BlobRecord)>, Fault> {
    let after = after.map(|blob| BlobKey { blob });
    let rows = rows::page(tables, &KeyRange::of_table(Table::Blobs), after.as_ref(), limit)?;
    Ok(rows.into_iter().map(|(key, record)| (key.blob, record)).collect())
}

/// A manifest.
pub fn manifest(tables: &impl ReadTables, manifest: UploadId) -> Result<Option<ManifestRecord>, Fault> {
    rows::get(tables, &ManifestKey { manifest })
}

/// What the state knows of an attempt: one lookup, since the blob's row holds the dying ones too.
pub fn attempt_state(
    tables: &impl ReadTables,
    blob: BlobId,
    address: &AttemptAddress,
) -> Result<AttemptState, Fault> {
    let state = rows::get(tables, &BlobKey { blob })?
        .and_then(|record| record.replica(address).map(|replica| replica.state));
    Ok(match state {
        Some(ReplicaState::Present | ReplicaState::Suspect) => AttemptState::Live,
        Some(ReplicaState::Removing) => AttemptState::Garbage,
        None => AttemptState::Unknown,
    })
}
