//! Replacing the state by a snapshot.

use std::path::Path;

use super::files;
use super::handle::{SnapshotHandle, Verify};
use super::store::SnapshotStore;
use crate::consensus::LogId;
use crate::directory::files as durable;
use crate::error::Error;
use crate::state::{Generation, StateStore, write_pointer};

/// Why a snapshot was not installed. The state is as it was before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("the snapshot is not whole: {0}")]
    Invalid(#[from] super::handle::InvalidSnapshot),
    #[error("the snapshot covers {found}, but {expected} was announced")]
    OtherIndex { found: String, expected: String },
    #[error("the snapshot belongs to cluster {found}, this node to {expected}")]
    OtherCluster { found: String, expected: String },
    #[error("the snapshot's state cannot be read: {0}")]
    Damage(#[from] crate::error::Damage),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl SnapshotStore {
    /// Installs `snapshot`, which must cover the entries to `last`.
    pub(crate) fn install(
        &self,
        store: &StateStore,
        last: Option<LogId>,
        snapshot: &SnapshotHandle,
    ) -> Result<(), InstallError> {
        let ours = self.owns(snapshot);
        snapshot.verify(if ours { Verify::Lengths } else { Verify::Contents })?;
        self.check(store, last, snapshot)?;
        let published = if ours {
            snapshot.clone()
        } else {
            self.adopt(snapshot)?
        };

        let number = store.generation().number() + 1;
        let path = Generation::path(store.folder(), number);
        durable::remove_directory(&path).map_err(Error::io("remove", &path))?;
        materialize(&published, &path).map_err(Error::io("write", &path))?;
        let next = Generation::open(store.folder(), number)?;
        let state = next.applied()?;
        expect_index(state.applied, last)?;

        write_pointer(store.folder(), number)?;
        store.switch(next, state.index());
        store.metrics.snapshots_installed.increment(1);
        store.metrics.snapshot_index.set(state.index() as f64);
        tracing::info!(index = state.index(), generation = number, "installed a snapshot");
        Ok(())
    }

    /// Compares what the snapshot holds with what was announced, and with this node.
    fn check(
        &self,
        store: &StateStore,
        last: Option<LogId>,
        snapshot: &SnapshotHandle,
    ) -> Result<(), InstallError> {
        expect_index(snapshot.last(), last)?;
        let inside = Generation::inspect(snapshot.path())?;
        // Opening left notes behind; the manifest does not name them.
        files::database_files(snapshot.path()).map_err(Error::io("read", snapshot.path()))?;
        expect_index(inside.state.applied, last)?;
        if let (Some(found), Some(expected)) = (inside.cluster_id, store.generation().cluster_id()?)
            && found != expected
        {
            return Err(InstallError::OtherCluster {
                found: hex::encode(found),
                expected: hex::encode(expected),
            });
        }
        Ok(())
    }

    /// Publishes a snapshot that came from elsewhere.
    fn adopt(&self, snapshot: &SnapshotHandle) -> Result<SnapshotHandle, Error> {
        let temporary = self.temporary()?;
        let names = snapshot.manifest().files.iter().map(|file| file.name.as_str());
        files::clone_into(snapshot.path(), &temporary, names)
            .map_err(Error::io("write", &temporary))
            .and_then(|()| self.publish(&temporary, snapshot.manifest().clone()))
            .inspect_err(|_| {
                // The error that is reported is the first one.
                let _ = durable::remove_directory(&temporary);
            })
    }
}

/// Makes a database folder of a snapshot, complete and durable.
fn materialize(snapshot: &SnapshotHandle, path: &Path) -> std::io::Result<()> {
    let names = || snapshot.manifest().files.iter().map(|file| file.name.as_str());
    files::clone_into(snapshot.path(), path, names())?;
    files::sync_all(path, names())?;
    durable::sync_parent(path)
}

fn expect_index(found: Option<LogId>, expected: Option<LogId>) -> Result<(), InstallError> {
    if found == expected {
        return Ok(());
    }
    let text = |id: Option<LogId>| id.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
    Err(InstallError::OtherIndex {
        found: text(found),
        expected: text(expected),
    })
}
